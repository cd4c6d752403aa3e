# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The store of the catalogue: from the files to entries."""

from __future__ import annotations

import difflib
from functools import cache
from pathlib import Path

from wazo_busd.catalogue.entry import Entry
from wazo_busd.config import parse_plain
from wazo_busd.errors import UnknownEvent

DIRECTORY = Path(__file__).with_name('events')

_SHARED = '.'
"""A top-level key that begins so holds parts that several entries share."""


def entries() -> tuple[Entry, ...]:
    """Every entry, in the order of files and of what they hold."""
    return tuple(entry for file in _files() for entry in _read(file).values())


@cache
def event_names() -> frozenset[str]:
    """Every name that an event can have, now or in 2019. The first time it takes a second or two."""
    return frozenset(name for entry in entries() for name in (entry.name, *entry.aliases) if not entry.is_family)


def find(name: str) -> Entry | None:
    """The entry of the event that is called `name`, now or in 2019; `None` if no event is.

    Only the files that have the word in them are read.

    Args:
        name: the name or an alias; the name of a family with its placeholder, as in `{ami_event}`.
    """
    for file in _files():
        if name in file.read_text('utf-8'):
            known = _read(file)
            if name in known:
                return known[name]
            for entry in known.values():
                if name in entry.aliases:
                    return entry
    return None


def known(name: str) -> Entry:
    """The entry of an event that can come.

    Args:
        name: the name or an alias.

    Raises:
        UnknownEvent: no event is called so, or none on any key that is known.
    """
    entry = find(name)
    if entry is None:
        raise UnknownEvent(name, near=near(name))
    if not entry.routing_keys:
        raise UnknownEvent(name, near=entry.instead, removed=entry.removed)
    return entry


def near(name: str, count: int = 3) -> tuple[str, ...]:
    """The names that look most like `name`, best first, for a hint; of removed events only where no other is near.

    Args:
        name: what somebody wrote.
        count: the most names to give.
    """
    wanted = name.lower().replace('.', '_').replace('-', '_')
    known = entries()
    for removed in (False, True):
        some = [entry for entry in known if bool(entry.removed) is removed]
        names = {each.lower(): each for entry in some for each in (entry.name, *entry.aliases)}
        found = difflib.get_close_matches(wanted, names, count, 0.7)
        if found:
            return tuple(names[each] for each in found)
    return ()


def _files() -> list[Path]:
    return sorted(DIRECTORY.glob('*.yml'))


@cache
def _read(file: Path) -> dict[str, Entry]:
    known = parse_plain(file.read_text('utf-8'))
    return {
        name: Entry.model_validate({'name': name, **said})
        for name, said in known.items()
        if not name.startswith(_SHARED)
    }
