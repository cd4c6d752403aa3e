# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`faxes`: what became of each fax, once, and which ones have no result."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from wazo_busd.api import Duration, Event, handler

from ..tracking import TrackerOptions, Watcher
from .tracker import FaxTracker

__all__ = ['FaxTracker', 'Faxes']


class Faxes(Watcher):
    """Derives `busd.fax.sent`, `.failed`, `.stuck` and `.received`."""

    class Options(TrackerOptions):
        """The options of `faxes`.

        Attributes:
            most: how many faxes, and numbers that faxes failed to reach, are remembered at a time. What is one too many
                replaces the oldest.
            restore_within: how old what was remembered before a restart may be; older than that, it begins anew.
            stuck_after: how long a fax may have no result.
        """

        stuck_after: Annotated[Duration, Field(ge=1.0, le=604_800.0)] = 1800.0

    def make(self) -> FaxTracker:
        """A tracker that knows no fax."""
        options = self.context.options
        return FaxTracker(
            stuck_after_seconds=options.stuck_after, most=options.most, region=self.context.surroundings.region
        )

    @handler(
        'busd.gap',
        'fax_outbound_created',
        'fax_outbound_succeeded',
        'fax_outbound_failed',
        'fax_outbound_user_created',
        'fax_outbound_user_succeeded',
        'fax_outbound_user_failed',
        'ReceiveFAX',
    )
    async def on_event(self, event: Event) -> None:
        """Take an event of a fax."""
        await self.take(event)
