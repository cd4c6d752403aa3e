# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The daemon stops: nothing is lost, and nothing runs twice."""

from __future__ import annotations

import json
import random
import signal
from collections import Counter
from functools import partial
from pathlib import Path

from tests.conftest import Broker
from tests.support import DaemonProcess, Service, eventually_sync, write_config
from tests.torture.scale import scaled

STOPS = scaled(6, 20)
SLOW = """
import asyncio, random
from wazo_busd.api import handler

@handler('calls.#')
async def slow(event, context):
    note(context, 'begun', event)
    await asyncio.sleep(random.uniform(0.05, 0.5))
    note(context, 'ended', event)

def note(context, what, event):
    with open(context.options.history, 'a') as history:
        history.write(f'{what} {event.data}\\n')
"""


def _slow(directory: Path, broker: Broker, **top: str) -> tuple[Path, Path]:
    history = directory / 'history'
    config = write_config(
        directory,
        broker,
        f'slow: {{plugin: slow, concurrency: 200, options: {{history: {history}}}}}',
        **top,
    )
    (directory / 'plugins.d' / 'slow.py').write_text(SLOW)
    history.touch()
    return config, history


async def _publish(broker: Broker, numbers: range) -> None:
    async with Service(broker) as service:
        for number in numbers:
            await service.send('xivo', 'calls.call.created', json.dumps({'name': 'x', 'data': number}).encode(), {})


def _has_begun(history: Path, number: int) -> bool:
    return history.read_text().count('begun') >= number


async def test_stops_at_random_moments_lose_nothing_and_run_nothing_twice(broker: Broker, tmp_path: Path) -> None:
    config, history = _slow(tmp_path, broker)
    chance = random.Random(20)

    for stop in range(STOPS):
        with DaemonProcess(config, tmp_path) as daemon:
            daemon.wait_consuming()
            moment = history.read_text().count('begun') + chance.randrange(1, 200)
            await _publish(broker, range(stop * 200, stop * 200 + 200))
            eventually_sync(partial(_has_begun, history, moment))
            assert daemon.stop() == 0
    with DaemonProcess(config, tmp_path) as daemon:
        eventually_sync(lambda: history.read_text().count('ended') >= STOPS * 200)
        daemon.stop()

    assert Counter(history.read_text().split('\n')) == Counter(
        ['', *(f'{what} {number}' for number in range(STOPS * 200) for what in ('begun', 'ended'))]
    )


async def test_a_handler_that_is_late_is_named_and_its_event_comes_again(broker: Broker, tmp_path: Path) -> None:
    config, history = _slow(tmp_path, broker, drain_timeout='100ms')
    (tmp_path / 'plugins.d' / 'slow.py').write_text(SLOW.replace('random.uniform(0.05, 0.5)', '60'))

    with DaemonProcess(config, tmp_path) as daemon:
        daemon.wait_consuming()
        await _publish(broker, range(1))
        eventually_sync(lambda: 'begun' in history.read_text())
        daemon.stop()
        late = daemon.log
    (tmp_path / 'plugins.d' / 'slow.py').write_text(SLOW)
    with DaemonProcess(config, tmp_path) as daemon:
        eventually_sync(lambda: 'ended' in history.read_text())
        daemon.stop()

    assert 'handler_late handler=slow event_name=x' in late


async def test_a_second_signal_waits_no_longer(broker: Broker, tmp_path: Path) -> None:
    config, history = _slow(tmp_path, broker, drain_timeout='1h')
    (tmp_path / 'plugins.d' / 'slow.py').write_text(SLOW.replace('random.uniform(0.05, 0.5)', '3600'))

    with DaemonProcess(config, tmp_path) as daemon:
        daemon.wait_consuming()
        await _publish(broker, range(1))
        eventually_sync(lambda: 'begun' in history.read_text())
        daemon.signal(signal.SIGTERM)
        daemon.wait_log('draining')
        daemon.signal(signal.SIGTERM)

        assert daemon.wait_exit() == 0
