# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The day itself: which stories begin when, and what they tell in the order of time."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Literal

from wazo_busd.catalogue.publication import Publication
from wazo_busd.demo.day import accounts, agents, calls, conferences, faxes, plugins, queues, services, users, voicemails
from wazo_busd.demo.day.clock import Clock
from wazo_busd.demo.day.host import Host, Story

Eras = Literal['now', '2019', 'both']

_DAY_SECONDS = 24 * 3600
# How much goes on in each hour from midnight on; an office is busiest at 10 and at 15 h.
_OFFICE = (1, 1, 0, 0, 0, 1, 2, 8, 40, 80, 110, 85, 40, 60, 90, 110, 80, 45, 15, 8, 5, 4, 3, 2)
_MORNING = (0, 0, 0, 0, 0, 0, 0, 1, 3, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
_NIGHT = (1, 2, 6, 6, 2, 1, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Moment:
    """What is published at one time of the day.

    Attributes:
        at_seconds: how many seconds after the start.
        publication: what is published.
    """

    at_seconds: float
    publication: Publication


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of story.

    Attributes:
        story: tells one of it on a host.
        a_day: how many begin on a day.
        hours: how they are spread over it.
        opening: between which seconds after the start the first of it begins on each host, so that whoever watches sees
            all kinds soon.
    """

    story: Callable[[Host], Story]
    a_day: int
    hours: tuple[int, ...] = _OFFICE
    opening: tuple[float, float] = (30, 300)


_KINDS = (
    _Kind(agents.shift, 6, _MORNING, opening=(15, 30)),
    _Kind(services.restart, 6, _NIGHT, opening=(60, 240)),
    _Kind(calls.call, 500, opening=(20, 40)),
    _Kind(queues.queue_call, 240, opening=(35, 60)),
    _Kind(faxes.fax, 40),
    _Kind(voicemails.voicemail, 20),
    _Kind(conferences.conference, 16, opening=(40, 120)),
    _Kind(users.user, 8),
    _Kind(users.forward, 40),
    _Kind(users.service, 40),
    _Kind(accounts.tenant, 4),
    _Kind(accounts.external_account, 10),
    _Kind(accounts.favorite, 20),
    _Kind(plugins.plugin, 8, _NIGHT),
)


class Day:
    """The events of an office, in order of time and day after day; the same for the same arguments.

    It is told anew each time it is iterated over. With both eras there are two hosts side by side, one of 2019 and one
    of today, and the stories begin on one and the other in turn; each stays in its era.

    Args:
        seed: what all chance follows from.
        era: what the hosts send like: `now`, `2019` or `both`.
        hours: after how many hours no story begins any more, while those that have begun are told to their end; `None`
            for never.
        start: when it begins, in the time of the office.
    """

    def __init__(
        self,
        seed: int = 0,
        era: Eras = 'both',
        *,
        hours: float | None = None,
        start: datetime = datetime(2026, 5, 4, 8),  # noqa: DTZ001 — local time, as services send it
    ) -> None:
        self._seed = seed
        self._era = era
        self._last_seconds = None if hours is None else hours * 3600
        self._start = start

    def __iter__(self) -> Iterator[Moment]:
        return _Telling(self._seed, self._era, self._last_seconds, self._start).moments()


class _Telling:
    """One time that the day is told."""

    def __init__(self, seed: int, era: Eras, last_seconds: float | None, start: datetime) -> None:
        self._rng = Random(seed)
        self._clock = Clock(start)
        eras: tuple[Literal['now', '2019'], ...] = ('now', '2019') if era == 'both' else (era,)
        self._hosts = [Host(each, self._rng, self._clock, 1000 * number) for number, each in enumerate(eras, 1)]
        self._last_seconds = last_seconds
        self._numbers = itertools.count()
        self._waiting: list[tuple[float, int, Story]] = []

    def moments(self) -> Iterator[Moment]:
        for day in itertools.count():
            begins = day * float(_DAY_SECONDS)
            if self._last_seconds is not None and begins >= self._last_seconds:
                break
            self._plan(begins, is_first=day == 0)
            yield from self._tell(until=begins + _DAY_SECONDS)
        yield from self._tell(until=None)

    def _tell(self, until: float | None) -> Iterator[Moment]:
        while self._waiting and (until is None or self._waiting[0][0] < until):
            at_seconds, _, story = heapq.heappop(self._waiting)
            self._clock.move_to(at_seconds)
            for step in story:
                if isinstance(step, Publication):
                    yield Moment(at_seconds, step)
                    continue
                self._put(at_seconds + step, story)
                break

    def _plan(self, begins: float, *, is_first: bool) -> None:
        if is_first:
            for host in self._hosts:
                self._begin(self._rng.uniform(0, 3), services.boot(host))
        for kind in _KINDS:
            for number in range(kind.a_day):
                host = self._hosts[number % len(self._hosts)]
                at_seconds = begins + self._draw(kind.hours)
                if is_first and number < len(self._hosts):
                    at_seconds = self._rng.uniform(*kind.opening)
                self._begin(at_seconds, kind.story(host))

    def _draw(self, hours: tuple[int, ...]) -> float:
        """A time of the day, in seconds after the hour of the start."""
        start = self._clock.start
        (hour,) = self._rng.choices(range(24), hours)
        second = hour * 3600 + self._rng.uniform(0, 3600)
        return (second - start.hour * 3600 - start.minute * 60 - start.second) % _DAY_SECONDS

    def _begin(self, at_seconds: float, story: Story) -> None:
        if self._last_seconds is None or at_seconds < self._last_seconds:
            self._put(at_seconds, story)

    def _put(self, at_seconds: float, story: Story) -> None:
        heapq.heappush(self._waiting, (at_seconds, next(self._numbers), story))
