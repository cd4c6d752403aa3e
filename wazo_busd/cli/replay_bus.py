# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The stage of `wazo-busd replay`: the bus that recorded events are played on."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from typing import Any

import click

from wazo_busd.amqp import Playback, Unsendable
from wazo_busd.cli.options import as_json, plural, typed
from wazo_busd.cli.pace import Pace
from wazo_busd.cli.recorded import Broken, Recorded
from wazo_busd.config import BusConfig
from wazo_busd.text import escape
from wazo_busd.topology import UPSTREAMS, Hub

_MOST_UNCONFIRMED = 200
_MOST_TOLD = 20
"""So many events that cannot be carried are named; more are only counted."""
_LAST_SECONDS = 2.0


class Stage:
    """Publishes recorded events, in their order.

    Args:
        config: where the broker is.
        upstream: whether onto the exchanges that they came from; else onto the hub.
        derived: whether derived events are published, too.
        told: called with an event that AMQP cannot carry, and why.
    """

    def __init__(self, config: BusConfig, *, upstream: bool, derived: bool, told: Callable[[Broken], None]) -> None:
        self._config = config
        self._hub = Hub(config.namespace).exchange.name
        self._upstreams = tuple(each.exchange.name for each in UPSTREAMS) if upstream else ()
        self._derived = derived
        self._published = 0
        self._untaken = 0
        self._left_out = 0
        self._told = told
        self.uncarried = 0
        """How many events were left out as AMQP cannot carry them."""
        self._unconfirmed: set[asyncio.Task[bool | None]] = set()
        self._error: BaseException | None = None

    @property
    def place(self) -> str:
        """Where they go, in words."""
        address = ', '.join(f'{host}:{port}' for host, port in self._config.addresses())
        if self._upstreams:
            where = f'{" and ".join(self._upstreams)}, where every consumer of the bus gets them, Wazo included'
        else:
            where = f'the exchange {self._hub}, where its handlers get them and nobody else'
        return f'{address}, vhost {self._config.vhost}, {where}'

    async def play(self, recorded: Iterator[Recorded], pace: Pace, count: int) -> None:
        """Publish them when their time has come.

        Args:
            recorded: the events.
            pace: when each of them is played.
            count: how many they are.

        Raises:
            BusError: the broker does not take them.
        """
        async with Playback(self._config) as playback:
            with click.progressbar(length=count, label='replaying', file=sys.stderr) as bar:
                try:
                    for each in recorded:
                        await pace.reach(each.at)
                        bar.update(1)
                        if each.is_derived and not self._derived:
                            self._left_out += 1
                        else:
                            await self._publish(playback, each)
                    while self._unconfirmed:
                        await asyncio.wait(self._unconfirmed)
                        self._count()
                    self._raise_first()
                finally:
                    await self._give_up()

    def conclude(self, output: str) -> None:
        """Say what was published.

        Args:
            output: `text` for people, or `json`.
        """
        if output == 'json':
            click.echo(as_json(self._plain()))
            return
        parts = [f'{plural(self._published, "event")} published']
        if self._unconfirmed:
            parts.append(f'{len(self._unconfirmed)} perhaps, which are not confirmed')
        if self._untaken:
            parts.append(f'{self._untaken} of them for no handler')
        if self._left_out:
            parts.append(f'{plural(self._left_out, "derived event")} left out')
        if self.uncarried:
            parts.append(f'{plural(self.uncarried, "event")} left out that AMQP cannot carry')
        click.echo(escape(f'{"; ".join(parts)}. next: {typed("wazo-busd status")}'))

    def _plain(self) -> dict[str, Any]:
        return {
            'published': self._published,
            'unconfirmed': len(self._unconfirmed),
            'for_no_handler': self._untaken,
            'derived_left_out': self._left_out,
            'uncarried': self.uncarried,
            'next': typed('wazo-busd status'),
        }

    async def _publish(self, playback: Playback, each: Recorded) -> None:
        if len(self._unconfirmed) >= _MOST_UNCONFIRMED:
            await asyncio.wait(self._unconfirmed, return_when=asyncio.FIRST_COMPLETED)
        self._count()
        self._raise_first()
        exchange = each.exchange if each.exchange in self._upstreams else self._hub
        self._unconfirmed.add(asyncio.create_task(self._carry(playback, exchange, each)))

    async def _carry(self, playback: Playback, exchange: str, each: Recorded) -> bool | None:
        """Publish one; whether any queue has taken it, `None` if AMQP cannot carry it."""
        try:
            return await playback.publish(exchange, each.routing_key, each.body, each.headers, each.properties)
        except Unsendable as error:
            self.uncarried += 1
            if self.uncarried <= _MOST_TOLD:
                self._told(Broken(each.line, error.text))
            return None

    async def _give_up(self) -> None:
        """Whoever has interrupted it waits for a moment, and no longer, for what is on its way."""
        if self._unconfirmed:
            await asyncio.wait(self._unconfirmed, timeout=_LAST_SECONDS)
            self._count()
        for task in self._unconfirmed:
            task.cancel()

    def _count(self) -> None:
        """Count what is confirmed, and keep the first error."""
        for task in [task for task in self._unconfirmed if task.done()]:
            self._unconfirmed.discard(task)
            error = None if task.cancelled() else task.exception()
            if error is not None or task.cancelled():
                self._error = self._error or error
                continue
            if task.result() is not None:
                self._published += 1
                self._untaken += not task.result()

    def _raise_first(self) -> None:
        if self._error is not None:
            raise self._error
