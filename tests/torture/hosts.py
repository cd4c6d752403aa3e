# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The hosts: two daemons of one namespace on a cluster of three nodes, as docs/two-hosts.md sets them up."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.conftest import Broker, new_vhost
from tests.support import DaemonProcess, eventually_sync, write_config
from tests.torture.books import Books, is_empty
from tests.torture.history import Account, History
from tests.torture.load import Load
from tests.torture.rig import HANDLERS, PLUGINS, QUIET_SECONDS
from tools.rabbitmq_cluster import RabbitmqCluster

DAEMONS = 2
PREFETCH = 16
"""So few that one daemon alone cannot hold what comes: where both may take them, they do."""


class Hosts:
    """Two daemons, whose handlers write one history.

    Args:
        cluster: a cluster that may lose one node at a time.
        directory: where everything is put.
    """

    def __init__(self, cluster: RabbitmqCluster, directory: Path) -> None:
        self.cluster = cluster
        self.history = History(directory)
        first = new_vhost(cluster.nodes[0])
        self.vhost = first.vhost
        self._brokers = [Broker(node, first.vhost) for node in cluster.nodes]
        self._directory = directory
        self._configs = [self._write(number) for number in range(DAEMONS)]
        self._books = Books(self.history, HANDLERS, self._configs[0])
        self._daemons = [self._start(number) for number in range(DAEMONS)]

    def members(self) -> list[int]:
        """On how many nodes each handler's queue is kept."""
        return [self.cluster.members_of(self.vhost, f'wazo-busd.{each}') for each in HANDLERS]

    def load(self, first: int, count: int) -> Load:
        """Publishes events, over the last of the nodes as long as it is there."""
        last, *others = reversed(self._brokers)
        return Load(last, self.history, first=first, count=count, pause_seconds=0.002, others=others)

    def kill_leader(self, handler: str) -> None:
        """Kill the node that leads the queue of a handler, and start it again."""
        self.kill_node(self.cluster.nodes.index(self.cluster.leader_of(self.vhost, f'wazo-busd.{handler}')))

    def kill_node(self, number: int) -> None:
        """Kill a node, and start it again."""
        self.cluster.nodes[number].kill()
        self.cluster.nodes[number].start()

    def kill_daemon(self, number: int) -> None:
        """Kill a daemon, and start it again."""
        self._daemons[number].__exit__()
        self._daemons[number] = self._start(number)

    def stop_daemon(self, number: int) -> None:
        """Stop a daemon in order, and start it again."""
        self._stop(number)
        self._daemons[number] = self._start(number)

    def end(self) -> None:
        """Stop both in order, when nothing is left to do."""
        for number in range(DAEMONS):
            self._stop(number)

    def close(self) -> None:
        """End both, however."""
        for daemon in self._daemons:
            daemon.__exit__()

    def wait_quiet(self) -> None:
        """Wait until every event that was confirmed is done, discarded or dead with every handler.

        Raises:
            AssertionError: it takes too long; it says what is open.
        """
        try:
            eventually_sync(self._books.are_closed, QUIET_SECONDS)
            eventually_sync(lambda: is_empty(self._brokers[0]), QUIET_SECONDS)
        except TimeoutError:
            logs = '\n'.join(daemon.log for daemon in self._daemons)
            raise AssertionError(f'open are {self._books.open_ones()}\n{logs}') from None

    def accounts(self) -> list[Account]:
        """What became of the events, handler by handler."""
        return self._books.accounts()

    def _start(self, number: int) -> DaemonProcess:
        directory = self._directory / f'run-{number}'
        daemon = DaemonProcess(self._configs[number], directory, '-l', 'warning')
        daemon.wait_consuming()
        return daemon

    def _stop(self, number: int) -> None:
        daemon = self._daemons[number]
        code = daemon.stop()
        if code:
            raise AssertionError(f'the daemon ended with {code}; it logged:\n{daemon.log}')

    def _write(self, number: int) -> Path:
        # Each goes to a node of its own first.
        own = [*self._brokers[number:], *self._brokers[:number]]
        hosts = ', '.join(f'"{each.host}:{each.port}"' for each in own)
        bus = f'{{hosts: [{hosts}], vhost: {self.vhost}, prefetch: {PREFETCH}}}'
        handlers = f"""
            quick: {{plugin: quick, concurrency: 8, options: {self._options('quick')}}}
            flaky:
              plugin: flaky
              concurrency: 8
              retry: {{attempts: 5, backoff: 100ms..500ms, in_place: 1}}
              options: {self._options('flaky')}
            lane:
              plugin: lane
              concurrency: 4
              order_by: data.key
              queue: {{single_active_consumer: true}}
              retry: {{attempts: 5, backoff: 100ms..1s}}
              options: {self._options('lane', ', pause_seconds: 0.06')}
        """
        directory = self._directory / f'etc-{number}'
        config = write_config(directory, own[0], handlers, bus=bus)
        for name in HANDLERS:
            shutil.copy(PLUGINS / f'{name}.py', directory / 'plugins.d')
        return config

    def _options(self, handler: str, more: str = '') -> str:
        return f'{{history: {self._directory / handler}.history{more}}}'
