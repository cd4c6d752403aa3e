# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The figures: what one run of one consumer cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Delays:
    """How long events took from the publisher to the handler, in milliseconds.

    Attributes:
        p50: half of them took no longer.
        p99: all but one in a hundred took no longer.
        max: the longest.
    """

    p50: float
    p99: float
    max: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Delays:
        """Those of a run.

        Args:
            seconds: the delay of each event; at least one.
        """
        ordered = sorted(seconds)
        return cls(*(1000 * ordered[min(len(ordered) - 1, int(len(ordered) * share))] for share in (0.5, 0.99, 1.0)))


@dataclass(frozen=True, slots=True)
class Figures:
    """What one run cost.

    Attributes:
        rate: handler runs a second, between the first and the last that count.
        cpu_us: CPU of the consumer, user and system, in microseconds a handler run.
        broker_us: the same of the broker.
        memory_mib: resident memory of the consumer after the last event.
        delays: how long events took, if they were paced.
        late_ms: how late the publisher was at its latest, if it was to keep a pace.
    """

    rate: float
    cpu_us: float
    broker_us: float
    memory_mib: float
    delays: Delays | None = None
    late_ms: float = 0.0

    @property
    def together_us(self) -> float:
        """CPU of consumer and broker."""
        return self.cpu_us + self.broker_us


@dataclass(frozen=True, slots=True)
class Idle:
    """What a consumer costs while nothing happens.

    Attributes:
        cpu_percent: of one core.
        memory_mib: resident memory.
    """

    cpu_percent: float
    memory_mib: float
