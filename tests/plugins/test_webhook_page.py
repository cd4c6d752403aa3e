# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The page about `webhook`: its examples do what it says."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from plugins.webhook import Webhook
from plugins.webhook.call import Calls
from plugins.webhook.signature import signature
from tests.plugins.webserver import WebServer
from wazo_busd import catalogue
from wazo_busd.catalogue.publication import example
from wazo_busd.event import Event
from wazo_busd.testing import Outcome, deliver, make_event

PAGE = (Path(__file__).parents[2] / 'docs' / 'handlers' / 'webhook.md').read_text()
EXAMPLES = [
    next(iter(yaml.safe_load(block)['handlers'].values()))
    for block in re.findall(r'```yaml\n(.*?)```', PAGE, re.DOTALL)
]


def of_catalogue(name: str) -> Event:
    """The catalogue's own example of an event."""
    entry = catalogue.find(name)
    assert entry is not None
    return make_event(name, example(entry))


async def send(server: WebServer, handler: dict[str, Any], *events: Event) -> list[Outcome]:
    """Send events as an example does, but to a server of the test."""
    url = re.sub(r'^https?://[^/]*', f'http://127.0.0.1:{server.port}', handler['options']['url'])
    options = {**handler['options'], 'url': url, 'allow_networks': ['127.0.0.0/8']}
    return await deliver(Webhook, *events, options=options, match=handler['match'], concurrency=1)


async def test_the_first_example_tells_a_program_of_a_call(server: WebServer) -> None:
    names = EXAMPLES[0]['match']

    await send(server, EXAMPLES[0], *map(of_catalogue, names))

    assert [each.json['event'] for each in server.sent] == ['newCall', 'answer', 'hangup']


@pytest.mark.parametrize('handler', EXAMPLES, ids=lambda each: each['options']['url'])
async def test_every_example_sends_what_it_matches(server: WebServer, handler: dict[str, Any]) -> None:
    names = [handler['match']] if isinstance(handler['match'], str) else handler['match']
    names = ['call_created' if name == 'calls.#' else name for name in names]

    outcomes = await send(server, handler, *map(of_catalogue, names))

    assert outcomes[:1] == [Outcome.DONE]
    assert set(outcomes) <= {Outcome.DONE, Outcome.DISCARDED}


def test_the_fields_of_calls_are_those_of_the_code() -> None:
    calls = PAGE.partition('\n## Calls\n')[2].partition('\n## ')[0]
    documented = set(re.findall(r'`(\w+)`', ' '.join(re.findall(r'^\| (`\w+`(?:, `\w+`)*) \|', calls, re.MULTILINE))))
    more = re.search(r'`preset: crm` has these too, and (.*?)\. What', calls, re.DOTALL)
    assert more
    documented |= set(re.findall(r'`(\w+)`', re.sub(r'\(.*?\)', '', more[1])))

    told = {key for name in EXAMPLES[0]['match'] for key in Calls('crm', {}).content(_callee(name))}

    assert told <= documented - set(EXAMPLES[2]['match']) == told


def _callee(name: str) -> Event:
    """An event of a leg that was called and has answered."""
    event = of_catalogue(name)
    return make_event(name, {**event.data, 'is_caller': False, 'status': 'Up', 'direction': 'inbound'})


# ---- how a server verifies the signature


@pytest.fixture
def is_ours() -> Any:
    (code,) = re.findall(r'```python\n(.*?)```', PAGE, re.DOTALL)
    found: dict[str, Any] = {}
    exec(compile(code, 'page', 'exec'), found)
    return found['is_ours']


def test_a_server_verifies_a_signature_as_the_page_says(is_ours: Any) -> None:
    assert is_ours('s3cret', signature('s3cret', b'{}', int(time.time())), b'{}')


@pytest.mark.parametrize(
    ('secret', 'body', 'header'),
    [
        ('other', b'{}', None),
        ('s3cret', b'{} ', None),
        ('s3cret', b'{}', signature('s3cret', b'{}', int(time.time()) - 3600)),
        ('s3cret', b'{}', ''),
        ('s3cret', b'{}', 't=,v1='),
        ('s3cret', b'{}', f't={int(time.time())}'),
    ],
    ids=['another secret', 'another body', 'an old one', 'none', 'an empty one', 'half of one'],
)
def test_a_server_refuses_what_is_not_ours_as_the_page_says(
    is_ours: Any, secret: str, body: bytes, header: str | None
) -> None:
    made = signature('s3cret', b'{}', int(time.time())) if header is None else header

    assert not is_ours(secret, made, body)
