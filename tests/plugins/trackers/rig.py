# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Runs a tracker on a series of events and on the time between them, without a bus and without a clock."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from itertools import groupby
from random import Random
from typing import Any, Literal

from plugins.tracking import Derivation, Tracker, moment_of
from wazo_busd import sample
from wazo_busd.codec import encode
from wazo_busd.demo.day import Day
from wazo_busd.event import Event

Make = Callable[[], Tracker]

START = datetime(2026, 5, 4, 8, tzinfo=UTC)
LATER_SECONDS = 3 * 86_400.0
"""So long nothing comes after the last event: whatever time alone can bring about happens."""
_BATCH_SECONDS = 0.05


@dataclass(frozen=True)
class Found:
    """What followed, and when."""

    at: float
    derivation: Derivation


def run(make: Make, events: Iterable[Event], *, restart_after: int | None = None, wait: bool = True) -> list[Found]:
    """What follows from events.

    Args:
        make: makes the tracker.
        events: what it takes, in this order.
        restart_after: after so many events it is forgotten, and another one knows what it knew.
        wait: whether it is found out too what follows when nothing comes any more.
    """
    return runner(make, events, restart_after=restart_after, wait=wait)[0]


def runner(
    make: Make, events: Iterable[Event], *, restart_after: int | None = None, wait: bool = True
) -> tuple[list[Found], Tracker]:
    """The same, and the tracker as it is then."""
    tracker, now = make(), 0.0
    found: list[Found] = []
    for number, event in enumerate(events):
        if number == restart_after:
            tracker = restarted(make, tracker)
        at = moment_of(event)
        now = max(now, at)
        found += _tick(tracker, now)
        found += [Found(now, each) for each in tracker.feed(event, at)]
    if wait:
        found += _tick(tracker, now + LATER_SECONDS)
    return found, tracker


def restarted(make: Make, tracker: Tracker) -> Tracker:
    """Another tracker that knows what this one knows, by way of a file."""
    other = make()
    other.load(json.loads(encode(tracker.dump())))
    other.since = tracker.since
    return other


def _tick(tracker: Tracker, until: float) -> Iterator[Found]:
    """Let time pass, as a timer would that goes off as soon as something is due."""
    while (due := tracker.due()) is not None and due <= until:
        yield from [Found(due, each) for each in tracker.tick(due)]
        after = tracker.due()
        assert after is None or after > due, 'a tracker is due again at once when its time has come'


@cache
def day(era: Literal['now', '2019', 'both'] = 'both', hours: float = 12, seed: int = 0) -> tuple[Event, ...]:
    """The events of the sample day."""
    begins = START.timestamp()
    told = Day(seed, era, hours=hours)
    return tuple(sample.event_of(each.publication, at=begins + each.at_seconds) for each in told)


def twice(events: Iterable[Event]) -> Iterator[Event]:
    """Each event twice."""
    for event in events:
        yield event
        yield event


def reversed_batches(events: Iterable[Event]) -> Iterator[Event]:
    """AMI events that came together come in the opposite order."""
    for is_ami, group in groupby(events, lambda event: event.routing_key.startswith('ami.')):
        if not is_ami:
            yield from group
            continue
        batch: list[Event] = []
        for event in group:
            if batch and event.received_at - batch[0].received_at > _BATCH_SECONDS:
                yield from reversed(batch)
                batch = []
            batch.append(event)
        yield from reversed(batch)


def without_some(events: Iterable[Event], share: float = 0.01, seed: int = 1) -> Iterator[Event]:
    """The events without a share of them."""
    chance = Random(seed)
    return (event for event in events if chance.random() >= share)


def event(name: str, data: Any, at: float, *, era: Literal['now', '2019'] = 'now', **around: Any) -> Event:
    """An event as a host sends it, so many seconds after the start of the day.

    Args:
        name: the event, by a name of the catalogue.
        data: what it says, and nothing else.
        at: how many seconds after the start.
        era: which hosts.
        around: other keys of the body, such as `tenant_uuid`.
    """
    made = sample.of_content({'name': name, 'data': data, **around}, era=era, at=START.timestamp() + at)
    return sample.event_of(made, at=START.timestamp() + at)


def told(found: Sequence[Found]) -> list[str]:
    """One line for each, as a person reads them."""
    return [_line(each) for each in found]


def names(found: Sequence[Found]) -> list[str]:
    """What each is called."""
    return [each.derivation.name for each in found]


def _line(found: Found) -> str:
    when = datetime.fromtimestamp(found.at, UTC).strftime('%d %H:%M:%S')
    said = ' '.join(f'{key}={json.dumps(value, ensure_ascii=False)}' for key, value in found.derivation.data.items())
    return f'{when}  {found.derivation.name:<28} {said}'
