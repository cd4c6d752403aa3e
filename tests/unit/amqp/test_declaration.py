# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The declaration: the broker gets what the topology says, and what it refuses is told with the cure."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from io import StringIO
from pathlib import Path
from typing import Any, cast

import aiormq.exceptions
import pytest
from aiormq.abc import AbstractChannel
from pamqp.commands import Channel, Connection, Exchange
from pamqp.commands import Queue as Method
from pamqp.frame import FrameTypes

from tests.unit.amqp.broker import ScriptedBroker, Session, linked
from tests.unit.rig import log_lines
from wazo_busd.amqp.connection import Link
from wazo_busd.amqp.declaration import Declarer, QueueGone, has_quorum_queues
from wazo_busd.amqp.ledger import Ledger
from wazo_busd.config import BusConfig, QueueConfig
from wazo_busd.errors import BusError
from wazo_busd.topology import HandlerQueue, Hub

QUEUE, DEAD = 'wazo-busd.fax', 'wazo-busd.fax.dead'
PERMISSIONS = (
    "rabbitmqctl set_permissions -p '/' 'guest' '^wazo-busd([.].*)?$' '^wazo-busd([.].*)?$' "
    "'^(xivo|wazo-headers|wazo-busd([.].*)?)$'"
)

Call = tuple[str, ...]
Refuse = Callable[[Call, dict[str, Any]], BaseException | None]


def wanted(*patterns: str, kind: str = 'quorum') -> HandlerQueue:
    """What the handler `fax` asks for."""
    return Hub('wazo-busd').handler_queue('fax', patterns, QueueConfig.model_validate({'type': kind}))


class FakeChannel:
    """A channel that keeps what it is asked for, and may refuse it."""

    def __init__(self, refuse: Refuse = lambda call, arguments: None, *, gone: bool = False) -> None:
        self.calls: list[Call] = []
        self.declared: dict[str, dict[str, Any]] = {}
        self._refuse = refuse
        self._gone = gone

    async def queue_declare(
        self, queue: str, *, durable: bool = False, passive: bool = False, arguments: dict[str, Any] | None = None
    ) -> Method.DeclareOk:
        if passive:
            self._called(('look', queue))
            if self._gone:
                raise aiormq.exceptions.ChannelNotFoundEntity(f"NOT_FOUND - no queue '{queue}' in vhost '/'")
        else:
            assert durable
            self._called(('declare', queue), arguments)
            self.declared[queue] = arguments or {}
        return Method.DeclareOk(queue, 42, 0)

    async def queue_bind(self, queue: str, exchange: str, routing_key: str) -> None:
        self._called(('bind', queue, exchange, routing_key))

    async def queue_unbind(self, queue: str, exchange: str, routing_key: str) -> None:
        self._called(('unbind', queue, exchange, routing_key))

    def _called(self, call: Call, arguments: dict[str, Any] | None = None) -> None:
        self.calls.append(call)
        error = self._refuse(call, arguments or {})
        if error is not None:
            raise error


def refusing(call: Call, error: BaseException) -> Refuse:
    """Refuse one thing."""
    return lambda each, _: error if each == call else None


def having(**kinds: str) -> Refuse:
    """What a broker says that has the queue `main` or `dead` of a kind already."""
    existing = {QUEUE: kinds.get('main'), DEAD: kinds.get('dead')}

    def refuse(call: Call, arguments: dict[str, Any]) -> BaseException | None:
        if call[0] != 'declare' or existing[call[1]] in (None, arguments['x-queue-type']):
            return None
        return aiormq.exceptions.ChannelPreconditionFailed(
            f"PRECONDITION_FAILED - inequivalent arg 'x-queue-type' for queue '{call[1]}' in vhost '/': "
            f"received '{arguments['x-queue-type']}' but current is '{existing[call[1]]}'"
        )

    return refuse


class Bench:
    """A declarer with a ledger of its own."""

    def __init__(self, path: Path) -> None:
        self.ledger = Ledger(path, BusConfig())
        self.changes = 0
        self.declarer = Declarer(BusConfig(), self.ledger, self._changed)

    async def declare(self, queue: HandlerQueue, refuse: Refuse = lambda call, arguments: None) -> FakeChannel:
        channel = FakeChannel(refuse)
        await self.declarer.declare_queue(cast('AbstractChannel', channel), queue)
        return channel

    async def refused(self, queue: HandlerQueue, refuse: Refuse) -> BusError:
        with pytest.raises(BusError) as refused:
            await self.declare(queue, refuse)
        return refused.value

    def _changed(self) -> None:
        self.changes += 1


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


async def test_a_handler_has_a_queue_and_one_for_its_dead_letters(bench: Bench) -> None:
    assert (await bench.declare(wanted('a'))).declared.keys() == {QUEUE, DEAD}


async def test_dead_letters_have_a_place_before_there_are_events(bench: Bench) -> None:
    calls = (await bench.declare(wanted('a'))).calls

    assert calls.index(('declare', DEAD)) < calls.index(('declare', QUEUE))


async def test_a_queue_is_declared_with_what_the_topology_says(bench: Bench) -> None:
    queue = wanted('a')

    assert (await bench.declare(queue)).declared[QUEUE] == dict(queue.queue.arguments)


async def test_a_queue_is_bound_by_every_pattern(bench: Bench) -> None:
    calls = (await bench.declare(wanted('calls.#', 'faxes.#'))).calls

    assert [call for call in calls if call[:3] == ('bind', QUEUE, 'wazo-busd')] == [
        ('bind', QUEUE, 'wazo-busd', 'calls.#'),
        ('bind', QUEUE, 'wazo-busd', 'faxes.#'),
    ]


async def test_dead_letters_are_bound_by_the_name_of_the_handler(bench: Bench) -> None:
    assert ('bind', DEAD, 'wazo-busd.dead', 'fax') in (await bench.declare(wanted('a'))).calls


async def test_what_is_no_longer_asked_for_is_unbound(bench: Bench) -> None:
    await bench.declare(wanted('calls.#', 'faxes.#'))

    calls = (await bench.declare(wanted('faxes.#'))).calls

    assert [call for call in calls if call[0] == 'unbind'] == [('unbind', QUEUE, 'wazo-busd', 'calls.#')]


async def test_new_bindings_are_made_before_old_ones_are_taken_away(bench: Bench) -> None:
    await bench.declare(wanted('calls.call.created'))

    calls = (await bench.declare(wanted('calls.#'))).calls

    assert calls[-2:] == [
        ('bind', QUEUE, 'wazo-busd', 'calls.#'),
        ('unbind', QUEUE, 'wazo-busd', 'calls.call.created'),
    ]


async def test_what_is_bound_is_known(bench: Bench) -> None:
    await bench.declare(wanted('calls.#', 'faxes.#'))
    await bench.declare(wanted('faxes.#'))

    assert bench.ledger.patterns(QUEUE) == {'faxes.#'}


@pytest.mark.parametrize('call', ['bind', 'unbind'])
async def test_a_binding_that_may_have_been_made_is_not_forgotten(bench: Bench, call: str) -> None:
    await bench.declare(wanted('a'))
    error = aiormq.exceptions.ChannelAccessRefused('ACCESS_REFUSED - access refused')

    await bench.refused(wanted('b'), lambda each, _: error if each[:3] == (call, QUEUE, 'wazo-busd') else None)

    assert bench.ledger.patterns(QUEUE) == {'a', 'b'}


async def test_a_broker_without_quorum_queues_gets_classic_ones(bench: Bench) -> None:
    bench.declarer.quorum = False

    declared = (await bench.declare(wanted('a'))).declared

    assert {arguments['x-queue-type'] for arguments in declared.values()} == {'classic'}


async def test_a_queue_that_was_classic_and_is_gone_is_what_the_configuration_says(bench: Bench) -> None:
    await bench.refused(wanted('a'), having(main='classic'))
    bench.declarer.forget_kind(wanted('a'))

    assert (await bench.declare(wanted('a'))).declared[QUEUE]['x-queue-type'] == 'quorum'


async def test_a_queue_that_is_classic_already_is_used_as_it_is(bench: Bench) -> None:
    await bench.refused(wanted('a'), having(main='classic'))

    assert (await bench.declare(wanted('a'), having(main='classic'))).declared[QUEUE]['x-queue-type'] == 'classic'


async def test_what_is_used_is_told(bench: Bench) -> None:
    bench.declarer.quorum = False
    channel = FakeChannel()

    queue, _ = await bench.declarer.declare_queue(cast('AbstractChannel', channel), wanted('a'))

    assert queue == wanted('a').queue.as_classic()


async def test_how_many_events_wait_is_told(bench: Bench) -> None:
    _, count = await bench.declarer.declare_queue(cast('AbstractChannel', FakeChannel()), wanted('a'))

    assert count == 42


async def test_a_queue_that_was_never_bound_is_not_looked_for(bench: Bench) -> None:
    assert ('look', QUEUE) not in (await bench.declare(wanted('a'))).calls


async def test_a_queue_that_was_bound_is_looked_for_before_it_could_be_made(bench: Bench) -> None:
    await bench.declare(wanted('a'))

    assert (await bench.declare(wanted('a'))).calls[0] == ('look', QUEUE)


async def gone(bench: Bench) -> FakeChannel:
    """Let a queue be gone that was bound before."""
    await bench.declare(wanted('a'))
    channel = FakeChannel(gone=True)
    with pytest.raises(QueueGone):
        await bench.declarer.declare_queue(cast('AbstractChannel', channel), wanted('a'))
    return channel


async def test_a_queue_that_is_gone_is_told_before_another_one_is_made(bench: Bench) -> None:
    assert (await gone(bench)).declared == {}


async def test_a_queue_that_is_gone_is_made_the_next_time(bench: Bench) -> None:
    await gone(bench)

    assert QUEUE in (await bench.declare(wanted('a'))).declared


async def test_a_queue_that_is_gone_twice_is_told_twice(bench: Bench) -> None:
    await gone(bench)
    await bench.declare(wanted('a'))

    assert (await gone(bench)).declared == {}


async def test_a_queue_that_may_not_be_looked_for_is_told_with_the_cure(bench: Bench) -> None:
    await bench.declare(wanted('a'))
    refusal = aiormq.exceptions.ChannelAccessRefused('ACCESS_REFUSED - refused')

    error = await bench.refused(wanted('a'), refusing(('look', QUEUE), refusal))

    assert error.cure == PERMISSIONS


async def test_a_queue_is_bound_to_where_its_retries_come_from(bench: Bench) -> None:
    assert ('bind', QUEUE, 'wazo-busd.return', 'fax') in (await bench.declare(wanted('a'))).calls


async def test_dead_letters_that_are_in_a_classic_queue_do_not_make_the_other_one_classic(bench: Bench) -> None:
    await bench.refused(wanted('a'), having(dead='classic'))

    declared = (await bench.declare(wanted('a'), having(dead='classic'))).declared

    assert (declared[QUEUE]['x-queue-type'], declared[DEAD]['x-queue-type']) == ('quorum', 'classic')


@pytest.mark.parametrize('kinds', [{'main': 'classic', 'dead': 'classic'}, {'main': 'quorum', 'dead': 'classic'}])
async def test_queues_of_any_kind_are_used_in_the_end(bench: Bench, kinds: dict[str, str]) -> None:
    refusals = 0
    while True:
        try:
            declared = (await bench.declare(wanted('a'), having(**kinds))).declared
            break
        except BusError:
            refusals += 1
            assert refusals <= 2

    assert [declared[QUEUE]['x-queue-type'], declared[DEAD]['x-queue-type']] == [kinds['main'], kinds['dead']]


async def test_a_classic_queue_that_somebody_has_made_anew_is_used_as_the_configuration_says(bench: Bench) -> None:
    await bench.refused(wanted('a'), having(dead='classic'))
    await bench.declare(wanted('a'), having(dead='classic'))
    await bench.refused(wanted('a'), having(dead='quorum'))

    assert (await bench.declare(wanted('a'), having(dead='quorum'))).declared[DEAD]['x-queue-type'] == 'quorum'


async def test_a_classic_queue_is_told_with_the_command_that_makes_it_anew(bench: Bench, log: StringIO) -> None:
    await bench.refused(wanted('a'), having(main='classic'))

    (line,) = log_lines(log, 'queue_is_classic')
    assert (line['queue'], line['hint'].endswith('wazo-busd queue recreate fax')) == (QUEUE, True)


async def test_a_queue_that_should_be_classic_and_is_not_is_refused(bench: Bench) -> None:
    error = await bench.refused(wanted('a', kind='classic'), having(main='quorum'))

    assert error.text == (
        f'the queue {QUEUE} exists with another x-queue-type: it has quorum, the configuration says classic'
    )


INEQUIVALENT = (
    "PRECONDITION_FAILED - inequivalent arg 'x-max-length' for queue '{}' in vhost '/': received '6' but current is '5'"
)


@pytest.mark.parametrize('queue', [QUEUE, DEAD])
async def test_a_queue_with_other_arguments_is_told_with_both(bench: Bench, queue: str) -> None:
    refusal = aiormq.exceptions.ChannelPreconditionFailed(INEQUIVALENT.format(queue))

    error = await bench.refused(wanted('a'), refusing(('declare', queue), refusal))

    assert error.text == f'the queue {queue} exists with another x-max-length: it has 5, the configuration says 6'


@pytest.mark.parametrize('queue', [QUEUE, DEAD])
async def test_a_queue_of_a_handler_that_is_refused_can_be_made_anew(bench: Bench, queue: str) -> None:
    refusal = aiormq.exceptions.ChannelPreconditionFailed(INEQUIVALENT.format(queue))

    error = await bench.refused(wanted('a'), refusing(('declare', queue), refusal))

    assert error.cure.endswith(
        'put the old value back, or make it anew, with its events, while it is not consumed: '
        'wazo-busd queue recreate fax'
    )


@pytest.mark.parametrize(
    ('refusal', 'text', 'cure'),
    [
        (
            aiormq.exceptions.ChannelAccessRefused("ACCESS_REFUSED - access to queue 'wazo-busd.fax' refused"),
            "the user 'guest' may not use the queue wazo-busd.fax: access to queue 'wazo-busd.fax' refused",
            PERMISSIONS,
        ),
        (
            aiormq.exceptions.ChannelLockedResource('RESOURCE_LOCKED - cannot obtain exclusive access'),
            'the queue wazo-busd.fax belongs to another connection alone',
            'rabbitmqctl list_queues name owner_pid',
        ),
        (
            aiormq.exceptions.ChannelNotFoundEntity("NOT_FOUND - no exchange 'wazo-busd' in vhost '/'"),
            "the broker refuses the queue wazo-busd.fax: no exchange 'wazo-busd' in vhost '/'",
            'journalctl -u rabbitmq-server -n 50',
        ),
        (
            aiormq.exceptions.ChannelPreconditionFailed('PRECONDITION_FAILED - invalid arg'),
            'the broker refuses the queue wazo-busd.fax: invalid arg',
            'journalctl -u rabbitmq-server -n 50',
        ),
        (
            aiormq.exceptions.ChannelPreconditionFailed('no usual words'),
            'the broker refuses the queue wazo-busd.fax: no usual words',
            'journalctl -u rabbitmq-server -n 50',
        ),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_a_refusal_is_told_with_its_cure(bench: Bench, refusal: BaseException, text: str, cure: str) -> None:
    error = await bench.refused(wanted('a'), refusing(('declare', QUEUE), refusal))

    assert (error.text, error.cure) == (text, cure)


@pytest.mark.parametrize('error', [asyncio.CancelledError(), OSError('disk full'), RuntimeError('closed')], ids=repr)
async def test_what_is_no_refusal_is_not_explained(bench: Bench, error: BaseException) -> None:
    with pytest.raises(type(error)):
        await bench.declare(wanted('a'), refusing(('declare', QUEUE), error))


def not_found(frame: Exchange.Declare) -> Sequence[FrameTypes]:
    if frame.passive and frame.exchange == 'xivo':
        return [Channel.Close(404, "NOT_FOUND - no exchange 'xivo' in vhost '/'", 40, 10)]
    return [Exchange.DeclareOk()]


async def exchanges(broker: ScriptedBroker) -> list[tuple[str, str, bool]]:
    """The exchanges that were declared, not only looked for."""
    frames = (await broker.session()).frames(Exchange.Declare)
    return [(frame.exchange, frame.exchange_type, frame.durable) for frame in frames if not frame.passive]


async def test_the_hub_is_declared(bench: Bench) -> None:
    async with linked() as (broker, link):
        await bench.declarer.declare_hub(link)

        assert await exchanges(broker) == [
            ('wazo-busd', 'topic', True),
            ('wazo-busd.orphans', 'fanout', True),
            ('wazo-busd.return', 'direct', True),
            ('wazo-busd.retry', 'headers', True),
            ('wazo-busd.dead', 'direct', True),
        ]


async def test_the_retries_of_a_handler_that_is_gone_go_elsewhere(bench: Bench) -> None:
    async with linked() as (broker, link):
        await bench.declarer.declare_hub(link)

        frames = (await broker.session()).frames(Exchange.Declare)
        assert {frame.exchange: frame.arguments for frame in frames if frame.arguments} == {
            'wazo-busd.return': {'alternate-exchange': 'wazo-busd.orphans'}
        }


async def test_the_hub_is_bound_to_both_exchanges_of_wazo(bench: Bench) -> None:
    async with linked() as (broker, link):
        await bench.declarer.declare_hub(link)

        bound = (await broker.session()).frames(Exchange.Bind)
        assert [(bind.destination, bind.source, bind.routing_key, bind.arguments) for bind in bound] == [
            ('wazo-busd', 'xivo', '#', {}),
            ('wazo-busd', 'wazo-headers', '', {}),
        ]


async def test_an_exchange_of_wazo_that_is_missing_is_made(bench: Bench) -> None:
    async with linked() as (broker, link):
        broker.answers[Exchange.Declare] = not_found

        await bench.declarer.declare_hub(link)

        assert ('xivo', 'topic', True) in await exchanges(broker)


def not_allowed(frame: Exchange.Declare) -> Sequence[FrameTypes]:
    if frame.exchange == 'xivo':
        return [Channel.Close(403, "ACCESS_REFUSED - access to exchange 'xivo' in vhost '/' refused", 40, 10)]
    return [Exchange.DeclareOk()]


async def test_an_exchange_of_wazo_that_we_may_not_use_leaves_us_the_other(bench: Bench) -> None:
    async with linked() as (broker, link):
        broker.answers[Exchange.Declare] = not_allowed

        await bench.declarer.declare_hub(link)

        assert [bind.source for bind in (await broker.session()).frames(Exchange.Bind)] == ['wazo-headers']


async def test_an_exchange_of_wazo_that_we_may_not_use_is_told_once(bench: Bench, log: StringIO) -> None:
    async with linked() as (broker, link):
        broker.answers[Exchange.Declare] = not_allowed
        await bench.declarer.declare_hub(link)
        await bench.declarer.declare_hub(link)

        assert [line['exchange'] for line in log_lines(log, 'upstream_missing')] == ['xivo']


def not_there(*names: str) -> Callable[[Exchange.Declare], Sequence[FrameTypes]]:
    """What a broker says that lacks some exchanges, to a user who may not make them."""

    def answer(frame: Exchange.Declare) -> Sequence[FrameTypes]:
        if frame.exchange not in names:
            return [Exchange.DeclareOk()]
        if frame.passive:
            return [Channel.Close(404, f"NOT_FOUND - no exchange '{frame.exchange}' in vhost '/'", 40, 10)]
        text = f"ACCESS_REFUSED - access to exchange '{frame.exchange}' in vhost '/' refused for user 'guest'"
        return [Channel.Close(403, text, 40, 10)]

    return answer


START = 'start the Wazo services, which make it: wazo-service start; or let an administrator declare it once'


async def test_an_exchange_of_wazo_that_is_not_there_and_that_we_may_not_make_is_told_so(
    bench: Bench, log: StringIO
) -> None:
    async with linked() as (broker, link):
        broker.answers[Exchange.Declare] = not_there('xivo')
        await bench.declarer.declare_hub(link)

        (line,) = log_lines(log, 'upstream_missing')
        assert (line['exchange'], line['type'], line['error'], line['hint']) == (
            'xivo',
            'topic',
            "the exchange xivo does not exist, and the user 'guest' may not make it",
            START,
        )


async def test_an_exchange_of_wazo_that_is_there_in_the_end_but_that_we_may_not_use_is_told_again(
    bench: Bench, log: StringIO
) -> None:
    async with linked() as (broker, link):
        broker.answers[Exchange.Declare] = not_there('xivo')
        await bench.declarer.declare_hub(link)
        broker.answers[Exchange.Declare] = not_allowed
        await bench.declarer.declare_hub(link)

        assert [line['hint'] for line in log_lines(log, 'upstream_missing')] == [START, PERMISSIONS]


async def test_nothing_is_lacking_where_all_is_there(bench: Bench) -> None:
    async with linked() as (_, link):
        await bench.declarer.declare_hub(link)

        assert (bench.declarer.lacks, bench.changes) == ([], 0)


async def test_what_is_lacking_is_said_with_each_cure_once(bench: Bench) -> None:
    async with linked() as (broker, link):
        broker.answers[Exchange.Declare] = not_there('xivo', 'wazo-headers')
        await bench.declarer.declare_hub(link)

        assert bench.declarer.lacks == [
            "the exchange xivo does not exist, and the user 'guest' may not make it",
            "the exchange wazo-headers does not exist, and the user 'guest' may not make it",
            START,
        ]


async def test_what_is_lacking_no_longer_is_not_said(bench: Bench) -> None:
    async with linked() as (broker, link):
        broker.answers[Exchange.Declare] = not_there('xivo', 'wazo-headers')
        await bench.declarer.declare_hub(link)
        del broker.answers[Exchange.Declare]
        await bench.declarer.declare_hub(link)

        assert bench.declarer.lacks == []


async def test_whoever_wants_to_know_is_told_whenever_something_else_is_lacking(bench: Bench) -> None:
    async with linked() as (broker, link):
        broker.answers[Exchange.Declare] = not_there('xivo')
        await bench.declarer.declare_hub(link)
        await bench.declarer.declare_hub(link)
        first = bench.changes
        del broker.answers[Exchange.Declare]
        await bench.declarer.declare_hub(link)
        await bench.declarer.declare_hub(link)

        assert (first, bench.changes) == (1, 2)


async def test_the_command_in_the_log_is_as_it_is_typed(bench: Bench, log: StringIO) -> None:
    async with linked() as (broker, link):
        broker.answers[Exchange.Declare] = not_allowed
        await bench.declarer.declare_hub(link)

    assert PERMISSIONS in log.getvalue()


async def test_an_exchange_of_wazo_that_is_there_again_is_told(bench: Bench, log: StringIO) -> None:
    async with linked() as (broker, link):
        broker.answers[Exchange.Declare] = not_allowed
        await bench.declarer.declare_hub(link)
        del broker.answers[Exchange.Declare]
        await bench.declarer.declare_hub(link)

        assert [line['exchange'] for line in log_lines(log, 'upstream_found')] == ['xivo']


async def test_a_hub_of_another_type_is_told(bench: Bench) -> None:
    async with linked() as (broker, link):
        text = (
            "PRECONDITION_FAILED - inequivalent arg 'type' for exchange 'wazo-busd' in vhost '/': "
            "received 'topic' but current is 'direct'"
        )
        broker.answers[Exchange.Declare] = lambda _: [Channel.Close(406, text, 40, 10)]

        with pytest.raises(BusError) as refused:
            await bench.declarer.declare_hub(link)

        assert refused.value.text == (
            'the exchange wazo-busd exists with another type: it has direct, the configuration says topic'
        )


async def test_of_an_exchange_nothing_is_told_that_cannot_be_typed(bench: Bench) -> None:
    async with linked() as (broker, link):
        text = "PRECONDITION_FAILED - inequivalent arg 'type' for exchange 'x': received 'a' but current is 'b'"
        broker.answers[Exchange.Declare] = lambda _: [Channel.Close(406, text, 40, 10)]

        with pytest.raises(BusError) as refused:
            await bench.declarer.declare_hub(link)

        assert 'rabbitmqctl' not in refused.value.cure


async def declared(bench: Bench, broker: ScriptedBroker, link: Link, *delays_seconds: float) -> Session:
    await bench.declarer.declare_delays(link, delays_seconds)
    return await broker.session()


async def test_every_delay_has_a_queue_and_handlers_that_are_gone_have_one(bench: Bench) -> None:
    async with linked() as (broker, link):
        session = await declared(bench, broker, link, 2.0, 0.25)

        assert [(frame.queue, frame.durable) for frame in session.frames(Method.Declare)] == [
            ('wazo-busd.retry.250ms', True),
            ('wazo-busd.retry.2s', True),
            ('wazo-busd.return.orphans', True),
        ]


async def test_a_delay_that_several_handlers_have_is_declared_once(bench: Bench) -> None:
    async with linked() as (broker, link):
        session = await declared(bench, broker, link, 2.0, 2.0)

        assert [frame.queue for frame in session.frames(Method.Declare)].count('wazo-busd.retry.2s') == 1


async def test_a_delay_queue_is_what_the_topology_says(bench: Bench) -> None:
    async with linked() as (broker, link):
        session = await declared(bench, broker, link, 2.0)

        assert session.frames(Method.Declare)[0].arguments == dict(Hub('wazo-busd').delay(2.0).queue.arguments)


async def test_a_delay_queue_is_chosen_by_a_header(bench: Bench) -> None:
    async with linked() as (broker, link):
        session = await declared(bench, broker, link, 2.0)

        bind = session.frames(Method.Bind)[0]
        assert (bind.queue, bind.exchange, bind.arguments) == (
            'wazo-busd.retry.2s',
            'wazo-busd.retry',
            {'x-match': 'all', 'busd-delay': 2_000},
        )


async def test_what_handlers_left_that_are_gone_has_a_place(bench: Bench) -> None:
    async with linked() as (broker, link):
        session = await declared(bench, broker, link)

        bind = session.frames(Method.Bind)[0]
        assert (bind.queue, bind.exchange) == ('wazo-busd.return.orphans', 'wazo-busd.orphans')


def refusing_queue(name: str, code: int, text: str, method: type[Any] = Method.Declare) -> Callable[[Any], Any]:
    """What a broker says that refuses one queue."""
    yes: dict[type[Any], Callable[[Any], FrameTypes]] = {
        Method.Declare: lambda frame: Method.DeclareOk(frame.queue, 0, 0),
        Method.Bind: lambda _: Method.BindOk(),
    }

    def answer(frame: Any) -> Sequence[FrameTypes]:
        return [Channel.Close(code, text, 50, 10)] if frame.queue == name else [yes[method](frame)]

    return answer


@pytest.mark.parametrize('method', [Method.Declare, Method.Bind], ids=lambda method: method.name)
@pytest.mark.parametrize(
    ('code', 'text'),
    [(403, 'ACCESS_REFUSED - refused'), (404, 'NOT_FOUND - no exchange'), (406, 'PRECONDITION_FAILED')],
)
async def test_a_delay_queue_that_is_refused_keeps_no_other_from_being_declared(
    bench: Bench, method: type[Any], code: int, text: str
) -> None:
    async with linked() as (broker, link):
        broker.answers[method] = refusing_queue('wazo-busd.retry.2s', code, text, method)
        session = await declared(bench, broker, link, 2.0, 4.0)

        assert [frame.queue for frame in session.frames(Method.Bind) if frame.queue != 'wazo-busd.retry.2s'] == [
            'wazo-busd.retry.4s',
            'wazo-busd.return.orphans',
        ]


@pytest.mark.parametrize('method', [Method.Declare, Method.Bind], ids=lambda method: method.name)
async def test_a_delay_queue_that_is_refused_is_told_with_the_cure(
    bench: Bench, log: StringIO, method: type[Any]
) -> None:
    async with linked() as (broker, link):
        broker.answers[method] = refusing_queue('wazo-busd.retry.2s', 403, 'ACCESS_REFUSED - refused', method)
        await declared(bench, broker, link, 2.0)

        (line,) = log_lines(log, 'queue_refused')
        assert (line['queue'], line['hint']) == ('wazo-busd.retry.2s', PERMISSIONS)


IS_CLASSIC = (
    "PRECONDITION_FAILED - inequivalent arg 'x-queue-type' for queue 'wazo-busd.retry.2s' in vhost '/': "
    "received 'quorum' but current is 'classic'"
)


async def test_a_delay_queue_that_is_a_classic_one_is_bound_as_it_is(bench: Bench) -> None:
    async with linked() as (broker, link):
        broker.answers[Method.Declare] = refusing_queue('wazo-busd.retry.2s', 406, IS_CLASSIC)
        session = await declared(bench, broker, link, 2.0)

        assert session.frames(Method.Bind)[0].queue == 'wazo-busd.retry.2s'


async def test_a_broker_without_quorum_queues_gets_classic_delay_queues(bench: Bench) -> None:
    bench.declarer.quorum = False
    async with linked() as (broker, link):
        session = await declared(bench, broker, link, 2.0)

        arguments = [frame.arguments or {} for frame in session.frames(Method.Declare)]
        assert [(each['x-queue-type'], 'x-dead-letter-strategy' in each) for each in arguments] == [
            ('classic', False),
            ('classic', False),
        ]


async def test_a_handler_that_is_gone_is_unbound(bench: Bench) -> None:
    bench.ledger.write(QUEUE, ['calls.#', 'faxes.#'])
    async with linked() as (broker, link):
        await bench.declarer.forget_queue(link, QUEUE)

        unbound = (await broker.session()).frames(Method.Unbind)
        assert [(each.queue, each.exchange, each.routing_key) for each in unbound] == [
            (QUEUE, 'wazo-busd', 'calls.#'),
            (QUEUE, 'wazo-busd', 'faxes.#'),
        ]


async def test_a_handler_that_is_gone_is_forgotten(bench: Bench) -> None:
    bench.ledger.write(QUEUE, ['calls.#'])
    async with linked() as (_, link):
        await bench.declarer.forget_queue(link, QUEUE)

        assert bench.declarer.known_queues() == []


async def test_the_dead_letters_of_a_handler_that_is_gone_can_be_found(bench: Bench) -> None:
    bench.ledger.write(QUEUE, ['calls.#'])
    async with linked() as (_, link):
        await bench.declarer.forget_queue(link, QUEUE)

        assert bench.ledger.known == [QUEUE]


async def test_a_handler_that_could_not_be_unbound_is_not_forgotten(bench: Bench) -> None:
    bench.ledger.write(QUEUE, ['calls.#'])
    async with linked() as (broker, link):
        broker.answers[Method.Unbind] = lambda _: [Channel.Close(403, 'ACCESS_REFUSED - refused', 50, 50)]
        await bench.declarer.forget_queue(link, QUEUE)

        assert bench.declarer.known_queues() == [QUEUE]


async def test_a_broker_with_quorum_queues_has_them() -> None:
    async with linked() as (_, link):
        assert await has_quorum_queues(link, wanted('a').queue)


async def test_a_broker_that_fails_over_a_quorum_queue_has_none() -> None:
    async with linked() as (broker, link):
        broker.answers[Method.Declare] = lambda _: [Connection.Close(541, 'INTERNAL_ERROR', 50, 10)]

        assert not await has_quorum_queues(link, wanted('a').queue)


async def test_a_broker_that_refuses_a_quorum_queue_for_another_reason_has_them() -> None:
    async with linked() as (broker, link):
        broker.answers[Method.Declare] = lambda _: [Channel.Close(403, 'ACCESS_REFUSED - refused', 50, 10)]

        assert await has_quorum_queues(link, wanted('a').queue)
