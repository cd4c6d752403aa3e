# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The route: how guarded requests go out. Handlers whose routes are equal share their connections."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """How guarded requests go out.

    Attributes:
        allow_networks: networks that may be reached although they are not public.
        ca_file: the authorities that servers are verified against; those of the system if `None`.
        certificate_file: what the handler shows to servers that ask for a certificate.
        key_file: the key of that; in the same file if `None`.
        proxy: the URL of an HTTP proxy, with a name and a password where it wants some.
        connections: how many connections there may be at a time.
        total_seconds: how long a request may take, with its answer; `None` for what is usual.
    """

    allow_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    proxy: str | None = None
    connections: int = 100
    total_seconds: float | None = None

    def __repr__(self) -> str:
        """A route may have a password in its proxy."""
        return '<Route>'

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that its connections are made with."""
        return tuple(each for each in (self.ca_file, self.certificate_file, self.key_file) if each is not None)
