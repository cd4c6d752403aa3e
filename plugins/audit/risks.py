# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The risks: what of all that happens can cost money, or give somebody access."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from wazo_busd.api import Event, phone_kind

from ..tracking import Derivation
from ..tracking.moment import iso, parsed, seconds_between
from ..tracking.said import data_of, text, uuid
from .change import Change, State
from .options import Options
from .sentence import Names
from .spree import Sprees, is_outbound

KINDS = ('forward_outside', 'external_account', 'outbound_burst')
"""What is risky, as the event says it."""

CALLS = ('call_created', 'call_updated')
"""The events of calls that are counted, each call once."""

_NUMBERS = 2048
_LONGEST_NUMBER = 40


class Risks:
    """Looks for what is risky.

    Args:
        options: the options.
        names: what people call users and numbers.
        region: the country whose numbers are written without a prefix; `None` for none.
    """

    def __init__(self, options: Options, names: Names, region: str | None) -> None:
        self._risky = options.risky
        self._limit = options.outbound_burst
        self._names = names
        self._sprees = Sprees(self._limit, options.most) if self._limit is not None else None
        # To find out takes longer than all else, and the same numbers are dialed again and again.
        self._kind = lru_cache(maxsize=_NUMBERS)(lambda number: phone_kind(number, region))

    def __len__(self) -> int:
        return 0 if self._sprees is None else len(self._sprees)

    def of_change(
        self, event: Event, change: Change, before: State | None, after: State, at: float
    ) -> Iterable[Derivation]:
        """What is risky about a change.

        Args:
            event: the event that says it.
            change: the change.
            before: how it was; `None` if that is not known.
            after: how it is.
            at: when.
        """
        whose = self._names.called('user', change.subject_uuid)
        if change.what == 'external_auth':
            if not after['linked'] or change.is_blind or (before is not None and before['linked']):
                return ()
            sentence = f'{whose[:1].upper()}{whose[1:]} linked an external account: {change.name}'
            return self._told(event, change, 'external_account', sentence, None, at)
        number = after.get('destination')
        if change.what != 'forward' or not after['enabled'] or not number or len(number) > _LONGEST_NUMBER:
            return ()
        kind = self._kind(number)
        if kind not in self._risky:
            return ()
        sentence = f'Calls of {whose} go to {self._names.number(number)} now, which is {_WORDS[kind]}'
        return self._told(event, change, 'forward_outside', sentence, number, at)

    def of_call(self, event: Event, at: float, now: float) -> Iterable[Derivation]:
        """What is risky about a call.

        Args:
            event: one whose name is in `CALLS`.
            at: when.
            now: the latest time that is known.
        """
        data = data_of(event)
        if self._limit is None or self._sprees is None or not is_outbound(data, number := _dialed(data)):
            return ()
        caller, call_id = self._caller(event, data), text(data.get('call_id'))
        if not (caller and number and call_id) or (kind := self._kind(number)) not in self._limit.kinds:
            return ()
        found = self._sprees.take(caller, call_id, _began_at(event, data, at), now)
        if found is None:
            return ()
        count, since = found
        user = uuid(data.get('user_uuid'))
        whose = self._names.called('user', user) if user else f'Line {text(data.get("line_id"))}'
        sentence = (
            f'{whose[:1].upper()}{whose[1:]} has made {count} outbound calls within {self._limit.within:.0f} s, '
            f'the last one to {self._names.number(number)}, which is {_WORDS[kind]}'
        )
        seconds = seconds_between(since, at)
        return (self._risk(event, 'outbound_burst', sentence, user, number, at, caller, count=count, seconds=seconds),)

    def _told(
        self, event: Event, change: Change, kind: str, sentence: str, number: str | None, at: float
    ) -> Iterable[Derivation]:
        return (self._risk(event, kind, sentence, change.subject_uuid, number, at, change.key, name=change.name),)

    def _risk(
        self,
        event: Event,
        kind: str,
        sentence: str,
        user: str | None,
        number: str | None,
        at: float,
        key: str,
        **more: Any,
    ) -> Derivation:
        data = {
            'kind': kind,
            'sentence': sentence,
            'user_uuid': user,
            'tenant_uuid': uuid(event.tenant_uuid),
            'name': None,
            'destination': number,
            'destination_kind': self._kind(number) if number else None,
            'count': 1,
            'seconds': None,
            'at': iso(at),
            **more,
        }
        users = () if user is None else (user,)
        origin = text(event.origin_uuid) or None
        return Derivation('busd.guard.risky', data, f'{kind}/{key}/{iso(at)}', data['tenant_uuid'], users, origin)

    def expire(self, at: float) -> None:
        """Forget what is too old, at so many Unix seconds."""
        if self._sprees is not None:
            self._sprees.expire(at)

    def due(self) -> float | None:
        """When there is something to forget."""
        return None if self._sprees is None else self._sprees.due()

    def dump(self) -> list[Any]:
        """What `load` takes."""
        return [] if self._sprees is None else self._sprees.dump()

    def load(self, said: Iterable[Any]) -> None:
        """Know what `dump` gave."""
        if self._sprees is not None:
            self._sprees.load(said)

    @staticmethod
    def _caller(event: Event, data: Mapping[str, Any]) -> str:
        """Whose call it is: a user's, else a line's, which other hosts have too."""
        user, line = uuid(data.get('user_uuid')), text(data.get('line_id'))
        return user or (f'{text(event.origin_uuid)}/line/{line}' if line else '')


_WORDS = {
    'premium': 'a premium number',
    'international': 'in another country',
    'national': 'outside',
}


def _began_at(event: Event, data: Mapping[str, Any], at: float) -> float:
    """When a call was made: an update comes again as long as it lasts."""
    said = parsed(data.get('creation_time')) if event.name == 'call_updated' else None
    return at if said is None else min(at, said)


def _dialed(data: Mapping[str, Any]) -> str:
    number = text(data.get('dialed_extension')) or text(data.get('peer_caller_id_number'))
    return number if len(number) <= _LONGEST_NUMBER else ''
