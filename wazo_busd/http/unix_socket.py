# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The unix socket on which the daemon can be told what to do: for its user and its group, and nobody else."""

from __future__ import annotations

import errno
import os
import socket
import stat
from pathlib import Path

_MODE = 0o660
_PATIENCE_SECONDS = 1.0


class UnixSocket:
    """A socket in the file system.

    One that a daemon left behind when it was killed is replaced; one on which somebody answers is not.

    Args:
        path: where it is.

    Raises:
        OSError: another daemon answers there, or nothing can be made there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        _clear(path)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        """It is bound, and does not listen yet: until then nobody can connect, whatever its mode is."""
        try:
            self.socket.bind(str(path))
            path.chmod(_MODE)
            self._identity = _identity(path)
        except OSError:
            self.socket.close()
            raise

    def close(self) -> None:
        """Close it, and take its file away unless another daemon has put its own there."""
        self.socket.close()
        try:
            if _identity(self._path) == self._identity:
                self._path.unlink()
        except FileNotFoundError:
            # The service manager has taken the directory away already.
            return


def _identity(path: Path) -> tuple[int, int]:
    status = path.lstat()
    return status.st_dev, status.st_ino


def _clear(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise OSError(errno.EEXIST, 'something else lies there, which is no socket')
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
        other.settimeout(_PATIENCE_SECONDS)
        try:
            other.connect(os.fspath(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return
    raise OSError(errno.EADDRINUSE, 'another daemon answers there')
