# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What the tests of `wazo-busd tail` share: deliveries, and an ear that hears them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pamqp.commands import Basic

from wazo_busd.amqp import Cut, Heard, heard
from wazo_busd.codec import Limits
from wazo_busd.config import BusConfig
from wazo_busd.errors import BusError

TENANT = '2c34c282-433e-4bb8-8d56-fec14ff7e1e9'
NOON = 1_777_629_422.25


def cut(
    name: str | None,
    data: Any = None,
    key: str = 'calls.call.created',
    *,
    body: bytes | None = None,
    exchange: str = 'wazo-headers',
    **headers: Any,
) -> Cut:
    """A delivery of an event as a host of today sends it."""
    named = {} if name is None else {'name': name}
    said = {**named, 'tenant_uuid': TENANT, **headers}
    text = json.dumps({**said, 'data': data}).encode() if body is None else body
    properties = Basic.Properties(headers=said, content_type='application/json').marshal()
    return Cut(1, False, exchange.encode(), key.encode(), properties, len(text), text)


def event(name: str | None, data: Any = None, key: str = 'calls.call.created', **headers: Any) -> Heard:
    """What was heard of such a delivery."""
    return heard(cut(name, data, key, **headers), NOON, Limits())


def call(number: str = '1001', **data: Any) -> Cut:
    """A call that begins."""
    told = {'call_id': '1777629422.8', 'caller_id_name': 'Alice', 'caller_id_number': number}
    return cut('call_created', {**told, 'dialed_extension': '1002', 'status': 'Ring', **data})


def hangup() -> Cut:
    """An event of AMI."""
    return cut('Hangup', {'Event': 'Hangup', 'Uniqueid': '1.2'}, 'ami.Hangup')


class Hearsay:
    """Stands for the ear: hears what the test says, and then nothing."""

    def __init__(self) -> None:
        self.batches: list[list[Cut]] = []
        self.patterns: Sequence[str] = ()
        self.error: BusError | None = None
        self.notes: list[str] = []
        self._sink: Callable[[list[Cut]], None]
        self._told: Callable[[str], None]
        self.address = '127.0.0.1:5672'

    def __call__(
        self,
        config: BusConfig,
        state_dir: Path,
        patterns: Sequence[str],
        sink: Callable[[list[Cut]], None],
        told: Callable[[str], None],
    ) -> Hearsay:
        self.patterns, self._sink, self._told = patterns, sink, told
        return self

    def hears(self, *cuts: Cut) -> None:
        self.batches.append(list(cuts))

    async def open(self) -> None:
        if self.error is not None:
            raise self.error
        for note in self.notes:
            self._told(note)
        for batch in self.batches:
            self._sink(batch)

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def close(self) -> None:
        pass
