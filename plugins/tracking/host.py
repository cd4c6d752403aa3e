# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The host: how things of one name are told apart where several hosts are on one bus."""

from __future__ import annotations

from collections.abc import Iterable

_SHORT = 8


def on_host(name: str, origin: str | None, origins: Iterable[str | None]) -> str:
    """A name, with its host where there are several.

    Args:
        name: what it is called.
        origin: its host.
        origins: the hosts of all that it stands among.
    """
    if len(set(origins)) <= 1:
        return name
    return f'{name} on {origin[:_SHORT] if origin else "another host"}'
