# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""A web server does all that web servers do wrong: each event arrives at least once, or is dead with the answer."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from tests.conftest import Broker
from tests.support import eventually_sync
from tests.torture.conftest import MakeSite
from tests.torture.faulty_server import SECRET, FaultyServer, is_poison, is_stubborn
from tests.torture.scale import scaled
from tests.torture.site import Site
from tests.torture.wire import Wire

EVENTS = scaled(300, 5_000)
PATIENCE_SECONDS = scaled(60.0, 900.0)
MORE_EVERY_SECONDS = 0.03
ANSWER = '400 Bad Request\nthe field "number" is not to my taste\\r\\n\\x1b[31mxx'

HANDLER = """
    {name}:
      plugin: webhook
      match: calls.#
      retry: {{attempts: 40, backoff: 100ms..1s}}
      {more}
      options:
        url: "http://127.0.0.1:{port}/hook"
        allow_networks: [127.0.0.0/8]
        signing_secret: {secret}
        answer_within: 500ms
        {options}
"""
FORMS = {
    'singly': ('concurrency: 16', 'body: event'),
    'in-batches': ('enabled: true', 'batch: {size: 20, within: 200ms}'),
    'in-order': ('order_by: data.key', 'body: event'),
}


@pytest.fixture
def servers() -> Iterator[dict[str, FaultyServer]]:
    """A server for each form."""
    servers = {form: FaultyServer(seed=1) for form in FORMS}
    for each in servers.values():
        each.open()
    yield servers
    for each in servers.values():
        each.close()


def test_each_event_arrives_or_is_dead_with_the_answer(
    broker: Broker, make_site: MakeSite, servers: dict[str, FaultyServer]
) -> None:
    # Given a daemon that sends each event in every form
    handlers = ''.join(
        HANDLER.format(name=form, port=servers[form].port, secret=SECRET, more=more, options=options)
        for form, (more, options) in FORMS.items()
    )
    site = make_site(broker, plugins={}, handlers=handlers, bus='prefetch: 128')
    site.start()
    poison = {number for number in range(EVENTS) if is_poison(number)}
    wanted = set(range(EVENTS)) - poison

    # When events come
    began = time.monotonic()
    _publish(broker)
    with _more(broker):
        for form, server in servers.items():
            eventually_sync(partial(_has_all, server, wanted), PATIENCE_SECONDS)
            print(f'\n{EVENTS} events {form} in {time.monotonic() - began:.1f} s, {_told(server)}', end='')
            eventually_sync(partial(_has_dead, site, form, len(poison)), PATIENCE_SECONDS)
    site.stop()

    # Then each arrives, or is dead with what the server said
    for form, server in servers.items():
        dead = {json.loads(each['body'])['data']['number']: each['text'] for each in site.dead(form)}
        accepted = {number for number in server.accepted if number < EVENTS}
        assert (form, accepted, set(dead), server.unsigned) == (form, wanted, poison, 0)
        assert [text for text in dead.values() if not text.startswith(ANSWER) or len(text) >= 2200] == []


def _has_all(server: FaultyServer, wanted: set[int]) -> bool:
    return wanted <= server.accepted.keys()


def _has_dead(site: Site, form: str, count: int) -> bool:
    return len(site.dead(form)) >= count


def _told(server: FaultyServer) -> str:
    did = ', '.join(f'{what}: {count}' for what, count in server.did.most_common())
    return f'{server.requests} requests ({did}), {sum(count > 1 for count in server.accepted.values())} arrived twice'


def _publish(broker: Broker) -> None:
    with Wire(broker) as wire:
        for number in range(EVENTS):
            wire.publish(_body(number))
        wire.flush()


def _body(number: int) -> bytes:
    return json.dumps({'name': 'x', 'data': {'number': number, 'key': number % 40}}).encode()


@contextmanager
def _more(broker: Broker) -> Iterator[None]:
    """Let more events come that the server takes: if there were only those that it does not, the handler would rest."""
    is_over = threading.Event()

    def publish() -> None:
        numbers = (number for number in itertools.count(EVENTS) if not is_poison(number) and not is_stubborn(number))
        with Wire(broker) as wire:
            while not is_over.wait(MORE_EVERY_SECONDS):
                wire.publish(_body(next(numbers)))
            wire.flush()

    thread = threading.Thread(target=publish, name='more')
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
