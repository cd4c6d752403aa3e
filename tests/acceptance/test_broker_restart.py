# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The broker is stopped and started under load."""

from __future__ import annotations

import json
import threading
from functools import partial
from pathlib import Path

import kombu
import pytest

from tests.conftest import Broker
from tests.support import DaemonProcess, eventually_sync, write_config

SLOW = """
import asyncio
from wazo_busd.api import handler

@handler('calls.#')
async def slow(event, context):
    note(context, 'begun', event)
    await asyncio.sleep(0.2)
    note(context, 'ended', event)

def note(context, what, event):
    with open(context.options.history, 'a') as history:
        history.write(f'{what} {event.data}\\n')
"""


class Load(threading.Thread):
    """Publishes numbered events with confirmation, and goes on when the broker comes back."""

    def __init__(self, broker: Broker) -> None:
        super().__init__()
        self.confirmed: list[int] = []
        self.ending = threading.Event()
        self._broker = broker

    def run(self) -> None:
        number = 0
        while not self.ending.is_set():
            try:
                with kombu.Connection(
                    self._broker.url, transport_options={'confirm_publish': True}, connect_timeout=1
                ) as connection:
                    producer = kombu.Producer(connection.channel(), exchange=kombu.Exchange('xivo', type='topic'))
                    while not self.ending.is_set():
                        number += 1
                        producer.publish({'name': 'x', 'data': number}, routing_key='calls.call.created')
                        self.confirmed.append(number)
                        self.ending.wait(0.005)
            except (*kombu.Connection(self._broker.url).connection_errors, kombu.exceptions.OperationalError):
                self.ending.wait(0.05)


ORDERED = """
import asyncio
from wazo_busd.api import handler

@handler('calls.#')
async def ordered(event, context):
    await asyncio.sleep(0.002 * (event.data['number'] % 7))
    with open(context.options.history, 'a') as history:
        history.write(f'{event.data["key"]} {event.data["number"]} {event.redelivered}\\n')
"""


def test_events_of_one_key_stay_in_order_and_few_are_repeated(broker: Broker, tmp_path: Path) -> None:
    history = tmp_path / 'history'
    options = f'options: {{history: {history}}}'
    config = write_config(
        tmp_path, broker, f'ordered: {{plugin: ordered, concurrency: 10, order_by: data.key, {options}}}'
    )
    (tmp_path / 'plugins.d' / 'ordered.py').write_text(ORDERED)
    numbers = range(1_200)
    with DaemonProcess(config, tmp_path) as daemon:
        daemon.wait_consuming()
        # Confirmed: of what is published last before a connection is closed, RabbitMQ may lose some.
        with kombu.Connection(broker.url, transport_options={'confirm_publish': True}) as connection:
            producer = kombu.Producer(connection.channel(), exchange=kombu.Exchange('xivo', type='topic'))
            for number in numbers:
                producer.publish(
                    {'name': 'x', 'data': {'key': number % 20, 'number': number}}, routing_key='calls.call.created'
                )
        for part in (0.1, 0.5):
            wanted = int(part * len(numbers))
            eventually_sync(partial(_has_run, history, wanted))
            broker.node.evaluate('rabbit_networking:close_all_connections(<<"by a test">>)')
        eventually_sync(lambda: {number for _, number in _runs(history)} == set(numbers))
        daemon.stop()

    runs = _runs(history)
    firsts = list(dict.fromkeys(runs))
    assert [(key, number) for key in range(20) for k, number in firsts if k == key] == sorted(
        (number % 20, number) for number in numbers
    )
    # What ran when a connection was lost comes again, and what was finished and not acknowledged yet; nothing else.
    assert len(runs) - len(numbers) <= 2 * 128


def _has_run(history: Path, number: int) -> bool:
    return len(_runs(history)) > number


def _runs(history: Path) -> list[tuple[int, int]]:
    lines = history.read_text().splitlines() if history.exists() else []
    return [(int(key), int(number)) for key, number, _ in map(str.split, lines)]


@pytest.mark.parametrize('how', ['stopped', 'killed'])
def test_nothing_confirmed_is_lost_and_running_handlers_finish(mortal_broker: Broker, tmp_path: Path, how: str) -> None:
    broker, node, history = mortal_broker, mortal_broker.node, tmp_path / 'history'
    config = write_config(tmp_path, broker, f'slow: {{plugin: slow, concurrency: 50, options: {{history: {history}}}}}')
    (tmp_path / 'plugins.d' / 'slow.py').write_text(SLOW)
    with DaemonProcess(config, tmp_path) as daemon:
        daemon.wait_consuming()
        load = Load(broker)
        load.start()
        eventually_sync(lambda: len(load.confirmed) > 200)
        (node.stop_server if how == 'stopped' else node.kill)()
        daemon.wait_log('not_connected')
        node.start()
        daemon.wait_consuming()
        before = len(load.confirmed)
        eventually_sync(lambda: len(load.confirmed) > before + 200)
        load.ending.set()
        load.join()
        eventually_sync(lambda: _numbers(history, 'ended') >= set(load.confirmed))
        daemon.stop()

    begun = [line for line in history.read_text().splitlines() if line.startswith('begun')]
    ended = [line for line in history.read_text().splitlines() if line.startswith('ended')]
    assert (set(load.confirmed) - _numbers(history, 'ended'), len(begun)) == (set(), len(ended))


def _numbers(history: Path, what: str) -> set[int]:
    lines = history.read_text().splitlines() if history.exists() else []
    return {json.loads(line.partition(' ')[2]) for line in lines if line.startswith(what)}
