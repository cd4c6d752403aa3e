# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The pages of the handlers say what the code does, and their examples work."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from tests.docs.handler_pages import PAGES, options_of, table, with_table
from wazo_busd import roster
from wazo_busd.api import BaseOptions, Duration, Network, PlainText, Size
from wazo_busd.config import load

BLOCKS = [
    pytest.param(page, block, id=f'{page.stem}-{number}')
    for page in PAGES
    for number, block in enumerate(re.findall(r'```yaml\n(.*?)```', page.read_text(), re.DOTALL))
]

every_page = pytest.mark.parametrize('page', PAGES, ids=lambda page: page.stem)


@every_page
def test_its_table_of_options_is_that_of_the_code(page: Path) -> None:
    text = page.read_text()

    assert text == with_table(text, options_of(page)), 'python -m tests.docs.handler_pages writes it anew'


@every_page
def test_it_begins_with_an_example_of_five_lines(page: Path) -> None:
    first = re.search(r'```yaml\n(.*?)```', page.read_text(), re.DOTALL)

    assert first
    assert 0 < len(first[1].splitlines()) <= 5


@every_page
@pytest.mark.parametrize('word', ['tried again', 'dead', 'dropped'])
def test_it_says_what_becomes_of_events(page: Path, word: str) -> None:
    rows = re.findall(r'^\|.*\|$', page.read_text().partition('\n## What becomes of an event\n')[2], re.MULTILINE)

    assert [row for row in rows if word in row] != []


@pytest.mark.parametrize(('page', 'block'), BLOCKS)
def test_every_configuration_that_it_shows_is_right(page: Path, block: str, tmp_path: Path) -> None:
    # Secrets are on the host that they are for.
    (tmp_path / 'config.yml').write_text(re.sub(r'\$\{(file|credential):[^}]*\}', 'secret', block))
    configuration = load(tmp_path / 'config.yml')

    assert (configuration.problems, roster.call(configuration).problems) == ((), [])


# ---- the table


class Inner(BaseOptions):
    """A part.

    Attributes:
        size: how much
            there is.
    """

    size: Size = 5


class Options(BaseOptions):
    """All kinds of options.

    Attributes:
        text: a text.
        kind: one | other.
        wait: a duration.
        often: a number.
        names: some.
        near: where.
        inner: a part.
        on: whether.
    """

    text: PlainText
    kind: Literal['a', 'b'] = 'a'
    wait: Annotated[Duration, Field(ge=0.1, le=300.0)] = 90.0
    often: int = Field(default=1, gt=0)
    names: dict[str, PlainText] = Field(default_factory=dict)
    near: tuple[Network, ...] = ()
    inner: Inner | None = None
    on: bool = False


def test_a_table_has_all_options_with_what_they_are_and_mean() -> None:
    assert table(Options).splitlines()[2:] == [
        '| `text` | text, plain | required | a text. |',
        '| `kind` | `a`, `b` | `a` | one \\| other. |',
        '| `wait` | duration from 100ms to 5m | `90s` | a duration. |',
        '| `often` | number more than 0 | `1` | a number. |',
        '| `names` | map of text, plain | none | some. |',
        '| `near` | list of network | none | where. |',
        '| `inner` | map, see below | none | a part. |',
        '| `inner.size` | size | `5` | how much there is. |',
        '| `on` | `true` or `false` | `false` | whether. |',
    ]


def test_an_option_that_is_not_described_is_an_error() -> None:
    class Silent(BaseModel):
        url: str

    with pytest.raises(KeyError, match='url'):
        table(Silent)


@pytest.mark.parametrize('text', ['', '<!-- options -->', 'x <!-- end -->'])
def test_a_page_without_a_place_for_its_table_is_an_error(text: str) -> None:
    with pytest.raises(LookupError):
        with_table(text, Options)


def test_a_table_that_is_stale_is_found() -> None:
    stale: Any = '<!-- options -->\n| option |\n<!-- end -->'

    assert with_table(stale, Options) != stale
