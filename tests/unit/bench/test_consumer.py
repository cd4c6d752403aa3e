# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
from __future__ import annotations

import os
import select
import subprocess
import sys
from pathlib import Path

import pytest

from bench.consumer import ROOT, Consumer, Process
from bench.errors import BenchError
from bench.wire import Place

PATIENCE_SECONDS = 20.0
# It starts a consumer, says its number, and waits to be killed.
STARTS_ONE = """
import sys
from pathlib import Path
from bench.consumer import Process
from tests.unit.bench.test_consumer import Program
print(Process(Program('import time; time.sleep(600)'), Path(sys.argv[1]), broker=0, target=1).pid, flush=True)
sys.stdin.read()
"""


class Program(Consumer):
    """A consumer that is any program."""

    def __init__(self, code: str) -> None:
        super().__init__('a program', Place('localhost', 0, '/'), ())
        self._code = code

    def prepare(self) -> None:
        pass

    def command(self) -> list[str]:
        return [sys.executable, '-c', self._code]


def test_the_tally_of_a_process_is_what_it_has_noted(tmp_path: Path) -> None:
    counts = (
        'import time; from bench.recorder import recorder; [recorder().take("1.5") for _ in range(10)]; time.sleep(600)'
    )
    with Process(Program(counts), tmp_path, broker=0, target=10, warm=2, stamped=True) as process:
        tally, delays = process.wait(PATIENCE_SECONDS)

    assert (tally.events, len(delays)) == (7, 10)


def test_a_killed_harness_leaves_no_consumer_behind(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, '-c', STARTS_ONE, str(tmp_path)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as harness:
        assert harness.stdout is not None
        consumer = os.pidfd_open(int(harness.stdout.readline()))
        harness.kill()
    ended, _, _ = select.select([consumer], [], [], PATIENCE_SECONDS)
    os.close(consumer)

    assert ended


def test_one_that_is_about_its_start_is_waited_for(tmp_path: Path) -> None:
    started = tmp_path / 'started'
    starts = 'import hashlib, pathlib, time\nfor _ in range(8): hashlib.pbkdf2_hmac("sha256", b"", b"", 200_000)\n'
    with Process(
        Program(f'{starts}pathlib.Path({str(started)!r}).touch()\ntime.sleep(600)'), tmp_path, broker=0, target=1
    ) as process:
        process.wait_until_at_rest(PATIENCE_SECONDS)

        assert started.exists()


def test_a_consumer_that_ends_is_an_error_with_what_it_printed(tmp_path: Path) -> None:
    with (
        Process(Program('print("no"); raise SystemExit(3)'), tmp_path, broker=0, target=1) as process,
        pytest.raises(BenchError, match=r'a program ended with code 3; it printed:\nno'),
    ):
        process.wait(PATIENCE_SECONDS)


def test_a_consumer_that_ignores_a_signal_is_killed_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('bench.consumer._STOP_SECONDS', 0.1)
    stubborn = (
        'import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print("up", flush=True); time.sleep(600)'
    )
    with Process(Program(stubborn), tmp_path, broker=0, target=1) as process:
        process.wait_until(lambda: 'up' in (tmp_path / 'log').read_text(), PATIENCE_SECONDS)
        with pytest.raises(BenchError, match='did not end within'):
            process.stop()
