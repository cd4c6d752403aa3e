# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What files say: values with the place where each was written, merged as Wazo's administrators know it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from wazo_busd.errors import Problem

Place = tuple[str | int, ...]
"""The way from the top of the configuration to a value: keys of maps and indexes of lists."""

_SECRET_KEY = re.compile(r'pass|pwd|secret|token|credential|key|url|auth|\bpin\b', re.IGNORECASE)
_PLAIN = re.compile(r'[A-Za-z][A-Za-z0-9_.*#-]*')
"""Names and patterns that need no quotes, in a list neither; none of them is a word such as `yes`."""

_SHOWN = 40
_LEAST_SECRET = 4


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value was written.

    Attributes:
        file: the file.
        line: the line in it, from 1.
        text: how it was written, for a plain value; `''` for maps and lists.
    """

    file: str
    line: int
    text: str = ''


@dataclass(slots=True)
class Document:
    """What one or several files say.

    Attributes:
        tree: the maps, lists and plain values.
        origins: the origin of every value in the tree, by its place.
        problems: what could not be read.
        secrets: the secrets in the tree that were not written there; no problem shows one.
        misread: the places whose value, or whose key, YAML takes for something else than was meant, which is told
            already.
    """

    tree: dict[str, Any] = field(default_factory=dict)
    origins: dict[Place, Origin] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    secrets: set[str] = field(default_factory=set, repr=False)
    misread: set[Place] = field(default_factory=set)

    def origin(self, place: Place) -> Origin:
        """The origin of the value at `place`, or of the nearest value around it."""
        for end in range(len(place), -1, -1):
            found = self.origins.get(place[:end])
            if found is not None:
                return found
        return Origin('', 0)

    def problem(self, place: Place, message: str, hint: str = '') -> Problem:
        """A problem with the value at `place`, told with its path, file and line."""
        origin = self.origin(place)
        name = str(place[1]) if len(place) > 1 and place[0] == 'handlers' else ''
        prefix = f'{dotted(place)}: ' if place else ''
        message, hint = self._concealed(message, place), self._concealed(hint, place)
        return Problem(f'{prefix}{message}', file=origin.file, line=origin.line, handler=name, hint=hint)

    def _concealed(self, text: str, place: Place) -> str:
        """`text` without secrets: a plugin that checks its options may say what it found."""
        secrets = set(self.secrets)
        value: Any = self.tree
        for part in place if is_secret(place) else ():
            value = value.get(part) if isinstance(value, dict) else None
        if isinstance(value, str):
            secrets.add(value)
        for secret in sorted(secrets, key=len, reverse=True):
            if len(secret) >= _LEAST_SECRET:
                text = text.replace(secret, '…')
        return text

    def is_told(self, place: Place) -> bool:
        """Whether what was written at `place` is wrong, which is told already: it is misread, or taken out again."""
        if place in self.misread:
            return True
        value: Any = self.tree
        for part in place:
            value = value.get(part, ...) if isinstance(value, dict) else ...
        return value is ... and place in self.origins

    def merge(self, other: Document) -> None:
        """Take over from `other` what this one does not say: maps merge, anything else is whole (Wazo's rule).

        A key with nothing behind it, as is left when all below it is commented out, hides no map of another file. That
        one file has a map where another has something else is a problem.
        """
        self.problems.extend(other.problems)
        taken: set[Place] = set()
        self._merge(self.tree, other.tree, (), other, taken)
        lengths = {len(place) for place in taken}
        self.origins.update(
            {at: origin for at, origin in other.origins.items() if any(at[:length] in taken for length in lengths)}
        )
        # A key that was misread is in no tree, and so cannot have been taken.
        self.misread |= {
            at for at in other.misread if at not in other.origins or any(at[:length] in taken for length in lengths)
        }

    def _merge(
        self, mine: dict[str, Any], theirs: Mapping[str, Any], place: Place, other: Document, taken: set[Place]
    ) -> None:
        for key, value in theirs.items():
            here = (*place, key)
            if key not in mine or (mine[key] is None and isinstance(value, Mapping)):
                mine[key] = value
                taken.add(here)
            elif isinstance(mine[key], dict) and isinstance(value, Mapping):
                self._merge(mine[key], value, here, other, taken)
            elif isinstance(mine[key], dict) and value is not None:
                self.problems.append(other.problem(here, f'expected a map, as in {self.origin(here).file}'))
            elif isinstance(value, Mapping):
                self.problems.append(self.problem(here, f'expected a map, as in {other.origin(here).file}'))


def dotted(place: Place) -> str:
    """The path of a value as people write it: `handlers.calls.match[0]`."""
    text = ''
    for part in place:
        text += f'[{part}]' if isinstance(part, int) else f'.{part}' if text else part
    return text


def is_secret(place: Place) -> bool:
    """Whether a value at `place` must not be shown, judged by the name of its key.

    What is called `…_file` is the path of a file, whatever the file holds.
    """
    names = [part for part in place if isinstance(part, str)]
    return any(_SECRET_KEY.search(name) for name in names) and not names[-1].endswith('_file')


def shown(place: Place, text: str) -> str:
    """`text` as it may be shown: what is long, or may be a secret, is not."""
    return '…' if is_secret(place) or len(text) > _SHOWN else text


def quoted(text: str) -> str:
    """`text` as it is written in YAML: in quotes where without them it could be read as something else."""
    return text if _PLAIN.fullmatch(text) else "'{}'".format(text.replace("'", "''"))


def quoting_hint(place: Place, text: str) -> str:
    """How to write `text` so that YAML reads a text."""
    key = next((part for part in reversed(place) if isinstance(part, str)), 'key')
    text = shown(place, text)
    if isinstance(place[-1] if place else key, int):
        return f"put it in quotes: - '{text}'"
    return f"put it in quotes: {key}: '{text}'"
