# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The dashboards are ones that any Grafana loads, and ask for figures that are there."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard
from pydantic import ValidationError

from tests.contribs.dashboards import Board, Panel, Values
from tests.contribs.exported import complaints, labels_of
from tests.contribs.query import parsed

COLUMNS = 24
FILES = sorted((Path(__file__).parents[2] / 'contribs' / 'grafana').glob('*.json'))
BOARDS = {path.stem: Board.model_validate_json(path.read_text()) for path in FILES}
PANELS = {
    f'{name}: {panel.title}': panel
    for name, board in BOARDS.items()
    for panel in board.panels
    if isinstance(panel, Panel)
}

every_file = pytest.mark.parametrize('path', FILES, ids=lambda each: each.stem)
every_board = pytest.mark.parametrize('board', BOARDS.values(), ids=BOARDS)
every_panel = pytest.mark.parametrize('panel', PANELS.values(), ids=PANELS)


def repeated(values: Iterator[Any]) -> list[Any]:
    return [value for value, count in Counter(values).items() if count > 1]


def dropped(said: Any, kept: Any, way: str = '') -> Iterator[str]:
    """What of a document is not in another one."""
    if isinstance(said, dict) and isinstance(kept, dict):
        for key, value in said.items():
            yield from dropped(value, kept.get(key, ...), f'{way}.{key}')
    elif isinstance(said, list) and isinstance(kept, list) and len(said) == len(kept):
        for number, (mine, other) in enumerate(zip(said, kept, strict=True)):
            yield from dropped(mine, other, f'{way}[{number}]')
    elif said != kept:
        yield way


@every_file
def test_grafana_knows_every_key(path: Path) -> None:
    register_default_plugins()
    said = json.loads(path.read_text())

    kept = json.loads(json.dumps(Dashboard.from_json(said), cls=JSONEncoder))

    assert list(dropped(said, kept)) == []


@every_file
def test_no_address_is_in_it(path: Path) -> None:
    assert re.findall(r'\w+://\S+', path.read_text()) == []


@every_board
def test_ids_of_panels_are_unique(board: Board) -> None:
    assert repeated(panel.id for panel in board.panels) == []


@every_file
def test_no_panel_shows_nought_where_nothing_is_known(path: Path) -> None:
    assert 'vector(' not in path.read_text()


@every_board
def test_titles_are_unique(board: Board) -> None:
    assert repeated(panel.title for panel in board.panels) == []


@every_board
def test_panels_stand_within_the_columns(board: Board) -> None:
    assert [each.title for each in board.panels if each.gridPos.x + each.gridPos.w > COLUMNS] == []


@every_board
def test_panels_do_not_overlap(board: Board) -> None:
    places = [panel.gridPos for panel in board.panels]
    taken = Counter((x, y) for p in places for x in range(p.x, p.x + p.w) for y in range(p.y, p.y + p.h))

    assert set(taken.values()) == {1}


@every_board
def test_panels_fill_the_columns(board: Board) -> None:
    places = [panel.gridPos for panel in board.panels]

    assert sum(p.w * p.h for p in places) == COLUMNS * max(p.y + p.h for p in places)


@every_board
def test_its_variables_ask_for_what_is_there(board: Board) -> None:
    queries = [each.query['query'] for each in board.templating.list if isinstance(each, Values)]

    # What values a label has is asked of any figure.
    assert [each for query in queries for each in complaints(parsed(query)) if 'counter' not in each] == []


@every_board
def test_it_asks_for_variables_that_it_has(board: Board) -> None:
    queries = [each.expr for panel in board.panels if isinstance(panel, Panel) for each in panel.targets]
    named = {name for query in queries for name in re.findall(r'\$\{?(\w+)', query) if not name.startswith('__')}

    assert named | {'datasource'} == {each.name for each in board.templating.list}


@every_panel
def test_a_panel_asks_for_what_is_there(panel: Panel) -> None:
    assert [each for target in panel.targets for each in complaints(parsed(target.expr))] == []


@every_panel
def test_a_panel_asks_of_the_hosts_that_are_chosen(panel: Panel) -> None:
    selectors = [each for target in panel.targets for each in parsed(target.expr).selectors]

    assert [each for each in selectors if not {'job', 'instance'} <= each.labels] == []


@every_panel
def test_a_panel_names_labels_that_it_has(panel: Panel) -> None:
    named = [
        (label, labels_of(parsed(each.expr)))
        for each in panel.targets
        for label in re.findall(r'\{\{(\w+)\}\}', each.legendFormat)
    ]

    assert [label for label, labels in named if label not in labels] == []


@every_panel
def test_queries_of_a_panel_have_letters_of_their_own(panel: Panel) -> None:
    assert repeated(each.refId for each in panel.targets) == []


def test_their_uids_differ() -> None:
    assert repeated(board.uid for board in BOARDS.values()) == []


@pytest.mark.parametrize('change', [{'id': 7}, {'schemaVersion': 16}, {'panel': []}, {'uid': None}])
def test_the_form_is_strict(change: dict[str, Any]) -> None:
    said = json.loads(FILES[0].read_text())

    with pytest.raises(ValidationError):
        Board.model_validate({**said, **change})
