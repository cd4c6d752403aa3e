# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The state directory, made and tried."""

from __future__ import annotations

from wazo_busd.config.load import Configuration
from wazo_busd.errors import Problem


def made(configuration: Configuration) -> list[Problem]:
    """Make the state directory.

    Args:
        configuration: what names it.

    Returns:
        What keeps it from being used.
    """
    path = configuration.config.state_dir
    try:
        path.mkdir(mode=0o750, parents=True, exist_ok=True)
        probe = path / '.writable'
        probe.write_bytes(b'')
        probe.unlink()
    except OSError as error:
        hint = 'name a directory that this user can write, as in state_dir: /var/lib/wazo-busd'
        return [configuration.document.problem(('state_dir',), f'{path} cannot be used: {error.strerror}', hint)]
    return []
