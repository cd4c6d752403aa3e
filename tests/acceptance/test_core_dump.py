# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The daemon leaves no core when it crashes, whatever the one who started it allows."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Broker
from tests.support import DaemonProcess, write_config

PR_GET_DUMPABLE = 3
FORBIDDEN = f"""
import ctypes, resource
from wazo_busd import core_dump
core_dump.forbid()
print(ctypes.CDLL(None).prctl({PR_GET_DUMPABLE}), *resource.getrlimit(resource.RLIMIT_CORE))
"""


@pytest.fixture
def cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory in which every process that begins in it may leave a core, and does."""
    directory = tmp_path / 'cores'
    directory.mkdir()
    monkeypatch.chdir(directory)
    before = resource.getrlimit(resource.RLIMIT_CORE)
    if before[1] != resource.RLIM_INFINITY:
        pytest.skip('no process may leave a core here')
    resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    yield directory
    resource.setrlimit(resource.RLIMIT_CORE, before)


def crash(*command: str) -> int:
    return subprocess.run([sys.executable, *command], check=False).returncode


def test_a_daemon_that_crashes_leaves_no_core(broker: Broker, tmp_path: Path, cores: Path) -> None:
    # Given a host on which a process leaves one
    assert crash('-c', 'import os, signal; os.kill(os.getpid(), signal.SIGSEGV)') == -signal.SIGSEGV
    left = list(cores.iterdir())
    for each in left:
        each.unlink()
    if not left:
        pytest.skip('the kernel hands cores to a program here')

    # When the daemon crashes
    config = write_config(tmp_path / 'etc', broker, 'log: {plugin: log, match: calls.#}')
    with DaemonProcess(config, tmp_path / 'run') as daemon:
        daemon.wait_told('READY=1')
        daemon.signal(signal.SIGSEGV)
        code = daemon.wait_exit()

    # Then there is none
    assert (code, list(cores.iterdir())) == (-signal.SIGSEGV, [])


def test_neither_the_kernel_nor_a_program_that_it_asks_gets_the_memory_of_the_daemon() -> None:
    done = subprocess.run([sys.executable, '-c', FORBIDDEN], capture_output=True, text=True, check=True)
    assert done.stdout == '0 0 0\n'
