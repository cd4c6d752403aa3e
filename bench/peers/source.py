# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The source: the queue that a peer takes events from."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Self

HOST = 'BENCH_HOST'
PORT = 'BENCH_PORT'
VHOST = 'BENCH_VHOST'
QUEUE = 'BENCH_QUEUE'
"""The environment variables that name it."""

PREFETCH = 256
"""How many events a peer may have taken and not finished, as many as the daemon by default."""

ACKS_AT_ONCE = 100
"""How many events a peer that gathers its acknowledgements acknowledges with one."""


@dataclass(frozen=True, slots=True)
class Source:
    """A queue that is there already.

    Attributes:
        host: the broker.
        port: its port.
        vhost: the virtual host.
        queue: the name of the queue.
    """

    host: str
    port: int
    vhost: str
    queue: str

    @classmethod
    def from_environment(cls) -> Self:
        """The one that this process is to take."""
        return cls(os.environ[HOST], int(os.environ[PORT]), os.environ[VHOST], os.environ[QUEUE])

    @property
    def url(self) -> str:
        """Where it is, without the queue."""
        return f'amqp://guest:guest@{self.host}:{self.port}/{self.vhost}'
