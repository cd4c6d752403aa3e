# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The copies: an event is acknowledged when one of it is safe and not before, and one that arrives twice runs once."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import StringIO
from typing import cast

import pytest
from pamqp.body import ContentBody
from pamqp.commands import Basic, Connection
from pamqp.header import ContentHeader

from tests.unit.amqp.broker import PATIENCE_SECONDS, SILENCE, ScriptedBroker, Session, listening
from tests.unit.amqp.press import Press
from tests.unit.rig import Settlements, log_lines, make_history, turn
from wazo_busd.amqp.backoff import Backoff
from wazo_busd.amqp.copies import Copies
from wazo_busd.amqp.copy import NUMBER, original
from wazo_busd.amqp.properties import WireProperties
from wazo_busd.amqp.publisher import Publisher, Rejected, Unroutable, Unsendable
from wazo_busd.delivery import Delivery, History
from wazo_busd.outcome import Outcome, Reason
from wazo_busd.topology import Hub

STEPS = (2.0, 8.0, 64.0)
REASON = Reason(
    handler='fax',
    plugin='notify',
    plugin_version='1',
    error='ValueError',
    text='it does not fit',
    traceback='',
    attempts=1,
    first_at=1.0,
    last_at=2.0,
    event_id='a' * 32,
)
FULL = Rejected("wazo-busd.dead does not take 'fax': a queue behind it is full")
NOWHERE = Unroutable("nothing is bound to wazo-busd.dead for 'fax'")
TOO_LARGE = Unsendable("'fax' cannot be published: its headers have 9000 bytes")


class Pauses(Backoff):
    """Back-off that takes no time and counts."""

    waits = 0

    async def wait(self, error: BaseException | None) -> None:
        Pauses.waits += 1
        await asyncio.sleep(0)


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> type[Pauses]:
    """The back-off of the copies."""
    Pauses.waits = 0
    monkeypatch.setattr('wazo_busd.amqp.copies.Backoff', Pauses)
    return Pauses


class Bench:
    """The copies of one handler, who publishes them, and who is told when an event can be acknowledged."""

    def __init__(self, *, steps: tuple[float, ...] = STEPS) -> None:
        self.press = Press()
        self.settlements = Settlements()
        self.declared = 0
        self.copies = Copies(
            'fax', steps, hub=Hub('wazo-busd'), publisher=cast('Publisher', self.press), declare=self._declare
        )

    def came(self, body: bytes = b'{"a": 1}') -> Delivery:
        return made(self.settlements, body)

    def buried(self) -> Delivery:
        delivery = self.came()
        delivery.settled = Outcome.DEAD
        self.copies.bury(delivery, REASON)
        return delivery

    def postponed(self, seconds: float = 1.9) -> Delivery:
        delivery = self.came()
        delivery.settled = Outcome.RETRY
        self.copies.postpone(delivery, due_in(seconds))
        return delivery

    async def closed(self, number: int = 1) -> list[Delivery]:
        """Wait until so many deliveries can be acknowledged."""
        await self.settlements.count(number)
        return self.settlements.acked

    async def _declare(self) -> None:
        self.declared += 1


def made(settlements: Settlements, body: bytes = b'{"a": 1}') -> Delivery:
    return Delivery(
        1,
        body=body,
        exchange='xivo',
        routing_key='faxes.outbound',
        properties=WireProperties(Basic.Properties(content_type='application/json', expiration='1').marshal()),
        redelivered=False,
        received_at=1.0,
        acknowledger=settlements,
    )


def due_in(seconds: float) -> History:
    return make_history(due_at=time.time() + seconds)


async def test_an_event_that_is_to_be_tried_again_is_published_for_the_handler_that_failed() -> None:
    bench = Bench()
    bench.postponed()
    await bench.press.printed()

    assert bench.press.published[0][:2] == ('wazo-busd.retry', 'fax')


async def test_an_event_that_is_dead_is_published_for_the_handler_that_gave_up() -> None:
    bench = Bench()
    bench.buried()
    await bench.press.printed()

    assert bench.press.published[0][:2] == ('wazo-busd.dead', 'fax')


async def test_what_is_published_is_the_event() -> None:
    bench = Bench()
    delivery = bench.postponed()
    await bench.press.printed()
    _, _, body, properties = bench.press.published[0]
    found = original(body, WireProperties(properties.marshal()).headers)

    wire = cast('WireProperties', delivery.properties)
    assert (found.body, found.raw_properties, found.exchange, found.routing_key) == (
        b'{"a": 1}',
        wire.raw,
        'xivo',
        'faxes.outbound',
    )


@pytest.mark.parametrize(
    ('wanted', 'waits'), [(-5.0, 2_000), (1.9, 2_000), (2.5, 8_000), (60.0, 64_000), (5_000.0, 64_000)]
)
async def test_the_delay_queue_is_the_first_that_holds_it_long_enough(wanted: float, waits: int) -> None:
    bench = Bench()
    bench.postponed(wanted)
    await bench.press.printed()

    assert bench.press.headers()['busd-delay'] == waits


@pytest.mark.parametrize('kind', ['postponed', 'buried'])
async def test_an_event_is_not_acknowledged_before_its_copy_is_confirmed(kind: str) -> None:
    bench = Bench()
    getattr(bench, kind)()
    await bench.press.printed()
    await turn()

    assert bench.settlements.acked == []


@pytest.mark.parametrize('kind', ['postponed', 'buried'])
async def test_an_event_is_acknowledged_when_its_copy_is_confirmed(kind: str) -> None:
    bench = Bench()
    delivery = getattr(bench, kind)()
    bench.press.confirmed.set()

    assert await bench.closed() == [delivery]


async def test_every_copy_has_a_number_of_its_own() -> None:
    bench = Bench()
    for _ in range(20):
        bench.postponed()
    await bench.press.printed(20)

    assert len(set(bench.press.numbers)) == 20


@pytest.mark.parametrize('refusal', [FULL, NOWHERE], ids=lambda error: type(error).__name__)
async def test_what_the_broker_does_not_take_is_published_until_it_does(refusal: BaseException) -> None:
    bench = Bench()
    bench.press.answers = [refusal, refusal, refusal, 1]
    delivery = bench.buried()

    assert (await bench.closed(), len(bench.press.published)) == ([delivery], 4)


@pytest.mark.parametrize('refusal', [FULL, NOWHERE], ids=lambda error: type(error).__name__)
async def test_between_two_refusals_there_is_a_pause(refusal: BaseException, pauses: type[Pauses]) -> None:
    bench = Bench()
    bench.press.answers = [refusal, refusal, 1]
    bench.buried()
    await bench.closed()

    assert pauses.waits == 2


async def test_a_copy_that_is_published_again_is_the_same_copy() -> None:
    bench = Bench()
    bench.press.answers = [FULL, NOWHERE, 1]
    bench.buried()
    await bench.closed()

    assert len(set(bench.press.numbers)) == 1


async def test_what_nothing_is_bound_for_is_declared_again() -> None:
    bench = Bench()
    bench.press.answers = [NOWHERE, NOWHERE, 1]
    bench.buried()
    await bench.closed()

    assert bench.declared == 2


async def test_a_queue_that_is_full_is_not_declared_again() -> None:
    bench = Bench()
    bench.press.answers = [FULL, 1]
    bench.buried()
    await bench.closed()

    assert bench.declared == 0


async def test_a_queue_that_is_full_is_told_with_the_handler(log: StringIO) -> None:
    bench = Bench()
    bench.press.answers = [FULL, 1]
    bench.buried()
    await bench.closed()

    (line,) = log_lines(log, 'copy_not_taken')
    assert (line['level'], line['handler'], line['error']) == ('ERROR', 'fax', FULL.text)


async def test_however_many_copies_a_full_queue_refuses_it_is_told_once(log: StringIO) -> None:
    bench = Bench()
    bench.press.answers = [FULL] * 100
    for _ in range(20):
        bench.buried()
    bench.press.confirmed.set()
    await bench.closed(20)

    assert len(log_lines(log, 'copy_not_taken')) == 1


async def test_a_queue_that_is_still_full_after_a_minute_is_told_again(
    log: StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('wazo_busd.amqp.copies._COMPLAINT_SECONDS', 0.0)
    bench = Bench()
    bench.press.answers = [FULL, FULL, FULL, 1]
    bench.buried()
    await bench.closed()

    assert len(log_lines(log, 'copy_not_taken')) == 3


async def test_what_is_too_large_for_a_frame_is_published_in_the_spare_form() -> None:
    bench = Bench()
    bench.press.answers = [TOO_LARGE, 1]
    bench.postponed()
    await bench.closed()

    first, second = bench.press.headers(0), bench.press.headers(1)
    assert ('busd-trailer' in first, 'busd-trailer' in second) == (False, True)


async def test_the_spare_form_is_the_event_too() -> None:
    bench = Bench()
    bench.press.answers = [TOO_LARGE, 1]
    bench.postponed()
    await bench.closed()
    _, _, body, properties = bench.press.published[1]

    assert original(body, WireProperties(properties.marshal()).headers).body == b'{"a": 1}'


async def test_the_spare_form_is_published_until_it_is_taken() -> None:
    bench = Bench()
    bench.press.answers = [TOO_LARGE, FULL, NOWHERE, 1]
    bench.postponed()
    await bench.closed()

    assert ['busd-trailer' in bench.press.headers(each) for each in range(4)] == [False, True, True, True]


async def failed(bench: Bench) -> Delivery:
    """Let a copy fail for good."""
    bench.press.answers = [TOO_LARGE] * 10
    delivery = bench.buried()
    await bench.copies.settled(PATIENCE_SECONDS)
    return delivery


async def test_what_cannot_be_published_at_all_is_not_tried_for_ever() -> None:
    bench = Bench()
    await failed(bench)

    assert len(bench.press.published) == 2


async def test_what_cannot_be_published_at_all_is_not_acknowledged() -> None:
    bench = Bench()
    await failed(bench)

    assert bench.settlements.acked == []


async def test_what_cannot_be_published_at_all_runs_again_when_it_is_given_out_again() -> None:
    bench = Bench()
    delivery = await failed(bench)

    assert delivery.settled is Outcome.INTERRUPTED


async def test_what_cannot_be_published_at_all_is_told(log: StringIO) -> None:
    await failed(Bench())

    (line,) = log_lines(log, 'copy_failed')
    assert (line['level'], line['handler']) == ('ERROR', 'fax')


async def test_a_mistake_over_one_copy_keeps_no_other_from_being_published() -> None:
    bench = Bench()
    bench.press.answers = [RuntimeError('a mistake of ours'), 1]
    bench.buried()
    second = bench.buried()

    assert await bench.closed() == [second]


async def test_a_copy_goes_on_when_the_channel_that_delivered_is_gone() -> None:
    bench, later = Bench(), Settlements()
    delivery = bench.buried()
    await bench.press.printed()
    delivery.renew(made(later))
    bench.press.confirmed.set()
    await later.count(1)

    assert (bench.settlements.acked, later.acked) == ([], [delivery])


async def test_an_event_that_comes_again_after_its_copy_was_confirmed_is_acknowledged() -> None:
    bench, later = Bench(), Settlements()
    bench.press.answers = [1]
    delivery = bench.buried()
    await bench.closed()
    delivery.renew(made(later))

    assert later.acked == [delivery]


async def test_copies_on_their_way_are_waited_for() -> None:
    bench = Bench()
    delivery = bench.buried()
    waiting = asyncio.create_task(bench.copies.settled(PATIENCE_SECONDS))
    await bench.press.printed()
    bench.press.confirmed.set()
    await waiting

    assert bench.settlements.acked == [delivery]


async def test_copies_on_their_way_are_not_waited_for_for_ever() -> None:
    bench = Bench()
    bench.buried()

    await asyncio.wait_for(bench.copies.settled(0.0), PATIENCE_SECONDS)

    assert bench.settlements.acked == []


async def test_where_no_copy_is_on_its_way_nobody_waits() -> None:
    await asyncio.wait_for(Bench().copies.settled(1e6), PATIENCE_SECONDS)


async def test_copies_that_nobody_waits_for_any_more_are_given_up() -> None:
    bench = Bench()
    bench.buried()
    await bench.press.printed()
    bench.copies.close()
    await turn()
    bench.press.confirmed.set()
    await turn()

    assert bench.settlements.acked == []


def comes(bench: Bench, number: object, *, redelivered: bool = False) -> bool:
    """Let a copy come back; true if it is held for a double."""
    return bench.copies.is_double(number, redelivered=redelivered)


async def confirmed(bench: Bench, *answers: int | BaseException) -> str:
    """Let a copy be published with these answers until it is confirmed.

    Returns:
        Its number.
    """
    bench.press.answers = list(answers)
    bench.postponed()
    await bench.closed()
    return bench.press.numbers[0]


async def test_a_copy_that_was_published_once_has_no_double() -> None:
    bench = Bench()
    number = await confirmed(bench, 1)

    assert [comes(bench, number) for _ in range(3)] == [False, False, False]


async def test_of_a_copy_that_was_published_twice_the_second_is_a_double() -> None:
    bench = Bench()
    number = await confirmed(bench, 2)

    assert [comes(bench, number) for _ in range(2)] == [False, True]


async def test_of_a_copy_that_was_published_several_times_all_but_the_first_are_doubles() -> None:
    bench = Bench()
    number = await confirmed(bench, 4)

    assert [comes(bench, number) for _ in range(4)] == [False, True, True, True]


@pytest.mark.parametrize('refusal', [FULL, NOWHERE], ids=lambda error: type(error).__name__)
async def test_a_copy_that_was_refused_may_lie_there_all_the_same(refusal: BaseException) -> None:
    bench = Bench()
    number = await confirmed(bench, refusal, 1)

    assert [comes(bench, number) for _ in range(2)] == [False, True]


async def test_a_copy_that_comes_before_it_is_confirmed_has_its_double_too() -> None:
    bench = Bench()
    bench.postponed()
    await bench.press.printed()
    (number,) = bench.press.numbers

    assert [comes(bench, number) for _ in range(2)] == [False, True]


async def test_a_copy_that_is_given_out_again_is_not_held_for_its_double() -> None:
    bench = Bench()
    number = await confirmed(bench, 2)
    comes(bench, number)

    assert not comes(bench, number, redelivered=True)


async def test_the_double_of_a_copy_that_was_given_out_again_is_one() -> None:
    bench = Bench()
    number = await confirmed(bench, 2)
    comes(bench, number, redelivered=True)

    assert comes(bench, number)


async def test_two_copies_are_no_doubles_of_each_other() -> None:
    bench = Bench()
    bench.press.answers = [2, 2]
    bench.postponed()
    bench.postponed()
    await bench.closed(2)

    assert [comes(bench, number) for number in bench.press.numbers] == [False, False]


@pytest.mark.parametrize('number', [None, 1, b'a', ['a'], {'a': 1}, '', 'never made'], ids=repr)
async def test_what_is_no_number_is_no_double(number: object) -> None:
    bench = Bench()
    await confirmed(bench, 2)

    assert [comes(bench, number) for _ in range(3)] == [False, False, False]


async def test_what_may_be_doubled_is_not_kept_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('wazo_busd.amqp.copies._MOST_DOUBLES', 10)
    bench = Bench()
    bench.press.answers = [2] * 50
    for _ in range(50):
        bench.postponed()
    await bench.closed(50)

    assert len(bench.copies._doubles) <= 10


async def test_a_handler_without_delay_queues_of_its_own_uses_the_longest() -> None:
    bench = Bench(steps=())
    bench.postponed()
    await bench.press.printed()

    assert bench.press.headers()['busd-delay'] == 3_600_000


@asynccontextmanager
async def publishing() -> AsyncIterator[tuple[ScriptedBroker, Copies, Settlements]]:
    """Copies that are published on a broker."""
    async with listening() as broker:
        publisher = Publisher(broker.config, 'test')
        running = asyncio.create_task(publisher.run())
        copies = Copies('fax', STEPS, hub=Hub('wazo-busd'), publisher=publisher, declare=_nothing)
        try:
            yield broker, copies, Settlements()
        finally:
            copies.close()
            running.cancel()
            await asyncio.wait([running])


async def _nothing() -> None:
    """Declare nothing."""


def numbers(session: Session) -> list[str]:
    """The numbers of the copies that arrived over a connection."""
    return [str((frame.properties.headers or {})[NUMBER]) for frame in session.frames(ContentHeader)]


async def test_a_connection_that_is_lost_before_the_confirmation_brings_the_copy_again() -> None:
    async with publishing() as (broker, copies, settlements):
        broker.answers[ContentBody] = SILENCE
        copies.postpone(made(settlements), due_in(1.0))
        first = await broker.session()
        await first.heard(ContentBody)
        del broker.answers[ContentBody]
        first.abort()
        await settlements.count(1)

        assert numbers(first) == numbers(await broker.session(2))


async def test_of_a_copy_that_arrived_over_two_connections_one_runs() -> None:
    async with publishing() as (broker, copies, settlements):
        broker.answers[ContentBody] = SILENCE
        copies.postpone(made(settlements), due_in(1.0))
        first = await broker.session()
        await first.heard(ContentBody)
        del broker.answers[ContentBody]
        first.abort()
        await settlements.count(1)
        arrived = [*numbers(first), *numbers(await broker.session(2))]

        assert [copies.is_double(number, redelivered=False) for number in arrived] == [False, True]


async def test_a_broker_with_the_smallest_frames_takes_the_largest_letter() -> None:
    async with publishing() as (broker, copies, settlements):
        broker.answers[Connection.StartOk] = lambda _: [Connection.Tune(2047, 4_096, 0)]
        delivery = made(settlements)
        delivery.exchange = delivery.routing_key = '\\xff' * 255
        delivery.properties = WireProperties(b'x' * 4_000)
        text = 'x' * 10_000
        reason = dataclasses.replace(REASON, plugin=text, plugin_version=text, error=text, text=text, traceback=text)
        copies.bury(delivery, reason)

        await settlements.count(1)

        assert settlements.acked == [delivery]
