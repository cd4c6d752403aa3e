# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""journald: takes lines of the log with their fields, by the datagrams that it knows (systemd, "native protocol")."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import math
import os
import re
import socket
import time
from collections.abc import Mapping
from pathlib import Path

from wazo_busd.text import escape

_SOCKET = Path('/run/systemd/journal/socket')
_PRIORITIES = {'debug': 7, 'info': 6, 'warning': 4, 'error': 3, 'critical': 2}
_LONGEST_NAME = 64
_PATIENCE_SECONDS = 0.2
"""How long a line waits for a journald that is behind, before it goes to standard error."""
_REST_SECONDS = 5.0
"""How long nothing is sent to one that was away or behind."""


def has_stderr() -> bool:
    """Whether standard error goes to the journal: systemd names device and inode of what it has given."""
    device, _, inode = os.environ.get('JOURNAL_STREAM', '').partition(':')
    try:
        found = os.fstat(2)
    except OSError:
        return False
    return (device, inode) == (str(found.st_dev), str(found.st_ino))


class Journald:
    """Sends lines.

    Args:
        path: its socket.
    """

    def __init__(self, path: Path = _SOCKET) -> None:
        self._path = path
        self._socket: socket.socket | None = None
        self._rests_until = -math.inf

    def send(self, level: str, message: str, fields: Mapping[str, object]) -> bool:
        """Send a line.

        Args:
            level: how much it matters: debug, info, warning, error or critical.
            message: what `journalctl` shows; it may have several lines.
            fields: what `journalctl BUSD_NAME=…` finds it by.

        Returns:
            Whether it was sent; `False` where journald is away or behind.
        """
        if time.monotonic() < self._rests_until:
            return False
        payload = b''.join(
            [
                _field('MESSAGE', message),
                _field('PRIORITY', str(_PRIORITIES[level])),
                _field('SYSLOG_IDENTIFIER', 'wazo-busd'),
                *(_field(_name(name), escape(str(value))) for name, value in fields.items()),
            ]
        )
        try:
            self._send(payload)
        except OSError:
            # Whoever calls writes the line elsewhere.
            self.close()
            self._rests_until = time.monotonic() + _REST_SECONDS
            return False
        return True

    def close(self) -> None:
        """Let go of the socket; the next line opens it again."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, payload: bytes) -> None:
        if self._socket is None:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            self._socket.settimeout(_PATIENCE_SECONDS)
            self._socket.connect(str(self._path))
        try:
            self._socket.send(payload)
        except OSError as error:
            if error.errno not in (errno.EMSGSIZE, errno.ENOBUFS):
                raise
            _send_as_file(self._socket, payload)


def _send_as_file(connection: socket.socket, payload: bytes) -> None:
    """Hand over what is too large for a datagram: a file in memory that nobody can change any more."""
    descriptor = os.memfd_create('wazo-busd-line', os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with contextlib.closing(os.fdopen(descriptor, 'wb')) as file:
        file.write(payload)
        file.flush()
        seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL
        fcntl.fcntl(file, fcntl.F_ADD_SEALS, seals)
        socket.send_fds(connection, [b''], [file.fileno()])


def _field(name: str, value: str) -> bytes:
    data = value.encode('utf-8', 'backslashreplace')
    if '\n' not in value:
        return b'%s=%s\n' % (name.encode(), data)
    return b'%s\n%s%s\n' % (name.encode(), len(data).to_bytes(8, 'little'), data)


def _name(name: str) -> str:
    """The name of a field as journald takes it: capitals, digits and underscores."""
    return f'BUSD_{re.sub("[^A-Z0-9_]", "_", name.upper())}'[:_LONGEST_NAME]
