# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""A private RabbitMQ cluster: several private nodes on loopback, each of which may be killed and come back."""

from __future__ import annotations

from pathlib import Path

from tools.rabbitmq_node import NodeError, RabbitmqNode


class RabbitmqCluster:
    """Nodes of one cluster, on which a quorum queue has as many members.

    Args:
        directory: where their data, logs and cookie are.
        size: how many nodes.
    """

    def __init__(self, directory: Path, size: int = 3) -> None:
        first = RabbitmqNode(directory / '1')
        self.nodes = [first, *(RabbitmqNode(directory / str(each), beside=first) for each in range(2, size + 1))]

    def start(self) -> None:
        """Start the nodes, one after the other, and see that they are one cluster.

        Raises:
            NodeError: one of them does not start, or stays by itself.
        """
        for node in self.nodes:
            node.start()
        together = self.nodes[0].evaluate('length(rabbit_nodes:all_running())')
        if together != str(len(self.nodes)):
            raise NodeError(f'of {len(self.nodes)} nodes {together} are in the cluster')

    def stop(self) -> None:
        """End them for good, the one with the port mapper last."""
        for node in reversed(self.nodes):
            node.stop()

    def leader_of(self, vhost: str, queue: str) -> RabbitmqNode:
        """The node that leads a quorum queue.

        Raises:
            NodeError: the first node does not say, or the leader is none of these.
        """
        name = self.nodes[0].evaluate(f'{_found(vhost, queue)}, element(2, amqqueue:get_pid(Q))').strip("'")
        for node in self.nodes:
            if node.name == name:
                return node
        raise NodeError(f'the queue {queue} is led by {name}')

    def members_of(self, vhost: str, queue: str) -> int:
        """How many nodes a quorum queue is kept on."""
        code = f'{_found(vhost, queue)}, length(maps:get(nodes, amqqueue:get_type_state(Q)))'
        return int(self.nodes[0].evaluate(code))


def _found(vhost: str, queue: str) -> str:
    return f'{{ok, Q}} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"{vhost}">>, queue, <<"{queue}">>))'
