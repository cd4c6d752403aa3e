# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The daemon as `wazo-busd top` asks it: once, or once a second in a thread of its own."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any

from wazo_busd.cli.asking import Unanswered, answer
from wazo_busd.cli.top_snapshot import KEPT, Snapshot, take
from wazo_busd.config import Configuration

INTERVAL_SECONDS = 1.0
"""How often it is asked."""

_PATIENCE_SECONDS = 5.0
_END_SECONDS = 0.5


class Daemon:
    """The daemon, to be asked.

    Args:
        configuration: what `path` says.
        path: the main configuration file.
    """

    def __init__(self, configuration: Configuration, path: Path) -> None:
        self.path = path
        self._configuration = configuration

    def snapshot(self) -> Snapshot:
        """How it fares now.

        Raises:
            Unanswered: it cannot be asked.
        """
        try:
            return take(self._ask)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            text = f'the daemon says something else than expected, as of another version: {type(error).__name__}'
            raise Unanswered(text, 'systemctl restart wazo-busd', runs=True) from None

    def do(self, deed: str) -> str:
        """Let it do something; what is wrong, `''` if nothing is.

        Args:
            deed: the path of the deed.
        """
        try:
            said = answer(self._configuration, self.path, deed, method='POST', patience_seconds=_PATIENCE_SECONDS)
        except Unanswered as error:
            return error.text
        return '' if said.status == 200 else str(said.value.get('error', ''))

    def _ask(self, page: str) -> Any:
        return answer(self._configuration, self.path, page, patience_seconds=_PATIENCE_SECONDS).value


class Snapshots(threading.Thread):
    """Asks the daemon once a second, so that keys never wait for it.

    Args:
        daemon: the daemon.
        waker: a file that a byte is written to when there is something new.
    """

    def __init__(self, daemon: Daemon, waker: int) -> None:
        super().__init__(name='snapshots', daemon=True)
        self._asked = daemon
        self._waker = waker
        self._ended = threading.Event()
        self.found: deque[Snapshot | Unanswered] = deque(maxlen=KEPT)
        """What it has found, and nobody has looked at; while another program has the terminal nobody does."""

    def run(self) -> None:
        """Ask until it is told to end."""
        while not self._ended.is_set():
            began = time.monotonic()
            try:
                self.found.append(self._asked.snapshot())
            except Unanswered as error:
                self.found.append(error)
            with contextlib.suppress(BlockingIOError):
                os.write(self._waker, b'x')
            self._ended.wait(max(0.0, began + INTERVAL_SECONDS - time.monotonic()))

    def end(self) -> bool:
        """Ask no more.

        Returns:
            Whether it has ended; `False` if it still waits for an answer.
        """
        self._ended.set()
        self.join(_END_SECONDS)
        return not self.is_alive()
