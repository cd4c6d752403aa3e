# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""A queue that is made anew loses nothing, whenever it is killed, whoever publishes or consumes meanwhile."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.amqp.yard import BACKLOG, DEAD, OWN, Killed, Yard
from wazo_busd.amqp.carrier import Binding
from wazo_busd.amqp.place import Place, found
from wazo_busd.amqp.queues import Queues
from wazo_busd.errors import BusError

T = TypeVar('T')


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is on its way here."""
    monkeypatch.setattr('wazo_busd.amqp.relocation._SETTLE_SECONDS', 0.0)


def drive(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run what never waits for anything; without a loop, which costs more than all the rest."""
    while True:
        try:
            coroutine.send(None)
        except StopIteration as ended:
            value: T = ended.value
            return value


def relocate(yard: Yard) -> None:
    """Make the queue anew, as often as it takes when it is killed."""
    try:
        drive(yard.relocation().run())
    except Killed:
        yard.revive()
        drive(yard.relocation().run())


def is_whole(yard: Yard) -> bool:
    """Whether everything is in the new queue, and nothing else is left."""
    is_new = yard.kinds[yard.place.queue.name] == dict(yard.place.queue.arguments)
    return is_new and list(yard.queues) == [yard.place.queue.name] and not set(yard.published) - set(yard.kept)


@pytest.mark.parametrize('place', [OWN, DEAD], ids=['events', 'dead letters'])
def test_killed_at_whatever_step_nothing_is_lost_and_a_second_run_ends_it(place: Place) -> None:
    yard = Yard(place)
    drive(yard.relocation().run())
    lost = []
    for instant in range(1, yard.instants + 1):
        killed = Yard(place)
        killed.kill_at = instant
        relocate(killed)
        if not is_whole(killed):
            lost.append(instant)

    assert (is_whole(yard), yard.instants > 50, lost) == (True, True, [])


@given(
    kills=st.lists(st.integers(1, 90), max_size=4),
    every=st.integers(6, 20),
    daemon=st.none() | st.integers(0, 120),
)
def test_nothing_is_lost_however_often_it_is_killed_and_whenever_the_daemon_comes(
    kills: list[int], every: int, daemon: int | None
) -> None:
    yard = Yard(publish_every=every, daemon_from=daemon)
    for kill in [*kills, None]:
        yard.revive(kill)
        try:
            drive(yard.relocation().run())
        except Killed:
            continue
        if kill is not None:
            break

    assert is_whole(yard)


def test_what_was_there_keeps_its_order_before_what_comes() -> None:
    yard = Yard()
    drive(yard.relocation().run())

    assert yard.kept[: len(BACKLOG)] == BACKLOG


def test_only_what_is_published_while_two_queues_are_bound_comes_twice() -> None:
    yard = Yard(publish_every=1000)
    drive(yard.relocation().run())

    assert yard.kept == BACKLOG


def test_a_queue_that_is_as_wanted_is_left_alone() -> None:
    yard = Yard(publish_every=1000)
    yard.kinds[OWN.queue.name] = dict(OWN.queue.arguments)

    assert (drive(yard.relocation().run()), yard.kept) == (0, BACKLOG)


def test_an_old_queue_that_is_consumed_is_not_touched() -> None:
    yard = Yard(publish_every=1000)
    yard.consumed.add(OWN.queue.name)

    with pytest.raises(BusError, match='is being consumed') as told:
        drive(yard.relocation().run())
    assert (told.value.cure.split(';')[0], list(yard.queues)) == (
        'wazo-busd reload, or systemctl stop wazo-busd',
        [OWN.queue.name],
    )


def test_more_events_than_the_new_queue_holds_are_not_moved_into_it() -> None:
    yard = Yard(publish_every=10_000)
    yard.queues[OWN.queue.name] = [str(number) for number in range(1001)]

    with pytest.raises(BusError, match='has 1001 events, and as the configuration says it would hold 1000'):
        drive(yard.relocation().run())
    assert list(yard.queues) == [OWN.queue.name]


def test_somebody_who_comes_to_consume_the_old_queue_keeps_it() -> None:
    yard = Yard(publish_every=1000)
    unbind = yard.unbind

    async def come_in_the_midst(name: str, binding: Binding) -> None:
        yard.consumed.add(OWN.queue.name)
        await unbind(name, binding)

    yard.unbind = come_in_the_midst  # type: ignore[method-assign]
    with pytest.raises(BusError, match='somebody consumes'):
        drive(yard.relocation().run())
    assert OWN.queue.name in yard.queues


def test_old_patterns_are_unbound_too() -> None:
    assert OWN.old_bindings == (Binding('wazo-busd', 'faxes.#'),)


def test_the_names_between_are_such_as_no_handler_has() -> None:
    assert [each.interim for each in (OWN, DEAD)] == ['wazo-busd.crm.moving', 'wazo-busd.crm.dead.moving']


async def test_what_is_found_says_where_somebody_was_interrupted() -> None:
    yard = Yard(publish_every=1000)
    yard.queues[OWN.interim] = ['between']
    there = await found(cast('Queues', yard), OWN)

    assert (there.ready, there.interim, there.is_as_wanted, [each.argument for each in there.differences or ()]) == (
        5,
        1,
        False,
        ['x-max-length'],
    )
