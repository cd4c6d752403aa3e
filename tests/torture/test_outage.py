# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What a handler needs is away for a while: its events wait, none dies, and all are handled in their order."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from tests.conftest import Broker
from tests.support import eventually_sync
from tests.torture.conftest import MakeSite
from tests.torture.scale import scaled
from tests.torture.site import PATIENCE_SECONDS
from tests.torture.web import WebServer
from tests.torture.wire import Wire

EVENTS = scaled(200, 1_000)
KEYS = 20
AWAY_SECONDS = scaled(2.0, 60.0)

POST = """
from wazo_busd.api import handler

@handler('calls.#')
async def post(event, context):
    response = await context.http.post(context.options['url'], json=event.data)
    response.raise_for_status()
"""


@pytest.fixture
def web() -> Iterator[WebServer]:
    server = WebServer()
    yield server
    server.close()


def test_while_the_web_server_is_away_nothing_dies_and_then_all_is_handled_in_order(
    broker: Broker, make_site: MakeSite, web: WebServer
) -> None:
    site = make_site(
        broker,
        plugins={'post': POST},
        handlers=f"""
            post:
              plugin: post
              order_by: data.key
              concurrency: 8
              options: {{url: "http://127.0.0.1:{web.port}/"}}
        """,
    )
    site.start()
    began = time.monotonic()
    with Wire(broker) as wire:
        for number in range(EVENTS):
            body = json.dumps({'name': 'x', 'data': {'key': number % KEYS, 'number': number}})
            wire.publish(body.encode())
            time.sleep(AWAY_SECONDS / 2 / EVENTS)
        wire.flush()
    site.daemon.wait_told(r'STATUS=.*; post: \d+ outages in a row, the last was \w+; what it needs seems to be out')
    site.daemon.wait_log(r'breaker_open .*handler=post.* effect="its events wait in its queue"')
    time.sleep(max(0.0, AWAY_SECONDS - (time.monotonic() - began)))

    web.open()
    back = time.monotonic()
    eventually_sync(lambda: len(web.posted) >= EVENTS, PATIENCE_SECONDS)
    took = time.monotonic() - back
    site.daemon.wait_log('breaker_closed .*handler=post')
    site.daemon.wait_told('STATUS=connected to [^;]+; 1 of 1 handlers consume$')
    dead = site.dead('post')
    site.stop()

    print(
        f'\n{EVENTS} events, away for {AWAY_SECONDS:g} s: all handled {took:.1f} s after it was back, {len(dead)} dead'
    )
    in_order = [{'key': number % KEYS, 'number': number} for number in range(EVENTS)]
    assert [_of(web.posted, key) for key in range(KEYS)] == [_of(in_order, key) for key in range(KEYS)]
    assert dead == []


def _of(posted: list[dict[str, int]], key: int) -> list[int]:
    return [each['number'] for each in posted if each['key'] == key]
