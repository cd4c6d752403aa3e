# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The plugin `calls`: gives the tracker what hosts tell of calls."""

from __future__ import annotations

from wazo_busd.api import Event, handler

from ..tracking import Tracker, Watcher
from .options import CallsOptions
from .tracker import CallsTracker


class Calls(Watcher):
    """Joins the legs of calls to conversations, and says what became of them."""

    Options = CallsOptions

    def make(self) -> Tracker:
        """The tracker, with the options and the region of the configuration."""
        return CallsTracker(self.context.options, self.context.surroundings.region)

    @handler(
        'busd.gap',
        'call_created',
        'call_updated',
        'call_answered',
        'call_ended',
        'call_held',
        'call_resumed',
        'user_missed_call',
        'call_form_result',
        'relocate_initiated',
        'relocate_answered',
        'relocate_completed',
        'relocate_ended',
        'transfer_created',
        'transfer_updated',
        'transfer_answered',
        'transfer_completed',
        'QueueCallerJoin',
        'QueueCallerLeave',
        'FullyBooted',
    )
    async def on_event(self, event: Event) -> None:
        """Take an event."""
        await self.take(event)
