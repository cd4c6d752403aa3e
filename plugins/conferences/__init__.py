# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`conferences`: who is in which conference or meeting, and whether it is recorded."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from wazo_busd.api import Duration, Event, handler

from ..tracking import TrackerOptions, Watcher
from .tracker import ENDED, EVENTS, ConferenceTracker

__all__ = ['ConferenceTracker', 'Conferences']


class Conferences(Watcher):
    """Derives `busd.conference.opened`, `.closed`, `.roster` and `.recording`."""

    class Options(TrackerOptions):
        """The options of `conferences`.

        Attributes:
            most: how many participants are remembered at a time, and a twentieth as many rooms. What is one too many
                replaces the room of which nothing was heard for longest.
            restore_within: how old what was remembered before a restart may be; older than that, it begins anew.
            stale_after: somebody of whom nothing was heard for so long has left unseen.
        """

        stale_after: Annotated[Duration, Field(ge=60.0, le=604_800.0)] = 43_200.0

    def make(self) -> ConferenceTracker:
        """A tracker that knows no room."""
        options = self.context.options
        names = self.context.surroundings.names
        return ConferenceTracker(stale_after_seconds=options.stale_after, most=options.most, names=names)

    @handler('busd.gap', *EVENTS, ENDED)
    async def on_event(self, event: Event) -> None:
        """Take an event of a room, or of a call that is over."""
        await self.take(event)
