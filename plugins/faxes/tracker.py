# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The tracker of faxes: pairs what was begun with what became of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from wazo_busd.api import Event, Figure

from ..tracking import (
    Alarms,
    Derivation,
    Shelf,
    Tracker,
    e164_of,
    iso,
    mapping_of,
    seconds_between,
    text_of,
    uuid_of,
    whole_of,
)
from .fax import Fax
from .reason import reason_of

BEGUN = frozenset({'fax_outbound_created', 'fax_outbound_user_created'})
"""The events of a fax that was begun."""
SENT = frozenset({'fax_outbound_succeeded', 'fax_outbound_user_succeeded'})
"""Those of one that arrived."""
FAILED = frozenset({'fax_outbound_failed', 'fax_outbound_user_failed'})
"""Those of one that did not."""
RECEIVED = 'ReceiveFAX'
"""What Asterisk says of one that came in."""

_DAY_SECONDS = 86_400.0
_STREAK_SECONDS = 7 * _DAY_SECONDS
_COUNTS = ('sent', 'failed', 'stuck', 'received')


class FaxTracker(Tracker):
    """Folds the two events of a fax into one, and gives its result, or says that there is none.

    Args:
        stuck_after_seconds: when a fax without a result is stuck.
        most: how many faxes, and numbers that faxes failed to reach, are remembered.
        region: the country that numbers without a prefix are of; `None` for none.
    """

    def __init__(self, *, stuck_after_seconds: float = 1800.0, most: int = 20_000, region: str | None = None) -> None:
        self._stuck_after_seconds = stuck_after_seconds
        self._region = region
        self._faxes: Shelf[str, Fax] = Shelf(most, stuck_after_seconds + _DAY_SECONDS)
        self._failures: Shelf[str, int] = Shelf(most, _STREAK_SECONDS)
        self._received: Shelf[str, bool] = Shelf(most, _DAY_SECONDS)
        self._alarms: Alarms[str] = Alarms()
        self._counts = dict.fromkeys(_COUNTS, 0)

    def feed(self, event: Event, at: float) -> Iterable[Derivation]:
        """Take an event of a fax."""
        data = mapping_of(event.data)
        if event.name == RECEIVED:
            return self._receive(event, data, at)
        id_ = text_of(data.get('id'))
        if id_ is None:
            return ()
        known = self._faxes.get(f'{uuid_of(event.origin_uuid) or ""}/{id_}')
        if known is not None and known.is_over:
            return ()
        said = Fax.of(event, data, id_)
        if event.name in BEGUN:
            return self._begin(said, at)
        if event.name in SENT or event.name in FAILED:
            return self._end(said, data, at, is_sent=event.name in SENT)
        return ()

    def tick(self, at: float) -> Iterable[Derivation]:
        """Say which faxes are stuck."""
        found = [self._stick(fax, due) for key, due in self._alarms.due(at) if (fax := self._faxes.get(key))]
        for key, _ in self._faxes.expired(at):
            self._alarms.cancel(key)
        for shelf in (self._failures, self._received):
            for _ in shelf.expired(at):
                pass
        return found

    def due(self) -> float | None:
        """When the next fax is stuck, or something is forgotten."""
        moments = (self._alarms.next(), self._faxes.oldest_at(), self._failures.oldest_at(), self._received.oldest_at())
        return min((each for each in moments if each is not None), default=None)

    def dump(self) -> dict[str, Any]:
        """The faxes, how many failed in a row, and what was counted."""
        return {
            'faxes': [(at, fax.dump()) for at, _, fax in self._faxes.dump()],
            'failures': self._failures.dump(),
            'received': self._received.dump(),
            'counts': self._counts,
        }

    def load(self, said: Mapping[str, Any]) -> None:
        """Know them again."""
        for at, values in said['faxes']:
            fax = Fax(**values)
            self._keep(fax, float(at))
            if not (fax.is_over or fax.is_stuck) and fax.started_at is not None:
                self._alarms.set(fax.key, fax.started_at + self._stuck_after_seconds)
        for at, key, count in said['failures']:
            self._failures.put(str(key), int(count), float(at))
        for at, key, value in said['received']:
            self._received.put(str(key), bool(value), float(at))
        self._counts = {name: int(said['counts'][name]) for name in _COUNTS}

    def figures(self, at: float) -> Iterable[Figure]:
        """How many arrived, failed and are on their way."""
        counts = self._counts
        results: dict[tuple[str, ...], float] = {(each,): float(counts[each]) for each in ('sent', 'failed')}
        underway = sum(not fax.is_over for fax in self._faxes.values())
        yield Figure(
            'wazo_busd_faxes_results_total',
            'Faxes that were sent, by what became of them.',
            'counter',
            ('result',),
            results,
        )
        yield Figure(
            'wazo_busd_faxes_stuck_total', 'Faxes that had no result in time.', 'counter', values={(): counts['stuck']}
        )
        yield Figure(
            'wazo_busd_faxes_received_total', 'Faxes that came in.', 'counter', values={(): counts['received']}
        )
        yield Figure('wazo_busd_faxes_underway', 'Faxes that have no result yet.', values={(): underway})
        yield Figure(
            'wazo_busd_faxes_forgotten_total',
            'Faxes that were forgotten because there were too many.',
            'counter',
            values={(): self._faxes.dropped},
        )

    def _begin(self, said: Fax, at: float) -> Iterable[Derivation]:
        if said.key not in self._faxes:
            said.started_at = at
            self._keep(said, at)
            self._alarms.set(said.key, at + self._stuck_after_seconds)
        return ()

    def _end(self, said: Fax, data: Mapping[str, Any], at: float, *, is_sent: bool) -> Iterable[Derivation]:
        known = self._faxes.get(said.key)
        if known is not None:
            said.started_at = known.started_at
            said.user_uuid = said.user_uuid or known.user_uuid
        self._alarms.cancel(said.key)
        said.is_over = True
        self._keep(said, at)
        failed_in_a_row = self._fail_or_not(said, at, is_sent=is_sent)
        self._counts['sent' if is_sent else 'failed'] += 1
        found = {**self._told(said), 'ended_at': iso(at), 'seconds': seconds_between(said.started_at, at)}
        found['failed_in_a_row'] = failed_in_a_row
        if not is_sent:
            error = text_of(data.get('error'))
            found |= {'reason': reason_of(error), 'error': error}
        return (self._derivation('busd.fax.sent' if is_sent else 'busd.fax.failed', said, found),)

    def _fail_or_not(self, fax: Fax, at: float, *, is_sent: bool) -> int:
        """How many faxes to that number have failed in a row, this one included, or before this one arrived."""
        number = fax.number
        if number is None:
            return int(not is_sent)
        if is_sent:
            return self._failures.pop(number) or 0
        count = (self._failures.get(number) or 0) + 1
        self._failures.put(number, count, at)
        return count

    def _stick(self, fax: Fax, due: float) -> Derivation:
        fax.is_stuck = True
        self._counts['stuck'] += 1
        found = {
            **self._told(fax),
            'seconds': seconds_between(fax.started_at, due),
            'failed_in_a_row': (self._failures.get(fax.number) if fax.number else None) or 0,
        }
        return self._derivation('busd.fax.stuck', fax, found)

    def _receive(self, event: Event, data: Mapping[str, Any], at: float) -> Iterable[Derivation]:
        call_id, pages = text_of(data.get('Uniqueid')), whole_of(data.get('PagesTransferred'))
        if call_id is None or not pages:
            return ()
        origin = uuid_of(event.origin_uuid)
        key = f'{origin or ""}/{call_id}/{text_of(data.get("FileName")) or ""}'
        if key in self._received:
            return ()
        self._received.put(key, True, at)
        self._counts['received'] += 1
        number = _said(data, 'CallerIDNum')
        found = {
            'call_id': call_id,
            'caller_id_name': _said(data, 'CallerIDName'),
            'caller_id_number': number,
            'caller_id_number_e164': e164_of(number, self._region),
            'remote_station_id': _said(data, 'RemoteStationID'),
            'local_station_id': _said(data, 'LocalStationID'),
            'pages': pages,
            'received_at': iso(at),
        }
        return (Derivation('busd.fax.received', found, key, origin_uuid=origin),)

    def _told(self, fax: Fax) -> dict[str, Any]:
        return {
            'id': fax.id,
            'call_id': fax.call_id,
            'extension': fax.extension,
            'extension_e164': e164_of(fax.extension, self._region),
            'context': fax.context,
            'caller_id': fax.caller_id,
            'user_uuid': fax.user_uuid,
            'started_at': None if fax.started_at is None else iso(fax.started_at),
        }

    def _derivation(self, name: str, fax: Fax, data: Mapping[str, Any]) -> Derivation:
        users = (fax.user_uuid,) if fax.user_uuid else ()
        return Derivation(name, data, fax.key, fax.tenant_uuid, users, fax.origin_uuid)

    def _keep(self, fax: Fax, at: float) -> None:
        dropped = self._faxes.put(fax.key, fax, at)
        if dropped is not None:
            self._alarms.cancel(dropped.key)


def _said(data: Mapping[str, Any], key: str) -> str | None:
    """What Asterisk says, where it says something."""
    found = text_of(data.get(key))
    return None if found == '<unknown>' else found
