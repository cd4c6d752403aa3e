# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The part: something of a host that can be down, and what is known of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from .report import Report

Key = tuple[str, str, str]
"""The host of a part, its kind, and what it is known by there."""

_RUNS = 8
"""How many runs of a service are remembered: those that are up, and those that are over."""


@dataclass(slots=True)
class Part:
    """A part of a host, as far as it has said something of itself.

    Attributes:
        origin: the host.
        kind: `asterisk`, `service`, `trunk`, `line` or `peer`.
        id: what it is known by there.
        name: what people know it by.
        tenant_uuid: the tenant it belongs to.
        is_up: whether it is up, by what it said last.
        changed_at: since when.
        seen_at: when it said something last.
        instances: which runs of it are up, by the place where each of them is.
        past: the last runs of it that are known to be over.
        told_since: since when it is down by what was told; `None` if it was not told that it is.
        flapping_since: since when it flaps by what was told, until it is told how that ended; `None` if it was not.
        is_flapping: whether it changes too often to be told each time.
        due_at: when it has been as it is for long enough; `None` if nothing waits for that.
        wave: the wave it is in: `down`, `up` or `''`.
        changes: when it changed lately.
    """

    origin: str
    kind: str
    id: str
    name: str
    tenant_uuid: str | None
    is_up: bool
    changed_at: float
    seen_at: float
    instances: dict[str, str] = field(default_factory=dict)
    past: list[str] = field(default_factory=list)
    told_since: float | None = None
    flapping_since: float | None = None
    is_flapping: bool = False
    due_at: float | None = None
    wave: str = ''
    changes: list[float] = field(default_factory=list)

    @property
    def key(self) -> Key:
        """What it is known by among all parts of all hosts."""
        return self.origin, self.kind, self.id

    def count_change(self, at: float, within_seconds: float, most: int) -> bool:
        """Count a change.

        Args:
            at: when, in Unix seconds.
            within_seconds: changes that are longer ago do not count any more.
            most: how many are kept.

        Returns:
            Whether there are so many now.
        """
        self.changes = [*(each for each in self.changes if each > at - within_seconds), at][-most:]
        return len(self.changes) >= most

    def begin_run(self, report: Report) -> None:
        """Note which run of it says that it is up, in the place of one that was there before and said no goodbye.

        Args:
            report: what the run says.
        """
        if not report.instance:
            return
        before = self.instances.pop(report.place, report.instance)
        if before != report.instance:
            self._bury(before)
        self.instances[report.place] = report.instance
        if len(self.instances) > _RUNS:
            del self.instances[next(iter(self.instances))]

    def end_run(self, report: Report) -> bool:
        """Note which run of it says that it is down.

        Args:
            report: what the run says.

        Returns:
            Whether it is down: not if another run is up, or has taken the place of this one.
        """
        run = report.instance
        if not run:
            return True
        if run in self.past:
            return False
        place = next((place for place, each in self.instances.items() if each == run), None)
        if place is None and len(self.instances) == 1:
            # Its beginning was lost. It has taken the place of the only one that is known.
            place = next(iter(self.instances))
        if place is not None:
            self._bury(self.instances.pop(place))
        self._bury(run)
        return not self.instances

    def _bury(self, run: str) -> None:
        if run not in self.past:
            self.past = [*self.past, run][-_RUNS:]

    def dump(self) -> dict[str, Any]:
        """What `Part` takes."""
        return asdict(self)
