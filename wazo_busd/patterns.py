# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Routing-key patterns: the topic matching of AMQP, on this side of the wire.

The rule is that of a topic exchange (AMQP 0-9-1, section 3.1.3.3): words are separated by dots, `*` stands for exactly
one word, `#` for any number of words, none included. RabbitMQ holds that an empty key has no word at all, and that
`a.` has two, the second one empty; so does this module.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

KEY_LIMIT = 255
"""The most bytes that a routing key or a pattern may have: it travels as a short string (AMQP 0-9-1, 4.2.5.3)."""

_CACHE_LIMIT = 4096

_ANY_WORD = r'\.[^.]*'
_ANY_WORDS = rf'(?:{_ANY_WORD})*'
_WORD_END = r'(?![^.])'


class Matcher:
    """Tells whether a routing key fits one of several patterns.

    Keys repeat (a host has a few hundred), so answers are remembered, up to 4,096 keys: the keys themselves come from
    the bus and may be anything.

    Args:
        patterns: the patterns; with none, nothing fits.
    """

    __slots__ = ('_expression', '_remembered', 'patterns')

    def __init__(self, patterns: Iterable[str]) -> None:
        self.patterns = tuple(dict.fromkeys(patterns))
        self._expression = re.compile('|'.join(map(_expression, self.patterns)) if self.patterns else r'(?!)')
        self._remembered: dict[str, bool] = {}

    def matches(self, routing_key: str) -> bool:
        """Whether `routing_key` fits at least one of the patterns."""
        found = self._remembered.get(routing_key)
        if found is None:
            if len(self._remembered) >= _CACHE_LIMIT:
                self._remembered.clear()
            found = self._expression.fullmatch(_subject(routing_key)) is not None
            self._remembered[routing_key] = found
        return found


def mistake(pattern: str) -> str | None:
    """What is wrong with `pattern`; `None` if it can be bound.

    A `*` or `#` inside a word is no wildcard to a broker, so it is taken for a mistake: no service sends such keys,
    Wazo writes `__STAR__` and `__HASH__` for them.
    """
    try:
        size = len(pattern.encode())
    except UnicodeEncodeError:
        return 'a pattern is text, this one holds half a surrogate pair'
    if size > KEY_LIMIT:
        return f'a pattern has at most {KEY_LIMIT} bytes, this one has {size}'
    if not pattern:
        return 'a pattern has at least one word'
    for word in pattern.split('.'):
        if word not in ('*', '#') and ('*' in word or '#' in word):
            return f'{word!r} is no wildcard: * and # stand for whole words, as in calls.#'
    return None


def _subject(routing_key: str) -> str:
    """The key with a dot before each word, so that no word at all is the empty text."""
    return f'.{routing_key}' if routing_key else ''


def _expression(pattern: str) -> str:
    """The regular expression for one pattern, over `_subject`.

    The hashes cut the pattern into runs of single words. Of a run between two hashes the first place that fits is as
    good as any later one, so it is never given up again (an atomic group, which must end where a word ends): trying
    every way of sharing the words between the hashes would let one long key hold the event loop for minutes.
    """
    first, *others = _runs(pattern)
    between = ''.join(f'(?>{_ANY_WORDS}?{run}{_WORD_END})' for run in others[:-1] if run)
    last = f'{_ANY_WORDS}{others[-1]}' if others else ''
    return f'(?:{first}{between}{last})'


def _runs(pattern: str) -> list[str]:
    """The expressions for what stands before, between and after the hashes."""
    runs = ['']
    for word in pattern.split('.') if pattern else []:
        if word == '#':
            runs.append('')
        else:
            runs[-1] += _ANY_WORD if word == '*' else rf'\.{re.escape(word)}'
    return runs


def overlap(one: str, other: str) -> bool:
    """Whether some routing key fits both patterns.

    Args:
        one: a pattern.
        other: another.
    """
    first, second = ([*pattern.split('.')] if pattern else [] for pattern in (one, other))
    # What is reachable in `second` after each word of `first`: `#` may take none, so it is passed at once.
    reachable = _past_hashes(second, {0})
    for word in first:
        stays = {end for start in reachable for end in range(start, len(second) + 1)} if word == '#' else set()
        steps = {
            place if second[place] == '#' else place + 1
            for place in reachable
            if place < len(second) and (word in ('*', second[place]) or second[place] in ('*', '#'))
        }
        reachable = _past_hashes(second, stays if word == '#' else steps)
    return len(second) in reachable


def includes(wide: str, narrow: str) -> bool:
    """Whether every routing key that fits `narrow` fits `wide`, as far as the words tell.

    Args:
        wide: a pattern.
        narrow: another.
    """
    return _includes(tuple(wide.split('.')), tuple(narrow.split('.')))


@lru_cache(maxsize=4096)
def _includes(wide: tuple[str, ...], narrow: tuple[str, ...]) -> bool:
    if not wide:
        return not narrow
    if wide[0] == '#':
        return any(_includes(wide[1:], narrow[start:]) for start in range(len(narrow) + 1))
    if not narrow or narrow[0] == '#' or (wide[0] != '*' and wide[0] != narrow[0]):
        return False
    return _includes(wide[1:], narrow[1:])


def _past_hashes(words: list[str], places: set[int]) -> set[int]:
    found = set(places)
    for place in places:
        while place < len(words) and words[place] == '#':
            place += 1
            found.add(place)
    return found
