# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The filter: whose events a handler takes, by tenant, user and access."""

from __future__ import annotations

from collections.abc import Iterator

from wazo_busd.acl import Access
from wazo_busd.config import HandlerConfig
from wazo_busd.event import Event
from wazo_busd.text import escape


class Filter:
    """What a handler's `tenants`, `users` and `acl` let through.

    Args:
        config: what the configuration says of the handler. A key that is missing lets everything through.
    """

    __slots__ = ('_access', '_tenants', '_users', 'is_open')

    def __init__(self, config: HandlerConfig) -> None:
        self._tenants = _lower(config.tenants)
        self._users = _lower(config.users)
        self._access = Access(config.acl) if config.acl else None
        self.is_open = not (self._tenants or self._users or self._access)
        """Whether it lets everything through."""

    def lets(self, event: Event) -> bool:
        """Whether the handler may have `event`.

        An event that names no tenant or no user is not one of theirs; what is for all users of a tenant names none of
        them. Of access, `required_acl: null` means anyone; an event without the header is refused, as Wazo's own
        gateway to the bus does.
        """
        if self.is_open:
            return True
        return self._lets_tenant(event) and self._lets_user(event) and self._lets_access(event)

    def denials(self, event: Event) -> Iterator[str]:
        """Each key that keeps `event` away, in words for a person."""
        if not self._lets_tenant(event):
            said = f'it is of the tenant {escape(event.tenant_uuid)}' if event.tenant_uuid else 'it names no tenant'
            yield f'tenants: {said}, and let through are those of {", ".join(sorted(self._tenants))}'
        if not self._lets_user(event):
            named = escape(', '.join(event.user_uuids))
            said = f'it names the user {named}' if named else 'it names no user'
            yield f'users: {said}, and let through are those of {", ".join(sorted(self._users))}'
        if self._access is not None and not self._lets_access(event):
            yield f'acl: {_required(event)}, and {", ".join(self._access.patterns)} does not give that'

    def _lets_tenant(self, event: Event) -> bool:
        return not self._tenants or (event.tenant_uuid or '').lower() in self._tenants

    def _lets_user(self, event: Event) -> bool:
        return not self._users or not self._users.isdisjoint(uuid.lower() for uuid in event.user_uuids)

    def _lets_access(self, event: Event) -> bool:
        return self._access is None or _allows(self._access, event)


def _allows(access: Access, event: Event) -> bool:
    if 'required_acl' not in event.headers:
        return False
    required = event.headers['required_acl']
    if required is None:
        return True
    return access.allows(*_named(event))


def _named(event: Event) -> list[str]:
    named = (event.headers.get('required_acl'), event.headers.get('required_access'))
    return [each for each in named if isinstance(each, str)]


def _required(event: Event) -> str:
    if 'required_acl' not in event.headers:
        return 'it says in no header required_acl who may see it'
    return f'it requires {escape(" or ".join(_named(event))) or "an access that is no text"}'


def _lower(uuids: list[str] | None) -> frozenset[str]:
    return frozenset(uuid.lower() for uuid in uuids or ())
