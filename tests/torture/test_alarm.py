# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""A broker in memory alarm blocks all who publish: what lies in the queues is handled, and what fails waits."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.conftest import Broker
from tests.support import eventually_sync
from tests.torture.conftest import MakeSite
from tests.torture.scale import scaled
from tests.torture.site import PATIENCE_SECONDS
from tests.torture.wire import Wire
from tools.rabbitmq_node import RabbitmqNode

EVENTS = 400
ALARM_SECONDS = scaled(2.0, 30.0)
FAILING = frozenset(range(0, EVENTS, 50))
"""Fewer than the prefetch: they hold their places until the alarm is over."""

FLAKY = """
from pathlib import Path
from wazo_busd.api import Retry, handler

@handler('calls.#')
async def flaky(event, context):
    home = Path(context.options['home'])
    if event.data % 50 == 0 and event.attempt == 1:
        with home.joinpath('failed').open('a') as file:
            file.write(f'{event.data}\\n')
        raise Retry('not yet')
    with home.joinpath('history').open('a') as file:
        file.write(f'{event.data} {event.attempt}\\n')
"""


@pytest.fixture
def alarm(broker: Broker) -> Iterator[RabbitmqNode]:
    """A node that may be put into alarm; in the end it is in none."""
    yield broker.node
    broker.node.ctl('set_vm_memory_high_watermark', '0.4')


def test_in_a_memory_alarm_consumption_goes_on_and_afterwards_all_is_well(
    broker: Broker, make_site: MakeSite, alarm: RabbitmqNode
) -> None:
    site = make_site(
        broker,
        plugins={'flaky': FLAKY},
        handlers='flaky: {plugin: flaky, retry: {attempts: 5, in_place: 0, backoff: 100ms..1s}, options: {HOME}}',
        watched=('flaky',),
    )
    site.start()
    site.stop()
    with Wire(broker) as wire:
        for number in range(EVENTS):
            wire.publish(json.dumps({'name': 'x', 'data': number}).encode())
        wire.flush()

    alarm.ctl('set_vm_memory_high_watermark', '0')
    began = time.monotonic()
    site.start()
    # Of those that are in the queue all are handled but those that fail, whose copies the broker does not take.
    site.wait_lines('history', EVENTS - len(FAILING))
    site.wait_lines('failed', len(FAILING))
    eventually_sync(lambda: site.run('status').exit_code == 1, PATIENCE_SECONDS)
    told = site.run('status').stdout
    time.sleep(max(0.0, ALARM_SECONDS - (time.monotonic() - began)))
    meanwhile = Counter(int(line.split()[0]) for line in site.lines('history'))
    lasted = time.monotonic() - began
    alarm.ctl('set_vm_memory_high_watermark', '0.4')
    site.wait_lines('history', EVENTS)
    dead = site.dead('flaky')
    site.witness.wait_ready()
    site.stop()

    print(f'\n{len(meanwhile)} of {EVENTS} events handled in an alarm of {lasted:.1f} s, the others after it')
    assert meanwhile == dict.fromkeys(set(range(EVENTS)) - FAILING, 1)
    assert Counter(site.lines('history')) == {
        f'{number} {2 if number in FAILING else 1}': 1 for number in range(EVENTS)
    }
    assert told.splitlines()[2].startswith('cannot publish: ')
    assert told.endswith('derived events wait. next: rabbitmqctl list_alarms\n')
    assert (dead, 'connection_lost' in site.daemon.log, 'half_open' in site.daemon.log) == ([], False, False)
    assert site.witness.lies() == []
