# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""A program on its way: its process group, its input, its output, its end."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from wazo_busd.api import escape

_KEPT_BYTES = 65_536
_TOLD_LETTERS = 2_000
_TERM_SECONDS = 0.8
"""How long a program may take to end after SIGTERM."""
_KILL_SECONDS = 0.1
"""How long it may take to be gone after SIGKILL."""
_LINGER_SECONDS = 1.0
"""How long its output is waited for after it has ended, where it has left something running."""
_UMASK = 0o077
_UNKNOWN = 255
"""The exit code of a program whose own nobody can tell any more."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program has ended.

    Attributes:
        code: its exit code; less than 0 if a signal ended it.
        output: the end of what it wrote to standard error, or to standard output if that is nothing.
    """

    code: int
    output: bytes

    def said(self, conceal: Callable[[str], str]) -> str:
        """The end of what it said, in lines of its own: the log has only the first line of an error.

        Args:
            conceal: takes secrets out of it.
        """
        lines = conceal(self.output.decode('utf-8', 'replace')).strip().splitlines()
        text = '\n'.join(map(escape, lines))[-_TOLD_LETTERS:]
        return f'\n{text}' if text else ''


async def run(argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], stdin: bytes) -> Ended:
    """Run a program in a process group of its own. Whoever cancels this ends that group.

    Args:
        argv: the program and its arguments.
        cwd: where it runs.
        env: its environment, all of it.
        stdin: its standard input.

    Raises:
        OSError: it cannot be started.
    """
    process = _started(argv, cwd, env)
    try:
        running = _Running(process, stdin)
    except BaseException:
        # It has been started, and nobody watches it: it is not to go on, whatever it was that failed here.
        _signal(process.pid, signal.SIGKILL)
        process.communicate()
        raise
    try:
        await running.exited.wait()
        if not await _within(_LINGER_SECONDS, running.closed):
            # What it has left running, and what still writes for it.
            _signal(process.pid, signal.SIGKILL)
        return Ended(running.code, running.output)
    except BaseException:
        # A cancellation, as a rule: the handler's time is over.
        _signal(process.pid, signal.SIGTERM)
        try:
            await _within(_TERM_SECONDS, running.exited)
        finally:
            _signal(process.pid, signal.SIGKILL)
        await _within(_KILL_SECONDS, running.exited)
        raise
    finally:
        # With the pipes that what it has left running may still hold.
        running.close()


def _started(argv: Sequence[str], cwd: Path, env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start it. The loops' own ways of doing so do the same work at once too, and uvloop's knows no umask."""
    return subprocess.Popen(  # noqa: S603 — the configuration names the program, and no shell reads its arguments
        argv,
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=cwd,
        env=env,
        umask=_UMASK,
        start_new_session=True,
    )


class _Running:
    """Feeds a program, reads what it writes, however much that is, keeps the last 64 KiB, and notes its end.

    Args:
        process: the program.
        stdin: its input; it need not take it.

    Raises:
        OSError: the system has no file left to watch it with.
    """

    def __init__(self, process: subprocess.Popen[bytes], stdin: bytes) -> None:
        self.exited = asyncio.Event()
        self.closed = asyncio.Event()
        """Set when nobody can write any more."""
        self.code = 0
        self._process = process
        self._loop = asyncio.get_running_loop()
        self._input = memoryview(stdin)
        self._end_fd: int | None = os.pidfd_open(process.pid)
        self._loop.add_reader(self._end_fd, self._note_end)
        feed, *outputs = (cast('IO[bytes]', each) for each in (process.stdin, process.stdout, process.stderr))
        self._feed_pipe: IO[bytes] | None = feed
        self._open = {pipe: bytearray() for pipe in outputs}
        self._kept = list(self._open.values())
        for pipe in (feed, *outputs):
            os.set_blocking(pipe.fileno(), False)
        self._loop.add_writer(feed.fileno(), self._feed)
        for pipe in outputs:
            self._loop.add_reader(pipe.fileno(), self._read, pipe)

    @property
    def output(self) -> bytes:
        """The end of what it wrote to standard error, or to standard output if that is nothing."""
        of_output, of_errors = self._kept
        return bytes(of_errors or of_output)

    def close(self) -> None:
        """Neither feed it nor read it any more. One that is killed and not gone yet is collected when it is."""
        self._end_feed()
        for pipe in list(self._open):
            self._end_pipe(pipe)

    def _end_watch(self) -> None:
        if self._end_fd is not None:
            self._loop.remove_reader(self._end_fd)
            os.close(self._end_fd)
            self._end_fd = None

    def _note_end(self) -> None:
        """Ask how it has ended, which can be asked once."""
        self._end_watch()
        try:
            _, status = os.waitpid(self._process.pid, os.WNOHANG)
            self.code = os.waitstatus_to_exitcode(status)
        except ChildProcessError:
            # Somebody else in this process has asked.
            self.code = _UNKNOWN
        self._process.returncode = self.code
        self.exited.set()

    def _feed(self) -> None:
        """Give it more of its input, as it takes it."""
        assert self._feed_pipe is not None  # noqa: S101 — nobody calls this afterwards
        try:
            self._input = self._input[os.write(self._feed_pipe.fileno(), self._input) :]
        except BlockingIOError:
            return
        except OSError:
            # It has closed its end.
            self._input = self._input[:0]
        if not self._input:
            self._end_feed()

    def _end_feed(self) -> None:
        if self._feed_pipe is not None:
            self._loop.remove_writer(self._feed_pipe.fileno())
            self._feed_pipe.close()
            self._feed_pipe = None

    def _read(self, pipe: IO[bytes]) -> None:
        kept = self._open[pipe]
        try:
            chunk = os.read(pipe.fileno(), _KEPT_BYTES)
        except BlockingIOError:
            return
        if not chunk:
            self._end_pipe(pipe)
        kept += chunk
        del kept[:-_KEPT_BYTES]

    def _end_pipe(self, pipe: IO[bytes]) -> None:
        del self._open[pipe]
        self._loop.remove_reader(pipe.fileno())
        pipe.close()
        if not self._open:
            self.closed.set()


async def _within(seconds: float, event: asyncio.Event) -> bool:
    """Whether something happens in time."""
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False


def _signal(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
