# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The tracker of calls: takes what hosts tell of legs, and says what became of the conversations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from wazo_busd.api import Event, Figure, Panel

from ..tracking import Alarms, Derivation, Shelf, Tracker
from ..tracking.boot import started_at
from .board import calls_panel, missed_panel
from .conversation import Conversation
from .conversations import Conversations
from .endings import Endings
from .forms import Forms, row_of
from .leg import id_in, text_in
from .notices import Notices
from .options import CallsOptions
from .places import Places
from .progress import Progress
from .queue_joins import QueueJoins

_DONE_SECONDS = 86_400.0
_MOST_ORIGIN_LETTERS = 64
Found = list[Derivation]


class CallsTracker(Tracker):
    """Knows the conversations that go on.

    Args:
        options: the options.
        region: the country that numbers without a prefix are of; `None` for none.
    """

    def __init__(self, options: CallsOptions, region: str | None = None) -> None:
        self._open = Conversations(options.most, options.stale_after)
        self._done: Shelf[str, None] = Shelf(4 * options.most, max(_DONE_SECONDS, 2 * options.stale_after))
        self._over: Alarms[str] = Alarms()
        self._sweep_at: float | None = None
        self._joins = QueueJoins()
        self._forms = Forms(options.stale_after)
        self._notices = Notices(options, region)
        self._endings = Endings(options, self._notices)
        self._progress = Progress(options, self._notices, self._forms)
        self._places = Places(self._open, self._done, self._over, self._joins, self._progress)
        self._takers: dict[str, Callable[[Event, Mapping[str, Any], str, float], Found]] = {
            **dict.fromkeys(('call_created', 'call_updated', 'call_answered', 'call_ended'), self._leg),
            **dict.fromkeys(('call_held', 'call_resumed'), self._hold),
            **dict.fromkeys(('QueueCallerJoin', 'QueueCallerLeave'), self._queue),
            **{f'relocate_{each}': self._link for each in ('initiated', 'answered', 'completed', 'ended')},
            **{f'transfer_{each}': self._link for each in ('created', 'updated', 'answered', 'completed')},
            'user_missed_call': self._missed,
            'call_form_result': self._form,
            'FullyBooted': self._booted,
        }

    def feed(self, event: Event, at: float) -> Iterable[Derivation]:
        """Take an event."""
        taker, data = self._takers.get(event.name), event.data
        if taker is None or not isinstance(data, Mapping):
            return ()
        return taker(event, data, (event.origin_uuid or '')[:_MOST_ORIGIN_LETTERS], at)

    def tick(self, at: float) -> Iterable[Derivation]:
        """Let it be a time: what is due first is done first."""
        found: Found = []
        while (due := self.due()) is not None and due <= at:
            found += self._progress.holds_due(due, self._open)
            for key, _ in self._over.due(due):
                one = self._open.get(key)
                if one is not None:
                    found += self._close(one, due)
            for one in self._open.expired(due):
                found += self._conclude(one, is_lost=True)
            if self._sweep_at is not None and self._sweep_at <= due:
                self._sweep(due)
        return found

    def due(self) -> float | None:
        """When something is over, too long, or too old."""
        first = self._sweep_at
        for each in (self._over.next(), self._progress.next_hold_at(), self._open.oldest_at()):
            if each is not None and (first is None or each < first):
                first = each
        return first

    def dump(self) -> dict[str, Any]:
        """All that it knows."""
        return {
            'open': self._open.dump(),
            'done': [(at, key) for at, key, _ in self._done.dump()],
            'joins': self._joins.dump(),
            'forms': self._forms.dump(),
            'missed': self._notices.missed.dump(),
            'counts': self._endings.dump(),
        }

    def load(self, said: Mapping[str, Any]) -> None:
        """Know what `dump` gave."""
        self._open.load(said['open'])
        for at, key in said['done']:
            self._done.put(key, None, float(at))
        self._joins.load(said.get('joins', ()))
        self._forms.load(said['forms'])
        self._notices.missed.load(said['missed'])
        self._endings.load(said['counts'])
        for one in self._open.values():
            self._places.arm(one)
            self._progress.arm(one)
        self._plan_sweep()

    def figures(self, at: float) -> Iterable[Figure]:
        """The conversations that go on, and what became of the others."""
        return self._endings.figures(self._open.values())

    def panels(self, at: float) -> Iterable[Panel]:
        """The calls of now, and who was missed."""
        return calls_panel(self._open.values()), missed_panel(self._notices.missed, self._endings.missed, at)

    def _leg(self, event: Event, data: Mapping[str, Any], origin: str, at: float) -> Found:
        call_id = id_in(data, 'call_id')
        key = f'{origin} {call_id}'
        if not call_id or key in self._done:
            return []
        found = self._places.find(event, data, origin, key, at)
        if found is None or found[1].is_over:
            return []
        one, leg, is_new = found
        if not leg.conversation_id:
            one = self._places.by_talk(one, key, leg, data)
        self._open.see(one, at)
        was, dialed = (leg.is_up, one.answered), leg.dialed
        told = self._progress.take(one, leg, event.name, data, at)
        if is_new or dialed != leg.dialed:
            told = [*self._notices.emergency(one, leg, at), *told]
        if leg.is_over:
            self._open.hung_up(one, leg)
        if is_new or leg.is_over or was != (leg.is_up, one.answered) or one.key in self._over:
            self._places.arm(one)
        return told

    def _hold(self, event: Event, data: Mapping[str, Any], origin: str, at: float) -> Found:
        call_id = id_in(data, 'call_id')
        one = self._open.get(f'{origin} {call_id}')
        leg = None if one is None else one.legs.get(call_id)
        if one is None or leg is None or leg.is_over:
            return []
        is_held = event.name == 'call_held'
        self._open.see(one, at)
        # The end of an earlier hold, told once more, is not that of this one.
        if is_held or leg.held_at is None or at >= leg.held_at:
            self._progress.hold(one, leg, is_held, at)
        return []

    def _link(self, event: Event, data: Mapping[str, Any], origin: str, at: float) -> Found:
        """A relocation or a transfer: its calls are of one conversation."""
        is_move = event.name.startswith('relocate_')
        names = ('relocated_call' if is_move else 'transferred_call', 'initiator_call', 'recipient_call')
        keys = [f'{origin} {call_id}' for each in names if (call_id := id_in(data, each))]
        one = next((found for key in keys if (found := self._open.get(key)) is not None), None)
        if one is None:
            return []
        for key in keys:
            one = self._places.linked(one, key)
        self._open.see(one, at)
        if event.name.endswith('_completed'):
            one.note(one.relocations if is_move else one.transfers, id_in(data, 'uuid' if is_move else 'id'))
        self._places.arm(one)
        return self._progress.elsewhere(one)

    def _queue(self, event: Event, data: Mapping[str, Any], origin: str, at: float) -> Found:
        name, call_id = text_in(data, 'Queue'), id_in(data, 'Uniqueid')
        key, is_in = f'{origin} {call_id}', event.name == 'QueueCallerJoin'
        one = self._open.get(key)
        if one is not None and name:
            self._progress.queue(one, name, is_in=is_in, at=at)
            self._places.arm(one)
        elif name and call_id and key not in self._done:
            self._joins.note(key, name, is_in=is_in, at=at)
            self._plan_sweep()
        return []

    def _missed(self, event: Event, data: Mapping[str, Any], origin: str, at: float) -> Found:
        said = id_in(data, 'conversation_id')
        key = f'{origin} {said}'
        if not said or key in self._done:
            return []
        one = self._open.get(key)
        if one is None:
            one = self._places.begin(key, origin, (event.tenant_uuid or '')[:_MOST_ORIGIN_LETTERS], said, at)
        self._open.see(one, at)
        self._progress.missed(one, data)
        self._places.arm(one)
        return []

    def _form(self, event: Event, data: Mapping[str, Any], origin: str, at: float) -> Found:
        if not self._forms.is_new(event.id, at):
            return []
        self._plan_sweep()
        talk = self._forms.find(data, event.user_uuids, origin)
        return [Derivation.of(event, 'busd.call.form', row_of(data, talk), event.id)]

    def _booted(self, event: Event, data: Mapping[str, Any], origin: str, at: float) -> Found:
        """No call outlives the Asterisk that it was made with."""
        since = started_at(event, at)
        if since is None:
            return []
        gone = [one for one in self._open.values() if one.origin == origin and one.seen_at < since]
        return [each for one in gone for each in self._conclude(one, is_lost=True)]

    def _close(self, one: Conversation, at: float) -> Found:
        """Conclude a conversation that is over, unless something was heard of it since that was planned."""
        over_at = one.over_at
        if over_at is not None and over_at <= at:
            return self._conclude(one, is_lost=one.is_silent)
        self._places.arm(one)
        return []

    def _conclude(self, one: Conversation, *, is_lost: bool = False) -> Found:
        found = self._progress.elsewhere(one, is_over=True)
        found += self._endings.conclude(one, is_lost=is_lost)
        self._over.cancel(one.key)
        self._progress.forget(one)
        self._forms.over(one)
        for key in self._open.keys(one):
            self._done.put(key, None, one.seen_at)
        self._open.remove(one)
        self._plan_sweep()
        return found

    def _sweep(self, at: float) -> None:
        """Forget what was remembered of conversations that are over, and is too old."""
        for _ in self._done.expired(at):
            pass
        self._joins.expire(at)
        self._forms.expire(at)
        self._notices.missed.expire(at)
        self._plan_sweep()

    def _plan_sweep(self) -> None:
        kept = (self._done, self._joins, self._forms, self._notices.missed)
        times = [each.oldest_at() for each in kept]
        self._sweep_at = min((each for each in times if each is not None), default=None)
