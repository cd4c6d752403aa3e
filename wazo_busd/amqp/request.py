# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The request: something that is asked of the broker for a person. Whatever goes wrong is told with the cure."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import aiormq.exceptions
from aiormq.abc import AbstractChannel

from wazo_busd.amqp.channel import control
from wazo_busd.amqp.connection import Link
from wazo_busd.amqp.declaration import Declarer
from wazo_busd.amqp.refusal import REFUSALS, explained
from wazo_busd.errors import BusError
from wazo_busd.tasks import is_cancelled

AGAIN = 'run the same command again: it goes on'


class Depth(NamedTuple):
    """What a queue has.

    Attributes:
        ready: events that nobody has in hand.
        consumers: who takes them.
    """

    ready: int
    consumers: int


@asynccontextmanager
async def request(
    link: Link, declarer: Declarer, what: str, *, must_exist: bool = True
) -> AsyncIterator[AbstractChannel]:
    """A channel to ask something on, for a person.

    Args:
        link: the connection.
        declarer: knows the broker, for the cures that errors tell.
        what: what it is about, as in `the queue wazo-busd.fax`.
        must_exist: whether it is an error that it is not there; else that is raised as the library has it.

    Raises:
        BusError: the broker refuses, or the connection is lost.
    """
    try:
        async with control(link) as channel:
            yield channel
    except BusError:
        raise
    except (Exception, asyncio.CancelledError) as error:
        # The library ends with many errors what waits for a connection that goes.
        if is_cancelled() or (isinstance(error, aiormq.exceptions.ChannelNotFoundEntity) and not must_exist):
            raise
        if isinstance(error, REFUSALS):
            raise explained(error, what, declarer.config) from None
        said = str(error) or type(error).__name__
        raise BusError(f'the broker ended it: {said}', AGAIN) from error


async def look(link: Link, declarer: Declarer, name: str) -> Depth | None:
    """What a queue has; `None` if it is not there.

    Args:
        link: the connection.
        declarer: knows the broker, for the cures that errors tell.
        name: the name of the queue.

    Raises:
        BusError: the broker refuses, or the connection is lost.
    """
    try:
        async with request(link, declarer, f'the queue {name}', must_exist=False) as channel:
            declared = await channel.queue_declare(name, passive=True)
    except aiormq.exceptions.ChannelNotFoundEntity:
        return None
    return Depth(declared.message_count or 0, declared.consumer_count or 0)
