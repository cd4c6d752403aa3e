# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The refusal: what the broker says to what it will not do, in words for an operator, with the cure."""

from __future__ import annotations

import re

import aiormq.exceptions

from wazo_busd.amqp.connection import permissions
from wazo_busd.config import HANDLER_NAME, BusConfig
from wazo_busd.errors import BusError
from wazo_busd.topology import Hub

REFUSALS = (
    aiormq.exceptions.ChannelAccessRefused,
    aiormq.exceptions.ChannelLockedResource,
    aiormq.exceptions.ChannelNotFoundEntity,
    aiormq.exceptions.ChannelPreconditionFailed,
)
"""What the broker says to what it will not do; it closes the channel with it."""

_INEQUIVALENT = re.compile(r"inequivalent arg '([^']+)'.*received (.+?) but current is (.+)$")
_VALUE = re.compile(r"^(?:the value )?'(.*?)'(?: of type '\w+')?$")


def explained(error: BaseException, what: str, config: BusConfig) -> BusError:
    """A refusal in words for an operator, with the cure.

    Args:
        error: what the broker said.
        what: what it refuses, as in `the queue wazo-busd.fax`.
        config: the broker and our user.
    """
    text = str(error).partition(' - ')[2] or str(error)
    if isinstance(error, aiormq.exceptions.ChannelAccessRefused):
        return BusError(f'the user {config.username!r} may not use {what}: {text}', permissions(config))
    if isinstance(error, aiormq.exceptions.ChannelLockedResource):
        return BusError(f'{what} belongs to another connection alone', 'rabbitmqctl list_queues name owner_pid')
    match = _INEQUIVALENT.search(text)
    if match:
        wanted, found = (_VALUE.sub(r'\1', value) for value in match.groups()[1:])
        if wanted == found:
            # They differ in what the broker says of them besides.
            wanted, found = match.groups()[1:]
        anew = recreation(what, config) or f'delete what exists: {removal(what, config)}'
        return BusError(
            f'{what} exists with another {match[1]}: it has {found}, the configuration says {wanted}',
            f'put the old value back, or {anew}',
        )
    return BusError(f'the broker refuses {what}: {text}', 'journalctl -u rabbitmq-server -n 50')


def recreation(what: str, config: BusConfig) -> str:
    """How a handler's queue is made anew; `''` if it is none.

    Args:
        what: the queue, by its name alone or as in `the queue wazo-busd.fax`.
        config: the namespace.
    """
    name = what.rpartition(' ')[2]
    handler = Hub(config.namespace).handler_of(name).removesuffix('.dead')
    if what.startswith('the exchange') or name == handler or not HANDLER_NAME.fullmatch(handler):
        return ''
    return f'make it anew, with its events, while it is not consumed: wazo-busd queue recreate {handler}'


def removal(what: str, config: BusConfig) -> str:
    """How a queue or an exchange is deleted.

    Args:
        what: which one, as in `the queue wazo-busd.fax`.
        config: the vhost.
    """
    name = what.rpartition(' ')[2]
    if what.startswith('the queue'):
        return f"rabbitmqctl delete_queue -p '{config.vhost}' {name} (with what is in it)"
    return f'{name}, with another client: nothing of RabbitMQ deletes an exchange from the command line'
