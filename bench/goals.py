# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The goals: what the daemon must reach, what it aims at, and whether it does."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from dataclasses import dataclass

from bench import peer
from bench.daemon import CAN_GATHER
from bench.figures import Figures
from bench.plan import GOAL_RATES
from bench.results import DAEMON, NO_GATHERING, THREE, Results
from bench.rounds import Rounds, Spread

_MOST_DELAY_MS = 5.0
"""What `bus.max_latency` is by default."""

_cpu = operator.attrgetter('cpu_us')
_together = operator.attrgetter('together_us')
_rate = operator.attrgetter('rate')


@dataclass(frozen=True, slots=True)
class Goal:
    """One of them.

    Attributes:
        figure: what is looked at.
        least: what must be reached.
        aim: what is aimed at; `None` where nothing more is.
        measured: what was found; `None` if it was not measured.
        unit: what follows a number.
        more_is_better: whether a higher number is the better one.
    """

    figure: str
    least: float
    aim: float | None
    measured: Spread | None
    unit: str = ''
    more_is_better: bool = False

    @property
    def verdict(self) -> str:
        """Whether it is reached; with a word of doubt if another round could say otherwise."""
        if self.measured is None:
            return 'not measured'
        for limit, word in ((self.aim, 'aim reached'), (self.least, 'reached')):
            if limit is not None and self._fits(self.measured.median, limit):
                return f'{word}{self._doubt(limit)}'
        return f'**missed**{self._doubt(self.least)}'

    @property
    def sign(self) -> str:
        """What stands before a limit."""
        return '≥' if self.more_is_better else '≤'

    def _fits(self, value: float, limit: float) -> bool:
        return value >= limit if self.more_is_better else value <= limit

    def _doubt(self, limit: float) -> str:
        if self.measured is None:
            return ''
        ends = {self._fits(self.measured.least, limit), self._fits(self.measured.most, limit)}
        return ', within the noise' if len(ends) > 1 else ''


def goals(results: Results) -> Iterator[Goal]:
    """Every goal, with what was found.

    Args:
        results: what was measured.
    """
    yield from _cpu_goals(results)
    yield from _rate_goals(results)
    yield from _paced_goals(results)
    yield from _idle_goals(results)
    kept_up = Spread.of([results.waiting.rate] if results.waiting else [])
    yield Goal(
        '(c) 200 events/s of 50 ms each, 16 at a time: handled a second', 190, None, kept_up, more_is_better=True
    )
    for what, grown in (('handlers', results.handlers), ('lanes', results.lanes), ('backlog', results.backlog)):
        yield Goal(f'CPU of the most {what}, ratio to the fewest', 1.25, 1.1, _growth(grown))


def _cpu_goals(results: Results) -> Iterator[Goal]:
    speed = results.speed
    for figure, other, least, aim in (
        ('CPU per AMI event, case (a), ratio to kombu', peer.KOMBU, 0.25, 0.15),
        ('the same to aio-pika', peer.AIO_PIKA, 0.18, 0.11),
        ('the same to FastStream', peer.FASTSTREAM, 0.08, 0.05),
        ('the same to the C consumer', peer.C, 6, 4),
    ):
        yield Goal(figure, least, aim, speed.ratios(DAEMON, other, _cpu))
    three = speed.ratios(THREE, peer.KOMBU, _cpu)
    yield Goal('CPU per handler run, case (b), ratio to kombu', 0.35, 0.2, three)
    together = speed.ratios(DAEMON, peer.KOMBU, _together)
    yield Goal('CPU of consumer and broker, case (a), ratio to kombu', 0.45, 0.3, together)


def _rate_goals(results: Results) -> Iterator[Goal]:
    for kind, rounds in (('quorum', results.speed), ('classic', results.classic)):
        faster = rounds.ratios(DAEMON, peer.KOMBU, _rate)
        yield Goal(f'events/s, case (a), {kind} queue, ratio to kombu', 2, None, faster, more_is_better=True)


def _paced_goals(results: Results) -> Iterator[Goal]:
    for rate, least, aim in zip(GOAL_RATES, (0.4, 0.3), (0.25, 0.15), strict=True):
        rounds = results.paced.get(rate, Rounds())
        ratio = rounds.ratios(DAEMON, peer.KOMBU, _cpu)
        yield Goal(f'CPU per event at {rate:,} events/s, ratio to kombu', least, aim, ratio)
    for rate in GOAL_RATES:
        rounds = results.paced.get(rate, Rounds())
        prompt = NO_GATHERING if CAN_GATHER else DAEMON
        ratio = rounds.ratios(prompt, peer.KOMBU, _p50)
        yield Goal(f'p50 at {rate:,} events/s, gathering off, ratio to kombu', 1, 0.8, ratio)
        if CAN_GATHER:
            kombu = rounds.values(peer.KOMBU, _p50)
            limit = round(kombu.median + _MOST_DELAY_MS, 1) if kombu else 0.0
            yield Goal(f'p50 at {rate:,} events/s, gathering on', limit, None, rounds.values(DAEMON, _p50), ' ms')


def _idle_goals(results: Results) -> Iterator[Goal]:
    idle = results.idle.get(DAEMON)
    yield Goal('CPU while idle, of a core', 0.3, 0.1, Spread.of([idle.cpu_percent] if idle else []), ' %')
    yield Goal('memory while idle', 80, 60, Spread.of([idle.memory_mib] if idle else []), ' MiB')


def _growth(rounds: Rounds) -> Spread | None:
    names = rounds.names
    return rounds.ratios(names[-1], names[0], _cpu) if names else None


def _p50(figures: Figures) -> float:
    return figures.delays.p50 if figures.delays else 0.0
