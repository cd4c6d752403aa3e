# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The plugin webhook, which also says when an event has been accepted."""

import bench.early  # noqa: F401
from bench.recorder import recorder
from plugins.webhook import Webhook
from wazo_busd.api import Event, handler

take = recorder().take


class Hook(Webhook):
    """Sends each event to a web server, then counts it."""

    @handler
    async def on_event(self, event: Event) -> None:
        """Count it when the server has accepted it."""
        await super().on_event(event)
        take(event.data['SentAt'])
