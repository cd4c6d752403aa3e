# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The board: what it tells of which panels, and when."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from io import StringIO
from typing import Any

import pytest

from tests.unit.controlled import daemon_status, handler_status
from tests.unit.rig import log_lines
from wazo_busd.board import Board, board
from wazo_busd.http.page import Page
from wazo_busd.panel import Panel, Row, Total
from wazo_busd.settlement import Counts
from wazo_busd.status import DaemonStatus, State


class Host:
    """A daemon that a test changes, and its board."""

    def __init__(self) -> None:
        self.status: DaemonStatus = daemon_status()
        self.board = Board(lambda: self.status, every_seconds=0.0)
        self.asked = 0

    def show(self, handler: str, *panels: Panel) -> None:
        def shown() -> Iterator[Panel]:
            self.asked += 1
            return iter(panels)

        self.board.panels(handler).show(shown)

    async def read(self) -> AsyncIterator[bytes]:
        begun = await self.board.streams(in_full=False)['/board/updates']({})
        assert not isinstance(begun, Page)
        return begun


@pytest.fixture
def host() -> Host:
    return Host()


async def next_of(updates: AsyncIterator[bytes]) -> dict[str, Any]:
    kind, data = (await anext(updates)).decode().removeprefix('retry: 1000\n\n').split('\n')[:2]
    told: dict[str, Any] = json.loads(data.removeprefix('data: '))
    return told if kind == 'event: board' else {'kind': kind}


async def first(host: Host) -> dict[str, Any]:
    return await next_of(await host.read())


def panel(title: str, place: int = 50, *rows: Row) -> Panel:
    return Panel(title, ('name', 'value'), rows, place=place)


async def test_all_is_told_first_in_the_order_of_the_places(host: Host) -> None:
    host.show('a', panel('Late', 60))
    host.show('b', panel('Early', 10), panel('Between'))
    told = await first(host)

    assert told['order'] == ['', 'b/0', 'b/1', 'a/0', '/handlers']
    assert [told['parts'][key].get('title') for key in told['order']] == [None, 'Early', 'Between', 'Late', 'Handlers']


async def test_then_only_what_has_changed_is_told(host: Host) -> None:
    host.show('a', panel('Same'))
    updates = await host.read()
    await next_of(updates)

    host.show('b', panel('New'))

    assert list((await next_of(updates))['parts']) == ['b/0']


async def test_what_is_gone_is_out_of_the_order(host: Host) -> None:
    host.show('a', panel('A'))
    updates = await host.read()
    await next_of(updates)

    host.board.forget('a')

    assert (await next_of(updates))['order'] == ['', '/handlers']


async def test_while_nothing_changes_a_word_is_said_now_and_then(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board, '_QUIET_SECONDS', 0.01)
    updates = await host.read()
    await next_of(updates)

    assert await next_of(updates) == {'kind': 'event: still'}


async def test_nothing_is_asked_of_handlers_while_nobody_looks(host: Host) -> None:
    host.show('a', panel('A'))
    assert host.asked == 0

    await first(host)

    assert host.asked == 1


async def test_however_many_look_it_is_collected_once() -> None:
    host = Host()
    host.board = Board(lambda: host.status, every_seconds=60.0)
    host.show('a', panel('A'))

    told = [await first(host) for _ in range(3)]

    assert (host.asked, told[0] == told[2]) == (1, True)


async def test_a_panel_that_fails_is_told_once_and_the_others_are_shown(host: Host, log: StringIO) -> None:
    def failing() -> Iterator[Panel]:
        raise RuntimeError('a mistake')

    host.board.panels('bad').show(failing)
    host.show('good', panel('Good'))
    updates = await host.read()
    told = await next_of(updates)
    host.show('more', panel('More'))
    await next_of(updates)

    assert [told['parts'][key]['title'] for key in ('bad/0', 'good/0')] == ['bad', 'Good']
    assert [line['handler'] for line in log_lines(log, 'panels_failed')] == ['bad']


async def test_without_a_tracker_it_says_which_to_add(host: Host) -> None:
    hint = (await first(host))['parts']['']['hint']
    host.show('calls', panel('Calls'))

    assert ('calls: {plugin: calls}' in hint, (await first(host))['parts']['']['hint']) == (True, '')


async def test_what_a_plugin_says_in_its_own_words_is_not_shown(host: Host) -> None:
    host.status = daemon_status(handler_status(State.BROKEN, 'a secret'), handler_status(State.STOPPED, 'a secret'))

    assert 'a secret' not in json.dumps(await first(host))


async def test_handlers_in_trouble_come_first(host: Host) -> None:
    host.status = daemon_status(
        handler_status(name='a'), handler_status(State.RESTING, name='b'), handler_status(State.REFUSED, name='c')
    )
    rows = (await first(host))['parts']['/handlers']['rows']

    assert [row[:3] for row in rows] == [['bad', 'c', 'refused'], ['busy', 'b', 'resting'], ['good', 'a', 'consuming']]


async def test_who_rests_is_named(host: Host) -> None:
    host.status = daemon_status(handler_status(State.RESTING, name='b'), handler_status(name='a'))

    assert (await first(host))['parts']['']['resting'] == ['b']


async def test_a_reader_can_leave_at_any_time(host: Host) -> None:
    updates = await host.read()
    await next_of(updates)

    await updates.aclose()  # type: ignore[attr-defined]

    assert (await first(host))['order'] == ['', '/handlers']


async def test_cells_are_plain(host: Host) -> None:
    host.show('a', Panel('A', ('x',), [Row((None,), 'bad')], [Total('t', 1.5, 'good')], since=12.7, more=3))
    told = (await first(host))['parts']['a/0']

    assert (told['rows'], told['totals'], told['since'], told['more']) == ([['bad', None]], [['t', 1.5, 'good']], 13, 3)


async def test_the_rates_are_those_of_the_handlers(host: Host) -> None:
    host.status = daemon_status(handler_status(counts=Counts(received=5)))

    assert (await first(host))['parts']['']['rate'] is None


# ---- the files


@pytest.mark.parametrize('path', ['/board', '/board/board.css', '/board/board.js', '/board/icon.svg'])
async def test_every_file_forbids_what_it_does_not_need(host: Host, path: str) -> None:
    page = await host.board.pages()[path]()
    policy = page.headers['Content-Security-Policy']

    assert ("default-src 'none'" in policy, 'unsafe' in policy, page.status) == (True, False, 200)


async def test_the_page_loads_nothing_but_what_is_beside_it(host: Host) -> None:
    texts = [(await each()).body.decode() for each in host.board.pages().values()]

    assert [text for text in texts if '://' in text.replace('http://www.w3.org/2000/svg', '')] == []
    assert [word for word in ('innerHTML', 'outerHTML', 'insertAdjacentHTML', 'eval(') if word in ''.join(texts)] == []
