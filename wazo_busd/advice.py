# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Advice: what is no mistake in a configuration but will surprise, by what the catalogue knows of the events."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import combinations, permutations

from wazo_busd import catalogue
from wazo_busd.catalogue import Entry
from wazo_busd.catalogue.fields import lack
from wazo_busd.config import Document, quoted
from wazo_busd.errors import Problem
from wazo_busd.handler import Handler
from wazo_busd.match import bindings_of, is_name
from wazo_busd.obstacle import Obstacles
from wazo_busd.options import BaseOptions
from wazo_busd.patterns import includes
from wazo_busd.texts import Way, fields_in, texts_in

_FLOODS = {
    '#': ('every event of the host, AMI included', 'calls.#, user_missed_call, agent_status_update'),
    'ami.#': ('every event of AMI, 60 to 240 for one call', 'ami.Hangup, QueueCallerAbandon, PeerStatus'),
}
"""Patterns that bring far more than anybody wants, with what it is and what to name instead."""

_ANY_AMI_EVENT = '{ami_event}'
_FEW = 10
"""Of which part of what a pattern gets it is not told that only hosts of 2019 send it: less than one in ten."""
_NOT_LISTED = ('busd.', 'stasis.')
"""How the keys begin of what the catalogue does not list: derived events, and what Asterisk itself publishes."""


class Advice:
    """What the catalogue says about the handlers of one configuration.

    Args:
        document: the configuration, for the places.
    """

    def __init__(self, document: Document) -> None:
        self._document = document

    def received(self, handler: Handler) -> list[Entry]:
        """The known events that a handler can get; of a family, such as AMI, its known members."""
        obstacles = Obstacles(handler.config)
        got = {entry.name: entry for item in handler.match.items for entry in self._got(item)}
        return [entry for entry in got.values() if not obstacles.of(entry)]

    def warnings(self, handler: Handler) -> Iterator[Problem]:
        """What will surprise about a handler."""
        for item in handler.match.items:
            yield from self._about(handler, item)
        for each in Obstacles(handler.config).surprises({item: self._got(item) for item in handler.match.items}):
            yield self._document.problem(('handlers', handler.name, *each.place), each.text, each.hint)
        yield from self._twice(handler)
        yield from self._fields(handler)
        if isinstance(handler.options, BaseOptions):
            for text in handler.options.surprises():
                yield self._document.problem(('handlers', handler.name, 'options'), text)

    def _about(self, handler: Handler, item: str) -> Iterator[Problem]:
        flood = _flood(item)
        if flood:
            what, instead = flood
            yield self._problem(handler, item, f'{item!r} is {what}', f'name what you need, as in match: [{instead}]')
        elif is_name(item):
            entry = catalogue.find(item)
            if entry is not None and entry.removed:
                text = f'no host sends {item!r} since Wazo {entry.removed}'
                yield self._problem(handler, item, text, f'use {" or ".join(entry.instead)}' if entry.instead else '')
        elif not item.startswith(_NOT_LISTED):
            yield from self._about_pattern(handler, item)

    def _about_pattern(self, handler: Handler, item: str) -> Iterator[Problem]:
        got = self._got(item)
        if not got:
            meant = ' or '.join(map(quoted, self.meant(item)))
            hint = f'did you mean {meant}?' if meant else 'wazo-busd events lists them with their keys'
            yield self._problem(handler, item, f'no known event comes on a key that {item!r} fits', hint)
        elif item.endswith('.*'):
            wide = f'{item[:-1]}#'
            more = self._got(wide)
            if len(got) * 2 <= len(more):
                names = ', '.join(each.name for each in got[:3])
                text = f'{item!r} gets {names} and not the other {len(more) - len(got)} of {wide!r}: * is one word'
                yield self._problem(handler, item, text, f'did you mean {quoted(wide)}?')
        yield from self._about_the_past(handler, item, got)

    def _about_the_past(self, handler: Handler, item: str, got: Sequence[Entry]) -> Iterator[Problem]:
        """The events that a pattern gets from hosts of 2019, and the whole match gets from none of today."""
        past = [each for each in got if not any(self._brings_today(one, each) for one in handler.match.items)]
        if past and len(past) * _FEW >= len(got):
            names = ', '.join(each.name for each in past)
            keys = ', '.join(dict.fromkeys(key for each in past for key in each.keys))
            text = (
                f'{item!r} gets {names} from hosts of 2019 alone: '
                f'hosts of today send {"them" if len(past) > 1 else "it"} on {keys}'
            )
            yield self._problem(handler, item, text, f'write {names} instead' if past == got else f'add {names}')

    def _brings_today(self, item: str, entry: Entry) -> bool:
        return bool(self._got(item, [entry])) if is_name(item) else entry.comes_today_on(item)

    def meant(self, pattern: str) -> tuple[str, ...]:
        """What was perhaps meant by a pattern that no known event fits, best first."""
        on_page = [each.name for each in self._entries if each.is_on_page_on(pattern)]
        if on_page:
            return tuple(on_page[:2])
        for candidate in _wider(pattern):
            if self._got(candidate) and not _flood(candidate):
                return (candidate,)
        entry = catalogue.find(re.sub(r'\.[*#]', '', pattern).replace('.', '_'))
        if entry is not None and entry.routing_keys:
            return (entry.name,)
        keys = dict.fromkeys(key for entry in self._entries for key in entry.keys)
        close = difflib.get_close_matches(pattern, keys, 2, 0.75)
        if close:
            return tuple(re.sub(r'\{[^.]*\}', '*', key) for key in close)
        first = difflib.get_close_matches(pattern.partition('.')[0], {key.partition('.')[0]: 0 for key in keys}, 1, 0.6)
        if first and not _flood(f'{first[0]}.#'):
            return (f'{first[0]}.#',)
        near = catalogue.near(pattern.rpartition('.')[2] if first else pattern, 1)
        return tuple(name for name in near if self._got(name))

    def _twice(self, handler: Handler) -> Iterator[Problem]:
        """Two items that bring the same event, or one happening as two events.

        A plugin that declares both knows why.
        """
        if not handler.config.match:
            return
        got = {item: {entry.name: entry for entry in self._got(item)} for item in handler.match.items}
        for one, other in combinations(got, 2):
            spare, wide = (one, other) if self._covers(other, one) and not self._covers(one, other) else (other, one)
            both = [name for name in got[one] if name in got[other]]
            if self._covers(wide, spare):
                text = f'{spare!r} brings nothing that {wide!r} does not bring; an event comes once all the same'
                yield self._problem(handler, spare, text, f'take {spare} out')
            elif both and not any(is_name(item) or _flood(item) for item in (one, other)):
                shown = ', '.join(both[:3])
                text = f'{one!r} and {other!r} both bring {shown}; an event comes once all the same'
                yield self._problem(handler, other, text, 'name what you mean, or one wider pattern')
        for item, other in permutations([item for item in got if not _flood(item)], 2):
            copy = _copied(got[item].values(), got[other].values())
            if copy:
                text = f'one happening comes twice: {item!r} brings {copy.copy_of}, {other!r} its copy {copy.name}'
                yield self._problem(handler, other, text, 'keep one of the two')

    def _covers(self, wide: str, narrow: str) -> bool:
        """Whether `wide` brings all that `narrow` does."""
        events = self._got(narrow)
        if not is_name(wide):
            if not is_name(narrow):
                return includes(wide, narrow)
            return bool(events) and all(includes(wide, binding) for each in events for binding in bindings_of(each))
        known = {entry.name for entry in self._got(wide)}
        # What else comes on the keys of a pattern with wildcards, nobody knows.
        return bool(events) and not re.search(r'[*#]', narrow) and known.issuperset(each.name for each in events)

    def gets(self, handler: Handler, entry: Entry) -> bool:
        """Whether a handler can get an event; of a family, any of its members."""
        matches = any(self._got(item, [entry]) for item in handler.match.items)
        return matches and not Obstacles(handler.config).of(entry)

    def _got(self, item: str, among: Sequence[Entry] | None = None) -> list[Entry]:
        entries = self._entries if among is None else among
        if not is_name(item):
            return [each for each in entries if each.comes_on(item)]
        named = catalogue.find(item)
        if named is None:
            return []
        if named.is_family:
            return [each for each in entries if each.name == named.name or _is_member(each, named)]
        return [each for each in entries if each.name == named.name or _is_member(named, each)]

    def _fields(self, handler: Handler) -> Iterator[Problem]:
        """Fields that no event of the handler has, if what all of them have is known."""
        events = self.received(handler)
        if any(item.startswith(_NOT_LISTED) for item in handler.match.items) or not all(e.fields for e in events):
            return
        for place, way, effect in _asked(handler):
            lacking = lack(way, events)
            if lacking is not None:
                text, hint = lacking
                yield self._document.problem(('handlers', handler.name, *place), f'{text}, so {effect}', hint)

    @cached_property
    def _entries(self) -> Sequence[Entry]:
        return [entry for entry in catalogue.entries() if not (entry.removed or entry.is_family)]

    def _problem(self, handler: Handler, item: str, text: str, hint: str) -> Problem:
        match = handler.config.match or ()
        own = ('match', match.index(item)) if item in match else ('plugin',)
        return self._document.problem(('handlers', handler.name, *own), text, hint)


def _wider(pattern: str) -> Iterable[str]:
    """What a pattern can have meant by its stars: any number of words, in the end or everywhere."""
    if pattern.endswith('.*'):
        yield f'{pattern[:-1]}#'
    if '*' in pattern.split('.'):
        yield re.sub(r'(^|(?<=\.))\*(?=\.|$)', '#', pattern)
    if '#' not in pattern:
        yield f'{pattern}.#'


def _flood(item: str) -> tuple[str, str] | None:
    """What a pattern, or the name of AMI's family, is a flood of, and what to name instead; `None` if it is none."""
    words = item.split('.')
    if '#' in words and set(words) <= {'#', '*'}:
        return _FLOODS['#']
    if item == _ANY_AMI_EVENT or includes(item, 'ami.*'):
        return _FLOODS['ami.#']
    return None


def _is_member(entry: Entry, family: Entry) -> bool:
    """Whether an entry is one of the events that a family stands for."""
    return (
        family.is_family
        and family.names.fullmatch(entry.name) is not None
        and any(entry.comes_on(binding) for binding in bindings_of(family))
    )


def _copied(events: Collection[Entry], others: Collection[Entry]) -> Entry | None:
    """One of `others` that is sent for the same happening as one of `events`, where neither side has both."""
    first, second = ({each.name for each in side} for side in (events, others))
    return next((each for each in others if each.copy_of in first - second and each.name not in first), None)


def _asked(handler: Handler) -> Iterator[tuple[Way, Way, str]]:
    """Each field that the configuration names: the place where, the way to it, and what comes of it if it misses."""
    if handler.config.order_by:
        yield ('order_by',), tuple(handler.config.order_by.split('.')), 'nothing is kept in order'
    if handler.config.throttle is not None and handler.config.throttle.per is not None:
        yield ('throttle', 'per'), tuple(handler.config.throttle.per.split('.')), 'all its events are counted as one'
    for field in handler.config.where or {}:
        yield ('where', field), tuple(field.split('.')), 'nothing is let through'
    if handler.condition is not None and handler.condition.when is not None:
        for way in handler.condition.when.fields:
            yield ('when',), way, 'it is never defined'
    for place, text in texts_in(handler.options):
        for way in text.fields:
            yield ('options', *place), way, 'the text can only be made where it has a default'
    for place, named in fields_in(handler.options):
        yield ('options', *place), named.way, 'it is never there'
