# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The playback: recorded events on their way onto a bus again."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import aiormq.exceptions
from aiormq.abc import AbstractChannel
from pamqp.commands import Basic

from wazo_busd.amqp.connection import Link, connect
from wazo_busd.amqp.copy import encodable
from wazo_busd.amqp.publisher import Unsendable, check_size
from wazo_busd.amqp.upstream import permissions_of
from wazo_busd.config import BusConfig
from wazo_busd.errors import BusError
from wazo_busd.tasks import is_cancelled

_CONFIRM_SECONDS = 30.0
_PERSISTENT = 2
_LEADING_ELSEWHERE = ('CC', 'BCC')

REPLAYED_HEADER = 'busd-replayed'
"""The header that tells an event that was played again from one that happens."""


class Playback:
    """Publishes events, each confirmed.

    Args:
        config: where the broker is, and who we are.
    """

    def __init__(self, config: BusConfig) -> None:
        self._config = config
        self._link: Link
        self._channel: AbstractChannel

    async def __aenter__(self) -> Self:
        self._link = await connect(self._config, 'wazo-busd replay')
        self._channel = await self._link.open_channel(confirms=True)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._link.close()

    @property
    def address(self) -> str:
        """The broker, as people write it."""
        return self._link.address

    async def publish(
        self, exchange: str, routing_key: str, body: bytes, headers: Mapping[str, Any], properties: Mapping[str, Any]
    ) -> bool:
        """Publish an event, persistent, with a header that says that it is played again.

        Args:
            exchange: the exchange.
            routing_key: the key.
            body: its body.
            headers: its headers; those that would send it elsewhere, and those of RabbitMQ, are left out.
            properties: its other properties, by name.

        Returns:
            Whether any queue has taken it.

        Raises:
            Unsendable: AMQP cannot carry it.
            BusError: the broker does not take it.
        """
        made = self._made(exchange, routing_key, headers, properties)
        try:
            async with asyncio.timeout(_CONFIRM_SECONDS):
                await self._channel.basic_publish(
                    body, exchange=exchange, routing_key=routing_key, properties=made, mandatory=True
                )
        except aiormq.exceptions.PublishError:
            return False
        except (Exception, asyncio.CancelledError) as error:
            # The library ends with many errors what waits for a connection that goes.
            if is_cancelled():
                raise
            raise self._explained(error, exchange) from error
        return True

    def _made(
        self, exchange: str, routing_key: str, headers: Mapping[str, Any], properties: Mapping[str, Any]
    ) -> Basic.Properties:
        """Its properties, tried out: what fails on the channel may have failed with it."""
        try:
            kept = {
                name: encodable(value)
                for name, value in headers.items()
                if not name.startswith('x-') and name not in _LEADING_ELSEWHERE
            }
            made = Basic.Properties(
                **{**properties, 'delivery_mode': _PERSISTENT, 'headers': {**kept, REPLAYED_HEADER: True}}
            )
            check_size(made, self._channel)
            Basic.Publish(exchange=exchange, routing_key=routing_key, mandatory=True).marshal()
        except RecursionError:
            raise Unsendable('AMQP cannot carry it: its headers are nested too deep') from None
        except (TypeError, ValueError, OverflowError, struct.error) as error:
            raise Unsendable(f'AMQP cannot carry it: {error}') from None
        return made

    def _explained(self, error: BaseException, exchange: str) -> BusError:
        address = self._link.address
        reason = error if isinstance(error, aiormq.exceptions.AMQPError) else self._closed() or error
        if isinstance(reason, aiormq.exceptions.ChannelNotFoundEntity):
            return BusError(f'there is no exchange {exchange!r} on {address}', 'wazo-busd run once, which makes them')
        if isinstance(reason, aiormq.exceptions.ChannelAccessRefused):
            return BusError(
                f'the user {self._config.username!r} may not publish on {exchange!r}',
                permissions_of(self._config, exchange),
            )
        if isinstance(reason, TimeoutError):
            return BusError(f'{address} did not take it within {_CONFIRM_SECONDS:g} s', 'rabbitmqctl list_alarms')
        if isinstance(reason, aiormq.exceptions.DeliveryError):
            return BusError(f'{address} did not take it: a queue behind {exchange!r} is full', 'wazo-busd queue list')
        said = str(reason) or type(reason).__name__
        return BusError(f'{address} did not take it: {said}', 'rabbitmqctl list_connections')

    def _closed(self) -> BaseException | None:
        """Why the channel was closed, which those that wait on it are not told."""
        closing = self._channel.closing
        return closing.exception() if closing.done() and not closing.cancelled() else None
