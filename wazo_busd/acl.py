# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Access: whether a set of Wazo's access patterns lets somebody see an event.

Wazo's rule (xivo.auth_verifier): words are separated by dots, `*` stands for one of them or a part of it that has no
`#`, `#` for any text, and a pattern that begins with `!` takes away what it fits, whatever the others give.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

ANY_ID = '\0'
"""What stands for any number or UUID in the form of an access; no access of a host has this letter."""

_OF_IDS = frozenset('0123456789abcdefABCDEF-None')
"""The letters of those, and of what Wazo's library writes in the place of a user that is not there."""

_WILDCARDS = ('*', '#', ANY_ID)
_LENGTH_LIMIT = 512
"""What is longer is no access: it is `events.` and a routing key, which has 255 bytes at most. The text comes from the
bus, where anybody may have written it."""


class Access:
    """What a set of access patterns lets through.

    Args:
        patterns: the patterns, as in `events.calls.*`, `events.#` or `!events.calls.#`.
    """

    __slots__ = ('_given', '_taken', 'patterns')

    def __init__(self, patterns: Iterable[str]) -> None:
        self.patterns = tuple(patterns)
        self._given = tuple(each for each in self.patterns if not each.startswith('!'))
        self._taken = tuple(each[1:] for each in self.patterns if each.startswith('!'))

    def allows(self, *required: str) -> bool:
        """Whether what is required is given, and not taken away.

        Args:
            required: the accesses that an event names, of which one is enough; one that is taken away is too much.
        """
        named = [each for each in required if len(each) <= _LENGTH_LIMIT]
        if len(named) < len(required) or any(_fits(pattern, each) for pattern in self._taken for each in named):
            return False
        return any(_fits(pattern, each) for pattern in self._given for each in named)

    def can_allow(self, *forms: str) -> bool:
        """Whether some access of a form is given, and not every one taken away, as far as the forms tell.

        Args:
            forms: what an event names, where `#` stands for any text and `ANY_ID` for a number or a UUID.
        """
        if any(_fits(pattern, form) for pattern in self._taken for form in forms):
            return False
        return any(_overlap(pattern, form) for pattern in self._given for form in forms)

    @property
    def only_takes(self) -> bool:
        """Whether no pattern gives anything."""
        return not self._given


def mistake(pattern: str) -> str | None:
    """What is wrong with an access pattern; `None` if nothing is."""
    if not pattern.removeprefix('!'):
        return 'an access is a text such as events.calls.*'
    if any(letter.isspace() for letter in pattern):
        return f'an access has no spaces, {pattern!r} has'
    return None


@lru_cache(maxsize=4096)
def _fits(pattern: str, text: str) -> bool:
    """Whether a text fits a pattern: all ways of sharing it between the wildcards are gone through at once.

    A regular expression would try them one after the other, which one long text can make last for minutes.
    """
    places = _past_wildcards(pattern, {0})
    for letter in text:
        places = _past_wildcards(
            pattern,
            {
                place if pattern[place] in '*#' else place + 1
                for place in places
                if place < len(pattern)
                and (pattern[place] in ('#', letter) or (pattern[place] == '*' and letter not in '.#'))
            },
        )
        if not places:
            return False
    return len(pattern) in places


def _past_wildcards(pattern: str, places: set[int]) -> set[int]:
    """Every place that can be reached without a letter, as a wildcard may stand for none."""
    reached = set(places)
    for place in places:
        while place < len(pattern) and pattern[place] in '*#':
            place += 1
            reached.add(place)
    return reached


@lru_cache(maxsize=4096)
def _overlap(pattern: str, form: str) -> bool:
    """Whether some text fits both: all pairs of places that can be reached by letters of both are gone through."""
    reached: set[tuple[int, int]] = set()
    open_pairs = [(0, 0)]
    while open_pairs:
        one, other = pair = open_pairs.pop()
        if pair in reached:
            continue
        reached.add(pair)
        first, second = pattern[one : one + 1], form[other : other + 1]
        if first in _WILDCARDS:
            open_pairs.append((one + 1, other))
        if second in _WILDCARDS:
            open_pairs.append((one, other + 1))
        if first and second and _share(first, second):
            open_pairs.append((one + (first not in _WILDCARDS), other + (second not in _WILDCARDS)))
    return (len(pattern), len(form)) in reached


def _share(one: str, other: str) -> bool:
    """Whether some letter is one that both can stand for."""
    if one in _WILDCARDS and other in _WILDCARDS:
        return True
    return _takes(one, other) or _takes(other, one)


def _takes(wildcard: str, letter: str) -> bool:
    if wildcard == '*':
        return letter not in '.#'
    return wildcard in ('#', letter) or (wildcard == ANY_ID and letter in _OF_IDS)
