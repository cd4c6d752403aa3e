# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The derivation: a derived event that a tracker has found out, before it is published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from wazo_busd.api import Event, Fact


@dataclass(frozen=True, slots=True)
class Derivation:
    """A fact that follows from several events.

    It says nothing that depends on when or how often an event was delivered, so that it is the same, to the byte and
    with that by its id, whenever it is derived.

    Attributes:
        name: what the event is called, `busd.` first.
        data: what it says: what JSON can hold, times as ISO 8601 in UTC, durations in whole seconds or their tenths.
        key: what the fact is known by among those of its name, as in the call it is about.
        tenant_uuid: the tenant that it concerns; `None` where that is not known.
        user_uuids: the users that it concerns.
        origin_uuid: the host that it happened on; `None` where that is not known.
    """

    name: str
    data: Mapping[str, Any]
    key: str
    tenant_uuid: str | None = None
    user_uuids: tuple[str, ...] = field(default=())
    origin_uuid: str | None = None

    @property
    def fact(self) -> Fact:
        """What is said of it when it is emitted."""
        return Fact(self.key, self.tenant_uuid, self.user_uuids, self.origin_uuid)

    @classmethod
    def of(cls, event: Event, name: str, data: Mapping[str, Any], key: str) -> Derivation:
        """A fact that concerns whom an event concerns.

        Args:
            event: the event.
            name: what the derived event is called.
            data: what it says.
            key: what the fact is known by.
        """
        return cls(name, data, key, event.tenant_uuid, event.user_uuids, event.origin_uuid)

    def dump(self) -> dict[str, Any]:
        """What `load` makes the same of."""
        return {
            'name': self.name,
            'data': dict(self.data),
            'key': self.key,
            'tenant_uuid': self.tenant_uuid,
            'user_uuids': list(self.user_uuids),
            'origin_uuid': self.origin_uuid,
        }

    @classmethod
    def load(cls, said: Mapping[str, Any]) -> Derivation:
        """What `dump` was made of."""
        return cls(**{**said, 'user_uuids': tuple(said['user_uuids'])})
