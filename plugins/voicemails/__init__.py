# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`voicemails`: each message once, whether somebody has heard it, and what was said in it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from wazo_busd.api import Duration, Event, handler

from ..tracking import TrackerOptions, Watcher
from .tracker import EVENTS, VoicemailTracker

__all__ = ['VoicemailTracker', 'Voicemails']


class Voicemails(Watcher):
    """Derives `busd.voicemail.left`, `.unread`, `.read`, `.deleted` and `.transcribed`."""

    class Options(TrackerOptions):
        """The options of `voicemails`.

        Attributes:
            most: how many messages are remembered at a time. What is one too many replaces the oldest.
            restore_within: how old what was remembered before a restart may be; older than that, it begins anew.
            unread_after: how long a message may lie in the folder of new ones.
            shorter_than: a message that is shorter is none, as somebody hung up at once.
        """

        unread_after: Annotated[Duration, Field(ge=1.0, le=604_800.0)] = 14_400.0
        shorter_than: Annotated[Duration, Field(ge=0.0, le=60.0)] = 2.0

    def make(self) -> VoicemailTracker:
        """A tracker that knows no message."""
        options = self.context.options
        return VoicemailTracker(
            unread_after_seconds=options.unread_after,
            shorter_than_seconds=options.shorter_than,
            most=options.most,
            region=self.context.surroundings.region,
        )

    @handler('busd.gap', *EVENTS)
    async def on_event(self, event: Event) -> None:
        """Take an event of a message."""
        await self.take(event)
