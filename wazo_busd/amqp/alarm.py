# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The alarm: whether the broker, short of memory or disk, takes nothing from those who publish."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass

import aiormq.exceptions

from wazo_busd.amqp.connection import connect
from wazo_busd.amqp.refusal import REFUSALS, explained
from wazo_busd.config import BusConfig
from wazo_busd.errors import BusError

_CONFIRM_SECONDS = 3.0
_BLOCK_SECONDS = 0.3
"""The broker says that it is blocked on another way than it confirms, and may do so a moment later."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """What came of publishing something.

    Attributes:
        is_blocked: whether the broker takes nothing from those who publish.
        reason: why, as it says; `''` where it does not.
    """

    is_blocked: bool
    reason: str = ''


async def look_for_alarm(config: BusConfig) -> Alarm:
    """Publish something that reaches nobody, to learn whether the broker takes anything from those who publish.

    It has a connection of its own, as a broker in an alarm reads nothing any more from one that has published.

    Args:
        config: where the broker is.

    Raises:
        BusError: the broker cannot be reached, or refuses.
    """
    link = await connect(config, 'wazo-busd doctor')
    name = f'{config.namespace}.doctor.{secrets.token_hex(4)}'
    cutter = link.transport.cutter
    try:
        channel = await link.open_channel(confirms=True)
        await channel.queue_declare(name, exclusive=True, auto_delete=True)
        await channel.exchange_declare(name, exchange_type='direct', auto_delete=True)
        await channel.queue_bind(name, name, name)
        try:
            async with asyncio.timeout(_CONFIRM_SECONDS):
                # The first one makes the broker stop reading, which the second shows where nothing is said of it.
                for _ in range(2):
                    await channel.basic_publish(b'{}', exchange=name, routing_key=name, mandatory=True)
                    await asyncio.sleep(_BLOCK_SECONDS)
                    if cutter.is_blocked:
                        break
        except TimeoutError:
            return Alarm(True, cutter.block_reason)
        return Alarm(cutter.is_blocked, cutter.block_reason)
    except REFUSALS as error:
        raise explained(error, f'the exchange {name}', config) from None
    except aiormq.exceptions.AMQPError as error:
        raise BusError(
            f'{link.address} does not take what is published: {error}', 'journalctl -u rabbitmq-server -n 50'
        ) from None
    finally:
        # The exchange goes with its last binding, and that with the queue.
        await link.close()
