# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`webhook` and names of callers that want more than to be read: nothing breaks out of its place."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from aiohttp import web
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from plugins.webhook import Webhook
from tests.examples import examples
from tests.plugins.hostile import NAMES, names, paired
from tests.plugins.webserver import Sent, WebServer
from wazo_busd.outcome import Outcome, Reason
from wazo_busd.testing import deliver, make_event

HEADERS = {
    'Accept',
    'Accept-Encoding',
    'Content-Length',
    'Content-Type',
    'Host',
    'Idempotency-Key',
    'User-Agent',
    'X-Busd-Signature',
}
LINE_LIMIT = 1000
"""A name of so many letters can be too long for the first line of a request, as the server takes it."""


def every(test: Any) -> Any:
    """Try all the names, one after the other on one connection, and what hypothesis thinks of besides."""
    some = settings(
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
        deadline=None,
        max_examples=examples(5),
    )
    return example(NAMES)(some(given(st.lists(names, min_size=1, max_size=8))(test)))


async def send(server: WebServer, callers: Sequence[str], **options: Any) -> list[tuple[str, Sent | Reason]]:
    """Send an event of each caller; give what came of each, and see that nothing else did."""
    server.sent.clear()
    given = {'url': server.url, 'allow_networks': ['127.0.0.0/8'], 'signing_secret': 's', **options}
    events = [
        make_event('call_created', {'call_id': str(number), 'user_uuid': 'u', 'caller_id_name': name})
        for number, name in enumerate(callers)
    ]
    outcomes = await deliver(Webhook, *events, options=given, concurrency=1)
    came: dict[str, Sent | Reason] = {each.headers['Idempotency-Key']: each for each in server.sent}
    assert (len(came), set(outcomes) <= {Outcome.DONE, Outcome.DEAD}) == (len(server.sent), True)
    dead = {each.event_id: each for each in outcomes.reasons}
    assert len(came.keys() | dead.keys()) == len(callers)
    return [(name, (came | dead)[event.id]) for name, event in zip(callers, events, strict=True)]


async def arrived(server: WebServer, callers: Sequence[str], **options: Any) -> list[tuple[str, Sent]]:
    """The same, where all of them must arrive."""
    found = []
    for name, sent in await send(server, callers, **options):
        assert isinstance(sent, Sent), sent
        found.append((name, sent))
    return found


@every
async def test_in_a_url_a_name_is_one_parameter(server: WebServer, callers: Sequence[str]) -> None:
    url = server.url + '?who={{ data.caller_id_name }}&end=1'

    for name, sent in await send(server, callers, url=url):
        whole = re.sub('[\ud800-\udfff]', '?', name)
        assert (isinstance(sent, Reason) and len(name) > LINE_LIMIT) or (
            isinstance(sent, Sent) and (sent.path, sent.query) == ('/hook', {'who': whole, 'end': '1'})
        )


@every
async def test_in_a_path_a_name_is_one_step(server: WebServer, callers: Sequence[str]) -> None:
    url = server.url + '/{{ data.caller_id_name }}/end'

    for name, sent in await send(server, callers, url=url):
        if isinstance(sent, Reason):
            # It would have been a step up, or the server takes no line of that length.
            assert name in ('.', '..') or len(name) > LINE_LIMIT
        else:
            assert re.fullmatch(r'/hook/[^/?#]*/end', sent.target)


@every
async def test_in_a_header_a_name_makes_no_other_header_and_no_other_request(
    server: WebServer, callers: Sequence[str]
) -> None:
    for _, sent in await arrived(server, callers, headers={'X-Caller': 'by {{ data.caller_id_name }}.'}):
        # Joiners make one sign of several, and are kept.
        value = sent.headers['X-Caller'].replace('\u200c', '').replace('\u200d', '')
        assert (set(sent.headers), sent.path) == (HEADERS | {'X-Caller'}, '/hook')
        assert (value.startswith('by'), value.isprintable(), len(value) <= 500) == (True, True, True)


@every
async def test_in_a_template_a_name_is_one_text(server: WebServer, callers: Sequence[str]) -> None:
    template = '{"who": "{{ data.caller_id_name }}", "same": {{ data.caller_id_name }}, "end": 1}'

    for name, sent in await arrived(server, callers, template=template):
        assert sent.json == {'who': paired(name), 'same': paired(name), 'end': 1}


@every
async def test_in_a_text_a_name_is_one_line_that_nothing_obeys(server: WebServer, callers: Sequence[str]) -> None:
    for _, sent in await arrived(server, callers, text='Call of {{ data.caller_id_name }} to Bob'):
        text = sent.body.decode().replace('\u200c', '').replace('\u200d', '')
        assert (text.isprintable(), text[:8], text[-7:]) == (True, 'Call of ', ' to Bob')


@every
async def test_in_the_whole_event_a_name_is_one_text(server: WebServer, callers: Sequence[str]) -> None:
    for number, (name, sent) in enumerate(await arrived(server, callers)):
        assert sent.json['data'] == {'call_id': str(number), 'user_uuid': 'u', 'caller_id_name': paired(name)}


@every
async def test_in_cloudevents_a_name_is_one_text(server: WebServer, callers: Sequence[str]) -> None:
    for name, sent in await arrived(server, callers, body='cloudevents'):
        assert sent.json['data']['caller_id_name'] == paired(name)


@every
async def test_in_a_preset_a_name_is_one_text(server: WebServer, callers: Sequence[str]) -> None:
    for name, sent in await arrived(server, callers, preset='crm'):
        assert sent.json['user'] == paired(name)


@every
async def test_what_a_server_says_of_a_name_stays_in_its_line_of_the_reason(
    server: WebServer, callers: Sequence[str]
) -> None:
    server.answers = [_echo] * len(callers)

    for _, reason in await send(server, callers):
        assert isinstance(reason, Reason)
        first, _, second = reason.text.partition('\n')
        assert (first, second.isprintable()) == ('400 Bad Request', True)


def _echo(sent: Sent) -> web.Response:
    said = json.loads(sent.body)['data']['caller_id_name']
    return web.Response(status=400, body=said.encode('utf-8', 'replace'))
