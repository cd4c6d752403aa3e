# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The announcements: derived events that the daemon makes itself, published beside its other work."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import structlog

from wazo_busd.bus import Gap
from wazo_busd.emission import Publish, emitter
from wazo_busd.event import Event

GAP = Event('busd.gap', routing_key='busd.gap')
"""What a handler matches that wants to know of gaps."""

_PATIENCE_SECONDS = 1.0

log = structlog.stdlib.get_logger(__name__)


class Announcements:
    """Publishes what the daemon has to say."""

    def __init__(self) -> None:
        self._under_way: set[asyncio.Task[None]] = set()

    def gap(self, gap: Gap, publish: Publish | None) -> None:
        """Say that events can have been lost.

        Args:
            gap: when and why.
            publish: publishes on the hub; `None` if no handler wants to know, and the log is enough.
        """
        told = {
            'from': datetime.fromtimestamp(gap.from_at, UTC).isoformat(),
            'to': datetime.fromtimestamp(gap.to_at, UTC).isoformat(),
        }
        log.warning('gap', handler=gap.handler or None, reason=gap.reason, **told)
        if publish is not None:
            self._begin(publish, GAP.name, {'handler': gap.handler or None, 'reason': gap.reason, **told})

    async def close(self) -> None:
        """Wait a moment for what is on its way."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=_PATIENCE_SECONDS)
        for task in self._under_way:
            task.cancel()

    def _begin(self, publish: Publish, name: str, data: Any) -> None:
        task = asyncio.create_task(_emit(publish, name, data), name=f'announce {name}')
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)


async def _emit(publish: Publish, name: str, data: Any) -> None:
    await emitter(publish)(name, data, None, None)
