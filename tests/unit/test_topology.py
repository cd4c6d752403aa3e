# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The topology: what a handler asks of the broker, as values."""

from __future__ import annotations

import dataclasses

import pytest

from wazo_busd.config import QueueConfig
from wazo_busd.retry import STEPS_SECONDS
from wazo_busd.topology import DELAY_HEADER, UPSTREAMS, Exchange, HandlerQueue, Hub, Queue


def asked(config: QueueConfig | None = None, *patterns: str, namespace: str = 'wazo-busd') -> HandlerQueue:
    return Hub(namespace).handler_queue('fax-alerts', patterns or ['faxes.#'], config or QueueConfig())


def test_the_upstream_exchanges_are_those_of_2019_and_of_today() -> None:
    assert [(each.exchange.name, each.exchange.type, each.routing_key) for each in UPSTREAMS] == [
        ('xivo', 'topic', '#'),
        ('wazo-headers', 'headers', ''),
    ]


@pytest.mark.parametrize('namespace', ['wazo-busd', 'second'])
def test_every_name_of_ours_begins_with_the_namespace(namespace: str) -> None:
    hub, wanted = Hub(namespace), asked(namespace=namespace)
    assert (
        hub.exchange,
        hub.dead,
        hub.retry,
        hub.returns,
        hub.orphans,
        hub.orphan_queue.name,
        hub.delay(2.0).queue.name,
        wanted.queue.name,
        wanted.dead.name,
    ) == (
        Exchange(namespace, 'topic'),
        Exchange(f'{namespace}.dead', 'direct'),
        Exchange(f'{namespace}.retry', 'headers'),
        Exchange(f'{namespace}.return', 'direct', alternate=f'{namespace}.orphans'),
        Exchange(f'{namespace}.orphans', 'fanout'),
        f'{namespace}.return.orphans',
        f'{namespace}.retry.2s',
        f'{namespace}.fax-alerts',
        f'{namespace}.fax-alerts.dead',
    )


def test_a_handler_queue_is_called_as_the_hub_says() -> None:
    assert asked().queue.name == Hub('wazo-busd').queue_name('fax-alerts')


def test_a_handler_queue_has_the_limits_that_are_the_default() -> None:
    assert dict(asked().queue.arguments) == {
        'x-queue-type': 'quorum',
        'x-max-length': 250_000,
        'x-max-length-bytes': 268_435_456,
        'x-overflow': 'drop-head',
        'x-expires': 1_209_600_000,
    }


def test_a_dead_letter_queue_refuses_when_it_is_full_and_never_expires() -> None:
    assert dict(asked().dead.arguments) == {
        'x-queue-type': 'quorum',
        'x-max-length': 250_000,
        'x-max-length-bytes': 268_435_456,
        'x-overflow': 'reject-publish',
    }


@pytest.mark.parametrize('name', ['retry', 'return', 'dead', 'orphans', 'retry-2s', 'a' * 100])
@pytest.mark.parametrize('seconds', STEPS_SECONDS)
def test_no_handler_can_have_a_queue_of_ours(name: str, seconds: float) -> None:
    hub = Hub('wazo-busd')
    wanted = hub.handler_queue(name, ['#'], QueueConfig())

    assert not {wanted.queue.name, wanted.dead.name} & {hub.delay(seconds).queue.name, hub.orphan_queue.name}


def test_a_handler_is_known_by_its_queue() -> None:
    assert Hub('wazo-busd').handler_of('wazo-busd.fax-alerts') == 'fax-alerts'


@pytest.mark.parametrize(
    ('seconds', 'name', 'milliseconds'),
    [
        (0.1, 'wazo-busd.retry.100ms', 100),
        (0.25, 'wazo-busd.retry.250ms', 250),
        (1.0, 'wazo-busd.retry.1s', 1_000),
        (2, 'wazo-busd.retry.2s', 2_000),
        (300.0, 'wazo-busd.retry.300s', 300_000),
        (3600.0, 'wazo-busd.retry.3600s', 3_600_000),
    ],
)
def test_a_delay_queue_is_called_by_how_long_it_holds_events(seconds: float, name: str, milliseconds: int) -> None:
    delay = Hub('wazo-busd').delay(seconds)

    assert (delay.queue.name, delay.milliseconds) == (name, milliseconds)


def test_a_delay_queue_loses_nothing_and_gives_it_back_to_who_failed() -> None:
    assert dict(Hub('wazo-busd').delay(2.0).queue.arguments) == {
        'x-queue-type': 'quorum',
        'x-message-ttl': 2_000,
        'x-dead-letter-exchange': 'wazo-busd.return',
        'x-dead-letter-strategy': 'at-least-once',
        'x-overflow': 'reject-publish',
        'x-max-length': 250_000,
        'x-max-length-bytes': 268_435_456,
    }


@pytest.mark.parametrize('seconds', STEPS_SECONDS)
def test_every_step_has_a_queue_of_its_own(seconds: float) -> None:
    hub = Hub('wazo-busd')
    others = [each for each in STEPS_SECONDS if each != seconds]

    assert hub.delay(seconds).queue.name not in {hub.delay(each).queue.name for each in others}


def test_a_time_to_live_is_a_whole_number_of_milliseconds() -> None:
    assert type(dict(Hub('wazo-busd').delay(0.1).queue.arguments)['x-message-ttl']) is int


def test_what_handlers_left_that_are_gone_is_kept() -> None:
    assert dict(Hub('wazo-busd').orphan_queue.arguments) == {
        'x-queue-type': 'quorum',
        'x-overflow': 'reject-publish',
        'x-max-length': 250_000,
        'x-max-length-bytes': 268_435_456,
    }


@pytest.mark.parametrize(
    'queue', [Hub('x').orphan_queue, Hub('x').delay(2.0).queue, asked().dead], ids=lambda q: q.name
)
def test_what_holds_copies_never_expires(queue: Queue) -> None:
    assert 'x-expires' not in dict(queue.arguments)


def test_the_header_that_chooses_a_delay_queue_is_one_that_the_broker_looks_at() -> None:
    assert not DELAY_HEADER.startswith('x-')


def test_a_classic_delay_queue_has_no_strategy_that_it_does_not_know() -> None:
    queue = Hub('wazo-busd').delay(2.0).queue
    arguments = {name: value for name, value in queue.arguments if name != 'x-dead-letter-strategy'}

    assert dict(queue.as_classic().arguments) == arguments | {'x-queue-type': 'classic'}


def test_the_bounds_of_a_handler_queue_can_be_asked_for() -> None:
    wanted = asked(QueueConfig(max_length=10, max_bytes=2_097_152))

    assert (wanted.max_length, wanted.max_bytes) == (10, 2_097_152)


def test_a_handler_has_the_delays_that_are_asked_for() -> None:
    assert Hub('x').handler_queue('fax', ['#'], QueueConfig(), [2.0, 4.0]).delays_seconds == (2.0, 4.0)


def test_both_queues_are_of_the_kind_and_size_that_is_configured() -> None:
    config = QueueConfig(type='classic', max_length=10, max_bytes=2_097_152, expires=200_000.5)
    wanted = asked(config)
    common = {'x-queue-type': 'classic', 'x-max-length': 10, 'x-max-length-bytes': 2_097_152}
    assert (dict(wanted.queue.arguments), dict(wanted.dead.arguments)) == (
        common | {'x-overflow': 'drop-head', 'x-expires': 200_000_500},
        common | {'x-overflow': 'reject-publish'},
    )


def test_one_consumer_at_a_time_is_asked_for_its_events_and_not_for_dead_letters() -> None:
    wanted = asked(QueueConfig(single_active_consumer=True))

    assert (dict(wanted.queue.arguments)['x-single-active-consumer'], wanted.has_single_consumer) == (True, True)
    assert 'x-single-active-consumer' not in dict(wanted.dead.arguments)


def test_where_it_is_not_asked_for_nothing_is_said_about_it() -> None:
    # RabbitMQ takes an argument that says false for another one than none.
    wanted = asked(QueueConfig())

    assert ('x-single-active-consumer' in dict(wanted.queue.arguments), wanted.has_single_consumer) == (False, False)


def test_an_expiry_is_a_whole_number_of_milliseconds() -> None:
    assert type(dict(asked().queue.arguments)['x-expires']) is int


def test_patterns_are_sorted_and_said_once() -> None:
    assert asked(None, 'faxes.#', 'calls.#', 'faxes.#').patterns == ('calls.#', 'faxes.#')


def test_the_order_of_patterns_is_no_difference() -> None:
    assert asked(None, 'a', 'b') == asked(None, 'b', 'a')


@pytest.mark.parametrize(('kind', 'quorum'), [('quorum', True), ('classic', False)])
def test_a_queue_knows_whether_it_is_a_quorum_queue(kind: str, quorum: bool) -> None:
    assert Queue('x', (('x-queue-type', kind),)).is_quorum is quorum


def test_a_queue_without_a_kind_is_no_quorum_queue() -> None:
    assert not Queue('x', ()).is_quorum


def test_a_queue_as_classic_differs_in_its_kind_only() -> None:
    queue = asked().queue
    assert dict(queue.as_classic().arguments) == dict(queue.arguments) | {'x-queue-type': 'classic'}


def test_a_queue_as_classic_is_the_one_that_configuration_would_ask_for() -> None:
    assert asked().queue.as_classic() == asked(QueueConfig(type='classic')).queue


def test_a_topology_is_a_value() -> None:
    assert hash(asked()) == hash(asked())


@pytest.mark.parametrize(
    ('part', 'field'),
    [
        (asked(), 'patterns'),
        (asked().queue, 'arguments'),
        (Hub('x'), 'namespace'),
        (Hub('x').delay(2.0), 'milliseconds'),
        (Hub('x').exchange, 'type'),
        (UPSTREAMS[0], 'routing_key'),
    ],
)
def test_a_topology_does_not_change(part: object, field: str) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(part, field, 'other')
