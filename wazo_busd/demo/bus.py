# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The bus of the demonstration: that in memory, whose events are of another day."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from wazo_busd.bus import BusStatus, ConsumerState
from wazo_busd.memory import MemoryBus


class DemoBus(MemoryBus):
    """Counts what is derived, and does not let the clock of today tell anything of that day."""

    def __init__(self, namespace: str, **more: Any) -> None:
        super().__init__(namespace, **more)
        self.derived: Counter[str] = Counter()
        """How often each derived event was published."""
        self.mails_due = 0
        """How many of them the reception gets a mail of: missed calls from outside that no queue had."""

    async def publish(self, routing_key: str, body: bytes, headers: Mapping[str, Any]) -> None:
        """See `wazo_busd.bus.Bus.publish`."""
        name = str(headers.get('name'))
        self.derived[name] += 1
        if name == 'busd.call.missed':
            data = json.loads(body)['data']
            self.mails_due += data['queue'] is None and data['direction'] == 'inbound'
        await super().publish(routing_key, body, headers)

    def status(self) -> BusStatus:
        """See `wazo_busd.bus.Bus.status`."""
        # To trackers, that nothing comes is news of now. Here the time is what events say, so that the same day always
        # has the same end: the queues are consumed since this moment, whenever somebody asks.
        found = super().status()
        now = time.monotonic()
        return replace(found, consumers={name: replace(each, since=now) for name, each in found.consumers.items()})

    @property
    def consuming(self) -> int:
        """How many handlers take events."""
        return sum(each.state is ConsumerState.CONSUMING for each in self.status().consumers.values())
