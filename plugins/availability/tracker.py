# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What is known of the parts of hosts, and of plugins of Wazo that are installed and removed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from wazo_busd.api import Event, Figure, Panel

from ..tracking import Derivation, Tracker
from ..tracking.said import text
from ..tracking.sweep import earliest
from .board import services_panel
from .installations import ACTIONS, Installations
from .options import Options
from .parts import Parts
from .report import KINDS, report_in


class AvailabilityTracker(Tracker):
    """Tells what is down, up again or flapping, and how installations end.

    Args:
        options: the options.
        names: what people call parts.
    """

    def __init__(self, options: Options, names: Mapping[str, str] | None = None) -> None:
        self._watched = frozenset(name for name, kind in KINDS.items() if kind in options.watch)
        self._actions = frozenset(ACTIONS if 'plugin' in options.watch else ())
        self._names = names or {}
        self._parts = Parts(options, self._names)
        self._installations = Installations(options.most, options.stuck_after)
        self._now = 0.0

    def feed(self, event: Event, at: float) -> Iterable[Derivation]:
        """Take an event."""
        name = event.name
        if name in self._watched:
            report = report_in(event)
            if report is None:
                return ()
            self._now = max(self._now, at)
            return self._parts.take(report, text(event.origin_uuid), at, self._now)
        if name in self._actions:
            self._now = max(self._now, at)
            return self._installations.take(event, text(event.origin_uuid), at, self._now)
        return ()

    def tick(self, at: float) -> Iterator[Derivation]:
        """Let it be a time."""
        self._now = max(self._now, at)
        yield from self._parts.tick(at)
        yield from self._installations.tick(at)

    def due(self) -> float | None:
        """When something has been as it is for long enough, or is forgotten."""
        return earliest(self._parts.due(), self._installations.due())

    def dump(self) -> dict[str, Any]:
        """All that it knows."""
        return {'now': self._now, 'parts': self._parts.dump(), 'installations': self._installations.dump()}

    def load(self, said: Mapping[str, Any]) -> None:
        """Know what `dump` gave."""
        self._now = float(said['now'])
        self._parts.load(said['parts'])
        self._installations.load(said['installations'])

    def __len__(self) -> int:
        return len(self._parts) + len(self._installations)

    def figures(self, at: float) -> Iterable[Figure]:
        """How many parts are up, down and flapping, what was told of them, and the same of installations."""
        return (
            Figure(
                'wazo_busd_availability_parts',
                'Services, trunks and other parts of hosts that have said something of themselves.',
                labels=('kind', 'state'),
                values={key: float(count) for key, count in self._parts.states().items()},
            ),
            Figure(
                'wazo_busd_availability_told_total',
                'What was told of them: down, up, flapping.',
                kind='counter',
                labels=('kind', 'what'),
                values={key: float(count) for key, count in self._parts.told.items()},
            ),
            Figure(
                'wazo_busd_availability_installations',
                'Installations and removals of plugins of Wazo that go on.',
                labels=('action',),
                values={(key,): float(count) for key, count in self._installations.going_on().items()},
            ),
            Figure(
                'wazo_busd_availability_installations_told_total',
                'How they ended: installed, removed, failed; or stuck.',
                kind='counter',
                labels=('action', 'what'),
                values={key: float(count) for key, count in self._installations.told.items()},
            ),
        )

    def panels(self, at: float) -> Iterable[Panel]:
        """What is down, and how services and trunks fare."""
        return (services_panel(self._parts, self._names, at),)
