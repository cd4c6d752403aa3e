# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The black box: what a handler was at when the process ended without a word.

A file that is mapped into memory: what is written there outlives the process, whatever ends it, and costs no system
call. It does not outlive the machine, and need not: a power cut is no event's fault.
"""

from __future__ import annotations

import mmap
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from wazo_busd.delivery import LONGEST_WHOLE, Delivery
from wazo_busd.event import identity

_SLOT: Final = 2048
_HEAD: Final = struct.Struct('>BBIHH')
"""State, whether it runs alone, and the lengths of body, exchange and routing key."""

_SIZES_AT: Final = 2
_BODY_SIZE: Final = 4
_NAMES_HEAD: Final = struct.Struct('>HH')

_EMPTY: Final = 0
_WHOLE: Final = 1
_NAMED: Final = 2
_ROOM: Final = _SLOT - _HEAD.size
_LONGEST_NAMES: Final = _ROOM - LONGEST_WHOLE + _NAMES_HEAD.size
_NAMELESS: Final = _NAMES_HEAD.pack(0, 0)
_MOST_NAMES: Final = 4096

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Recorded:
    """An event that was being run.

    Attributes:
        mark: what it is recognised by when it is given out again; see `Delivery.mark`.
        alone: whether nothing else of the process ran beside it.
    """

    mark: str
    alone: bool


class BlackBox:
    """One slot for each event that a handler runs on at a time.

    Where the file cannot be made, it records nothing, and says so once.

    Args:
        path: the file; `None` records nothing.
        slots: how many events there are at a time.
    """

    def __init__(self, path: Path | None, slots: int) -> None:
        self._path = path
        self._map: mmap.mmap | None = None
        self._free: list[int] = []
        self._names: dict[tuple[str, str], bytes] = {}
        """Exchange and routing key as they are written, behind the lengths of both."""
        if path is None:
            return
        try:
            self._map = _allocate(path, slots * _SLOT)
        except OSError as error:
            log.error(
                'black_box_not_made',
                path=str(path),
                error=error.strerror,
                effect='an event that ends the process is not recognised',
                hint=f'df -h {path.parent}',
            )
            return
        self._free = [number * _SLOT for number in range(slots)]

    def enter(self, delivery: Delivery, *, alone: bool = False) -> int:
        """Record that an event is run from now on.

        Returns:
            The slot, for `leave`; -1 if there is none.
        """
        box = self._map
        if box is None or not self._free:
            return -1
        slot = self._free.pop()
        state, names, content = _WHOLE, self._names.get((delivery.exchange, delivery.routing_key)), delivery.body
        if names is None:
            names = self._named(delivery)
        if delivery.history is not None or len(content) > LONGEST_WHOLE or len(names) > _LONGEST_NAMES:
            state, names, content = _NAMED, _NAMELESS, delivery.mark.encode()
        record = len(content).to_bytes(_BODY_SIZE, 'big') + names + content
        start = slot + _SIZES_AT
        box[start : start + len(record)] = record
        box[slot + 1] = alone
        # The state last: a slot that is not empty is whole.
        box[slot] = state
        return slot

    def _named(self, delivery: Delivery) -> bytes:
        """Exchange and routing key as they are written. Most are among a few, and are encoded once."""
        if len(self._names) >= _MOST_NAMES:
            self._names.clear()
        exchange, routing_key = delivery.exchange.encode(), delivery.routing_key.encode()
        names = _NAMES_HEAD.pack(len(exchange), len(routing_key)) + exchange + routing_key
        self._names[delivery.exchange, delivery.routing_key] = names
        return names

    def no_longer_alone(self, slot: int) -> None:
        """Something else runs beside it now."""
        if self._map is not None and slot >= 0:
            self._map[slot + 1] = 0

    def leave(self, slot: int) -> None:
        """The event is run no more."""
        if self._map is not None and slot >= 0:
            self._map[slot] = _EMPTY
            self._free.append(slot)

    def close(self) -> None:
        """The handler has ended as it should: forget everything."""
        if self._map is not None and self._path is not None:
            self._map.close()
            self._map = None
            self._path.unlink(missing_ok=True)


def read(path: Path) -> list[Recorded]:
    """What the black box of a process that is gone says.

    Args:
        path: the file.

    Raises:
        OSError: it cannot be read.
    """
    content = path.read_bytes()
    return [found for slot in range(0, len(content) - _SLOT + 1, _SLOT) if (found := _recorded(content, slot))]


def _recorded(content: bytes, slot: int) -> Recorded | None:
    state, alone, body_size, exchange_size, key_size = _HEAD.unpack_from(content, slot)
    start = slot + _HEAD.size
    key_start = start + exchange_size
    body_start = key_start + key_size
    body = content[body_start : body_start + body_size]
    if state == _NAMED:
        return Recorded(body.decode('ascii', 'replace'), bool(alone))
    if state != _WHOLE or exchange_size + key_size + body_size > _ROOM:
        return None
    exchange, key = content[start:key_start], content[key_start:body_start]
    return Recorded(identity(exchange.decode(errors='replace'), key.decode(errors='replace'), body), bool(alone))


def _allocate(path: Path, size: int) -> mmap.mmap:
    """A file of zeros that has its place on the disk: a write to one without would end the process on a full disk."""
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, size)
        return mmap.mmap(descriptor, size)
    finally:
        os.close(descriptor)
