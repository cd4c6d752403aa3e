# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The sentence: a change in words, and what is called how."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wazo_busd.api import escape

from ..tracking.said import LONGEST
from .change import Change, State

_FORWARDS = {
    'busy': 'Forward on busy',
    'noanswer': 'Forward on no answer',
    'unconditional': 'Unconditional forward',
}
_SERVICES = {'dnd': 'Do not disturb', 'incallfilter': 'Filter of incoming calls'}


class Names:
    """What people call users, tenants and numbers.

    Args:
        names: the names of the configuration.
    """

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names

    def called(self, kind: str, uuid: str) -> str:
        """A user or tenant: the name, else the UUID with what it is.

        Args:
            kind: `user` or `tenant`.
            uuid: whose name.
        """
        return self._known(uuid) or f'{kind} {uuid}'

    def number(self, number: str) -> str:
        """A number, with the name behind it if there is one."""
        name = self._known(number)
        return f'{number} ({name})' if name else number

    def _known(self, key: str) -> str:
        return escape(self._names.get(key, ''))[:LONGEST]


def action_of(change: Change, before: State | None, after: State) -> str:
    """What was done, in a word.

    Args:
        change: the change.
        before: how it was; `None` if that is not known.
        after: how it is.
    """
    if change.verb:
        return change.verb
    if before is not None and before['enabled'] == after['enabled']:
        return 'redirected'
    return 'switched_on' if after['enabled'] else 'switched_off'


def sentence_of(change: Change, action: str, before: State | None, after: State, names: Names) -> str:
    """A change, in a sentence of printable letters.

    Args:
        change: the change.
        action: what was done.
        before: how it was; `None` if that is not known.
        after: how it is.
        names: what people call things.
    """
    if change.what == 'tenant':
        return _of_tenant(change, action, before, after, names)
    whose = names.called('user', change.subject_uuid)
    if change.what == 'user':
        unsaid = ', the event does not say what of it' if action == 'edited' else ''
        return f'{whose[:1].upper()}{whose[1:]} was {action}{unsaid}'
    if change.what == 'favorite':
        end = 'became' if action == 'added' else 'is no longer'
        return f'Contact {change.name} {end} a favorite of {whose}'
    if change.what == 'external_auth':
        return f'External account {change.name} of {whose} was {_LINKS[action]}'
    if change.what == 'service':
        return f'{_SERVICES[change.name]} of {whose} was {_SWITCHED[action]}{_was(_service(before))}'
    return _of_forward(change, action, before, after, whose, names)


_LINKS = {'added': 'linked', 'authorized': 'authorized', 'edited': 'changed', 'deleted': 'unlinked'}
_SWITCHED = {'switched_on': 'switched on', 'switched_off': 'switched off', 'redirected': 'changed'}


def _of_tenant(change: Change, action: str, before: State | None, after: State, names: Names) -> str:
    name = after.get('name') or (before or {}).get('name')
    called = f'tenant {name} ({change.subject_uuid})' if name else names.called('tenant', change.subject_uuid)
    was = (before or {}).get('name')
    renamed = f' (before: {was})' if action == 'edited' and was and was != name else ''
    return f'{called[:1].upper()}{called[1:]} was {action}{renamed}'


def _of_forward(change: Change, action: str, before: State | None, after: State, whose: str, names: Names) -> str:
    start = f'{_FORWARDS[change.name]} of {whose} was {_SWITCHED[action]}'
    if after['enabled']:
        return f'{start}: {_target(after, names)}{_was(_forward(before, names))}'
    if action == 'redirected':
        was = _target(before, names) if before else None
        return f'{start} while it is off: {_target(after, names)}{_was(was)}'
    return f'{start}{_was(_forward(before, names))}'


def _forward(state: State | None, names: Names) -> str | None:
    if state is None:
        return None
    return _target(state, names) if state['enabled'] else 'off'


def _service(state: State | None) -> str | None:
    if state is None:
        return None
    return 'on' if state['enabled'] else 'off'


def _target(state: State, names: Names) -> str:
    destination: Any = state['destination']
    return f'to {names.number(destination)}' if destination else 'to nowhere'


def _was(words: str | None) -> str:
    return f' (before: {words or "not known"})'
