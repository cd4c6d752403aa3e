# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The path of the control socket."""

from __future__ import annotations

import os
from pathlib import Path

from wazo_busd.config.explain import with_hint

DEFAULT = Path('/run/wazo-busd/control.sock')
_LIMIT = 107
"""Bytes of the path of a unix socket (unix(7))."""


def socket_path(value: Path) -> Path:
    """A path that a socket can have.

    Raises:
        ValueError: it is too long.
    """
    size = len(os.fsencode(value))
    if size > _LIMIT:
        raise with_hint(f'expected a path of at most {_LIMIT} bytes, found {size}', f'as in socket: {DEFAULT}')
    return value


def placed(path: Path | None) -> Path | None:
    """Where the socket is: the default one is in the directory that systemd has made for us, if it has.

    Args:
        path: what the configuration says.
    """
    directory = os.environ.get('RUNTIME_DIRECTORY', '').partition(':')[0]
    return Path(directory) / DEFAULT.name if directory and path == DEFAULT else path
