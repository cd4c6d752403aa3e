# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The plugin `queues`."""

from __future__ import annotations

from typing import ClassVar

from wazo_busd.api import Event, handler

from ..tracking import Tracker, TrackerOptions, Watcher
from .options import QueuesOptions
from .tracker import QueueTracker


class Queues(Watcher):
    """Watches queues and their agents, and derives what those who run them want to know."""

    Options: ClassVar[type[TrackerOptions]] = QueuesOptions

    def make(self) -> Tracker:
        """A tracker that has seen nobody yet."""
        return QueueTracker(self.context.options)

    # AMI's Hangup is left out: it comes for every leg of every call, and says nothing that QueueCallerLeave does not.
    @handler(
        'busd.gap',
        'QueueCallerJoin',
        'QueueCallerLeave',
        'QueueCallerAbandon',
        'AgentCalled',
        'AgentConnect',
        'AgentComplete',
        'AgentDump',
        'AgentRingNoAnswer',
        'QueueMemberAdded',
        'QueueMemberRemoved',
        'QueueMemberPause',
        'QueueMemberStatus',
        'QueueMemberPenalty',
        'AgentLogin',
        'AgentLogoff',
        'FullyBooted',
        'agent_status_update',
        'agent_paused',
        'agent_unpaused',
        'user_agent_queue_logged_in',
        'user_agent_queue_logged_off',
    )
    async def on_event(self, event: Event) -> None:
        """Take an event, and publish what follows from it.

        Args:
            event: the event.

        Raises:
            wazo_busd.errors.BusError: the broker does not take what follows.
        """
        await self.take(event)
