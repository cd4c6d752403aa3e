# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The machine that was measured on, as far as it matters for the figures."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from bench.build import Build

_LIBRARIES = ('aio-pika', 'aiormq', 'orjson', 'pydantic', 'structlog', 'uvloop')
_PEER_LIBRARIES = ('kombu', 'amqp', 'aio-pika', 'faststream', 'pika')
MISSING = '-'
"""The version of what is not installed."""

_VERSIONS = (
    'import sys, importlib.metadata as m\n'
    'for name in sys.argv[1:]:\n'
    '    try: print(name, m.version(name))\n'
    '    except m.PackageNotFoundError: print(name, "-")\n'
)


@dataclass(frozen=True, slots=True)
class Machine:
    """What it is, and what runs on it.

    Attributes:
        processor: its name, as Linux knows it.
        cores: how many there are.
        memory_gib: how much memory there is.
        load: how many processes wanted to run in the last minute, before the benchmark began.
        system: the kernel and the Python.
        broker: the version of RabbitMQ.
        ours: the libraries of the daemon, with their versions.
        peers: the libraries of the peers, with their versions.
        uses_uvloop: whether the daemon can use uvloop.
        build: the way its modules are run.
    """

    processor: str
    cores: int
    memory_gib: float
    load: float
    system: str
    broker: str
    ours: dict[str, str]
    peers: dict[str, str]
    uses_uvloop: bool
    build: str


def look(broker: str, peer_python: Path, build: Build, *, uvloop: bool = True) -> Machine:
    """Look at this machine.

    Args:
        broker: the version of RabbitMQ.
        peer_python: the Python of the peers.
        build: the way the modules of the daemon are run.
        uvloop: whether the daemon may use uvloop if that is installed.
    """
    ours = _versions(Path(sys.executable), _LIBRARIES)
    return Machine(
        processor=_processor(),
        cores=len(os.sched_getaffinity(0)),
        memory_gib=os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30,
        load=os.getloadavg()[0],
        system=f'Linux {platform.release()}, Python {platform.python_version()}',
        broker=broker,
        ours=ours,
        peers=_versions(peer_python, _PEER_LIBRARIES),
        uses_uvloop=uvloop and ours['uvloop'] != MISSING,
        build=build.way,
    )


def _processor() -> str:
    for line in Path('/proc/cpuinfo').read_text().splitlines():
        if line.startswith('model name'):
            return line.partition(':')[2].strip()
    return platform.machine()


def _versions(python: Path, names: tuple[str, ...]) -> dict[str, str]:
    done = subprocess.run([str(python), '-c', _VERSIONS, *names], capture_output=True, text=True, check=True)
    return dict(line.split(' ', 1) for line in done.stdout.splitlines())
