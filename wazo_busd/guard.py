# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The guard: which addresses requests may be sent to, so that nothing on a private network is reached by mistake.

Only addresses of the public internet are open, by IANA's registries of special-purpose addresses; all others must be
allowed. An IPv4 address inside an IPv6 address counts as itself.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Annotated, Any

from pydantic import BeforeValidator

Address = IPv4Address | IPv6Address

_CLOSED_4 = {
    '0.0.0.0/8': 'unspecified',
    '10.0.0.0/8': 'private',
    '100.64.0.0/10': 'private',
    '127.0.0.0/8': 'loopback',
    '169.254.0.0/16': 'link-local',
    '172.16.0.0/12': 'private',
    '192.0.0.0/24': 'reserved',
    '192.0.2.0/24': 'for documentation',
    '192.88.99.0/24': 'reserved',
    '192.168.0.0/16': 'private',
    '198.18.0.0/15': 'for benchmarks',
    '198.51.100.0/24': 'for documentation',
    '203.0.113.0/24': 'for documentation',
    '224.0.0.0/4': 'multicast',
    '240.0.0.0/4': 'reserved',
}
_CLOSED_6 = {
    '::/128': 'unspecified',
    '::1/128': 'loopback',
    'fc00::/7': 'private',
    'fe80::/10': 'link-local',
    'fec0::/10': 'private',
    'ff00::/8': 'multicast',
    '2001::/23': 'reserved',
    '2001:db8::/32': 'for documentation',
    '3fff::/20': 'for documentation',
}
_CLOSED = {ip_network(network): word for network, word in (_CLOSED_4 | _CLOSED_6).items()}
_OPEN_6 = IPv6Network('2000::/3')
"""All that is given out of IPv6; the rest is closed without a word of its own."""

_MAPPED, _COMPATIBLE, _NAT64, _6TO4 = map(IPv6Network, ('::ffff:0:0/96', '::/96', '64:ff9b::/96', '2002::/16'))


class Guard:
    """Knows which addresses may be connected to.

    Args:
        allowed: networks that are open although they are not public.
    """

    def __init__(self, allowed: Iterable[IPv4Network | IPv6Network] = ()) -> None:
        self._allowed = tuple(allowed)

    def refusal(self, host: str) -> str:
        """Why a host must not be connected to, and what would allow it; `''` if it may, or is a name.

        Args:
            host: a host as a URL has it, or an address as a socket takes it, with a zone or without. Odd notations,
                such as `2130706433` or `0x7f.1`, are the addresses that they stand for.
        """
        if _is_localhost(host):
            host = '127.0.0.1'
        address = address_of(host)
        if address is None:
            return ''
        word = self._closed(address)
        inner = inside(address)
        width = 32 if inner.version == 4 else 128
        return f'{inner} is {word}; write allow_networks: ["{inner}/{width}"] if that is meant' if word else ''

    def _closed(self, address: Address) -> str:
        inner = inside(address)
        if any(each in network for network in self._allowed for each in (address, inner)):
            return ''
        for network, word in _CLOSED.items():
            if inner in network:
                return word
        return '' if inner.version == 4 or inner in _OPEN_6 else 'reserved'


def is_address(host: str) -> bool:
    """Whether a host is an address in its usual notation, which everybody takes for the same one."""
    try:
        ip_address(host.partition('%')[0])
    except ValueError:
        return False
    return True


def address_of(host: str) -> Address | None:
    """The address that a host is, in whatever notation; `None` if it is a name."""
    text = host.strip('[]').rstrip('.').partition('%')[0]
    if is_address(text):
        return ip_address(text)
    try:
        # What the system's own resolver takes for an address: decimal, octal, hexadecimal, with less than four parts.
        return IPv4Address(socket.inet_aton(text))
    except (OSError, ValueError):
        return None


def inside(address: Address) -> Address:
    """The IPv4 address that an IPv6 address leads to, where it is one of those; else the address itself."""
    if address.version == 4:
        return address
    number = int(address)
    if address in _6TO4:
        return IPv4Address(number >> 80 & 0xFFFFFFFF)
    if address in _MAPPED or address in _NAT64 or (address in _COMPATIBLE and number > 1):
        return IPv4Address(number & 0xFFFFFFFF)
    return address


def _is_localhost(host: str) -> bool:
    name = host.rstrip('.').lower()
    return name == 'localhost' or name.endswith('.localhost')


def _network(value: Any) -> Any:
    if isinstance(value, (IPv4Network, IPv6Network)):
        return value
    try:
        # A number is an address to Python, and a mistake here.
        network = ip_network(value if isinstance(value, str) else '', strict=False)
    except ValueError:
        error = ValueError('expected a network')
        error.add_note('as in 10.0.0.0/8, or an address, as in 10.0.0.5')
        raise error from None
    address = str(value).partition('/')[0]
    if str(network.network_address) != str(ip_address(address)):
        error = ValueError(f'{value} is an address in a network, not a network')
        error.add_note(f'write {network} for all of it, {address} for that address')
        raise error
    return network


Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(_network)]
"""Addresses that are allowed; written `10.0.0.0/8`, or as one address."""
