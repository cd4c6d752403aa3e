# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Whether the servers that handlers connect to can be reached: the name, and a connection, and nothing more."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from wazo_busd.doctor.finding import Finding, ok, problem, warning
from wazo_busd.guard import Guard
from wazo_busd.handler import Handler
from wazo_busd.options import BaseOptions
from wazo_busd.peer import Peer

CHECK = 'reach'
_PATIENCE_SECONDS = 3.0
_AT_A_TIME = 20
_TEMPLATE = re.compile(r'\{[{%#]')
_PORTS = {'http': 80, 'https': 443, 'ws': 80, 'wss': 443, 'postgresql': 5432, 'postgres': 5432, 'mysql': 3306}
_PORTS |= {'redis': 6379, 'amqp': 5672, 'amqps': 5671, 'mqtt': 1883, 'smtp': 25, 'smtps': 465, 'ldap': 389}


@dataclass(frozen=True, slots=True)
class Reached:
    """What came of connecting to a server.

    Attributes:
        peer: the server.
        handlers: whose it is.
        lack: why it cannot be reached; `''` if it can.
        cure: what to type.
    """

    peer: Peer
    handlers: tuple[str, ...]
    lack: str = ''
    cure: str = ''


def peers(handlers: Iterable[Handler]) -> tuple[dict[Peer, list[str]], list[Finding]]:
    """The servers that the handlers connect to.

    A plugin's options tell them; of those that tell none, the URLs are looked at.

    Returns:
        Each server with whose it is, and the handlers of which nobody can say it.
    """
    found: dict[Peer, list[str]] = {}
    failures = []
    for handler in handlers:
        try:
            told = handler.options.peers() if isinstance(handler.options, BaseOptions) else None
            named = [each for each in (written(handler.config.options) if told is None else told) if _is_peer(each)]
        except Exception as error:  # noqa: BLE001 — the options are the plugin's own code, and may raise anything
            text = f'{handler.name}: its plugin cannot tell its servers: {type(error).__name__}'
            failures.append(warning(CHECK, text, f'mend {handler.plugin.source}', str(error)))
            continue
        for peer in dict.fromkeys(named):
            found.setdefault(peer, []).append(handler.name)
    return found, failures


def _is_peer(peer: Any) -> bool:
    """Whether it is one.

    Raises:
        TypeError: it is something else.
    """
    if not isinstance(peer, Peer):
        raise TypeError(f'expected a Peer, found {type(peer).__name__}')
    return True


def written(value: Any) -> Iterator[Peer]:
    """The servers in the URLs of options, however deep.

    Args:
        value: the options, or a part of them.
    """
    if isinstance(value, Mapping):
        for child in value.values():
            yield from written(child)
    elif isinstance(value, (list, tuple)):
        for child in value:
            yield from written(child)
    elif isinstance(value, str) and '://' in value:
        fixed = _TEMPLATE.split(value, maxsplit=1)[0]
        # Where a value of the event comes before the end of the host, nobody knows which it is.
        peer = _of_url(fixed) if fixed == value or '/' in fixed.partition('://')[2] else None
        if peer is not None:
            yield peer


def _of_url(text: str) -> Peer | None:
    try:
        parts = urlsplit(text.strip())
        port = parts.port or _PORTS.get(parts.scheme)
        return Peer(parts.hostname, port) if parts.hostname and port else None
    except ValueError:
        return None


async def reach(wanted: Mapping[Peer, list[str]]) -> list[Reached]:
    """Connect to each, and hang up.

    Args:
        wanted: the servers, each with whose they are.
    """
    places = asyncio.Semaphore(_AT_A_TIME)

    async def one(peer: Peer, handlers: list[str]) -> Reached:
        async with places:
            lack, cure = await _lack(peer)
            return Reached(peer, tuple(handlers), lack, cure)

    return list(await asyncio.gather(*(one(peer, handlers) for peer, handlers in wanted.items())))


async def _lack(peer: Peer) -> tuple[str, str]:
    """Why a server cannot be reached, and what to type; nothing if it can."""
    name = peer.host.strip('[]')
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            found = await asyncio.get_running_loop().getaddrinfo(name, peer.port, type=socket.SOCK_STREAM)
    except TimeoutError:
        return 'the name server does not answer', f'getent ahosts {name}; resolvectl status'
    except (OSError, UnicodeError) as error:
        return f'its name is not known: {getattr(error, "strerror", None) or error}', f'getent ahosts {name}'
    addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
    if peer.allow_networks is not None:
        guard = Guard(peer.allow_networks)
        refusals = {each: guard.refusal(each) for each in addresses}
        addresses = [each for each in addresses if not refusals[each]]
        if not addresses:
            text, _, hint = next(iter(refusals.values())).partition('; ')
            return f'it may not be connected to: {text}; {hint}', 'wazo-busd reload, when that is written'
    return await _connect(addresses, peer, name)


async def _connect(addresses: list[str], peer: Peer, name: str) -> tuple[str, str]:
    lack = ''
    for address in addresses:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                _, writer = await asyncio.open_connection(address, peer.port)
        except TimeoutError:
            lack = lack or f'it does not answer within {_PATIENCE_SECONDS:g} s'
        except OSError as error:
            lack = lack or f'{_reason(error)}'
        else:
            writer.transport.abort()
            return '', ''
    return lack, f'nc -vz {name} {peer.port}'


def _reason(error: OSError) -> str:
    if isinstance(error, ConnectionRefusedError):
        return 'nothing listens there'
    return error.strerror or str(error)


def judge(reached: Iterable[Reached]) -> Iterator[Finding]:
    """Whether the handlers have what they need.

    Args:
        reached: what came of connecting.
    """
    number, failed = 0, []
    for each in reached:
        number += 1
        if each.lack:
            handlers = ', '.join(each.handlers)
            text = f'{handlers}: {address(each.peer.host, each.peer.port)} cannot be reached: {each.lack}'
            failed.append(problem(CHECK, text, each.cure))
    yield from failed
    if not failed:
        servers = 'the server' if number == 1 else f'all {number} servers'
        yield ok(CHECK, f'{servers} of the handlers can be connected to' if number else 'no handler has a server')


def judge_brokers(reached: Iterable[Reached]) -> Iterator[Finding]:
    """Whether each broker that the configuration names is there, as it may be needed when another one goes.

    Args:
        reached: what came of connecting to them.
    """
    found = list(reached)
    for each in found:
        if each.lack and any(not other.lack for other in found):
            text = f'of bus.hosts, {address(each.peer.host, each.peer.port)} cannot be reached: {each.lack}'
            yield warning(CHECK, text, each.cure)


def address(host: str, port: int) -> str:
    """Host and port as people write them."""
    return f'[{host}]:{port}' if ':' in host and not host.startswith('[') else f'{host}:{port}'
