# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The address of a broker, as people write it."""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv6Address

from wazo_busd.config.explain import with_hint

_NAME = r'[^\s:/@\[\]]+'
_ADDRESS = re.compile(rf'(?:\[([0-9a-fA-F:.]+)\]|({_NAME}))(?::([0-9]{{1,5}}))?')


def address(text: str, default_port: int) -> tuple[str, int]:
    """Host and port of `host`, `host:port` or `[ipv6]:port`.

    Raises:
        ValueError: it is none of them.
    """
    match = _ADDRESS.fullmatch(text)
    found = match and (match[1] if _is_ipv6(match[1] or '') else match[2] if _is_name(match[2] or '') else None)
    if match is None or not found or not 0 < int(match[3] or default_port) < 65_536:
        hint = 'as in rabbit, rabbit:5673 or [::1]:5673'
        if '/' in text or '@' in text:
            hint = 'username, password and vhost have keys of their own; as in rabbit:5673'
        raise with_hint('expected host, host:port or [ipv6]:port, the port at most 65535', hint)
    return found, int(match[3] or default_port)


def host(text: str) -> str:
    """The name or address of a host.

    Raises:
        ValueError: it is none, or more than that. The error never repeats it: a URL may hold a password.
    """
    if _is_ipv6(text) or _is_name(text):
        return text
    if '/' in text or '@' in text:
        hint = 'write host, port, username, password and vhost instead of a URL'
    elif text.startswith('['):
        hint = 'write the address without brackets, as in host: ::1'
    elif re.fullmatch(rf'{_NAME}:[0-9]+', text):
        hint = 'host: takes the name alone, port: the number'
    else:
        hint = 'as in host: localhost'
    raise with_hint('expected the name or address of a host, without a port', hint)


def _is_name(text: str) -> bool:
    if not re.fullmatch(_NAME, text) or not text.isprintable():
        return False
    try:
        # What the resolver does to it: it refuses empty parts and those of more than 63 letters.
        text.encode('idna')
    except UnicodeError:
        return False
    return True


def _is_ipv6(text: str) -> bool:
    try:
        IPv6Address(text)
    except AddressValueError:
        return False
    return True
