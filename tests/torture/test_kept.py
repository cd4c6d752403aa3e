# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What lies in the queues when the broker is killed is there when it is back, be it transient or persistent."""

from __future__ import annotations

import json
import struct
from functools import partial

from tests.conftest import Broker
from tests.support import eventually_sync
from tests.torture.conftest import MakeSite
from tests.torture.scale import scaled
from tests.torture.site import PATIENCE_SECONDS
from tests.torture.wire import Wire

EVENTS = scaled(600, 10_000)
TRANSIENT, PERSISTENT = (struct.pack('>HB', 0x1000, mode) for mode in (1, 2))

NOTE = """
from pathlib import Path
from wazo_busd.api import Retry, handler

@handler('calls.#')
async def note(event, context):
    if event.data % 100 == 8 and not Path(context.options['home'], 'cured').exists():
        raise Retry('not before the broker was killed')
    with Path(context.options['home'], 'history').open('a') as file:
        file.write(f'{event.data}\\n')
"""


def test_nothing_that_lies_in_queues_is_lost_when_the_broker_is_killed(
    mortal_broker: Broker, make_site: MakeSite
) -> None:
    broker = mortal_broker
    site = make_site(
        broker,
        plugins={'note': NOTE},
        handlers='note: {plugin: note, retry: {attempts: 1000, in_place: 0, backoff: 1s..1s}, options: {HOME}}',
    )
    site.start()
    # One of these dies and one goes to and fro between queues; those that come later lie in the handler's queue.
    _publish(broker, range(100))
    site.wait_lines('history', 98)
    eventually_sync(lambda: len(site.dead('note')) == 1)
    site.stop()
    _publish(broker, range(100, EVENTS))
    for queue in ('note', 'note.dead', 'retry.1s', 'return.orphans'):
        eventually_sync(partial(broker.has_written, f'wazo-busd.{queue}'))

    mortal_broker.node.kill()
    mortal_broker.node.start()
    (site.home / 'cured').touch()
    site.start()
    wanted = {number for number in range(EVENTS) if number % 100 != 7}
    eventually_sync(lambda: wanted <= set(map(int, site.lines('history'))), PATIENCE_SECONDS)
    eventually_sync(lambda: len(site.dead('note')) >= EVENTS // 100)
    site.stop()

    handled = site.lines('history')
    dead = [each['body'] for each in site.dead('note')]
    print(f'\n{EVENTS} events, half of them transient: {len(handled)} handled, {len(dead)} dead letters')
    assert (sorted(map(int, handled)), dead) == (sorted(wanted), [f'no JSON {each}' for each in range(7, EVENTS, 100)])


def _publish(broker: Broker, numbers: range) -> None:
    with Wire(broker) as wire:
        for number in numbers:
            body = f'no JSON {number}' if number % 100 == 7 else json.dumps({'name': 'x', 'data': number})
            wire.publish(body.encode(), properties=TRANSIENT if number % 2 else PERSISTENT)
        wire.flush()
