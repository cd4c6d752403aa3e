# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The consumer: whatever takes events from a queue, the daemon and its peers alike, and its process."""

from __future__ import annotations

import json
import os
import subprocess
from abc import ABC, abstractmethod
from array import array
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

from bench import recorder
from bench.broker import are_consumed, wait_until
from bench.errors import BenchError
from bench.recorder import Tally, delays_path
from bench.usage import is_at_rest
from bench.wire import Place
from tools.children import end_with_parent

ROOT = Path(__file__).absolute().parents[1]
_STOP_SECONDS = 30.0
_LOG_LENGTH = 2000


class Consumer(ABC):
    """Something that takes events.

    Args:
        name: what it is called in the results.
        place: the virtual host that is its own.
        queues: the queues it takes from; each gets every event.
    """

    def __init__(self, name: str, place: Place, queues: tuple[str, ...]) -> None:
        self.name = name
        self.place = place
        self.queues = queues

    settles_all = False
    """Whether it promises to have settled every event when it has ended."""

    @abstractmethod
    def prepare(self) -> None:
        """See that its queues are there. Done once."""

    @abstractmethod
    def command(self) -> list[str]:
        """What starts it."""

    def environment(self) -> Mapping[str, str]:
        """The environment variables it needs beside those of the recorder."""
        return {}


class Process:
    """A consumer at its work.

    Args:
        consumer: which.
        directory: where its tally and its log are put; of its own.
        broker: the process of the broker.
        target: how many events it is to handle.
        warm: how many of them only warm it up.
        stamped: whether to note the delay of each.
    """

    def __init__(
        self, consumer: Consumer, directory: Path, *, broker: int, target: int, warm: int = 0, stamped: bool = False
    ) -> None:
        self._consumer = consumer
        self._result = directory / 'tally.json'
        self._log = directory / 'log'
        settings = {
            recorder.TARGET: str(target),
            recorder.WARM: str(warm),
            recorder.STAMPED: str(int(stamped)),
            recorder.BROKER: str(broker),
            recorder.RESULT: str(self._result),
        }
        with self._log.open('wb') as log:
            self._process = subprocess.Popen(
                consumer.command(),
                env=os.environ | {'PYTHONPATH': str(ROOT)} | settings | dict(consumer.environment()),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=end_with_parent,
            )

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    def wait(self, patience_seconds: float) -> tuple[Tally, array[float]]:
        """Wait until it has handled all events.

        Returns:
            What it noted, and the delay of each event in seconds if they were asked for.

        Raises:
            BenchError: it does not come to it, or ends.
        """
        self.wait_until(self._result.exists, patience_seconds)
        delays = array('d')
        delays.frombytes(delays_path(self._result).read_bytes())
        return Tally(**json.loads(self._result.read_text())), delays

    def wait_until(self, fits: Callable[[], bool], patience_seconds: float) -> None:
        """Wait until something is so, as long as the process lives.

        Raises:
            BenchError: it never becomes so, or the process ends.
        """

        def look() -> bool:
            if self._process.poll() is not None:
                raise BenchError(f'{self._consumer.name} ended with code {self._process.returncode}')
            return fits()

        try:
            wait_until(look, self._consumer.name, patience_seconds)
        except BenchError as error:
            raise BenchError(f'{error}; it printed:\n{self._log.read_text(errors="replace")[-_LOG_LENGTH:]}') from None

    def wait_until_consuming(self, patience_seconds: float) -> None:
        """Wait until it takes all its queues.

        Raises:
            BenchError: it does not come to it, or ends.
        """
        consumer = self._consumer
        self.wait_until(lambda: are_consumed(consumer.place, consumer.queues), patience_seconds)

    def wait_until_at_rest(self, patience_seconds: float) -> None:
        """Wait until it has nothing to do: what takes its queues may be about its start yet.

        Raises:
            BenchError: it does not come to it, or ends.
        """
        self.wait_until(lambda: is_at_rest(self.pid), patience_seconds)

    def stop(self) -> None:
        """Ask it to end, and wait until it has."""
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise BenchError(f'{self._consumer.name} did not end within {_STOP_SECONDS:g} s of a SIGTERM') from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
