# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The tracker: what is known of a family of events, and what follows from it. It knows no bus, no file and no clock."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import Field

from wazo_busd.api import BaseOptions, Duration, Event, Figure, Panel

from .derivation import Derivation


class TrackerOptions(BaseOptions):
    """The options that all trackers have.

    Attributes:
        most: how much is remembered at a time: calls, callers, messages. What is one too many replaces the oldest.
        restore_within: how old what was remembered before a restart may be; older than that, it begins anew.
    """

    most: Annotated[int, Field(ge=10, le=1_000_000)] = 20_000
    restore_within: Duration = 21_600.0


class Tracker(ABC):
    """Takes events one after the other and gives what follows from them.

    It asks no clock: what time it is is told with everything. Time never goes backwards, though events come in any
    order; it may stand still. Whatever comes twice follows from itself no second time.

    Attributes:
        since: since when it has seen what there was, in Unix seconds, as whoever runs it knows: what it counts it has
            counted since then.
    """

    since: float = 0.0

    @abstractmethod
    def feed(self, event: Event, at: float) -> Iterable[Derivation]:
        """Take an event.

        Args:
            event: the event; any part of it can be missing or of the wrong type.
            at: when it happened, in Unix seconds. It can be before the one that was taken last.

        Returns:
            What follows from it, in order. What is returned is known: it is not returned again.
        """

    @abstractmethod
    def tick(self, at: float) -> Iterable[Derivation]:
        """Let it be a time, in Unix seconds, and give what follows from that, in order."""

    @abstractmethod
    def due(self) -> float | None:
        """When `tick` has something to do, in Unix seconds; `None` if never. It is asked after each event."""

    @abstractmethod
    def dump(self) -> dict[str, Any]:
        """All that it knows but `since`, as JSON can hold it."""

    @abstractmethod
    def load(self, said: Mapping[str, Any]) -> None:
        """Know what `dump` gave.

        Args:
            said: that, after it was JSON.

        Raises:
            KeyError, TypeError, ValueError: it is of another version, or was damaged. The tracker is of no use then.
        """

    def figures(self, at: float) -> Iterable[Figure]:
        """What it has to show now.

        Args:
            at: the time, in Unix seconds.
        """
        return ()

    def panels(self, at: float) -> Iterable[Panel]:
        """What it has to show to people now. It names no caller.

        Args:
            at: the time, in Unix seconds.
        """
        return ()
