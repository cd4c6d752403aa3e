# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The context: what a plugin gets besides the event."""

from __future__ import annotations

import asyncio
import threading
from io import StringIO
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.unit.rig import log_lines, make_context, make_work, patiently, turn
from wazo_busd.context import Context
from wazo_busd.errors import BusError
from wazo_busd.event import Event
from wazo_busd.fact import Fact
from wazo_busd.http import SharedSession
from wazo_busd.route import Route
from wazo_busd.work import Work, current_work


class Emissions:
    """Keeps what is emitted; confirms it when it is told to."""

    def __init__(self) -> None:
        self.emitted: list[tuple[str, Any, str | None, Work | Fact | None]] = []
        self.confirmed = asyncio.Event()
        self.came = asyncio.Event()
        self.error: Exception | None = None

    async def emit(self, name: str, data: Any, routing_key: str | None, work: Work | Fact | None) -> None:
        self.emitted.append((name, data, routing_key, work))
        self.came.set()
        await self.confirmed.wait()
        if self.error is not None:
            raise self.error


@pytest.fixture
def emissions() -> Emissions:
    """What is emitted, confirmed at once."""
    made = Emissions()
    made.confirmed.set()
    return made


# ---- emit from async methods


async def test_an_emitted_event_is_published_with_what_it_says(emissions: Emissions) -> None:
    await make_context(emit=emissions.emit).emit('busd.call.missed', {'call_id': '1'})

    assert emissions.emitted == [('busd.call.missed', {'call_id': '1'}, None, None)]


async def test_an_emitted_event_can_have_a_routing_key_of_its_own(emissions: Emissions) -> None:
    await make_context(emit=emissions.emit).emit('busd.call.missed', None, routing_key='busd.call.missed.1')

    assert emissions.emitted[0][2] == 'busd.call.missed.1'


async def test_emit_is_done_when_the_broker_has_confirmed() -> None:
    # Given a broker that takes its time
    emissions = Emissions()
    emitting = asyncio.ensure_future(make_context(emit=emissions.emit).emit('busd.call.missed', None))
    await patiently(emissions.came.wait())
    await turn()
    done_before = emitting.done()

    # When it confirms
    emissions.confirmed.set()
    await patiently(emitting)

    # Then, and not before, emit is done
    assert not done_before


async def test_what_the_broker_refuses_is_raised(emissions: Emissions) -> None:
    emissions.error = BusError('no such exchange')

    with pytest.raises(BusError, match='no such exchange'):
        await make_context(emit=emissions.emit).emit('busd.call.missed', None)


async def test_the_work_that_causes_an_event_is_that_of_the_task(emissions: Emissions) -> None:
    work = make_work()
    current_work.set(work)

    await make_context(emit=emissions.emit).emit('busd.call.missed', None)

    assert emissions.emitted[0][3] is work


@pytest.mark.parametrize('name', ['call_missed', '', 'busd', 'Busd.call', 'xbusd.call', ' busd.call'])
async def test_a_name_that_does_not_begin_with_busd_is_refused(emissions: Emissions, name: str) -> None:
    with pytest.raises(ValueError, match=r'a derived event is called busd\.'):
        await make_context(emit=emissions.emit).emit(name, None)


async def test_a_name_is_refused_even_where_nobody_awaits(emissions: Emissions) -> None:
    with pytest.raises(ValueError, match=r'a derived event is called busd\.'):
        make_context(emit=emissions.emit).emit('call_missed', None)


# ---- emit from plain methods


async def test_in_a_thread_an_event_is_emitted_by_calling(emissions: Emissions) -> None:
    context = make_context(emit=emissions.emit)

    await asyncio.to_thread(context.emit, 'busd.call.missed', 1, routing_key='busd.x')

    assert emissions.emitted == [('busd.call.missed', 1, 'busd.x', None)]


async def test_in_a_thread_the_call_returns_when_the_broker_has_confirmed() -> None:
    # Given a plain method that emits, and a broker that takes its time
    emissions = Emissions()
    context = make_context(emit=emissions.emit)
    returned = threading.Event()

    def ring() -> None:
        context.emit('busd.call.missed', None)
        returned.set()

    ringing = asyncio.create_task(asyncio.to_thread(ring))
    await patiently(emissions.came.wait())
    returned_before = returned.is_set()

    # When it confirms
    emissions.confirmed.set()
    await patiently(ringing)

    # Then, and not before, the call has returned
    assert (returned_before, returned.is_set()) == (False, True)


async def test_what_a_call_in_a_thread_gives_can_be_awaited_all_the_same(emissions: Emissions) -> None:
    # Given a plain method that hands on what emit gives
    context = make_context(emit=emissions.emit)
    given = await asyncio.to_thread(context.emit, 'busd.call.missed', None)

    # When somebody awaits that
    await given

    # Then nothing is emitted a second time
    assert len(emissions.emitted) == 1


async def test_in_a_thread_what_the_broker_refuses_is_raised(emissions: Emissions) -> None:
    emissions.error = BusError('no such exchange')
    context = make_context(emit=emissions.emit)

    with pytest.raises(BusError, match='no such exchange'):
        await asyncio.to_thread(context.emit, 'busd.call.missed', None)


async def test_in_a_thread_the_work_that_causes_an_event_is_that_of_the_caller(emissions: Emissions) -> None:
    work = make_work()
    current_work.set(work)
    context = make_context(emit=emissions.emit)

    await asyncio.to_thread(context.emit, 'busd.call.missed', None)

    assert emissions.emitted[0][3] is work


async def test_in_a_thread_a_name_that_does_not_begin_with_busd_is_refused(emissions: Emissions) -> None:
    context = make_context(emit=emissions.emit)

    with pytest.raises(ValueError, match=r'a derived event is called busd\.'):
        await asyncio.to_thread(context.emit, 'call_missed', None)


# ---- what else it has


async def test_the_state_directory_is_not_made_before_it_is_asked_for(tmp_path: Path) -> None:
    make_context(state_dir=tmp_path / 'handlers' / 'test')

    assert not (tmp_path / 'handlers').exists()


async def test_the_state_directory_is_made_when_it_is_asked_for(tmp_path: Path) -> None:
    found = make_context(state_dir=tmp_path / 'handlers' / 'test').state_dir

    assert (found, found.is_dir()) == (tmp_path / 'handlers' / 'test', True)


async def test_the_state_directory_is_not_for_everybody(tmp_path: Path) -> None:
    assert make_context(state_dir=tmp_path / 'test').state_dir.stat().st_mode & 0o007 == 0


async def test_the_state_directory_keeps_what_is_in_it(tmp_path: Path) -> None:
    # Given a plugin that keeps a file
    context = make_context(state_dir=tmp_path / 'test')
    (context.state_dir / 'seen').write_text('1')

    # When the directory is asked for again
    found = context.state_dir

    # Then the file is there
    assert (found / 'seen').read_text() == '1'


async def test_the_http_session_is_the_one_that_is_shared() -> None:
    # Given two handlers that share a session
    shared = SharedSession()
    one, two = (Context('test', None, log=None, http=shared.get, emit=Emissions().emit, state_dir=Path()) for _ in '12')  # type: ignore[arg-type]

    # When both ask for it
    is_same = one.http is two.http
    await shared.close()

    # Then they get the same
    assert is_same


async def test_a_plugin_finds_the_name_of_the_handler_and_its_options() -> None:
    context = make_context('bell', options={'url': 'x'})

    assert (context.name, context.options) == ('bell', {'url': 'x'})


async def test_what_a_plugin_logs_names_its_handler(log: StringIO) -> None:
    make_context('bell').log.info('rang')

    assert log_lines(log, 'rang') == [{'level': 'INFO', 'handler': 'bell'}]


async def test_what_a_plugin_logs_names_the_event_it_is_at(log: StringIO) -> None:
    current_work.set(make_work(Event('call_ended'), handler='bell'))

    make_context('bell').log.info('rang')

    assert log_lines(log, 'rang') == [{'level': 'INFO', 'handler': 'bell', 'event_name': 'call_ended'}]


async def test_a_plugin_has_no_channel_and_no_acknowledgement_in_reach() -> None:
    public = {name for name in dir(make_context()) if not name.startswith('_')}

    assert public == {
        'concealed',
        'concurrency',
        'consuming_seconds',
        'emit',
        'guarded_http',
        'http',
        'log',
        'meter',
        'name',
        'options',
        'panels',
        'state_dir',
        'surroundings',
    }


# ---- guarded requests, and secrets


async def test_a_handler_gets_the_session_of_the_route_that_it_describes(tmp_path: Path) -> None:
    asked: list[Route] = []
    http = SharedSession()

    def guarded(route: Route) -> aiohttp.ClientSession:
        asked.append(route)
        return http.guarded(Route())

    context = _context(guarded=guarded)
    session = context.guarded_http(
        allow_networks=[ip_network('10.0.0.0/8')],
        ca_file=tmp_path / 'ca.pem',
        certificate_file=tmp_path / 'client.pem',
        key_file=tmp_path / 'client.key',
        proxy='http://proxy:3128',
        connections=2,
        total_seconds=60.0,
    )

    assert (session is http.guarded(Route()), asked) == (
        True,
        [
            Route(
                allow_networks=(ip_network('10.0.0.0/8'),),
                ca_file=tmp_path / 'ca.pem',
                certificate_file=tmp_path / 'client.pem',
                key_file=tmp_path / 'client.key',
                proxy='http://proxy:3128',
                connections=2,
                total_seconds=60.0,
            )
        ],
    )
    await http.close()


async def test_without_sessions_there_is_no_guarded_one() -> None:
    with pytest.raises(RuntimeError):
        _context().guarded_http()


async def test_what_the_configuration_has_from_files_is_concealed() -> None:
    context = _context(secrets={'hunter2', 'hunter2-and-more', 'abc', ''})

    assert context.concealed('hunter2-and-more, hunter2, abc') == '…, …, abc'


def _context(**more: Any) -> Context:
    return Context('test', None, log=None, http=SharedSession().get, emit=None, state_dir=Path('/'), **more)  # type: ignore[arg-type]
