# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The filter: whose events a handler takes, by tenant, user and access."""

from __future__ import annotations

from wazo_busd.acl import Access
from wazo_busd.config import HandlerConfig
from wazo_busd.event import Event


class Filter:
    """What a handler's `tenants`, `users` and `acl` let through.

    Args:
        config: what the configuration says of the handler. A key that is missing lets everything through.
    """

    __slots__ = ('_access', '_is_open', '_tenants', '_users')

    def __init__(self, config: HandlerConfig) -> None:
        self._tenants = _lower(config.tenants)
        self._users = _lower(config.users)
        self._access = Access(config.acl) if config.acl else None
        self._is_open = not (self._tenants or self._users or self._access)

    def lets(self, event: Event) -> bool:
        """Whether the handler may have `event`.

        An event that names no tenant or no user is not one of theirs; what is for all users of a tenant names none of
        them. Of access, `required_acl: null` means anyone; an event without the header is refused, as Wazo's own
        gateway to the bus does.
        """
        if self._is_open:
            return True
        if self._tenants and (event.tenant_uuid or '').lower() not in self._tenants:
            return False
        if self._users and self._users.isdisjoint(uuid.lower() for uuid in event.user_uuids):
            return False
        return self._access is None or _allows(self._access, event)


def _allows(access: Access, event: Event) -> bool:
    if 'required_acl' not in event.headers:
        return False
    required = event.headers['required_acl']
    if required is None:
        return True
    named = (required, event.headers.get('required_access'))
    return access.allows(*(each for each in named if isinstance(each, str)))


def _lower(uuids: list[str] | None) -> frozenset[str]:
    return frozenset(uuid.lower() for uuid in uuids or ())
