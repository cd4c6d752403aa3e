# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What is known of what people switch, link and create, and what of it is risky."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from wazo_busd.api import Event, Figure

from ..tracking import Derivation, Tracker
from ..tracking.moment import iso
from ..tracking.said import text
from ..tracking.sweep import earliest
from .change import Change, State, change_in
from .history import History
from .options import Options
from .risks import CALLS, KINDS, Risks
from .sentence import Names, action_of, sentence_of


class AuditTracker(Tracker):
    """Tells each change with what was before, and what is risky.

    Args:
        options: the options.
        names: what people call users, tenants and numbers.
        region: the country whose numbers are written without a prefix; `None` for none.
    """

    def __init__(self, options: Options, names: Mapping[str, str] | None = None, region: str | None = None) -> None:
        self._names = Names(names or {})
        self._history = History(options.most)
        self._risks = Risks(options, self._names, region)
        self._now = 0.0
        self._told: Counter[tuple[str, str]] = Counter()
        self._counts: Counter[str] = Counter()

    def feed(self, event: Event, at: float) -> Iterable[Derivation]:
        """Take an event."""
        self._now = max(self._now, at)
        if event.name in CALLS:
            return self._counted(self._risks.of_call(event, at, self._now))
        change = change_in(event)
        if change is None:
            return ()
        found = self._history.take(change, at, self._now)
        if found is None:
            return ()
        before, after = found
        risks = self._risks.of_change(event, change, before, after, at)
        return [self._change(event, change, before, after, at), *self._counted(risks)]

    def tick(self, at: float) -> Iterable[Derivation]:
        """Let it be a time."""
        self._now = max(self._now, at)
        self._history.expire(at)
        self._risks.expire(at)
        return ()

    def due(self) -> float | None:
        """When something is to be forgotten."""
        return earliest(self._history.due(), self._risks.due())

    def dump(self) -> dict[str, Any]:
        """All that it knows."""
        return {
            'now': self._now,
            'history': self._history.dump(),
            'sprees': self._risks.dump(),
            'told': [(*key, count) for key, count in self._told.items()],
            'risks': dict(self._counts),
        }

    def load(self, said: Mapping[str, Any]) -> None:
        """Know what `dump` gave."""
        self._now = float(said['now'])
        self._history.load(said['history'])
        self._risks.load(said['sprees'])
        self._told = Counter({(what, action): count for what, action, count in said['told']})
        self._counts = Counter(said['risks'])

    def __len__(self) -> int:
        return len(self._history) + len(self._risks)

    def figures(self, at: float) -> Iterable[Figure]:
        """How many changes and risks were told."""
        return (
            Figure(
                'wazo_busd_audit_changes_total',
                'Changes that were told.',
                kind='counter',
                labels=('what', 'action'),
                values={key: float(count) for key, count in self._told.items()},
            ),
            Figure(
                'wazo_busd_audit_risks_total',
                'Risks that were told.',
                kind='counter',
                labels=('kind',),
                values={(kind,): float(self._counts[kind]) for kind in KINDS},
            ),
            Figure(
                'wazo_busd_audit_remembered',
                'Things of which it is known how they are.',
                values={(): float(len(self._history))},
            ),
        )

    def _change(self, event: Event, change: Change, before: State | None, after: State, at: float) -> Derivation:
        action = action_of(change, before, after)
        self._told[change.what, action] += 1
        is_user = change.what != 'tenant'
        data = {
            'what': change.what,
            'name': change.name or None,
            'action': action,
            'subject_uuid': change.subject_uuid,
            'tenant_uuid': change.tenant_uuid,
            'sentence': sentence_of(change, action, before, after, self._names),
            'before': None if before is None else dict(before),
            'after': dict(after),
            'at': iso(at),
        }
        users = (change.subject_uuid,) if is_user else ()
        origin = text(event.origin_uuid) or None
        return Derivation('busd.audit.change', data, f'{change.key}/{iso(at)}', change.tenant_uuid, users, origin)

    def _counted(self, risks: Iterable[Derivation]) -> Iterable[Derivation]:
        for each in risks:
            self._counts[each.data['kind']] += 1
        return risks
