# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The match: event names and routing-key patterns, and the bindings that follow from them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from wazo_busd import catalogue
from wazo_busd.catalogue import Entry
from wazo_busd.event import Event
from wazo_busd.patterns import Matcher
from wazo_busd.text import escape


class Match:
    """What a handler or one of its methods takes.

    A pattern takes what its routing key fits. A name takes the event that is called so, on whatever key it comes: the
    catalogue knows every key and every other name that hosts have used for it since 2019.

    Args:
        items: names and patterns.

    Raises:
        UnknownEvent: a name that the catalogue does not know.
    """

    __slots__ = ('_families', '_matcher', '_names', 'bindings', 'items')

    def __init__(self, items: Sequence[str]) -> None:
        self.items = tuple(dict.fromkeys(items))
        patterns = [item for item in self.items if not is_name(item)]
        named = [catalogue.known(item) for item in self.items if is_name(item)]
        self.bindings = tuple(sorted({*patterns, *(key for entry in named for key in bindings_of(entry))}))
        self._matcher = Matcher(patterns)
        self._names = frozenset(name for entry in named if not entry.is_family for name in (entry.name, *entry.aliases))
        self._families = tuple((Matcher(bindings_of(entry)), entry.names) for entry in named if entry.is_family)

    def takes(self, event: Event) -> bool:
        """Whether `event` is one of them."""
        return (
            self._matcher.matches(event.routing_key)
            or event.name in self._names
            or any(keys.matches(event.routing_key) and names.fullmatch(event.name) for keys, names in self._families)
        )

    def denials(self, event: Event) -> Iterator[str]:
        """Why `event` never comes here, in words for a person; nothing if it comes."""
        key, name = escape(event.routing_key), escape(event.name)
        if not self.takes(event):
            yield f'match: the key {key} and the name {name or "(none)"} fit none of {", ".join(self.items)}'
            wider = [item for item in self.items if '*' in item and Matcher([_wider(item)]).matches(event.routing_key)]
            yield from (f'match: in {item} a * is one word only; {_wider(item)} would fit' for item in wider)
        elif not Matcher(self.bindings).matches(event.routing_key):
            # It is taken by its name, and no queue is bound to such a key.
            yield f'match: it is called {name}, but comes on none of the keys of that event: {key}'


def is_name(item: str) -> bool:
    """Whether an item of a match is an event's name: it has neither dots nor wildcards."""
    return not re.search(r'[.*#]', item)


def bindings_of(entry: Entry) -> tuple[str, ...]:
    """The patterns that every key of an event fits.

    What stands for a placeholder can be any number of words: hosts of 2019 write the dots of an id as they are, those
    of today as `__DOT__` (Wazo fact).
    """
    return tuple(dict.fromkeys(map(as_pattern, entry.routing_keys)))


def as_pattern(key: str) -> str:
    """The pattern that a routing key with placeholders fits."""
    words = ['#' if '{' in word else word for word in re.split(r'\.(?![^{]*\})', key)]
    return '.'.join(word for place, word in enumerate(words) if word != '#' or words[place - 1 : place] != ['#'])


def _wider(pattern: str) -> str:
    return re.sub(r'\*(\.\*)*', '#', pattern)
