# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Ports that nobody has, for servers that are started for a while."""

from __future__ import annotations

import contextlib
import secrets
import socket

_PORTS = range(10_000, 32_000)


def free_ports(count: int) -> list[int]:
    """Ports below those that systems give out for connections: of these, one could be taken before the node has it."""
    ports: set[int] = set()
    while len(ports) < count:
        port = secrets.choice(_PORTS)
        with socket.socket() as each, contextlib.suppress(OSError):
            each.bind(('127.0.0.1', port))
            ports.add(port)
    return list(ports)
