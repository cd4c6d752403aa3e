# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Publishing upstream: an event put onto an exchange of Wazo's, as a service would, by a person who tests."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Mapping
from typing import Any

import aio_pika
import aiormq.exceptions

from wazo_busd.amqp.connection import Link, connect
from wazo_busd.config import BusConfig
from wazo_busd.errors import BusError

_TIMEOUT_SECONDS = 10.0


async def publish_upstream(
    config: BusConfig, exchange: str, routing_key: str, body: bytes, headers: Mapping[str, Any]
) -> None:
    """Publish one event, persistent and confirmed.

    Args:
        config: where the broker is, and who we are.
        exchange: the exchange.
        routing_key: the key.
        body: the JSON.
        headers: the headers.

    Raises:
        BusError: it could not be published; with the reason and the cure.
    """
    link = await connect(config, 'wazo-busd emit')
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            await _publish(link, exchange, routing_key, body, headers)
    except aiormq.exceptions.ChannelNotFoundEntity:
        raise BusError(
            f'there is no exchange {exchange!r} on {link.address}',
            'start wazo-busd once, which makes both, or name another with --exchange',
        ) from None
    except aiormq.exceptions.ChannelAccessRefused:
        raise BusError(
            f'the user {config.username!r} may not publish on {exchange!r}', permissions_of(config, exchange)
        ) from None
    except TimeoutError:
        raise BusError(
            f'{link.address} did not take it within {_TIMEOUT_SECONDS:g} s', 'rabbitmqctl list_alarms'
        ) from None
    except aiormq.exceptions.AMQPError as error:
        raise BusError(f'{link.address} did not take it: {error}', 'rabbitmqctl list_connections') from None
    except (TypeError, ValueError, OverflowError, struct.error) as error:
        # Names and numbers that AMQP has no room for: keys and headers' names end at 255 bytes, integers at 64 bits.
        raise BusError(f'AMQP cannot carry it: {error}', 'wazo-busd emit --dry-run shows it') from None
    finally:
        await link.close()


async def _publish(link: Link, exchange: str, routing_key: str, body: bytes, headers: Mapping[str, Any]) -> None:
    channel = await link.connection.channel(publisher_confirms=True)
    target = await channel.get_exchange(exchange)
    message = aio_pika.Message(
        body,
        headers=dict(headers),
        content_type='application/json',
        content_encoding='utf-8',
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
    )
    await target.publish(message, routing_key, mandatory=False)


def permissions_of(config: BusConfig, exchange: str) -> str:
    """The command that lets a user run the daemon and publish on an exchange."""
    own = f'^{config.namespace}([.].*)?$'
    both = '|'.join(
        dict.fromkeys(('xivo', 'wazo-headers', f'{config.namespace}([.].*)?', exchange.replace('.', '[.]')))
    )
    return f"rabbitmqctl set_permissions -p '{config.vhost}' '{config.username}' '{own}' '^({both})$' '^({both})$'"
