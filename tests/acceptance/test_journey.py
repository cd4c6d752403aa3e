# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The whole way: events published by kombu, as Wazo's services do it, reach the handlers that match."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import kombu
import pytest

from tests.conftest import Broker
from tests.support import DaemonProcess, eventually_sync, write_config
from wazo_busd import catalogue
from wazo_busd.catalogue import Entry
from wazo_busd.catalogue.publication import TENANT, Era, Publication, publication
from wazo_busd.patterns import Matcher

MATCHES = {
    'all': ['#'],
    'calls': ['calls.#'],
    'one-word': ['calls.*'],
    'faxes': ['faxes.outbound.#'],
    'failed': ['#.failed'],
    'users': ['config.user.*', 'config.users.#'],
    'rooms': ['conferences.*.participants.#', 'conferences.*.particpants.#'],
    'two-ways': ['status.agent', 'status.#', 'ami.QueueMemberStatus'],
    'by-name': ['fax_outbound_failed', 'conference_participant_unmuted', 'relocate_completed', 'user_created'],
    'by-old-name': ['service_deregistered_event', 'auth_tenant_created'],
    'by-new-name': ['service_registered', 'auth_tenant_added', 'QueueMemberStatus'],
    'name-and-pattern': ['call_ended', 'calls.call.#', 'agent_status_update', 'faxes.outbound.users.#'],
}
EXCHANGES = {'xivo': 'topic', 'wazo-headers': 'headers'}
ERAS: tuple[Era, ...] = ('now', '2019')
ENTRIES = [entry for entry in catalogue.entries() if entry.on_page and entry.routing_keys]
PUBLISHED: list[tuple[Entry, Publication]] = [
    (entry, publication(entry, era=era, exchange=exchange))
    for exchange in EXCHANGES
    for era in ERAS
    for entry in ENTRIES
]


@contextmanager
def published(broker: Broker) -> Iterator[None]:
    """Every event of Wazo's page in the shapes of both eras, once on each upstream, published with kombu.

    The connection stays open meanwhile, as those of services do: of what is published without confirmation just before
    its channel closes, the last few did not always reach the queues (seen with RabbitMQ 3.10).
    """
    with kombu.Connection(broker.url) as connection, connection.channel() as channel:
        for _, each in PUBLISHED:
            target = kombu.Exchange(each.exchange, type=EXCHANGES[each.exchange], durable=True)
            producer = kombu.Producer(channel, exchange=target)
            producer.publish(each.body, routing_key=each.routing_key, headers=each.headers)
        yield


def expected(handler: str) -> list[tuple[Entry, Publication]]:
    matcher = Matcher([item for item in MATCHES[handler] if not item.isidentifier()])
    wanted = set(MATCHES[handler])
    return [
        (entry, each)
        for entry, each in PUBLISHED
        if matcher.matches(each.routing_key) or wanted & {entry.name, *entry.aliases}
    ]


@pytest.fixture(scope='module')
def journals(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """What each handler's journal has, after everything was published once on each upstream."""
    node = request.getfixturevalue('node')
    node.add_vhost('journey')
    broker = Broker(node, 'journey')
    directory = tmp_path_factory.mktemp('journey')
    handlers = '\n'.join(
        f'{name}: {{plugin: journal, match: {json.dumps(items)}, options: {{path: {directory}/{name}.jsonl}}}}'
        for name, items in MATCHES.items()
    )
    config = write_config(directory, broker, handlers)
    with DaemonProcess(config, directory) as daemon:
        daemon.wait_consuming()
        with published(broker):
            eventually_sync(
                lambda: all(len(list(_records(directory, name))) >= len(expected(name)) for name in MATCHES)
            )
        daemon.stop()
    return {name: list(_records(directory, name)) for name in MATCHES}


def _records(directory: Path, name: str) -> Iterator[Any]:
    path = directory / f'{name}.jsonl'
    yield from (json.loads(line) for line in path.read_text().splitlines()) if path.exists() else ()


@pytest.mark.parametrize('handler', MATCHES)
def test_every_event_arrives_once_at_each_handler_that_matches(journals: dict[str, list[Any]], handler: str) -> None:
    found = sorted((each['exchange'], each['name'], each['routing_key']) for each in journals[handler])

    assert found == sorted((each.exchange, each.headers['name'], each.routing_key) for _, each in expected(handler))


@pytest.mark.parametrize('handler', MATCHES)
def test_events_of_one_key_arrive_in_the_order_they_were_published_in(
    journals: dict[str, list[Any]], handler: str
) -> None:
    found, wanted = defaultdict(list), defaultdict(list)
    for each in journals[handler]:
        found[each['routing_key']].append(each['name'])
    for _, sent in expected(handler):
        wanted[sent.routing_key].append(sent.headers['name'])

    assert found == wanted


def test_the_data_is_what_was_published(journals: dict[str, list[Any]]) -> None:
    found = [(each['exchange'], each['name'], each['data']) for each in journals['all']]

    assert found == [(each.exchange, each.headers['name'], each.body['data']) for _, each in PUBLISHED]


def test_the_tenant_is_the_headers_else_the_datas_else_unknown(journals: dict[str, list[Any]]) -> None:
    def expected(entry: Entry, sent: Publication) -> Any:
        if 'timestamp' in sent.headers and entry.scope != 'service':
            return TENANT
        # An event about a tenant says it as the UUID of what it is about.
        data = sent.body['data']
        return data['uuid'] if sent.routing_key.startswith('auth.tenants.') else data.get('tenant_uuid')

    assert [each['tenant_uuid'] for each in journals['all']] == [expected(*each) for each in PUBLISHED]


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


def test_every_event_of_wazos_page_is_published_on_both_upstreams_in_both_shapes() -> None:
    assert len(PUBLISHED) == 4 * len({entry.name for entry in catalogue.entries() if entry.on_page and entry.keys})


def test_a_name_takes_both_keys_and_both_names_of_an_event(journals: dict[str, list[Any]]) -> None:
    assert {(each['name'], each['routing_key']) for each in journals['by-old-name']} == {
        ('service_deregistered', 'service.registered.wazo-dird'),
        ('service_deregistered_event', 'service.deregistered.wazo-dird'),
        ('auth_tenant_added', f'auth.tenants.{TENANT}.created'),
    }


def test_the_pattern_of_the_wazo_page_matches_no_call(journals: dict[str, list[Any]]) -> None:
    assert journals['one-word'] == []
