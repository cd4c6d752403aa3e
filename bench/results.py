# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The results: all that was measured. What was not measured is empty."""

from __future__ import annotations

from dataclasses import dataclass, field

from bench.figures import Figures, Idle
from bench.rounds import Rounds
from bench.sampler import Profile

DAEMON = 'wazo-busd'
THREE = 'wazo-busd, three handlers'
NO_GATHERING = 'wazo-busd, gathering off'
"""What the daemon is called where it stands beside its peers."""


@dataclass(slots=True)
class Results:
    """What each step found.

    Attributes:
        speed: at full speed on AMI events, from a quorum queue.
        classic: the same from a classic queue.
        calls: the same with call events, from a quorum queue.
        paced: at a steady pace, by events a second.
        waiting: with a handler that waits.
        failing: with a handler that always fails, for one try.
        sending: with the webhook.
        idle: while nothing happens, by consumer.
        handlers: with so many handlers, for one handler run; here and below the fewest are the first.
        lanes: with events of so many calls in a handler that keeps them in order.
        backlog: with so many events behind.
        sizes: with bodies of so many bytes.
        profile: where the daemon's time goes.
        missing: peers that could not be measured, and why.
    """

    speed: Rounds = field(default_factory=Rounds)
    classic: Rounds = field(default_factory=Rounds)
    calls: Rounds = field(default_factory=Rounds)
    paced: dict[int, Rounds] = field(default_factory=dict)
    waiting: Figures | None = None
    failing: Figures | None = None
    sending: Figures | None = None
    idle: dict[str, Idle] = field(default_factory=dict)
    handlers: Rounds = field(default_factory=Rounds)
    lanes: Rounds = field(default_factory=Rounds)
    backlog: Rounds = field(default_factory=Rounds)
    sizes: dict[int, Rounds] = field(default_factory=dict)
    profile: Profile | None = None
    missing: dict[str, str] = field(default_factory=dict)
