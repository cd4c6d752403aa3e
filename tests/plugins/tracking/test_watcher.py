# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The watcher: gives a tracker events and time, and publishes what follows, once and in order."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from plugins.tracking import Alarms, Derivation, Tracker, TrackerOptions, Watcher, clock, outbox
from plugins.tracking import watcher as module
from tests.unit.rig import PATIENCE_SECONDS, log_lines, make_context, turn
from wazo_busd.api import handler
from wazo_busd.errors import BusError
from wazo_busd.event import Event
from wazo_busd.fact import Fact
from wazo_busd.work import Work

SILENCE_SECONDS = 10.0


class Bell(Tracker):
    """Tells each ring, and once the bell has been silent for a while."""

    def __init__(self) -> None:
        self.rings = 0
        self._alarms: Alarms[str] = Alarms()

    def feed(self, event: Event, at: float) -> Iterable[Derivation]:
        self.rings += 1
        self._alarms.set('silence', at + SILENCE_SECONDS)
        return [Derivation.of(event, 'busd.bell.rung', {'number': self.rings}, str(self.rings))]

    def tick(self, at: float) -> Iterable[Derivation]:
        return [Derivation('busd.bell.silent', {'after': self.rings}, str(self.rings)) for _, _ in self._alarms.due(at)]

    def due(self) -> float | None:
        return self._alarms.next()

    def dump(self) -> dict[str, Any]:
        return {'rings': self.rings}

    def load(self, said: Mapping[str, Any]) -> None:
        self.rings = int(said['rings'])


class Bells(Watcher):
    tracker: Bell

    def make(self) -> Bell:
        return Bell()

    @handler('bell')
    async def on_event(self, event: Event) -> None:
        await self.take(event)


class Hub:
    """Takes what is emitted, unless it is out."""

    def __init__(self, path: Path) -> None:
        self.is_out = False
        self.is_stuck = False
        self.poison: Any = None
        self.told: list[tuple[str, Any]] = []
        self.facts: list[Fact] = []
        self.refused = asyncio.Event()
        self._changed = asyncio.Event()
        self._loose = asyncio.Event()
        self._path = path

    def loosen(self) -> None:
        self._loose.set()

    async def emit(self, name: str, data: Any, routing_key: str | None, cause: Work | Fact | None) -> None:
        await asyncio.sleep(0)
        if self.is_stuck:
            await self._loose.wait()
        if data == self.poison:
            raise TypeError('no broker could carry it')
        if self.is_out:
            self.refused.set()
            raise BusError('the broker is away')
        assert isinstance(cause, Fact)
        self.facts.append(cause)
        self.told.append((name, data))
        self._changed.set()

    @asynccontextmanager
    async def watcher(self) -> AsyncIterator[Bells]:
        context = make_context(options=TrackerOptions(), emit=self.emit, state_dir=self._path)
        made = Bells(context)
        await made.start()
        try:
            yield made
        finally:
            await made.stop()

    async def until(self, *told: tuple[str, Any]) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while self.told[-len(told) :] != list(told):
                self._changed.clear()
                await self._changed.wait()


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    return Hub(tmp_path)


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """When no events come for a moment, it is as late as the clock says."""
    monkeypatch.setattr(module, 'QUIET_SECONDS', 0.01)
    monkeypatch.setattr(clock, 'QUIET_SECONDS', 0.01)


def ring(number: int = 0, *, ago: float = 0.0, **about: Any) -> Event:
    return Event('bell', {'number': number}, body=b'%d' % number, received_at=time.time() - ago, **about)


def rung(number: int) -> tuple[str, Any]:
    return ('busd.bell.rung', {'number': number})


# ---- what follows from an event


async def test_what_follows_is_published_before_the_event_is_done_with(hub: Hub) -> None:
    async with hub.watcher() as watcher:
        await watcher.take(ring())

        assert hub.told == [rung(1)]


async def test_it_says_whom_it_concerns(hub: Hub) -> None:
    event = ring(headers={'tenant_uuid': 'the-tenant', 'user_uuid:one': True, 'origin_uuid': 'the-host'})

    async with hub.watcher() as watcher:
        await watcher.take(event)

    assert hub.facts == [Fact('1', 'the-tenant', ('one',), 'the-host')]


async def test_an_event_whose_consequence_cannot_be_published_is_not_done_with(hub: Hub) -> None:
    hub.is_out = True

    async with hub.watcher() as watcher:
        with pytest.raises(BusError):
            await watcher.take(ring())


async def test_when_that_event_is_tried_again_its_consequence_is_published_once(hub: Hub) -> None:
    # Given an event whose consequence could not be published
    async with hub.watcher() as watcher:
        hub.is_out = True
        with pytest.raises(BusError):
            await watcher.take(ring())

        # When it is tried again
        hub.is_out = False
        await watcher.take(ring(attempt=2))
        await watcher.take(ring(attempt=3))

    # Then it is published, and the tracker has taken the event once
    assert hub.told == [rung(1)]


async def test_what_waits_goes_before_what_follows_later(hub: Hub) -> None:
    async with hub.watcher() as watcher:
        hub.is_out = True
        with pytest.raises(BusError):
            await watcher.take(ring(1))
        hub.is_out = False

        await watcher.take(ring(2))

    assert hub.told == [rung(1), rung(2)]


async def test_an_event_that_is_given_out_again_is_not_taken_again(hub: Hub) -> None:
    async with hub.watcher() as watcher:
        await watcher.take(ring())
        await watcher.take(ring(redelivered=True))

    assert hub.told == [rung(1)]


async def test_an_event_that_the_tracker_fails_at_fails_at_each_attempt(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with hub.watcher() as watcher:
        monkeypatch.setattr(watcher.tracker, 'feed', _fail)

        for attempt in (1, 2, 3):
            with pytest.raises(KeyError):
                await watcher.take(ring(attempt=attempt))


async def test_a_redelivered_event_that_never_came_here_is_taken(hub: Hub) -> None:
    async with hub.watcher() as watcher:
        await watcher.take(ring(redelivered=True))

    assert hub.told == [rung(1)]


async def test_two_genuine_events_can_be_the_same_to_the_byte(hub: Hub) -> None:
    async with hub.watcher() as watcher:
        await watcher.take(ring())
        await watcher.take(ring())

    assert hub.told == [rung(1), rung(2)]


async def test_what_is_remembered_of_events_is_bounded(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, '_SEEN', 3)

    async with hub.watcher() as watcher:
        for number in range(10):
            await watcher.take(ring(number))

        assert len(watcher._seen) == 3


async def test_what_nobody_can_carry_does_not_hold_up_what_comes_behind_it(hub: Hub, log: StringIO) -> None:
    # Given something that cannot be published, whatever the broker does
    hub.poison = {'number': 1}
    async with hub.watcher() as watcher:
        with pytest.raises(TypeError):
            await watcher.take(ring(1))

        # When more events come
        for number in range(2, 6):
            try:
                await watcher.take(ring(number))
            except TypeError:
                continue

    # Then it is dropped and told, and all else is published in order
    assert hub.told == [rung(2), rung(3), rung(4), rung(5)]
    assert [line['event_name'] for line in log_lines(log, 'derived_event_dropped')] == ['busd.bell.rung']


def _fail(*_: Any) -> Any:
    raise KeyError('of the tracker')


# ---- what can have been lost


@pytest.mark.parametrize(('handler', 'is_ours'), [(None, True), ('test', True), ('another', False)])
async def test_after_a_gap_figures_are_since_then(hub: Hub, handler: str | None, is_ours: bool) -> None:
    gap = Event('busd.gap', {'handler': handler}, body=b'gap', received_at=time.time())

    async with hub.watcher() as watcher:
        watcher.tracker.since = 7.0
        await watcher.take(gap)

        assert (watcher.tracker.since > 7.0, hub.told) == (is_ours, [])


async def test_when_the_wall_clock_was_ahead_the_tracker_begins_anew_and_says_so(hub: Hub, log: StringIO) -> None:
    # Given an event that came while the wall clock was a day ahead
    async with hub.watcher() as watcher:
        await watcher.take(ring(1, ago=-86_400.0))

        # When the clock is right again
        await watcher.take(ring(2))

    # Then the tracker knows nothing of before
    assert (hub.told, len(log_lines(log, 'clock_was_ahead'))) == ([rung(1), rung(1)], 1)


async def test_while_what_follows_cannot_be_published_what_waits_behind_it_is_no_silence(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a broker that neither takes nor refuses what follows from an event, for longer than a bell can be silent
    async with hub.watcher() as watcher:
        hub.is_stuck = True
        first, second = ring(1), ring(2)
        taking = asyncio.create_task(watcher.take(first))
        await turn()
        later = time.time() + 6 * SILENCE_SECONDS
        monkeypatch.setattr(clock, 'time', SimpleNamespace(time=lambda: later, monotonic=lambda: later))
        watcher._on_time()

        # When it takes that, and the event that has waited behind it comes
        hub.loosen()
        await taking
        await watcher.take(second)

    # Then nothing was made of the time between
    assert hub.told == [rung(1), rung(2)]


# ---- time


@pytest.mark.usefixtures('soon')
async def test_what_time_brings_about_is_published_too(hub: Hub) -> None:
    async with hub.watcher() as watcher:
        await watcher.take(ring(ago=SILENCE_SECONDS + 60))

        await hub.until(rung(1), ('busd.bell.silent', {'after': 1}))


async def test_what_was_due_before_an_event_happened_comes_before_it(hub: Hub) -> None:
    async with hub.watcher() as watcher:
        await watcher.take(ring(1, ago=SILENCE_SECONDS + 60))
        await watcher.take(ring(2, ago=10))

    assert hub.told == [rung(1), ('busd.bell.silent', {'after': 1}), rung(2)]


async def test_while_old_events_come_it_is_as_late_as_they_say(hub: Hub) -> None:
    async with hub.watcher() as watcher:
        await watcher.take(ring(1, ago=3600))
        watcher._on_time()
        await turn()
        await watcher.take(ring(2, ago=3600 - SILENCE_SECONDS / 2))

        assert hub.told == [rung(1), rung(2)]


@pytest.mark.usefixtures('soon')
async def test_what_time_brings_about_is_published_later_if_it_cannot_be_now(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, '_AGAIN_SECONDS', 0.01)

    async with hub.watcher() as watcher:
        await watcher.take(ring(ago=SILENCE_SECONDS + 60))
        hub.is_out = True
        async with asyncio.timeout(PATIENCE_SECONDS):
            await hub.refused.wait()
        hub.is_out = False

        await hub.until(rung(1), ('busd.bell.silent', {'after': 1}))


@pytest.mark.usefixtures('soon')
async def test_that_it_waits_is_told(hub: Hub, log: StringIO) -> None:
    async with hub.watcher() as watcher:
        await watcher.take(ring(ago=SILENCE_SECONDS + 60))
        hub.is_out = True
        async with asyncio.timeout(PATIENCE_SECONDS):
            await hub.refused.wait()
        await turn()

    (line,) = log_lines(log, 'derived_events_wait')
    assert (line['handler'], line['count'], line['error']) == ('test', '1', 'BusError')


async def test_after_a_failure_of_the_tracker_time_goes_on(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a tracker that fails when its time has come
    async with hub.watcher() as watcher:
        await watcher.take(ring())
        watcher._clock.time += SILENCE_SECONDS + 60
        before = watcher._timer
        with monkeypatch.context() as failing:
            failing.setattr(watcher.tracker, 'tick', _fail)
            with pytest.raises(KeyError):
                watcher._on_time()

        # When its time comes again
        assert watcher._timer is not None
        assert watcher._timer is not before
        assert not watcher._timer.cancelled()
        seconds = watcher._timer.when() - asyncio.get_running_loop().time()
        watcher._on_time()
        await turn()

    # Then it goes on, and has not failed all the time till then
    assert (hub.told[-1][0], 1 < seconds <= 60) == ('busd.bell.silent', True)


# ---- a restart


async def test_after_a_restart_all_is_known(hub: Hub) -> None:
    async with hub.watcher() as watcher:
        await watcher.take(ring())

    async with hub.watcher() as watcher:
        await watcher.take(ring())

    assert hub.told == [rung(1), rung(2)]


async def test_after_a_restart_figures_are_since_the_first_start(hub: Hub) -> None:
    async with hub.watcher() as before:
        pass

    async with hub.watcher() as after:
        assert after.tracker.since == before.tracker.since


async def test_after_a_restart_an_event_that_is_given_out_again_is_not_taken_again(hub: Hub) -> None:
    async with hub.watcher() as watcher:
        await watcher.take(ring())

    async with hub.watcher() as watcher:
        await watcher.take(ring(redelivered=True))

    assert hub.told == [rung(1)]


async def test_what_could_not_be_published_before_a_restart_is_published_after_it(hub: Hub) -> None:
    async with hub.watcher() as watcher:
        hub.is_out = True
        with pytest.raises(BusError):
            await watcher.take(ring(1))
    hub.is_out = False

    async with hub.watcher():
        await hub.until(rung(1))


@pytest.mark.parametrize(
    'kept', [{}, {'known': 7}, {'known': {'rings': 'many'}, 'since': 0, 'seen': [], 'outbox': []}], ids=str
)
async def test_a_memory_that_is_not_understood_is_told_and_left(
    hub: Hub, tmp_path: Path, log: StringIO, kept: dict[str, Any]
) -> None:
    said = {'version': 1, 'saved_at': time.time(), 'kept': kept}
    (tmp_path / 'memory.json').write_text(json.dumps(said))

    async with hub.watcher() as watcher:
        await watcher.take(ring())

    assert (hub.told, len(log_lines(log, 'memory_not_understood'))) == ([rung(1)], 1)
