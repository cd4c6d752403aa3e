# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The redaction: what is taken out of a text before it is logged, secrets and telephone numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable

from wazo_busd.language import mask

_LEAST_SECRET = 4
"""Shorter ones are parts of words that are none."""

_PARTS = re.compile(
    r'(?<!\w)(?P<kept>[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}'
    r'|(?:19|20)\d\d-[01]\d-[0-3]\d(?:[T ][\d:.,+-]+)?'
    r'|1\d{9}\.\d+'
    r'|\d{1,3}(?:\.\d{1,3}){3}(?!\.?\d))'
    r'|(?<!\w)(?P<number>\+\d(?:[ ()./-]{0,2}\d){5,}|0\d(?:[ .-]?\d\d){4}|\d{6,})(?!\w)'
)
"""UUIDs, times, ids of channels and addresses of hosts, which are kept; and what can be a telephone number: with a +
and with gaps, or six digits and more. What touches a letter is part of an id. A port has five digits at most."""


class Redaction:
    """Takes secrets and numbers out of texts."""

    def __init__(self) -> None:
        self._secrets: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def add(self, secrets: Iterable[str]) -> None:
        """Conceal these, too, from now on. Those of before stay: who was begun with them may still say them.

        Args:
            secrets: what the configuration has from files and credentials.
        """
        self._secrets |= {each for each in secrets if len(each) >= _LEAST_SECRET}
        longest_first = sorted(self._secrets, key=len, reverse=True)
        self._pattern = re.compile('|'.join(map(re.escape, longest_first))) if longest_first else None

    def concealed(self, text: str) -> str:
        """`text` without secrets."""
        return text if self._pattern is None else self._pattern.sub('…', text)

    def redacted(self, text: str) -> str:
        """`text` without secrets, and with all that can be a telephone number in it hidden but for its ends."""
        return _PARTS.sub(_kept_or_masked, self.concealed(text))


def _kept_or_masked(found: re.Match[str]) -> str:
    return found['kept'] or mask(found['number'])
