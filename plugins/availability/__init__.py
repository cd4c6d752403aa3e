# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`availability`: tells what is down and up again, and how installations of plugins of Wazo end."""

from __future__ import annotations

from typing import ClassVar

from wazo_busd.api import Event, handler

from ..tracking import TrackerOptions, Watcher
from .options import Options
from .tracker import AvailabilityTracker

__all__ = ['Availability', 'AvailabilityTracker', 'Options']


class Availability(Watcher):
    """Publishes `busd.availability.…` and `busd.plugin.…`."""

    Options: ClassVar[type[TrackerOptions]] = Options
    version: ClassVar[int] = 2

    def make(self) -> AvailabilityTracker:
        """The tracker, with the options and the names of the configuration."""
        return AvailabilityTracker(self.context.options, self.context.surroundings.names)

    @handler(
        'busd.gap',
        'service_registered',
        'service_deregistered',
        'trunk_status_updated',
        'line_status_updated',
        'PeerStatus',
        'ContactStatus',
        'Registry',
        'FullyBooted',
        'Shutdown',
        'plugin_install_progress',
        'plugin_uninstall_progress',
    )
    async def on_event(self, event: Event) -> None:
        """Let the tracker take it."""
        await self.take(event)
