# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The wave: parts of one kind and host that go down, or come back, together, and are told as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from wazo_busd.api import escape

from ..tracking import Derivation
from ..tracking.moment import iso, seconds_between
from ..tracking.said import LONGEST
from .part import Key, Part

Way = Literal['down', 'up']
WaveKey = tuple[str, str, str | None, Way]
"""Host, kind, tenant, and whether they go down or come back."""

_NAMED = 20
_SPOKEN = 5


@dataclass(slots=True)
class Wave:
    """Parts that are told together.

    Attributes:
        closes_at: until when others can come to it; then it is told.
        keys: the parts, in the order in which they came; only the keys matter.
    """

    closes_at: float
    keys: dict[Key, None] = field(default_factory=dict)


def down(parts: Sequence[Part], at: float, names: Mapping[str, str]) -> Derivation:
    """That parts of one kind and host are down.

    Args:
        parts: the parts, one at least.
        at: when that has been so for long enough.
        names: what people call them.
    """
    since = min(part.changed_at for part in parts)
    sentence = f'{_subject(parts, names)} down'
    return _told('down', parts, since, {'seconds': seconds_between(since, at)}, sentence)


def up(parts: Sequence[Part], names: Mapping[str, str]) -> Derivation:
    """That parts of one kind and host, which were told to be down or flapping, are up again.

    Args:
        parts: the parts, one at least.
        names: what people call them.
    """
    since = min(
        next((at for at in (part.told_since, part.flapping_since) if at is not None), part.changed_at) for part in parts
    )
    until = max(part.changed_at for part in parts)
    seconds = seconds_between(since, until)
    more = {'until': iso(until), 'seconds': seconds}
    return _told('up', parts, since, more, f'{_subject(parts, names)} up again after {seconds:.0f} s')


def flapping(part: Part, changes: int, within_seconds: float, names: Mapping[str, str]) -> Derivation:
    """That a part goes up and down all the time.

    Args:
        part: the part.
        changes: how often it changed.
        within_seconds: within which time that is too often.
        names: what people call it.
    """
    since = part.changes[0]
    more = {'changes': changes, 'seconds': seconds_between(since, part.changed_at), 'is_up': part.is_up}
    sentence = f'{_subject([part], names)} flapping: {changes} changes within {within_seconds:.0f} s'
    return _told('flapping', [part], since, more, sentence)


def _told(word: str, parts: Sequence[Part], since: float, more: Mapping[str, Any], sentence: str) -> Derivation:
    first = parts[0]
    data = {
        'kind': first.kind,
        'name': first.name,
        'names': [part.name for part in parts[:_NAMED]],
        'count': len(parts),
        'since': iso(since),
        **more,
        'sentence': sentence,
        'origin_uuid': first.origin or None,
    }
    key = '/'.join((*first.key, iso(since)))
    return Derivation(f'busd.availability.{word}', data, key, first.tenant_uuid, (), first.origin or None)


def _subject(parts: Sequence[Part], names: Mapping[str, str]) -> str:
    """Who, with the verb: `Trunk carrier is`, `7 lines (a, b, c, d, e and 2 more) are`."""
    called = [escape(names.get(part.name, part.name))[:LONGEST] for part in parts[:_SPOKEN]]
    kind = parts[0].kind
    if len(parts) == 1:
        return 'Asterisk is' if kind == 'asterisk' else f'{kind.capitalize()} {called[0]} is'
    more = f' and {len(parts) - _SPOKEN} more' if len(parts) > _SPOKEN else ''
    return f'{len(parts)} {kind}s ({", ".join(called)}{more}) are'
