# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Bursts in the installed daemon: no event is lost by any end of the process, and none is acknowledged too soon."""

from __future__ import annotations

import json
import random
import signal
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import kombu

from tests.conftest import Broker
from tests.support import DaemonProcess, eventually_sync, write_config
from tests.torture.scale import scaled

TELLER = """
import json, os
from wazo_busd.api import BaseOptions, handler

class Options(BaseOptions):
    every: float | None = None

    @property
    def digest_seconds(self):
        return self.every

@handler(options=Options)
async def tell(event, context):
    events = event.burst.events if event.burst else (event,)
    line = {'id': event.id, 'count': event.burst.count if event.burst else 1, 'data': [e.data['n'] for e in events]}
    with (context.state_dir / 'told').open('a') as file:
        file.write(json.dumps(line) + '\\n')
        file.flush()
        os.fsync(file.fileno())
"""
EVENTS = 60
KILLS = scaled(3, 60)
HANDLERS = """
burst:
  plugin: teller
  match: my.#
  collapse: {seconds}s
digest:
  plugin: teller
  match: my.#
  options: {{every: {seconds}}}
"""
NAMES = ('burst', 'digest')


def configured(broker: Broker, directory: Path, seconds: float = 3.0) -> Path:
    """The configuration of a daemon in which a handler has bursts and another digests of so many seconds."""
    config = write_config(directory / 'etc', broker, HANDLERS.format(seconds=seconds))
    plugin = directory / 'etc' / 'plugins.d' / 'teller.py'
    plugin.write_text(TELLER)
    plugin.chmod(0o644)
    return config


def publish(broker: Broker, numbers: Iterable[int]) -> None:
    # Of what is not confirmed a quorum queue can lose the end, when the channel is closed right behind it.
    confirmed = {'confirm_publish': True}
    with kombu.Connection(broker.url, transport_options=confirmed) as connection, connection.channel() as channel:
        exchange = kombu.Exchange('xivo', type='topic', durable=True)
        producer = kombu.Producer(channel, exchange=exchange)
        for number in numbers:
            producer.publish(json.dumps({'name': 'my_event', 'data': {'n': number}}).encode(), routing_key='my.event')


def told(config: Path, name: str) -> list[dict[str, Any]]:
    path = config.parent / 'state' / 'handlers' / name / 'told'
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def numbers_told(config: Path, name: str) -> list[int]:
    return [number for each in told(config, name) for number in each['data']]


def number_told(config: Path, name: str) -> int:
    """How many events were told; a burst that was told twice, as it was under way at a kill, counts once."""
    return sum({each['id']: each['count'] for each in told(config, name)}.values())


def test_a_burst_is_handled_once_and_has_all_events(broker: Broker, tmp_path: Path) -> None:
    config = configured(broker, tmp_path)
    # Its queues are there, so that all of it waits when the time begins.
    with DaemonProcess(config, tmp_path) as daemon:
        daemon.wait_consuming()
        daemon.stop()
    publish(broker, range(EVENTS))
    with DaemonProcess(config, tmp_path) as daemon:
        eventually_sync(lambda: all(told(config, name) for name in NAMES))
        daemon.stop()

    found = {name: [(each['count'], each['data']) for each in told(config, name)] for name in NAMES}
    assert found == {name: [(EVENTS, list(range(EVENTS)))] for name in NAMES}


def test_what_is_gathered_when_the_daemon_stops_is_handled_after_the_next_start(broker: Broker, tmp_path: Path) -> None:
    config = configured(broker, tmp_path, seconds=3600.0)
    files = [config.parent / 'state' / 'gathered' / f'{name}.open' for name in NAMES]
    with DaemonProcess(config, tmp_path) as daemon:
        daemon.wait_consuming()
        publish(broker, range(EVENTS))
        eventually_sync(lambda: all(each.exists() and len(each.read_bytes().splitlines()) == EVENTS for each in files))
        daemon.stop()
    before = [told(config, name) for name in NAMES]
    configured(broker, tmp_path, seconds=1.0)
    with DaemonProcess(config, tmp_path):
        eventually_sync(lambda: all(told(config, name) for name in NAMES))

    assert (before, [[each['count'] for each in told(config, name)] for name in NAMES]) == ([[], []], [[EVENTS]] * 2)


def test_no_event_is_lost_by_being_killed_at_any_moment(broker: Broker, tmp_path: Path) -> None:
    config = configured(broker, tmp_path, seconds=1.0)
    chance = random.Random(1)
    for kill in range(KILLS):
        with DaemonProcess(config, tmp_path) as daemon:
            daemon.wait_consuming()
            publish(broker, range(kill * EVENTS, (kill + 1) * EVENTS))
            time.sleep(chance.uniform(0.0, 1.5))
            daemon.signal(signal.SIGKILL)
            daemon.process.wait()
    with DaemonProcess(config, tmp_path) as daemon:
        daemon.wait_consuming()
        eventually_sync(lambda: all(number_told(config, name) >= KILLS * EVENTS for name in NAMES), 60.0)
        daemon.stop()

    assert set(numbers_told(config, 'digest')) == set(range(KILLS * EVENTS))
    # What was under way at a kill may be told once more.
    assert [name for name in NAMES if number_told(config, name) > (KILLS + 1) * EVENTS] == []
