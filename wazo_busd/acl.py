# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Access: whether a set of Wazo's access patterns lets somebody see an event.

Wazo's rule (xivo.auth_verifier): words are separated by dots, `*` stands for one of them or a part of it that has no
`#`, `#` for any text, and a pattern that begins with `!` takes away what it fits, whatever the others give.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

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
