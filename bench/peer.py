# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The peer: one of the clients that the daemon is measured beside."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from bench.consumer import Consumer
from bench.peers import source
from bench.wire import Place, Wire
from bench.workload import EXCHANGE

KOMBU = 'kombu'
BATCH = 'kombu, acks by the hundred'
AIO_PIKA = 'aio-pika'
FASTSTREAM = 'FastStream'
PIKA = 'pika on asyncio'
C = 'C, librabbitmq'

PROGRAMS = {
    KOMBU: 'kombu_mixin',
    BATCH: 'kombu_batch',
    AIO_PIKA: 'aio_pika_callback',
    FASTSTREAM: 'faststream_subscriber',
    PIKA: 'pika_asyncio',
}
"""The modules of those in Python."""

SLOW = (KOMBU, AIO_PIKA, FASTSTREAM)
"""Those that handle half as many events at full speed, so that a run takes no longer."""

_QUEUE = 'bench'
_PEERS = Path(__file__).absolute().parent / 'peers'


class Peer(Consumer):
    """A client that takes one queue.

    Args:
        name: one of those above.
        place: the virtual host that is its own.
        command: what starts it.
        kind: what kind of queue it takes, `quorum` or `classic`.
    """

    def __init__(self, name: str, place: Place, command: list[str], kind: str = 'quorum') -> None:
        super().__init__(name, place, (_QUEUE,))
        self._command = command
        self._kind = kind

    def prepare(self) -> None:
        """Declare the exchange that services publish on, and a durable queue that gets everything."""
        with Wire(self.place) as wire:
            wire.declare_exchange(EXCHANGE, 'headers')
            wire.declare_queue(_QUEUE, {'x-queue-type': self._kind})
            wire.bind(_QUEUE, EXCHANGE)

    def command(self) -> list[str]:
        """What starts it."""
        return self._command

    def environment(self) -> Mapping[str, str]:
        """Where its queue is."""
        return {
            source.HOST: self.place.host,
            source.PORT: str(self.place.port),
            source.VHOST: self.place.vhost,
            source.QUEUE: _QUEUE,
        }


def compile_c(directory: Path) -> tuple[Path | None, str]:
    """Compile the peer that is written in C.

    Args:
        directory: where the program is put.

    Returns:
        The program and nothing, or `None` and why there is none.
    """
    compiler = shutil.which('gcc')
    if compiler is None:
        return None, 'there is no gcc; next: apt install gcc libc6-dev librabbitmq-dev'
    program = directory / 'librabbitmq'
    done = subprocess.run(
        [compiler, '-O2', '-D_GNU_SOURCE', '-o', str(program), str(_PEERS / 'librabbitmq.c'), '-lrabbitmq'],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        first = done.stderr.strip().splitlines()[0]
        return None, f'it does not compile ({first}); next: apt install librabbitmq-dev'
    return program, ''
