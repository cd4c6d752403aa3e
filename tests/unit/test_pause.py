# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""A pause: a person lets a handler begin nothing more, and later go on, in order."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.unit.rig import Rig, patiently, started, turn
from wazo_busd.api import Event, handler
from wazo_busd.breaker import BreakerState
from wazo_busd.errors import Stop

REASON = 'paused by a person'


class Bell:
    """A plugin that notes what it is given, and rings for as long as it is held."""

    def __init__(self) -> None:
        self.rung: list[Any] = []
        self.go = asyncio.Event()
        self.go.set()
        self.rings = asyncio.Event()

        @handler
        async def ring(event: Event) -> None:
            self.rung.append(event.data)
            self.rings.set()
            await self.go.wait()
            if event.data == 'last':
                raise Stop('no more')

        self.plugin = ring


@pytest.fixture
def bell() -> Bell:
    return Bell()


async def test_while_a_handler_is_paused_its_queue_keeps_everything(bell: Bell) -> None:
    rig = Rig(await started(bell.plugin))

    rig.dispatcher.pause(REASON)

    assert (rig.limited, rig.reasons) == ([0], [REASON])


async def test_what_still_comes_is_given_back(bell: Bell) -> None:
    rig = Rig(await started(bell.plugin))
    rig.dispatcher.pause(REASON)

    delivery = rig.give('late')
    await turn()

    assert (rig.settlements.given_back, bell.rung) == ([delivery], [])


async def test_what_has_begun_ends_and_what_has_not_is_given_back(bell: Bell) -> None:
    # Given one event that runs, and one behind it
    rig = Rig(await started(bell.plugin))
    bell.go.clear()
    rig.give('begun')
    behind = rig.give('behind')
    await patiently(bell.rings.wait())

    # When the handler is paused
    rig.dispatcher.pause(REASON)
    bell.go.set()
    await rig.all_settled()

    # Then one is done and the other is back in the queue
    assert (bell.rung, rig.settlements.given_back) == (['begun'], [behind])


async def test_with_an_order_what_came_waits_here_and_goes_on_in_order(bell: Bell) -> None:
    # Given a handler that keeps an order
    rig = Rig(await started(bell.plugin, order_by='routing_key'))
    rig.dispatcher.pause(REASON)
    for number in range(5):
        rig.give(number)
    await turn()
    before = list(bell.rung)

    # When it is resumed
    rig.dispatcher.pause('')
    for number in range(5, 8):
        rig.give(number)
    await rig.all_settled()

    # Then nothing ran before, and everything after it in the order that it came
    assert (before, bell.rung, rig.settlements.given_back) == ([], list(range(8)), [])


async def test_with_an_order_the_consumer_stays_as_it_is(bell: Bell) -> None:
    # A consumer that takes fewer is another one, and what was on its way to the first comes again behind all others.
    rig = Rig(await started(bell.plugin, order_by='routing_key'))

    rig.dispatcher.pause(REASON)
    rig.dispatcher.pause('')

    assert (rig.limited, rig.reasons) == ([None, None], [REASON, ''])


async def test_a_handler_that_is_resumed_takes_events_again(bell: Bell) -> None:
    rig = Rig(await started(bell.plugin))
    rig.dispatcher.pause(REASON)
    rig.dispatcher.pause('')

    rig.give('ding')
    await rig.all_settled()

    assert (rig.limited, bell.rung) == ([0, None], ['ding'])


async def test_one_that_rests_is_not_probed_while_it_is_paused(bell: Bell) -> None:
    # Given a handler that is paused and rests
    rig = Rig(await started(bell.plugin))
    rig.dispatcher.pause(REASON)
    rig.dispatcher.breaker._become(BreakerState.OPEN, 'out')
    rig.dispatcher.breaker._become(BreakerState.PROBING, 'one is tried')
    paused = list(rig.limited)

    # When it is resumed
    rig.dispatcher.pause('')

    # Then one event is tried, and none before
    assert (set(paused), rig.limited[-1], rig.reasons[-1]) == ({0}, 1, 'one is tried')


async def test_one_that_has_stopped_is_not_started_by_a_resume(bell: Bell) -> None:
    rig = Rig(await started(bell.plugin))
    rig.give('last')
    await rig.all_settled()

    rig.dispatcher.pause(REASON)
    rig.dispatcher.pause('')

    assert (set(rig.limited), {'stopped: no more' in each for each in rig.reasons}) == ({0}, {True})
