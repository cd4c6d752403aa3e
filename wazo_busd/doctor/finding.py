# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The finding: what the doctor says of one thing that it has looked at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum


class Severity(Enum):
    """How bad it is."""

    OK = 'ok'
    WARNING = 'warning'
    PROBLEM = 'problem'


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found.

    Attributes:
        check: what was looked at, in one word.
        severity: how bad it is.
        text: what is so, and what comes of it.
        cure: the command to type; `''` where nothing is to be done.
        quoted: what a plugin, a server or a file says of it in words of their own, which nobody outside is to read.
    """

    check: str
    severity: Severity
    text: str
    cure: str = ''
    quoted: str = ''


def ok(check: str, text: str, cure: str = '') -> Finding:
    """All is well with it."""
    return Finding(check, Severity.OK, text, cure)


def warning(check: str, text: str, cure: str, quoted: str = '') -> Finding:
    """It will surprise, or will become a problem."""
    return Finding(check, Severity.WARNING, text, cure, quoted)


def problem(check: str, text: str, cure: str, quoted: str = '') -> Finding:
    """Events are not handled because of it, or somebody can do harm."""
    return Finding(check, Severity.PROBLEM, text, cure, quoted)


_ORDER = (Severity.PROBLEM, Severity.WARNING, Severity.OK)
_CAUSES = ('configuration', 'user', 'broker', 'permissions', 'alarm', 'disk', 'plugins', 'daemon', 'hub')
"""What brings others with it comes before them."""
_LAST = ('bus',)
"""What is so on every quiet night comes behind all else of its severity."""


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """The findings, problems first and what is well last; among them causes before what they bring with them."""

    def rank(each: Finding) -> tuple[int, int]:
        place = _CAUSES.index(each.check) if each.check in _CAUSES else len(_CAUSES) + (each.check in _LAST)
        return _ORDER.index(each.severity), place

    return sorted(findings, key=rank)
