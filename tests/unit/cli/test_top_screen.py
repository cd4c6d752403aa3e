# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`wazo-busd top` at a terminal: it draws, hears keys, follows the size, and gives the terminal back as it was."""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from tests.unit.controlled import FakeDaemon, daemon_status, handler_status, listening, short_directory
from wazo_busd.status import State

PATIENCE_SECONDS = 20.0
FRAME = re.compile(r'\x1b\[H(.*?)\x1b\[\?2026l', re.DOTALL)


class Terminal:
    """A terminal with `wazo-busd top` in it, which a test reads and types at.

    Args:
        config: the configuration.
    """

    def __init__(self, config: Path) -> None:
        self._config = config
        self._said = ''
        self._decode = codecs.getincrementaldecoder('utf-8')().decode

    def __enter__(self) -> Self:
        self._ours, self._theirs = pty.openpty()
        self.resize(80, 24)
        self.before: list[Any] = termios.tcgetattr(self._theirs)
        self.process = subprocess.Popen(
            [sys.executable, '-m', 'wazo_busd', 'top', '-c', str(self._config)],
            stdin=self._theirs,
            stdout=self._theirs,
            stderr=self._theirs,
            env={**os.environ, 'TERM': 'xterm', 'PYTHONIOENCODING': 'utf-8'},
            start_new_session=True,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._ours)
        os.close(self._theirs)

    def resize(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack('HHHH', lines, columns, 0, 0))

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    @property
    def modes(self) -> list[Any]:
        return termios.tcgetattr(self._theirs)

    def wait(self, pattern: str) -> list[str]:
        """The lines of the first frame that a pattern is found in, from now on."""
        deadline, seen = time.monotonic() + PATIENCE_SECONDS, ['nothing']
        while True:
            while (found := FRAME.search(self._said)) is not None:
                self._said = self._said[found.end() :]
                lines = seen = re.sub(r'\x1b\[[0-9;?]*[A-Za-z]', '', found[1]).split('\r\n')
                if re.search(pattern, '\n'.join(lines)):
                    return lines
            ready, _, _ = select.select([self._ours], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise TimeoutError(f'{pattern} is not in {seen}')
            self._said += self._decode(os.read(self._ours, 65_536))

    def end(self) -> str:
        """What it says until it ends."""
        code = self.process.wait(PATIENCE_SECONDS)
        said = self._said
        while select.select([self._ours], [], [], 0)[0]:
            said += self._decode(os.read(self._ours, 65_536))
        return f'{code}: {said}'


@pytest.fixture
def directory() -> Iterator[Path]:
    with short_directory() as made:
        (made / 'config.yml').write_text(
            'http: {socket: control.sock}\nhandlers: {crm: {plugin: log, match: calls.#}}\n'
        )
        yield made


def test_it_is_watched_and_talked_to_and_leaves_the_terminal_as_it_was(directory: Path) -> None:
    daemon = FakeDaemon()
    daemon.said = daemon_status(handler_status(name='crm'), handler_status(State.PAUSED, name='faxes'))
    with Terminal(directory / 'config.yml') as terminal:
        with listening(daemon, directory / 'control.sock'):
            # It draws as many lines as there are, and selects the next by a key
            first = terminal.wait('> crm +consuming')
            terminal.type('\x1b[B')
            terminal.wait('> faxes')

            # It asks before it does something
            terminal.type('p')
            terminal.wait('let it take events again')
            terminal.type('y')
            terminal.wait('faxes takes events again')

            # It follows the size
            terminal.resize(40, 10)
            os.kill(terminal.process.pid, signal.SIGWINCH)
            narrow = terminal.wait(r'\Awazo-busd.{31}\n')

        # It says that the daemon is gone, and goes on when it is back
        terminal.wait('the daemon does not run')
        with listening(daemon, directory / 'control.sock'):
            terminal.wait('connected to')
            terminal.type('q')
            said = terminal.end()
            after = terminal.modes

    assert (len(first), len(narrow), max(map(len, narrow))) == (24, 10, 40)
    assert daemon.wanted == [('resume', 'faxes')]
    assert (said[:2], said.endswith('\x1b[?7h\x1b[?25h\x1b[?1049l'), after == terminal.before) == ('0:', True, True)


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
def test_whatever_ends_it_the_terminal_is_what_it_was(directory: Path, number: signal.Signals) -> None:
    with listening(FakeDaemon(), directory / 'control.sock'), Terminal(directory / 'config.yml') as terminal:
        terminal.wait('consuming')
        taken = terminal.modes
        os.kill(terminal.process.pid, number)
        said, after = terminal.end(), terminal.modes

    assert (taken != terminal.before, after == terminal.before) == (True, True)
    assert said.endswith('\x1b[?7h\x1b[?25h\x1b[?1049l')
