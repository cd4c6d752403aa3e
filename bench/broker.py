# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The broker: a private RabbitMQ node with a virtual host for each consumer, so that none gets another's events."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection

from bench.errors import BenchError
from bench.publisher import Publisher
from bench.wire import Place, Wire, WireError
from bench.workload import Workload
from tools.rabbitmq_node import RabbitmqNode

PATIENCE_SECONDS = 60.0
_LOOK_SECONDS = 0.02


class Broker:
    """What the consumers of one run of the benchmark share.

    Args:
        node: the node, started.
        vhosts: how many virtual hosts to make; each consumer takes one.
    """

    def __init__(self, node: RabbitmqNode, vhosts: int) -> None:
        self._node = node
        self._vhosts = [f'bench-{number}' for number in range(vhosts)]
        names = ', '.join(f'<<"{name}">>' for name in self._vhosts)
        node.ctl(
            'eval',
            '[begin rabbit_vhost:add(Name, <<"bench">>), rabbit_auth_backend_internal:set_permissions('
            f'<<"guest">>, Name, <<".*">>, <<".*">>, <<".*">>, <<"bench">>) end || Name <- [{names}]].',
        )
        self.pid = int(re.sub(r'\D', '', node.ctl('eval', 'os:getpid().')))
        self.version = node.ctl('eval', 'rabbit_misc:version().').strip().strip('"')

    def take_place(self) -> Place:
        """A virtual host that nobody has used yet.

        Raises:
            BenchError: all are taken.
        """
        if not self._vhosts:
            raise BenchError('all virtual hosts are taken; next: raise the number that Broker is made with')
        return Place(self._node.host, self._node.port, self._vhosts.pop(0))

    def fill(self, place: Place, queues: Collection[str], workload: Workload, events: int, lines: int) -> None:
        """Publish as many events as are missing, and wait until some queues hold them.

        Args:
            place: the virtual host.
            queues: the queues, which all get every event and hold the same now.
            workload: what is published.
            events: how many they are to hold.
            lines: how many calls they belong to.

        Raises:
            BenchError: they do not come.
        """
        with Wire(place) as wire:
            there = min(wire.depth(queue).events for queue in queues)
            Publisher(wire, workload, lines).pour(max(0, events - there))
            wait_until(lambda: hold(wire, queues, events), f'{events} events in {" and ".join(queues)}')


def hold(wire: Wire, queues: Collection[str], events: int) -> bool:
    """Whether each of some queues holds so many events, or more."""
    return all(wire.depth(queue).events >= events for queue in queues)


def are_consumed(place: Place, queues: Collection[str]) -> bool:
    """Whether each of some queues is there and has a consumer.

    Args:
        place: the virtual host.
        queues: the queues.
    """
    try:
        with Wire(place) as wire:
            return all(wire.depth(queue).consumers for queue in queues)
    except WireError:
        # It is not there yet.
        return False


def wait_until(fits: Callable[[], bool], what: str, patience_seconds: float = PATIENCE_SECONDS) -> None:
    """Look again and again until something is so.

    Args:
        fits: whether it is.
        what: what is waited for, for people.
        patience_seconds: how long to wait for it.

    Raises:
        BenchError: it never becomes so.
    """
    deadline = time.monotonic() + patience_seconds
    while not fits():
        if time.monotonic() > deadline:
            raise BenchError(f'waited {patience_seconds:g} s in vain for {what}')
        time.sleep(_LOOK_SECONDS)
