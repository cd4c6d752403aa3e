# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Onlookers see what becomes of events, miss what they do not take in time, and hold nobody up."""

from __future__ import annotations

import pytest

from tests.unit.rig import Rig, make_work, started
from wazo_busd import onlookers as module
from wazo_busd.api import Context, Discard, Event, Retry, handler
from wazo_busd.match import Match
from wazo_busd.onlookers import MOST, Onlooker, Onlookers, Sighting
from wazo_busd.outcome import Outcome


@handler('#')
async def plugin(event: Event, context: Context) -> None:
    """Do what the event says."""
    told = {'discard': Discard('no'), 'retry': Retry('later'), 'dead': ValueError('no')}
    if event.data in told:
        raise told[event.data]


async def seen(data: str, onlooker: Onlooker, **config: object) -> list[Sighting]:
    """What is seen of an event that says `data`."""
    onlookers = Onlookers()
    onlookers.add(onlooker)
    rig = Rig(await started(plugin, **config), onlookers=onlookers)
    rig.give(data)
    await rig.all_settled()
    return onlooker.take(10)[1]


def see(onlooker: Onlooker, event: Event | None = None, *, handler: str = 'test') -> None:
    onlookers = Onlookers()
    onlookers.add(onlooker)
    onlookers.see(make_work(event, handler=handler), Outcome.DONE)


@pytest.mark.parametrize(
    ('data', 'outcome'), [('fine', Outcome.DONE), ('discard', Outcome.DISCARDED), ('retry', Outcome.RETRY)]
)
async def test_what_became_of_an_event_is_seen(data: str, outcome: Outcome) -> None:
    (found,) = await seen(data, Onlooker(), retry={'in_place': 0})

    assert (found.outcome, found.handler, found.routing_key, found.attempt) == (
        outcome,
        'test',
        'calls.call.created',
        1,
    )


async def test_a_try_in_place_is_seen_and_so_is_the_end() -> None:
    found = await seen('dead', Onlooker(), retry={'attempts': 2, 'in_place': 1, 'backoff': '100ms..100ms'})

    assert [(each.outcome, each.attempt) for each in found] == [(Outcome.RETRY, 1), (Outcome.DEAD, 2)]


async def test_what_is_no_event_is_seen_as_dead() -> None:
    onlookers, onlooker = Onlookers(), Onlooker(Match(['calls.#']))
    onlookers.add(onlooker)
    rig = Rig(await started(plugin), onlookers=onlookers)
    rig.give_body(b'none')
    _, (found,) = onlooker.take(10)

    assert (found.outcome, found.plain(in_full=True)['event']) == (Outcome.DEAD, '')


@pytest.mark.parametrize(
    ('items', 'is_seen'), [(['calls.#'], True), (['call_created'], True), (['faxes.#'], False), (['call_ended'], False)]
)
def test_only_what_matches_is_seen(items: list[str], is_seen: bool) -> None:
    see(onlooker := Onlooker(Match(items)), Event('call_created', routing_key='calls.call.created'))

    assert bool(onlooker.take(10)[1]) is is_seen


@pytest.mark.parametrize(('handlers', 'is_seen'), [([], True), (['crm'], True), (['mail'], False)])
def test_only_what_is_of_the_handlers_is_seen(handlers: list[str], is_seen: bool) -> None:
    see(onlooker := Onlooker(handlers=handlers), handler='crm')

    assert bool(onlooker.take(10)[1]) is is_seen


def test_of_what_is_not_taken_in_time_the_first_are_missed_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, '_MOST_SIGHTINGS', 3)
    onlooker = Onlooker()
    for number in range(5):
        see(onlooker, Event(f'event {number}'))
    missed, found = onlooker.take(10)

    assert (missed, [each.event and each.event.name for each in found]) == (2, ['event 2', 'event 3', 'event 4'])
    assert onlooker.take(10) == (0, [])


def test_big_events_are_fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, '_MOST_BYTES', 10_000)
    onlooker = Onlooker()
    for _ in range(10):
        see(onlooker, Event('big', body=b'x' * 4_000))
    missed, found = onlooker.take(10)

    assert (missed, len(found)) == (8, 2)


def test_what_events_say_is_told_only_in_full() -> None:
    see(onlooker := Onlooker(), Event('call_created', {'number': '0606'}))
    _, (found,) = onlooker.take(1)

    assert ('data' in found.plain(in_full=False), found.plain(in_full=True)['data']) == (False, {'number': '0606'})


def test_there_are_so_many_and_no_more() -> None:
    onlookers = Onlookers()
    for _ in range(MOST):
        onlookers.add(Onlooker())

    assert onlookers.is_full


async def test_while_nobody_looks_on_nothing_is_put_together(monkeypatch: pytest.MonkeyPatch) -> None:
    def put(*_: object) -> None:
        raise AssertionError('somebody was told')

    monkeypatch.setattr(Onlookers, '_put', put)
    rig = Rig(await started(plugin), onlookers=Onlookers())
    for data in ('fine', 'discard', 'dead'):
        rig.give(data)
    await rig.settlements.count(2)
