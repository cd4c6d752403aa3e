# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The topology: what a handler asks of the broker, as values."""

from __future__ import annotations

import dataclasses

import pytest

from wazo_busd.config import QueueConfig
from wazo_busd.topology import UPSTREAMS, Exchange, HandlerQueue, Hub, Queue


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
    assert (hub.exchange, hub.dead, wanted.queue.name, wanted.dead.name) == (
        Exchange(namespace, 'topic'),
        Exchange(f'{namespace}.dead', 'direct'),
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


def test_both_queues_are_of_the_kind_and_size_that_is_configured() -> None:
    config = QueueConfig(type='classic', max_length=10, max_bytes=2_097_152, expires=200_000.5)
    wanted = asked(config)
    common = {'x-queue-type': 'classic', 'x-max-length': 10, 'x-max-length-bytes': 2_097_152}
    assert (dict(wanted.queue.arguments), dict(wanted.dead.arguments)) == (
        common | {'x-overflow': 'drop-head', 'x-expires': 200_000_500},
        common | {'x-overflow': 'reject-publish'},
    )


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
        (Hub('x').exchange, 'type'),
        (UPSTREAMS[0], 'routing_key'),
    ],
)
def test_a_topology_does_not_change(part: object, field: str) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(part, field, 'other')
