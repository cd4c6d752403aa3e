# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`audit`: tells in sentences who changed what, and what of it is risky."""

from __future__ import annotations

from typing import ClassVar

from wazo_busd.api import Event, handler

from ..tracking import TrackerOptions, Watcher
from .options import Options
from .tracker import AuditTracker

__all__ = ['Audit', 'AuditTracker', 'Options']


class Audit(Watcher):
    """Publishes `busd.audit.change` and `busd.guard.risky`."""

    Options: ClassVar[type[TrackerOptions]] = Options

    def make(self) -> AuditTracker:
        """The tracker, with the options, names and region of the configuration."""
        around = self.context.surroundings
        return AuditTracker(self.context.options, around.names, around.region)

    @handler(
        'busd.gap',
        'auth_tenant_added',
        'auth_tenant_updated',
        'auth_tenant_deleted',
        'user_created',
        'user_edited',
        'user_deleted',
        'auth_user_external_auth_added',
        'auth_user_external_auth_authorized',
        'auth_user_external_auth_updated',
        'auth_user_external_auth_deleted',
        'users_forwards_busy_updated',
        'users_forwards_noanswer_updated',
        'users_forwards_unconditional_updated',
        'users_services_dnd_updated',
        'users_services_incallfilter_updated',
        'favorite_added',
        'favorite_deleted',
        'call_created',
        'call_updated',
    )
    async def on_event(self, event: Event) -> None:
        """Let the tracker take it."""
        await self.take(event)
