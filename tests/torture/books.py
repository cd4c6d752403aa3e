# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The books: every event that was confirmed is done, discarded or dead with every handler, in the end."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from click.testing import CliRunner

from tests.conftest import Broker
from tests.torture.history import Account, History, account
from wazo_busd.cli import main

DEAD_ONE_IN = 50
"""One event in so many is dead with one of the handlers."""


class Books:
    """Whether every event is accounted for.

    Args:
        history: what was published and done.
        handlers: the handlers.
        config: the configuration of a daemon, by which dead letters are asked for.
    """

    def __init__(self, history: History, handlers: Sequence[str], config: Path) -> None:
        self._history = history
        self._handlers = handlers
        self._config = config

    def are_closed(self) -> bool:
        """Whether every event that was confirmed is done, discarded or dead with every handler."""
        return all(self._is_accounted(handler) for handler in self._handlers)

    def open_ones(self) -> dict[str, list[int]]:
        """The numbers of the events that are not, by handler."""
        return {handler: sorted(self._left(handler) - self._dead(handler).keys()) for handler in self._handlers}

    def accounts(self) -> list[Account]:
        """What became of the events, handler by handler."""
        return [account(self._history, handler, self._dead(handler)) for handler in self._handlers]

    def _is_accounted(self, handler: str) -> bool:
        left = self._left(handler)
        # To ask for the dead letters costs a second, so only when nothing else can be left.
        return not left or (len(left) <= self._most_dead and left <= self._dead(handler).keys())

    def _left(self, handler: str) -> set[int]:
        """The numbers of the events that a handler has not run on to the end."""
        return self._history.confirmed - {line.number for line in self._history.lines(handler) if line.what != 'run'}

    @property
    def _most_dead(self) -> int:
        return (len(self._history.confirmed) + len(self._history.uncertain)) // DEAD_ONE_IN + 1

    def _dead(self, handler: str) -> Counter[int]:
        """The numbers of the events among a handler's dead letters."""
        command = ['dead', 'list', '--handler', handler, '--bodies', '-o', 'json', '-c', str(self._config)]
        done = CliRunner().invoke(main, command, catch_exceptions=False)
        if done.exit_code:
            raise AssertionError(done.stderr)
        return Counter(json.loads(each['body'])['data']['number'] for each in json.loads(done.stdout))


def is_empty(broker: Broker) -> bool:
    """Whether no queue but those of dead letters holds anything: what is left there could be handled again."""
    lines = broker.node.ctl('list_queues', '-p', broker.vhost, 'name', 'messages').splitlines()
    depths = {name: int(count) for name, _, count in (line.partition('\t') for line in lines) if count.isdigit()}
    return sum(depths.values()) == sum(count for name, count in depths.items() if name.endswith('.dead'))
