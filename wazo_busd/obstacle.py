# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The obstacle: a key of a handler, one of those that filter, that lets through nothing of an event that it matches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from wazo_busd.acl import ANY_ID, Access
from wazo_busd.catalogue import Entry
from wazo_busd.catalogue.entry import PLACEHOLDER
from wazo_busd.catalogue.publication import has_acl_2019
from wazo_busd.config import HandlerConfig

_ME = 'me'
_USER_FIELDS = {'user_uuid', 'user_uuids'}


class Surprise(NamedTuple):
    """What a key that filters keeps away, for a warning.

    Attributes:
        place: the key, and which of its items if it is one of them.
        text: what is kept away.
        hint: what to write instead.
    """

    place: tuple[str | int, ...]
    text: str
    hint: str


class Obstacles:
    """What the `tenants`, `users` and `acl` of a handler keep away, by what the catalogue knows of the events.

    Args:
        config: what the configuration says of the handler.
    """

    def __init__(self, config: HandlerConfig) -> None:
        self._config = config
        self._access = Access(config.acl) if config.acl else None

    def of(self, entry: Entry) -> tuple[str, ...]:
        """The keys that let through no event of an entry, whatever it says; none if some can come."""
        if entry.is_derived:
            # It has the tenant and the users of the event that caused it.
            return ()
        keeps = {
            'tenants': self._config.tenants is not None and not _names_tenant(entry),
            'users': self._config.users is not None and not _names_users(entry),
            'acl': self._access is not None and not _can_allow(self._access, entry),
        }
        return tuple(key for key, is_kept in keeps.items() if is_kept)

    def surprises(self, matched: Mapping[str, Sequence[Entry]]) -> Iterator[Surprise]:
        """What they keep away and should probably not.

        Args:
            matched: the items of the handler's match, each with the known events that it brings.
        """
        told = list(self._about_patterns())
        yield from told
        obstacles = {item: [set(self.of(entry)) for entry in entries] for item, entries in matched.items()}
        # Of access, the mistake in a pattern is told already, and this would follow from it.
        for key in ('tenants', 'users') if told else ('tenants', 'users', 'acl'):
            kept = [item for item, each in obstacles.items() if each and all(key in keys for keys in each)]
            if kept:
                yield _kept(key, kept if len(kept) < len(matched) else [], [e for item in kept for e in matched[item]])

    def _about_patterns(self) -> Iterator[Surprise]:
        if self._access is None:
            return
        if self._access.only_takes:
            text = 'no pattern gives anything, so nothing comes but what anyone may see'
            yield Surprise(('acl',), text, f'as in acl: ["events.#", "{self._access.patterns[0]}"]')
        for number, pattern in enumerate(self._access.patterns):
            if _ME in pattern.removeprefix('!').split('.'):
                text = f'me in {pattern!r} is the user of a token to Wazo, and nobody here'
                yield Surprise(('acl', number), text, 'write the UUID of the user instead of me')


def _kept(key: str, items: Sequence[str], entries: Sequence[Entry]) -> Surprise:
    """What a key keeps away: of some items of the match, or of all if none is given."""
    what = f'of {", ".join(map(repr, items))}' if items else 'that it matches'
    if key == 'acl':
        text = f'no event {what} requires an access that these patterns give, so none is let through'
        return Surprise((key,), text, f'{entries[0].name} requires {entries[0].required_acl}')
    text = f'no event {what} names a {key.removesuffix("s")}, so none is let through'
    if key == 'users' and any(entry.scope == 'tenant' for entry in entries):
        return Surprise((key,), text, 'tenants lets through what is for all users of a tenant')
    them = 'them' if len(items) > 1 else 'it'
    return Surprise((key,), text, f'match {them} in a handler without {key}' if items else f'take {key} out')


def _names_tenant(entry: Entry) -> bool:
    return entry.scope != 'service' or 'tenant_uuid' in entry.fields


def _names_users(entry: Entry) -> bool:
    """Whether it names users: what is for all users of a tenant does so in its data, if at all."""
    return (
        entry.scope in ('user', 'users')
        or not _USER_FIELDS.isdisjoint(entry.fields)
        or any(key.startswith('config.user.') for key in entry.keys)
    )


def _can_allow(access: Access, entry: Entry) -> bool:
    """Whether hosts of either era can require an access for it that is given."""
    if entry.acl is None:
        return True
    today = [form for form in (entry.required_acl, f'event.{entry.name}') if form]
    eras = [today]
    if has_acl_2019(entry):
        eras.append([entry.acl or f'events.{(entry.keys_2019 or entry.keys)[0]}'])

    def form(text: str) -> str:
        return PLACEHOLDER.sub(lambda each: ANY_ID if entry.is_id(each[1]) else '#', text)

    return any(access.can_allow(*map(form, named)) for named in eras)
