# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The peer: a server that a handler connects to."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network


@dataclass(frozen=True, slots=True)
class Peer:
    """A server that a handler connects to, as its options name it.

    Attributes:
        host: its name or address.
        port: its port.
        allow_networks: where only public addresses are connected to, the networks that are allowed besides; `None`
            where every address is connected to.
    """

    host: str
    port: int
    allow_networks: tuple[IPv4Network | IPv6Network, ...] | None = None
