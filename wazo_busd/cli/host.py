# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The host of a bus, for a person who must not take one for another."""

from __future__ import annotations

import ipaddress
import socket

from wazo_busd.config import BusConfig


def host_of(config: BusConfig) -> str:
    """The name of the host whose bus it is; of this one where it is reached by loopback."""
    host = config.addresses()[0][0]
    return socket.gethostname() if is_loopback(host) else host


def is_here(config: BusConfig) -> bool:
    """Whether every broker that the configuration names is on this host, as far as its address tells."""
    return all(is_loopback(host) for host, _ in config.addresses())


def is_loopback(host: str) -> bool:
    """Whether a name or address leads to this host alone."""
    if host == 'localhost':
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
