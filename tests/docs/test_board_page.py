# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What the page about the board says is so."""

from __future__ import annotations

import re
from pathlib import Path

from tests.unit.rig import make_context
from wazo_busd import roster
from wazo_busd.board import board
from wazo_busd.config import load
from wazo_busd.event import Event
from wazo_busd.loader import Loader

PAGE = (Path(__file__).parents[2] / 'docs' / 'board.md').read_text()
(CONFIG,) = re.findall(r'```yaml\n(.*?)```', PAGE, re.DOTALL)
(DOOR,) = re.findall(r'```python\n(.*?)```', PAGE, re.DOTALL)


def test_the_configuration_that_it_shows_is_right_and_what_the_board_itself_shows(tmp_path: Path) -> None:
    (tmp_path / 'config.yml').write_text(CONFIG)
    configuration = load(tmp_path / 'config.yml')

    assert (configuration.problems, roster.call(configuration).problems, CONFIG) == ((), [], board._HINT)


async def test_the_plugin_that_it_shows_has_a_panel(tmp_path: Path) -> None:
    (tmp_path / 'door.py').write_text(DOOR)
    (tmp_path / 'door.py').chmod(0o644)
    context = make_context('door')
    factory = Loader([tmp_path]).load('door').factory
    assert factory is not None
    plugin = factory(context)
    for _ in range(10):
        await plugin.count(Event('call_ended'))
    (panel,) = context.panels.now()

    assert [(row.cells, row.tone) for row in panel.rows] == [(('front', 10), 'busy')]


def test_every_panel_is_in_the_table() -> None:
    sources = [path.read_text() for path in (Path(__file__).parents[2] / 'plugins').rglob('board.py')]
    titles = [title for text in sources for title in re.findall(r"Panel\(\n\s+'([A-Z][a-z ]+)'", text)]

    assert len(titles) == 6
    assert [title for title in titles if f'| {title} |' not in PAGE] == []
