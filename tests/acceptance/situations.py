# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""docs/operating.md, read: its situations, what is typed in each, and whether a command says what stands there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

PAGE = (Path(__file__).parents[2] / 'docs' / 'operating.md').read_text()
_BLOCK = re.compile(r'^```(\w+)\n(.*?)^```$', re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Typed:
    """A command of the page.

    Attributes:
        command: it, without `wazo-busd`.
        said: what the page has under it.
    """

    command: str
    said: str


def titles() -> list[str]:
    """The situations of the page."""
    return re.findall(r'^## (.*)$', PAGE, re.MULTILINE)


def section(title: str) -> str:
    """A section of the page; `''` is what stands before the first."""
    head, *parts = re.split(r'^## (.*)$', PAGE, flags=re.MULTILINE)
    return {'': head, **dict(zip(parts[::2], parts[1::2], strict=True))}[title]


def blocks(title: str, language: str) -> list[str]:
    """The blocks of one language in a section of the page."""
    return [text for kind, text in _BLOCK.findall(section(title)) if kind == language]


def commands(title: str) -> list[Typed]:
    """What is typed in a section, and what the page has under it, in order."""
    parts = [re.split(r'^\$ wazo-busd (.*)\n', text, flags=re.MULTILINE)[1:] for text in blocks(title, 'console')]
    return [Typed(*pair) for each in parts for pair in zip(each[::2], each[1::2], strict=True)]


def misses(typed: Typed, said: str) -> list[str]:
    """The lines of the page that a command did not say, and those that it said besides, in their order.

    `…` in a line stands for anything; a line of its own that is `…` for any lines. How many spaces there are does not
    matter, as columns are as wide as what is in them.
    """
    lines = [' '.join(line.split()) for line in said.strip().splitlines()]
    page = [' '.join(line.split()) for line in typed.said.strip().splitlines()]
    # Several lines can be what a line of the page means: all of them are tried before any is missed.
    whole = ''.join(r'(?:.*\n)*?' if each == '…' else f'{_one(each)}\n' for each in page)
    if re.fullmatch(whole, ''.join(f'{line}\n' for line in lines)):
        return []
    at, is_free, missing = 0, False, []
    for wanted in page:
        if wanted == '…':
            is_free = True
            continue
        pattern = re.compile(_one(wanted))
        reach = range(at, len(lines) if is_free else min(at + 1, len(lines)))
        found = next((number for number in reach if pattern.fullmatch(lines[number])), None)
        if found is None:
            missing.append(wanted)
        else:
            at, is_free = found + 1, False
    return missing + ([] if is_free else lines[at:])


def _one(line: str) -> str:
    """The expression for a line of the page."""
    return '.*'.join(map(re.escape, line.split('…')))
