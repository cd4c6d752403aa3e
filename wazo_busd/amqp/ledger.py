# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The ledger: which bindings this daemon has made, so that those no longer asked for can be taken away.

AMQP has no way to ask for the bindings of a queue.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterable
from pathlib import Path

import structlog

from wazo_busd.config import BusConfig

log = structlog.stdlib.get_logger(__name__)


class Ledger:
    """The patterns that each queue was bound with, kept in a file.

    Args:
        state_dir: the directory of the file; it is made if it is missing.
        config: the broker, vhost and namespace, as the same file may know several.
    """

    def __init__(self, state_dir: Path, config: BusConfig) -> None:
        host, port = config.addresses()[0]
        self._path = state_dir / 'bindings.json'
        self._broker = f'{host}:{port} {config.vhost} {config.namespace}'
        self._brokers: dict[str, dict[str, list[str]]] = self._read()

    @property
    def queues(self) -> list[str]:
        """The queues that are bound."""
        return [queue for queue, patterns in self._brokers.get(self._broker, {}).items() if patterns]

    @property
    def known(self) -> list[str]:
        """The queues that were bound at any time, which may have dead letters."""
        return list(self._brokers.get(self._broker, {}))

    def touch(self) -> None:
        """Note that the queues are there now. That it is not noted is no harm: it is only for `seen_at`."""
        with contextlib.suppress(OSError):
            os.utime(self._path)

    @property
    def seen_at(self) -> float:
        """When they were last known to be there, Unix seconds; now if that is not known."""
        try:
            return self._path.stat().st_mtime
        except OSError:
            return time.time()

    def patterns(self, queue: str) -> set[str]:
        """What a queue was bound with."""
        return set(self._brokers.get(self._broker, {}).get(queue, ()))

    def write(self, queue: str, patterns: Iterable[str]) -> None:
        """Note what a queue is bound with.

        Written before a binding is made and after one is taken away, so that a crash between forgets none. If it cannot
        be written, that is logged: to handle no events for it would be worse than a binding that stays.
        """
        wanted = sorted(set(patterns))
        queues = self._brokers.get(self._broker, {})
        if queues.get(queue) == wanted or (queue not in queues and not wanted):
            return
        queues = queues | {queue: wanted}
        brokers = self._brokers | {self._broker: queues}
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            new = self._path.with_suffix('.new')
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640), 'w') as file:
                json.dump(brokers, file, indent=1, sort_keys=True)
                file.flush()
                os.fsync(file.fileno())
            new.replace(self._path)
        except OSError as error:
            log.error(
                'ledger_not_written',
                path=str(self._path),
                error=error.strerror,
                effect='a binding that is no longer asked for may stay',
                hint=f'df -h {self._path.parent}',
            )
            return
        # Only now: what is held for written is not written again.
        self._brokers = brokers

    def _read(self) -> dict[str, dict[str, list[str]]]:
        try:
            content = json.loads(self._path.read_text())
            return {
                str(broker): {str(queue): [str(each) for each in patterns] for queue, patterns in queues.items()}
                for broker, queues in content.items()
            }
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, AttributeError, TypeError) as error:
            log.warning(
                'ledger_unreadable',
                path=str(self._path),
                error=str(error),
                hint='bindings of removed handlers stay; rabbitmqctl list_bindings shows them',
            )
            return {}
