# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""An entry of the catalogue: what is known about one event."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from wazo_busd.patterns import overlap

Scope = Literal['service', 'tenant', 'user', 'users']

DERIVED = 'busd'
"""What stands for a service where an event is derived."""

PLACEHOLDER = re.compile(r'\{([^{}]+)\}')
"""A part of a name, a key or an access that differs from one event to the next: `{user_uuid}`, `{call[id]}`."""

_ID = '0'
"""What stands for every number and UUID where keys are compared."""

_IS_ID = re.compile(r'[0-9]+|[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}')
_TYPES = {
    'string': (str,),
    'integer': (int,),
    'number': (int, float),
    'boolean': (bool,),
    'object': (dict,),
    'array': (list,),
}


class _Part(BaseModel):
    model_config = ConfigDict(extra='forbid', frozen=True)


class Property(_Part):
    """One key of an event's `data`, or one of its headers.

    Attributes:
        type: what JSON calls it.
        meaning: what it says, in one sentence.
        nullable: whether it can be null.
        optional: whether it can be missing on a host of today.
        era: `now` or `2019` for what only hosts of that era send.
        values: the values it can have, where they are known.
    """

    type: Literal['string', 'integer', 'number', 'boolean', 'object', 'array']
    meaning: str = Field(min_length=3)
    nullable: bool = False
    optional: bool = False
    era: Literal['now', '2019'] | None = None
    values: tuple[str, ...] = ()

    def accepts(self, value: Any) -> bool:
        """Whether `value`, as JSON gives it, is of this type."""
        if value is None:
            return self.nullable
        if isinstance(value, bool) and self.type != 'boolean':
            return False
        return isinstance(value, _TYPES[self.type]) and (not self.values or value in self.values)


class Difference(_Part):
    """A place where Wazo's page about the message bus is wrong.

    Attributes:
        page: what the page says.
        hosts: what hosts send.
        daemon: what this daemon makes of it.
    """

    page: str
    hosts: str
    daemon: str


class Entry(_Part):
    """One event, as hosts from 2019 to today send it.

    Attributes:
        name: its name on a host of today; with a placeholder it stands for a family, such as `{ami_event}`.
        meaning: when it is sent, in one sentence.
        service: the Wazo service that sends it, without `wazo-`; `''` where that differs.
        scope: whom it concerns: the host, a tenant, one user, several users. It decides the headers.
        keys: the routing keys of today.
        keys_2019: those of hosts around 19.05, where they differ.
        keys_page: those that only Wazo's page gives; no host sends them, a test tool may.
        aliases: other names of the same event.
        name_2019: the alias that hosts around 19.05 send; `''` if they send the name of today.
        acl: the access it requires, where that is not `events.` and the routing key; `null` for none.
        null_acl_2019: whether hosts around 19.05 require no access of an event that concerns no user.
        headers: headers of its own, beside those that every event has.
        fields: the keys of `data`.
        example: a complete `data`, as a host of today sends it.
        example_2019: the same of a host around 19.05, where it differs.
        copy_of: the event that is sent for the same happening besides this one; `''` if there is none.
        on_page: whether Wazo's page about the message bus describes it.
        removed: the version of Wazo that took it away; `''` if it is still sent.
        instead: names of what to use instead of an event that was removed.
        differences: where Wazo's page is wrong about it.
    """

    name: str
    meaning: str = Field(min_length=10)
    service: str = ''
    scope: Scope
    keys: tuple[str, ...] = ()
    keys_2019: tuple[str, ...] = ()
    keys_page: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    name_2019: str = ''
    acl: str | None = ''
    null_acl_2019: bool = False
    headers: dict[str, Property] = {}
    fields: dict[str, Property] = {}
    example: dict[str, Any] | None = None
    example_2019: dict[str, Any] | None = None
    copy_of: str = ''
    on_page: bool = False
    removed: str = ''
    instead: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = ()

    @property
    def is_derived(self) -> bool:
        """Whether no service sends it, but this daemon or one of its plugins."""
        return self.service == DERIVED

    @property
    def is_family(self) -> bool:
        """Whether it stands for all events of some form of name, such as `users_services_{service_name}_updated`."""
        return '{' in self.name

    @property
    def names(self) -> re.Pattern[str]:
        """What the name of an event of this entry fits."""
        texts = PLACEHOLDER.split(self.name)[::2]
        return re.compile('|'.join(('.+'.join(map(re.escape, texts)), *map(re.escape, self.aliases))))

    @property
    def routing_keys(self) -> tuple[str, ...]:
        """Every key that it can come with, those of today first."""
        return tuple(dict.fromkeys((*self.keys, *self.keys_2019, *self.keys_page)))

    @property
    def required_acl(self) -> str | None:
        """The access it requires on a host of today, with placeholders."""
        if self.acl == '' and self.keys:
            return f'events.{self.keys[0]}'
        return self.acl or None

    def comes_on(self, pattern: str) -> bool:
        """Whether a host, of either era, can send it with a key that fits `pattern`.

        A placeholder stands for a number or a UUID where it is one, else for one word or several, and never for none:
        hosts of 2019 write the dots of an id as they are.
        """
        return self._is_sent(pattern, (*self.keys, *self.keys_2019))

    def comes_today_on(self, pattern: str) -> bool:
        """Whether a host of today can send it with a key that fits `pattern`."""
        return self._is_sent(pattern, self.keys)

    def is_on_page_on(self, pattern: str) -> bool:
        """Whether Wazo's page gives a key for it that fits `pattern` and that no host sends."""
        return any(overlap(pattern, key) for key in self.keys_page)

    def is_id(self, placeholder: str) -> bool:
        """Whether a number or a UUID stands for a placeholder, given without its braces."""
        field = self.fields.get(placeholder)
        return 'uuid' in placeholder or (field is not None and field.type == 'integer')

    def _is_sent(self, pattern: str, keys: tuple[str, ...]) -> bool:
        asked = '.'.join(_ID if _IS_ID.fullmatch(word) else word for word in pattern.split('.'))
        return any(overlap(asked, PLACEHOLDER.sub(self._words, key)) for key in keys)

    def _words(self, placeholder: re.Match[str]) -> str:
        return _ID if self.is_id(placeholder[1]) else '*.#'
