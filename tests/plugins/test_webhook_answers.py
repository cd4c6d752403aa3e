# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`webhook`: what follows from what a server answers, or does instead."""

from __future__ import annotations

import asyncio
import base64
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from io import StringIO
from typing import Any

import pytest
from aiohttp import web

from plugins.webhook import Webhook
from tests.plugins.webserver import WebServer
from tests.unit.rig import Rig, log_lines, make_context, make_handler
from wazo_busd.breaker import BreakerState
from wazo_busd.http import SharedSession, is_outage
from wazo_busd.outcome import Outcome, Reason
from wazo_busd.testing import Outcomes, deliver, make_event

LOOPBACK = {'allow_networks': ['127.0.0.0/8', '::1']}
RETRIED = [408, 425, 429, 500, 502, 503, 504, 599]
DEAD = [300, 301, 302, 303, 304, 307, 308, 400, 401, 403, 404, 405, 409, 413, 415, 422, 451, 499]


async def send(url: str, times: int = 1, **options: Any) -> Outcomes:
    events = [make_event('call_created', {'call_id': str(number)}) for number in range(times)]
    return await deliver(Webhook, *events, options={'url': url, **LOOPBACK, **options})


async def reason(server: WebServer, **options: Any) -> Reason:
    """Why the event is dead."""
    (found,) = (await send(server.url, **options)).reasons
    return found


# ---- by status


@pytest.mark.parametrize('status', [200, 201, 202, 204, 299])
async def test_what_is_accepted_is_done(server: WebServer, status: int) -> None:
    server.answer(status)

    assert await send(server.url) == [Outcome.DONE]


@pytest.mark.parametrize('status', RETRIED)
async def test_a_server_that_is_busy_is_tried_again(server: WebServer, status: int) -> None:
    server.answer(status)

    assert await send(server.url) == [Outcome.RETRY]


@pytest.mark.parametrize('status', DEAD)
async def test_what_is_refused_is_dead_at_once(server: WebServer, status: int) -> None:
    server.answer(status)

    assert (await send(server.url), len(server.sent)) == ([Outcome.DEAD], 1)


@pytest.mark.parametrize('status', [301, 302, 307, 308])
async def test_a_redirection_is_not_followed(server: WebServer, status: int) -> None:
    server.answer(status, Location='/elsewhere')

    told = (await reason(server)).text

    assert (len(server.sent), 'redirections are not followed' in told, '/elsewhere' in told) == (1, True, True)


async def test_gone_is_dead_and_stops_the_handler(server: WebServer) -> None:
    server.answer(410, 'no more')

    found = await reason(server)

    assert (found.error, found.text) == ('Stop', '410 Gone\nno more')


# ---- Retry-After


@pytest.mark.parametrize('status', [429, 503])
async def test_a_server_is_left_alone_for_as_long_as_it_asks(server: WebServer, status: int) -> None:
    server.answer(status, Retry_After='120')

    (history,) = (await send(server.url)).retries

    assert 119 < history.due_at - history.first_at < 180


async def test_a_senseless_retry_after_is_none(server: WebServer) -> None:
    server.answer(503, Retry_After='soon')

    (history,) = (await send(server.url)).retries

    assert history.due_at - history.first_at < 60


# ---- what is told


async def test_the_reason_has_the_status_and_the_beginning_of_the_answer(server: WebServer) -> None:
    server.answer(400, 'the field "to" is missing')

    assert (await reason(server)).text == '400 Bad Request\nthe field "to" is missing'


async def test_the_answer_is_told_up_to_two_kilobytes(server: WebServer) -> None:
    server.answer(400, 'x' * 100_000)

    assert (await reason(server)).text == '400 Bad Request\n' + 'x' * 2048


async def test_control_characters_of_an_answer_are_escaped(server: WebServer) -> None:
    server.answer(400, 'a\r\nb\x1b[31m\u202e\x00')

    assert (await reason(server)).text == '400 Bad Request\na\\r\\nb\\x1b[31m\\u202e\\x00'


async def test_an_answer_in_no_known_letters_is_told_all_the_same(server: WebServer) -> None:
    server.answers = [web.Response(status=400, body=b'\xff\xfe!')]

    assert (await reason(server)).text == '400 Bad Request\n\ufffd\ufffd!'


async def test_a_bomb_in_an_answer_does_not_go_off(server: WebServer) -> None:
    answer = web.Response(status=400, body=bytes(10_000_000))
    answer.enable_compression(web.ContentCoding.gzip)
    server.answers = [answer]

    assert len((await reason(server)).text) < 20_000


async def test_the_last_answer_is_told_of_what_was_tried_too_often(server: WebServer) -> None:
    server.answer(503, 'closed for today')
    one = make_event('call_created', {}, attempt=10)

    outcomes = await deliver(Webhook, one, options={'url': server.url, **LOOPBACK})

    assert outcomes.reasons[0].text == '503 Service Unavailable\nclosed for today'


async def test_what_a_server_answers_is_not_logged(server: WebServer, log: StringIO) -> None:
    server.answer(400, 'Alice Martin called')
    server.answer(503, 'Alice Martin called')

    await send(server.url, 2)

    assert ('400 Bad Request' in log.getvalue(), 'Alice' in log.getvalue()) == (True, False)


SECRETS: dict[str, tuple[str, dict[str, Any]]] = {
    'a password': ('hunter-2"&', {'auth': {'username': 'wazo', 'password': 'hunter-2"&'}}),
    'basic authentication': (
        base64.b64encode(b'wazo:hunter-2').decode(),
        {'auth': {'username': 'wazo', 'password': 'hunter-2'}},
    ),
    'a token': ('abc.def', {'auth': {'bearer': 'abc.def'}}),
    'a signing secret': ('s3cret', {'signing_secret': 's3cret'}),
    'a token in a header': ('0123-4567', {'headers': {'X-Api-Key': '0123-4567'}}),
    'a token in the URL': ('PhXp3ZG63QyJfcb1pVOnBKJWIbI', {}),
}


@pytest.mark.parametrize('quoting', ['{}', '<b>{}</b>', 'xx{}', 'x' * 2040 + '{}'], ids=['bare', 'HTML', 'x', 'end'])
@pytest.mark.parametrize('kind', SECRETS)
async def test_an_answer_that_repeats_a_secret_of_ours_is_told_without(
    server: WebServer, kind: str, quoting: str
) -> None:
    # Given a server that answers with what only it and we should know
    secret, options = SECRETS[kind]
    server.answer(400, quoting.format(secret))

    # When it is sent an event
    (found,) = (await send(f'{server.url}/PhXp3ZG63QyJfcb1pVOnBKJWIbI', **options)).reasons

    # Then nobody reads it, nor a part of it
    assert secret[:8] not in found.text + found.traceback


@pytest.mark.parametrize('form', ['%22', '&quot;', '\\"'], ids=['URL', 'HTML', 'JSON'])
async def test_a_secret_is_taken_out_however_it_is_escaped(server: WebServer, form: str) -> None:
    server.answer(400, f'hunter{form}2')

    told = (await reason(server, auth={'username': 'wazo', 'password': 'hunter"2'})).text

    assert told == '400 Bad Request\n…'


async def test_an_error_of_the_network_does_not_tell_the_url(server: WebServer, unanswering: Unanswering) -> None:
    port = await unanswering(lambda reader, writer: _say(writer, b'nonsense\r\n\r\n'))

    (history,) = (await send(f'http://127.0.0.1:{port}/PhXp3ZG63QyJfcb1pVOnBKJWIbI')).retries

    assert ('no answer: ' in history.first_error, 'PhXp' in history.first_error) == (True, False)


# ---- servers that do not answer

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Unanswering = Callable[[Serve], Awaitable[int]]


@pytest.fixture
async def unanswering() -> AsyncIterator[Unanswering]:
    """Starts servers that do something else than to answer; gives their ports."""
    servers: list[asyncio.Server] = []
    connections: list[asyncio.Task[Any] | None] = []

    async def start(serve: Serve) -> int:
        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connections.append(asyncio.current_task())
            await serve(reader, writer)
            writer.close()
            await asyncio.wait([asyncio.ensure_future(writer.wait_closed())])

        servers.append(await asyncio.start_server(connected, '127.0.0.1', 0))
        port: int = servers[-1].sockets[0].getsockname()[1]
        return port

    yield start
    for server in servers:
        server.close()
    await asyncio.gather(*filter(None, connections))


async def _say(writer: asyncio.StreamWriter, what: bytes) -> None:
    writer.write(what)
    await writer.drain()


async def _reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b'\r\n\r\n')
    # An end that is no end: the other side gets a reset.
    writer.get_extra_info('socket').setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))


async def _end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b'\r\n\r\n')


async def _hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(-1)


async def _break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b'\r\n\r\n')
    await _say(writer, b'HTTP/1.1 500 Oops')


async def _talk_nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b'\r\n\r\n')
    await _say(writer, b'220 mail.example.org ESMTP\r\n')


@pytest.mark.parametrize('serve', [_reset, _end, _hang, _break_off, _talk_nonsense])
async def test_a_server_that_does_not_answer_is_tried_again(unanswering: Unanswering, serve: Serve) -> None:
    port = await unanswering(serve)

    assert await send(f'http://127.0.0.1:{port}/', answer_within=0.3) == [Outcome.RETRY]


async def test_an_answer_is_waited_for_longer_than_sessions_wait_by_themselves(
    server: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a session that gives up at once, and a server that takes longer
    monkeypatch.setattr('wazo_busd.http.guarded._TOTAL_SECONDS', 0.05)
    server.hold = asyncio.Event()
    asyncio.get_running_loop().call_later(0.3, server.hold.set)

    # When the handler is to wait
    outcomes = await send(server.url, answer_within='1m')

    # Then it does
    assert outcomes == [Outcome.DONE]


async def test_a_server_that_is_not_there_is_tried_again() -> None:
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))

        assert await send(f'http://127.0.0.1:{free.getsockname()[1]}/') == [Outcome.RETRY]


async def test_a_name_that_nobody_knows_is_tried_again() -> None:
    assert await send('http://nobody.invalid/') == [Outcome.RETRY]


@pytest.mark.parametrize('status', [b'200 OK', b'400 Bad Request'])
async def test_a_status_counts_though_its_body_breaks_off(unanswering: Unanswering, status: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b'\r\n\r\n')
        await _say(writer, b'HTTP/1.1 ' + status + b'\r\nContent-Length: 100\r\n\r\nbut')

    port = await unanswering(serve)

    expected = Outcome.DONE if status.startswith(b'2') else Outcome.DEAD
    assert await send(f'http://127.0.0.1:{port}/') == [expected]


async def test_a_status_counts_though_its_body_never_ends(
    unanswering: Unanswering, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('plugins.webhook.answer.READ_SECONDS', 0.05)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'HTTP/1.1 400 Bad Request\r\nContent-Length: 100\r\n\r\nthe field')
        await reader.read(-1)

    port = await unanswering(serve)

    (found,) = (await send(f'http://127.0.0.1:{port}/')).reasons
    assert found.text == '400 Bad Request\nthe field … TimeoutError'


async def test_what_cannot_be_a_request_is_dead() -> None:
    outcomes = await send('{% if attempt %}ftp{% else %}http{% endif %}://127.0.0.1/')

    assert (outcomes, 'no request can be made of it' in outcomes.reasons[0].text) == ([Outcome.DEAD], True)


async def test_a_name_of_a_private_address_is_tried_again_and_the_reason_says_what_would_allow_it(
    server: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a name that stands for an address that is not public
    async def resolve(self: object, host: str, port: int = 0, family: int = 0) -> list[dict[str, Any]]:
        return [{'hostname': host, 'host': '127.0.0.1', 'port': port, 'family': 0, 'proto': 0, 'flags': 0}]

    monkeypatch.setattr('aiohttp.ThreadedResolver.resolve', resolve)

    # When an event is sent there
    options = {'url': f'http://crm.example:{server.port}/'}
    outcomes = await deliver(Webhook, make_event('call_created'), options=options)

    # Then nothing arrives, and the reason names the address
    assert (outcomes, server.sent) == ([Outcome.RETRY], [])
    assert '127.0.0.1 is loopback; write allow_networks: ["127.0.0.1/32"]' in outcomes.retries[0].first_error


# ---- the handler

MakeRig = Callable[..., Awaitable[Rig]]


@pytest.fixture
async def make_rig(server: WebServer) -> AsyncIterator[MakeRig]:
    """Starts a handler that sends to the server, and gives a rig around it; all is ended afterwards."""
    http, rigs = SharedSession(), []

    async def make(**config: Any) -> Rig:
        handler = make_handler(Webhook, options={'url': server.url, **LOOPBACK}, **config)
        context = make_context(options=handler.options)
        context._guarded = http.guarded
        await handler.start(context)
        rigs.append(Rig(handler, is_outage=is_outage))
        return rigs[-1]

    yield make
    for rig in rigs:
        await rig.dispatcher.drain(0.0)
        await rig.dispatcher.handler.stop()
    await http.close()


async def test_repeated_outages_let_the_handler_rest(server: WebServer, make_rig: MakeRig) -> None:
    server.answer(503, times=5)
    rig = await make_rig(retry={'in_place': 0, 'backoff': '1h'})

    for number in range(5):
        rig.give(number)
    await rig.all_settled()

    assert rig.dispatcher.breaker.state is BreakerState.OPEN


async def test_of_a_server_that_is_gone_one_event_is_dead_and_the_others_wait(
    server: WebServer, make_rig: MakeRig, log: StringIO
) -> None:
    # Given a server that is gone
    server.answer(410, times=10)
    rig = await make_rig(concurrency=1)

    # When several events come
    deliveries = [rig.give(number) for number in range(5)]
    await rig.all_settled()

    # Then the first is dead, and the others wait in the queue
    assert ([each for each, _ in rig.settlements.dead], rig.settlements.given_back) == (deliveries[:1], deliveries[1:])
    assert log_lines(log, 'handler_stopped')[0]['reason'] == '410 Gone'


async def test_ten_failures_and_then_it_is_done(server: WebServer) -> None:
    server.answer(503, times=10)
    one = make_event('call_created', {})

    outcomes: list[Outcome] = []
    for _ in range(11):
        outcomes += await deliver(Webhook, one, options={'url': server.url, **LOOPBACK}, retry={'attempts': 20})
        one = one.next_try()

    assert outcomes == [Outcome.RETRY] * 10 + [Outcome.DONE]
