# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The whole way: events published by kombu, as Wazo's services do it, reach the handlers that match."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kombu
import pytest

from tests.conftest import Broker
from tests.support import DaemonProcess, eventually_sync, write_config
from tools.sample_events import SAMPLES, TENANT
from wazo_busd.patterns import Matcher

PATTERNS = {
    'all': ['#'],
    'calls': ['calls.#'],
    'one-word': ['calls.*'],
    'faxes': ['faxes.outbound.#'],
    'failed': ['#.failed'],
    'users': ['config.user.*', 'config.users.#'],
    'rooms': ['conferences.*.participants.#', 'conferences.*.particpants.#'],
    'two-ways': ['status.agent', 'status.#', 'ami.QueueMemberStatus'],
}
EXCHANGES = {'xivo': 'topic', 'wazo-headers': 'headers'}
PUBLISHED = [(exchange, sample) for exchange in EXCHANGES for sample in SAMPLES]


def publish(broker: Broker) -> None:
    """Publish every sample once on each upstream, with kombu."""
    with kombu.Connection(broker.url) as connection, connection.channel() as channel:
        for exchange, sample in PUBLISHED:
            target = kombu.Exchange(exchange, type=EXCHANGES[exchange], durable=True)
            headers, body = sample.as_sent(exchange)
            kombu.Producer(channel, exchange=target).publish(body, routing_key=sample.routing_key, headers=headers)


def expected(handler: str) -> list[Any]:
    matcher = Matcher(PATTERNS[handler])
    return [(exchange, sample) for exchange, sample in PUBLISHED if matcher.matches(sample.routing_key)]


@pytest.fixture(scope='module')
def journals(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """What each handler's journal has, after everything was published once on each upstream."""
    node = request.getfixturevalue('node')
    node.add_vhost('journey')
    broker = Broker(node, 'journey')
    directory = tmp_path_factory.mktemp('journey')
    handlers = '\n'.join(
        f'{name}: {{plugin: journal, match: {json.dumps(patterns)}, options: {{path: {directory}/{name}.jsonl}}}}'
        for name, patterns in PATTERNS.items()
    )
    config = write_config(directory, broker, handlers)
    with DaemonProcess(config, directory) as daemon:
        daemon.wait_consuming()
        publish(broker)
        eventually_sync(lambda: all(len(list(_records(directory, name))) >= len(expected(name)) for name in PATTERNS))
        daemon.stop()
    return {name: list(_records(directory, name)) for name in PATTERNS}


def _records(directory: Path, name: str) -> Iterator[Any]:
    path = directory / f'{name}.jsonl'
    yield from (json.loads(line) for line in path.read_text().splitlines()) if path.exists() else ()


@pytest.mark.parametrize('handler', PATTERNS)
def test_every_event_arrives_once_at_each_handler_that_matches(journals: dict[str, list[Any]], handler: str) -> None:
    found = sorted((each['exchange'], each['name'], each['routing_key']) for each in journals[handler])

    assert found == sorted((exchange, sample.name, sample.routing_key) for exchange, sample in expected(handler))


@pytest.mark.parametrize('handler', PATTERNS)
def test_events_of_one_key_arrive_in_the_order_they_were_published_in(
    journals: dict[str, list[Any]], handler: str
) -> None:
    found, wanted = defaultdict(list), defaultdict(list)
    for each in journals[handler]:
        found[each['routing_key']].append(each['name'])
    for _, sample in expected(handler):
        wanted[sample.routing_key].append(sample.name)

    assert found == wanted


def test_the_data_is_what_was_published(journals: dict[str, list[Any]]) -> None:
    found = [(each['exchange'], each['name'], each['data']) for each in journals['all']]

    assert found == [(exchange, sample.name, sample.data) for exchange, sample in PUBLISHED]


def test_the_tenant_is_the_headers_else_the_datas_else_unknown(journals: dict[str, list[Any]]) -> None:
    found = [each['tenant_uuid'] for each in journals['all']]

    assert found == [
        TENANT if exchange == 'wazo-headers' else sample.data.get('tenant_uuid') for exchange, sample in PUBLISHED
    ]


def test_a_record_has_the_documented_keys(journals: dict[str, list[Any]]) -> None:
    assert list(journals['all'][0]) == [
        'received_at',
        'name',
        'exchange',
        'routing_key',
        'origin_uuid',
        'tenant_uuid',
        'headers',
        'data',
        'id',
        'redelivered',
        'attempt',
        'handler',
    ]


def test_the_pattern_of_the_wazo_page_matches_no_call(journals: dict[str, list[Any]]) -> None:
    assert journals['one-word'] == []
