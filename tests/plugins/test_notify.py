# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`notify`: what a service is sent, and what its answers mean."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from pydantic import ValidationError

from plugins.notify import Notify
from plugins.notify.options import Options
from plugins.notify.service import Service
from tests.plugins.chat import at_once, texts, url_of
from tests.plugins.webserver import Sent, WebServer
from tests.unit.rig import Rig, make_context, make_handler
from wazo_busd.event import Event
from wazo_busd.language import Destination
from wazo_busd.testing import Outcome, Outcomes, deliver, make_event

__all__ = ['at_once']


def event(name: str = 'Ann', number: str = '1') -> Event:
    return make_event('user_missed_call', {'caller_id_name': name, 'call_id': number})


async def send(server: WebServer, *events: Event, to: Any = None, handler: Any = None, **options: Any) -> Outcomes:
    server.answers = server.answers or []
    given = {
        'to': to or f'json://127.0.0.1:{server.port}/',
        'text': 'Missed call of {{ data.caller_id_name }}',
        **options,
    }
    return await deliver(Notify, *(events or (event(),)), options=given, **(handler or {}))


async def sent(server: WebServer, *events: Event, **options: Any) -> Sent:
    await send(server, *events, **options)
    (request,) = server.sent
    return request


async def test_an_event_is_done_with_when_the_service_accepts_the_message(server: WebServer) -> None:
    assert await send(server) == [Outcome.DONE]


async def test_title_and_text_are_made_of_the_event(server: WebServer) -> None:
    found = (await sent(server, title='Call of\n{{ data.caller_id_name }}')).json

    assert (found['title'], found['message']) == ('Call of Ann', 'Missed call of Ann')


@pytest.mark.parametrize('severity', ['info', 'success', 'warning', 'failure'])
async def test_a_service_is_told_how_bad_it_is(server: WebServer, severity: str) -> None:
    assert (await sent(server, severity=severity)).json['type'] == severity


async def test_messages_are_from_wazo_and_bring_no_pictures_of_others(
    server: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answer(200)

    found = list(texts((await sent(server, to=url_of('mattermost', server, monkeypatch))).json))

    assert ('Wazo' in found, [each for each in found if 'github' in each]) == (True, [])


async def test_a_burst_is_one_message_with_a_count(server: WebServer) -> None:
    text = '{{ burst.count }} missed calls, the last of {{ data.caller_id_name }}'

    outcomes = await send(server, event('Ann'), event('Bob'), event('Cy'), handler={'collapse': '30s'}, text=text)

    assert (outcomes, [each.json['message'] for each in server.sent]) == (
        [Outcome.DONE] * 4,
        ['3 missed calls, the last of Cy'],
    )


async def test_a_missing_field_is_a_dead_letter_that_names_it(server: WebServer) -> None:
    outcomes = await send(server, text='{{ data.nothing }}')

    assert (outcomes, server.sent, 'options.text' in outcomes.reasons[0].text) == ([Outcome.DEAD], [], True)


async def test_a_text_with_nothing_in_it_is_a_dead_letter(server: WebServer) -> None:
    outcomes = await send(server, text='{% if false %}x{% endif %}')

    assert outcomes.reasons[0].text == 'handler test, options.text: there is nothing in it'


async def test_a_long_name_is_cut_so_that_the_message_arrives(server: WebServer) -> None:
    found = (await sent(server, event('A' * 65_536), title='{{ data.caller_id_name }}')).json

    assert (found['title'], found['message']) == ('A' * 99 + '…', 'Missed call of ' + 'A' * 499 + '…')


async def test_a_long_name_in_a_burst_is_cut_too(server: WebServer) -> None:
    text = '{{ burst.first.data.caller_id_name }}'

    found = await sent(server, event('A' * 9_999), event('B'), handler={'collapse': '1s'}, text=text)

    assert found.json['message'] == 'A' * 499 + '…'


# ---- what becomes of it


@pytest.mark.parametrize('status', [408, 425, 429, 500, 503])
async def test_what_a_service_does_not_accept_now_is_tried_again(server: WebServer, status: int) -> None:
    server.answer(status)

    outcomes = await send(server)

    assert (outcomes, f'error={status}' in outcomes.retries[0].first_error) == ([Outcome.RETRY], True)


@pytest.mark.parametrize('status', [400, 401, 403, 404, 410])
async def test_what_a_service_refuses_is_dead_with_what_apprise_says(server: WebServer, status: int) -> None:
    server.answer(status)

    outcomes = await send(server)

    assert (outcomes, f'error={status}' in outcomes.reasons[0].text) == ([Outcome.DEAD], True)


async def test_a_service_that_cannot_be_reached_is_tried_again(server: WebServer) -> None:
    outcomes = await send(server, to='json://127.0.0.1:1/')

    assert (outcomes, 'JSON does not take it: A Connection error' in outcomes.retries[0].first_error) == (
        [Outcome.RETRY],
        True,
    )


async def test_a_service_that_hangs_blocks_nothing_else_and_its_event_is_given_back(server: WebServer) -> None:
    server.hold = asyncio.Event()
    options = {'to': f'json://127.0.0.1:{server.port}/', 'text': 'Missed call'}
    handler = make_handler(Notify, options=options, timeout='15m', retry={'in_place': 0})
    await handler.start(make_context(options=handler.options))
    rig = Rig(handler)
    delivery = rig.give({'call_id': '1'})

    # The server, which answers in the same loop, has got the request: so the loop was free.
    await server.count(1)
    rig.expire()
    await rig.all_settled()

    server.hold.set()
    await handler.stop()
    assert (delivery.settled, len(server.sent)) == (Outcome.RETRY, 1)


async def test_who_has_a_message_does_not_get_it_again_for_the_sake_of_others(server: WebServer) -> None:
    async with WebServer() as other:
        other.answer(503)
        one = event()

        outcomes = await send(
            server, one, one.next_try(), to=[f'json://127.0.0.1:{each.port}' for each in (other, server)]
        )

        assert (outcomes, len(server.sent), len(other.sent)) == ([Outcome.RETRY, Outcome.DONE], 1, 2)


async def test_a_service_that_refuses_takes_no_other_along(server: WebServer) -> None:
    async with WebServer() as other:
        other.answer(400)

        outcomes = await send(server, to=f'json://127.0.0.1:{other.port}\njson://127.0.0.1:{server.port}\n')

        assert (outcomes, len(server.sent)) == ([Outcome.DEAD], 1)


# ---- secrets


@pytest.mark.parametrize('status', [0, 404, 500])
async def test_no_log_and_no_reason_has_the_url(
    server: WebServer, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a log that takes everything
    logged: list[str] = []
    handler = logging.Handler(0)
    handler.emit = lambda record: logged.append(record.getMessage())  # type: ignore[method-assign]
    # The server of the test notes what it is asked for.
    handler.addFilter(lambda record: not record.name.startswith('aiohttp'))
    root = logging.getLogger()
    root.addHandler(handler)
    monkeypatch.setattr(root, 'level', 0)
    token = 'hunter2' * 4

    # When a service with a secret URL fails in some way
    server.answer(status or 200)
    port = server.port if status else 1
    outcomes = await send(server, to=f'mmost://127.0.0.1:{port}/{token}')
    root.removeHandler(handler)

    # Then nobody has read it
    told = [each.text for each in outcomes.reasons] + [each.first_error for each in outcomes.retries]
    assert (len(told), 'hunter2' in ''.join([*told, *logged])) == (1, False)


def test_a_mistake_in_a_url_does_not_show_it() -> None:
    with pytest.raises(ValueError, match='apprise cannot use one that begins with mmostt://') as caught:
        Options.model_validate({'to': 'mmostt://chat.example.org/hunter2', 'text': 'x'})

    assert 'hunter2' not in str(caught.value)


def test_options_do_not_show_where_to() -> None:
    assert 'hunter2' not in repr(Options.model_validate({'to': 'json://me:hunter2@localhost', 'text': 'x'}))


# ---- how services read


@pytest.mark.parametrize(
    ('kind', 'destination', 'of_title'),
    [
        ('json', Destination.CHAT, Destination.CHAT),
        ('ntfy', Destination.CHAT, Destination.CHAT),
        ('matrix', Destination.CHAT, Destination.CHAT),
        ('matrix in HTML', Destination.HTML, Destination.CHAT),
        ('slack', Destination.CHAT, Destination.CHAT),
        ('slack in Markdown', Destination.MARKDOWN, Destination.CHAT),
        ('discord', Destination.MARKDOWN, Destination.MARKDOWN),
        ('mattermost', Destination.MARKDOWN, Destination.MARKDOWN),
        ('rocket', Destination.MARKDOWN, Destination.MARKDOWN),
    ],
)
def test_how_a_service_reads_a_message(
    kind: str, destination: Destination, of_title: Destination, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = WebServer()
    server.port = 8080
    service = Service(url_of(kind, server, monkeypatch))

    assert (service.destination, service.title_destination) == (destination, of_title)


def test_every_service_that_is_known_to_read_in_its_own_way_is_known_to_apprise() -> None:
    from apprise.manager_plugins import NotificationManager

    from plugins.notify.service import _HAVE_DIALECTS, _READ_MARKDOWN

    manager: Any = NotificationManager
    assert {each.__name__ for each in manager().plugins()} >= _READ_MARKDOWN | _HAVE_DIALECTS


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    'no service': ({'to': []}, 'to'),
    'no URL': ({'to': 'chat.example.org'}, 'expected the URL of a service; apprise cannot use it'),
    'a number': ({'to': [5]}, 'expected the URL of a service'),
    'an unknown severity': ({'severity': 'bad'}, 'severity'),
    'no text': ({'text': ''}, 'there is nothing in the text'),
    'a text of spaces': ({'text': ' \n'}, 'there is nothing in the text'),
    'an overflow that apprise does not know': (
        {'to': 'json://localhost/?overflow=bogus'},
        'overflow=bogus: expected overflow=truncate, split or upstream',
    ),
    'a format that apprise does not know': (
        {'to': 'json://localhost/?a=b&format=rtf'},
        'format=rtf: expected format=text, markdown or html',
    ),
    'no HTML': (
        {'to': f'matrix://{"a" * 64}@localhost?mode=matrix&format=html', 'text': '<b {{ data.x }}>'},
        'a value cannot stand inside a tag',
    ),
}


@pytest.mark.parametrize('what', WRONG)
def test_what_is_a_mistake(what: str) -> None:
    options, message = WRONG[what]

    with pytest.raises(ValueError, match='validation error') as caught:
        Options.model_validate({'to': 'json://localhost', 'text': 'x', **options})

    assert message in str(caught.value)


@pytest.mark.parametrize('to', ['?overflow=SPLIT', '?overflow=upstream&format=markdown', '?overflow=', '?format=html'])
def test_what_is_none(to: str) -> None:
    assert Options.model_validate({'to': f'json://localhost/{to}', 'text': 'x'}).to


@pytest.mark.parametrize('options', [{'text': ''}, {'to': 'json://localhost/?overflow=bogus'}])
def test_a_mistake_ends_with_what_to_type(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        Options.model_validate({'to': 'json://localhost', 'text': 'x', **options})

    (error,) = caught.value.errors()
    assert error['ctx']['error'].__notes__[0].endswith('then: wazo-busd check')
