# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The plan: how much is measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plan:
    """Amounts.

    Attributes:
        rounds: how often what is compared is measured.
        classic_rounds: the same on a classic queue, where there are but two, and the broker sets the pace.
        events: how many a consumer handles at full speed, those that only warm it up among them; slow peers half of it.
        paces: for how many seconds each rate is kept.
        pace_rounds: how often the rates with a goal are measured.
        steady_seconds: how long the handler that waits is kept busy.
        failures: how many events fail.
        requests: how many events become requests to a web server.
        idle_seconds: how long nothing happens.
        growth_rounds: how often the most of each of the following is measured beside the fewest; others are once.
        handlers: with how many handlers the growth is looked at.
        lines: with how many calls, for the lanes.
        backlogs: with how many events behind those that are handled.
        sizes: with how many bytes in a body.
    """

    rounds: int
    classic_rounds: int
    events: int
    paces: Mapping[int, float]
    pace_rounds: int
    steady_seconds: float
    failures: int
    requests: int
    idle_seconds: float
    growth_rounds: int
    handlers: tuple[int, ...]
    lines: tuple[int, ...]
    backlogs: tuple[int, ...]
    sizes: tuple[int, ...]


FULL = Plan(
    rounds=3,
    classic_rounds=4,
    events=30_000,
    paces={10: 2.0, 100: 2.0, 500: 2.0, 1000: 3.0, 3000: 2.0, 10_000: 1.0},
    pace_rounds=5,
    steady_seconds=3.0,
    failures=2000,
    requests=3000,
    idle_seconds=20.0,
    growth_rounds=5,
    handlers=(1, 10, 50),
    lines=(1, 1000, 100_000),
    backlogs=(0, 100_000, 1_000_000),
    sizes=(800, 8000, 64_000, 512_000),
)
"""About ten minutes on two processors."""

QUICK = Plan(
    rounds=1,
    classic_rounds=1,
    events=10_000,
    paces={1000: 1.5, 3000: 1.5},
    pace_rounds=1,
    steady_seconds=1.5,
    failures=500,
    requests=1000,
    idle_seconds=4.0,
    growth_rounds=1,
    handlers=(1, 10),
    lines=(1, 1000),
    backlogs=(0, 20_000),
    sizes=(800, 64_000),
)
"""About two minutes, to work with: one round says nothing about noise."""

WARM_SHARE = 0.4
"""Which share of the events at full speed only warms a consumer up, whichever it is."""

FEW_WARM_SHARE = 0.02
"""The same at a pace, where events come to a consumer that has started and is at rest, and where a handler fails."""

GOAL_RATES = (1000, 3000)
"""The rates that there are goals for."""
