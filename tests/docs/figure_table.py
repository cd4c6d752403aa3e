# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The tables of figures in `docs/metrics.md`, made from the code.

    python -m tests.docs.figure_table

writes them anew: between a comment `<!-- figures WHOSE, … -->` and the next `<!-- end -->`. Whose they are is `daemon`,
`process`, or the name of a plugin.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, ProcessCollector

from tests.contribs.figures import before
from wazo_busd.figure import Figure

PAGE = Path(__file__).parents[2] / 'docs' / 'metrics.md'

_TABLE = re.compile(r'(<!-- figures (\w+)\b[^>]*-->\n).*?(<!-- end -->)', re.DOTALL)
_OF_ALL = 'wazo_busd_tracker_since_seconds'
"""Every tracker has it."""


def with_tables(text: str) -> str:
    """The page with its tables as they must be.

    Args:
        text: the page as it is.

    Raises:
        LookupError: it has no place for the figures of somebody, or one for somebody who has none.
    """
    figures = by_owner()
    places = [whose for _, whose, _ in _TABLE.findall(text)]
    if sorted(places) != sorted(figures):
        raise LookupError(f'the page has tables of {sorted(places)}, and there are {sorted(figures)}')
    return _TABLE.sub(lambda found: f'{found[1]}{table(figures[found[2]])}{found[3]}', text)


def by_owner() -> dict[str, list[Figure]]:
    """All figures, by whose they are."""
    shown = before()
    trackers = {name: figures for name, figures in shown.items() if name not in ('', 'metrics')}
    since = next(each for figures in trackers.values() for each in figures if each.name == _OF_ALL)
    return {
        'daemon': shown[''],
        'trackers': [since],
        'metrics': shown['metrics'],
        **{name: [each for each in figures if each.name != _OF_ALL] for name, figures in trackers.items()},
        'process': list(_of_process()),
    }


def table(figures: Iterable[Figure]) -> str:
    """Figures as a table in Markdown."""
    rows = [
        f'| `{each.name}` | {each.kind} | {", ".join(f"`{label}`" for label in each.labels)} | {each.meaning} |\n'
        for each in figures
    ]
    return '| figure | is a | labels | meaning |\n|---|---|---|---|\n' + ''.join(rows)


def _of_process() -> Iterator[Figure]:
    for family in ProcessCollector(registry=CollectorRegistry()).collect():
        kind = 'counter' if family.type == 'counter' else 'gauge'
        name = f'{family.name}_total' if kind == 'counter' else family.name
        yield Figure(name, family.documentation, 'counter' if kind == 'counter' else 'gauge')


def main() -> None:
    """Write the tables anew."""
    PAGE.write_text(with_tables(PAGE.read_text()))


if __name__ == '__main__':
    main()
