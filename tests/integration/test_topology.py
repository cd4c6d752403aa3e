# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The topology on a real broker: what is declared, with which rights, and what the broker refuses."""

from __future__ import annotations

import json
import re
import shlex
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from pamqp.common import FieldValue

from tests.conftest import Broker, require_broker
from tests.integration.conftest import MakeStation, Station, history_of
from tests.support import Service, eventually
from tools.rabbitmq_node import RabbitmqNode
from wazo_busd.bus import ConsumerState
from wazo_busd.outcome import Outcome

ARCHITECTURE = Path(__file__).parents[2] / 'docs' / 'architecture.md'

DOCUMENTED = re.findall(
    r"'(.*?)'", re.findall(r'^rabbitmqctl set_permissions .*$', ARCHITECTURE.read_text(), re.MULTILINE)[0]
)
"""What the documents say that the daemon's user may configure, write and read."""


def bindings(broker: Broker) -> set[tuple[str, str, str]]:
    """Source, destination and key of every binding but those of the default exchange."""
    table = broker.node.ctl('list_bindings', '-p', broker.vhost, 'source_name', 'destination_name', 'routing_key')
    rows = [tuple(line.split('\t')) for line in table.splitlines()[1:]]
    return {(row[0], row[1], row[2]) for row in rows if row[0]}


async def test_there_is_one_binding_on_each_upstream(broker: Broker, station: Station) -> None:
    await station.attach('calls', 'calls.#', 'faxes.#')
    await station.attach('all', '#')

    assert {each for each in bindings(broker) if each[1] == 'wazo-busd'} == {
        ('xivo', 'wazo-busd', '#'),
        ('wazo-headers', 'wazo-busd', ''),
    }


async def test_every_pattern_binds_the_queue_to_the_hub(broker: Broker, station: Station) -> None:
    await station.attach('calls', 'calls.#', 'faxes.#')

    assert {each for each in bindings(broker) if each[1] == 'wazo-busd.calls'} == {
        ('wazo-busd', 'wazo-busd.calls', 'calls.#'),
        ('wazo-busd', 'wazo-busd.calls', 'faxes.#'),
        ('wazo-busd.return', 'wazo-busd.calls', 'calls'),
    }


async def test_a_namespace_names_everything(broker: Broker, make_station: MakeStation) -> None:
    station = await make_station(broker, namespace='second')
    await station.attach('calls', 'calls.#', delays_seconds=[2.0])
    await eventually(lambda: ('second.orphans', 'second.return.orphans', '') in bindings(broker))

    names = {part for each in bindings(broker) for part in each[:2]}
    assert names == {
        'xivo',
        'wazo-headers',
        'second',
        'second.calls',
        'second.calls.dead',
        'second.dead',
        'second.orphans',
        'second.retry',
        'second.retry.2s',
        'second.return',
        'second.return.orphans',
    }


async def test_least_privilege_is_enough(broker: Broker, make_station: MakeStation, service: Service) -> None:
    await _declare_upstreams(service)
    user = _add_user(broker, *DOCUMENTED)
    station = await make_station(broker, username=user, password='secret')

    calls = await station.attach('calls', 'calls.#')
    await service.send('wazo-headers', 'calls.missed', b'{}', {})

    (await calls.count(1))[0].settle(Outcome.DONE)
    assert station.state('calls') is ConsumerState.CONSUMING


async def test_upstreams_that_the_least_privileged_miss_are_told_until_they_are_there(
    broker: Broker, make_station: MakeStation, service: Service
) -> None:
    user = _add_user(broker, *DOCUMENTED)
    station = await make_station(broker, username=user, password='secret')
    calls = await station.attach('calls', 'calls.#')
    lacking = station.bus.status().summary

    await _declare_upstreams(service)
    await eventually(lambda: 'does not exist' not in station.bus.status().summary, station.changed)
    await service.send('wazo-headers', 'calls.missed', b'{}', {})
    await calls.count(1)

    connected = f'connected to {broker.host}:{broker.port}'
    assert lacking.split('; ') == [
        connected,
        f"the exchange xivo does not exist, and the user '{user}' may not make it",
        f"the exchange wazo-headers does not exist, and the user '{user}' may not make it",
        'start the Wazo services, which make it: wazo-service start',
        'or let an administrator declare it once',
    ]
    assert station.bus.status().summary == connected


async def test_a_missing_right_is_told_with_the_command_that_gives_it(
    broker: Broker, make_station: MakeStation, service: Service
) -> None:
    await _declare_upstreams(service)
    user = _add_user(broker, '^$', '^$', '^$')
    station = await make_station(broker, username=user, password='secret')

    assert 'rabbitmqctl set_permissions -p' in await station.told('may not use the exchange wazo-busd')


async def test_a_right_that_is_given_later_is_enough(
    broker: Broker, make_station: MakeStation, service: Service
) -> None:
    await _declare_upstreams(service)
    user = _add_user(broker, '^$', '^$', '^$')
    station = await make_station(broker, username=user, password='secret')
    station.attach_soon('calls', 'calls.#')
    await station.told('may not use')

    broker.node.set_permissions(broker.vhost, user, '.*', '.*', '.*')

    await station.consuming('calls')


async def test_the_command_in_the_log_can_be_pasted(
    broker: Broker, make_station: MakeStation, service: Service, log: StringIO
) -> None:
    await _declare_upstreams(service)
    user = _add_user(broker, '^$', '^$', '^$')
    station = await make_station(broker, username=user, password='secret')
    station.attach_soon('calls', 'calls.#')
    await station.told('may not use')
    _, _, pasted = log.getvalue().partition('; rabbitmqctl ')

    broker.node.ctl(*shlex.split(pasted.partition('"')[0]))

    await station.consuming('calls')


async def test_an_upstream_that_may_not_be_read_does_not_keep_the_other_from_serving(
    broker: Broker, make_station: MakeStation, service: Service
) -> None:
    await _declare_upstreams(service)
    user = _add_user(broker, r'^wazo-busd.*', r'^wazo-busd.*', r'^(wazo-headers|wazo-busd.*)$')
    station = await make_station(broker, username=user, password='secret')
    calls = await station.attach('calls', 'calls.#')

    await service.send('xivo', 'calls.missed', b'{"data":1}', {})
    await service.send('wazo-headers', 'calls.missed', b'{"data":2}', {})

    await calls.count(1)
    assert calls.bodies == [{'data': 2}]


async def test_a_refused_queue_takes_out_its_own_handler_only(
    broker: Broker, station: Station, service: Service
) -> None:
    await service.channel.declare_queue('wazo-busd.odd', durable=True)
    calls = await station.attach('calls', 'calls.#')
    station.attach_soon('odd', '#')

    await station.detail('odd', 'exists with another')
    await service.send('xivo', 'calls.missed', b'{}', {})

    assert (len(await calls.count(1)), station.state('odd')) == (1, ConsumerState.REFUSED)


async def test_a_refusal_says_what_differs_and_what_to_type(
    broker: Broker, make_station: MakeStation, tmp_path: Path
) -> None:
    first = await make_station(broker)
    await first.attach('calls', 'calls.#', max_length=1000)
    await first.bus.detach('calls', 0.0)
    first.attach_soon('calls', 'calls.#', max_length=2000)

    detail = await first.detail('calls', 'x-max-length')
    assert all(part in detail for part in ('it has 1000,', 'says 2000', 'wazo-busd queue recreate calls'))


async def test_a_limit_that_a_queue_does_not_have_is_told_as_a_plain_number(
    broker: Broker, station: Station, service: Service
) -> None:
    arguments: dict[str, Any] = {
        'x-queue-type': 'quorum',
        'x-max-length': 250_000,
        'x-max-length-bytes': 2**28,
        'x-overflow': 'drop-head',
    }
    await service.channel.declare_queue('wazo-busd.odd', durable=True, arguments=arguments)
    station.attach_soon('odd', '#')

    assert 'another x-expires: it has none, the configuration says 1209600000; ' in await station.detail('odd', 'has')


async def test_a_refused_queue_is_consumed_when_the_cause_is_gone(
    broker: Broker, station: Station, service: Service
) -> None:
    await service.channel.declare_queue('wazo-busd.odd', durable=True)
    station.attach_soon('odd', '#')
    await station.detail('odd', 'exists with another')

    await service.channel.queue_delete('wazo-busd.odd')

    await station.consuming('odd')


async def test_an_event_that_comes_by_both_ways_is_queued_once(
    broker: Broker, station: Station, service: Service
) -> None:
    calls = await station.attach('calls', 'calls.#')
    headers = await service.channel.get_exchange('wazo-headers', ensure=False)
    await headers.bind('xivo', '#')

    await service.send('xivo', 'calls.missed', b'{"data":1}', {})
    await service.send('wazo-headers', 'calls.missed', b'{"data":2}', {})

    await calls.count(2)
    assert calls.bodies == [{'data': 1}, {'data': 2}]


def queues(broker: Broker) -> dict[str, tuple[bool, dict[object, object]]]:
    """Of every queue whether it is durable, and its arguments."""
    table = broker.node.ctl('list_queues', '-p', broker.vhost, 'name', 'durable', 'arguments', '--formatter', 'json')
    return {each['name']: (each['durable'], dict(_pairs(each['arguments']))) for each in json.loads(table)}


async def test_delay_queues_lose_nothing_and_give_it_back_to_who_failed(broker: Broker, station: Station) -> None:
    await station.attach('calls', 'calls.#', delays_seconds=[0.1, 300.0])
    await station.attach('faxes', 'faxes.#', delays_seconds=[300.0])
    await eventually(lambda: 'wazo-busd.return.orphans' in queues(broker))

    found = {name: said for name, said in queues(broker).items() if name.startswith('wazo-busd.re')}
    kept = {'x-queue-type': 'quorum', 'x-max-length': 250_000, 'x-max-length-bytes': 2**28}
    kept |= {'x-overflow': 'reject-publish'}
    delaying = kept | {'x-dead-letter-exchange': 'wazo-busd.return', 'x-dead-letter-strategy': 'at-least-once'}
    assert found == {
        'wazo-busd.retry.100ms': (True, delaying | {'x-message-ttl': 100}),
        'wazo-busd.retry.300s': (True, delaying | {'x-message-ttl': 300_000}),
        'wazo-busd.return.orphans': (True, kept),
    }


async def test_the_retries_of_a_handler_that_is_gone_have_another_way(broker: Broker, station: Station) -> None:
    await station.attach('calls', 'calls.#')

    table = broker.node.ctl('list_exchanges', '-p', broker.vhost, 'name', 'arguments', '--formatter', 'json')
    found = {each['name']: dict(_pairs(each['arguments'])) for each in json.loads(table)}
    assert found['wazo-busd.return'] == {'alternate-exchange': 'wazo-busd.orphans'}


async def test_queues_are_durable_bounded_quorum_queues(broker: Broker, station: Station) -> None:
    await station.attach('calls', 'calls.#', max_length=1000, max_bytes=2**20, expires='3d')

    assert queues(broker) == {
        'wazo-busd.calls': (
            True,
            {
                'x-queue-type': 'quorum',
                'x-max-length': 1000,
                'x-max-length-bytes': 2**20,
                'x-overflow': 'drop-head',
                'x-expires': 3 * 86_400_000,
            },
        ),
        'wazo-busd.calls.dead': (
            True,
            {
                'x-queue-type': 'quorum',
                'x-max-length': 1000,
                'x-max-length-bytes': 2**20,
                'x-overflow': 'reject-publish',
            },
        ),
    }


async def test_a_broker_without_quorum_queues_is_told_of_and_used_with_classic_ones(
    tmp_path: Path, make_station: MakeStation, log: StringIO
) -> None:
    require_broker()
    node = RabbitmqNode(tmp_path / 'rabbitmq', feature_flags='')
    node.start()
    try:
        broker = Broker(node, '/')
        station = await make_station(broker)
        calls = await station.attach('calls', 'calls.#')
        async with Service(broker) as service:
            await service.send('xivo', 'calls.missed', b'{}', {})
            await calls.count(1)
        await station.close()
    finally:
        node.stop()

    assert 'rabbitmqctl enable_feature_flag all' in log.getvalue()


async def test_a_classic_queue_from_that_time_goes_on_when_the_broker_has_quorum_queues(
    broker: Broker, make_station: MakeStation
) -> None:
    station = await make_station(broker)
    await station.attach('calls', 'calls.#', type='classic')
    await station.bus.detach('calls', 0.0)

    await station.attach('calls', 'calls.#', type='quorum')


async def test_a_broker_without_quorum_queues_gets_classic_delay_queues_even_if_nobody_wants_a_quorum_queue(
    tmp_path: Path, make_station: MakeStation
) -> None:
    require_broker()
    node = RabbitmqNode(tmp_path / 'rabbitmq', feature_flags='')
    node.start()
    try:
        broker = Broker(node, '/')
        station = await make_station(broker)
        calls = await station.attach('calls', 'calls.#', delays_seconds=[0.1], type='classic')
        async with Service(broker) as service:
            await service.send('xivo', 'calls.missed', b'{}', {})
            (first,) = await calls.count(1)
            first.settle(Outcome.RETRY, history=history_of(first))
            _, second = await calls.count(2)
        await station.close()
    finally:
        node.stop()

    assert (second.history or history_of(first)).attempts == 1


async def test_a_classic_delay_queue_from_that_time_goes_on_when_the_broker_has_quorum_queues(
    broker: Broker, station: Station, service: Service
) -> None:
    arguments: dict[str, FieldValue] = dict(station.hub.delay(0.1).queue.as_classic().arguments)
    await service.channel.declare_queue('wazo-busd.retry.100ms', durable=True, arguments=arguments)
    calls = await station.attach('calls', 'calls.#', delays_seconds=[0.1])
    await service.send('xivo', 'calls.missed', b'{"data":1}', {})
    (first,) = await calls.count(1)

    first.settle(Outcome.RETRY, history=history_of(first))

    _, second = await calls.count(2)
    assert (second.body, queues(broker)['wazo-busd.retry.100ms'][1]['x-queue-type']) == (b'{"data":1}', 'classic')


def _pairs(arguments: object) -> list[tuple[object, object]]:
    """rabbitmqctl 3.10 prints a table as a map, or as a list of name, type and value."""
    if isinstance(arguments, dict):
        return list(arguments.items())
    if isinstance(arguments, list):
        return [(each[0], each[-1]) for each in arguments]
    pytest.fail(f'rabbitmqctl prints arguments as {arguments!r}')


async def _declare_upstreams(service: Service) -> None:
    await service.channel.declare_exchange('xivo', 'topic', durable=True)
    await service.channel.declare_exchange('wazo-headers', 'headers', durable=True)


def _add_user(broker: Broker, configure: str, write: str, read: str) -> str:
    user = f'lean-{broker.vhost}'
    broker.node.add_user(user, 'secret')
    broker.node.set_permissions(broker.vhost, user, configure, write, read)
    return user
