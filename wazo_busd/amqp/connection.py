# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The connection: opened to the first broker that takes it, or refused with the reason and the cure."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
from importlib.metadata import version
from pathlib import Path
from typing import Self

import aiormq.exceptions
import structlog
from aio_pika.connection import make_url
from aiormq.abc import AbstractChannel

from wazo_busd.amqp import fallback
from wazo_busd.amqp.transport import Connection, Transport
from wazo_busd.config import BusConfig, TlsConfig
from wazo_busd.errors import BusError

_TIMEOUT_SECONDS = 5.0
_CLOSE_SECONDS = 2.0
_COPY_ROOM = 131_072
"""Bytes that the body of a copy can have more than that of its event: the properties follow it where they are large."""


log = structlog.stdlib.get_logger(__name__)


class Unreachable(BusError):
    """Raised when nobody answers at the address: a broker that is being started will be there in a moment."""


class Link:
    """An open connection and the transport under it.

    Args:
        connection: the connection.
        transport: its transport.
        address: the broker, as people write it.
    """

    def __init__(self, connection: Connection, transport: Transport, address: str) -> None:
        self.connection = connection
        self.transport = transport
        self.address = address
        self._dropped = asyncio.Event()
        self._closing: asyncio.Task[None] | None = None

    async def open_channel(self, *, confirms: bool = False) -> AbstractChannel:
        """Open a channel.

        It is aiormq's: of each of its own, aio-pika leaves callbacks with the connection, which may live for months.

        Args:
            confirms: whether what is published on it is confirmed, and raised if it is returned.

        Raises:
            aiormq.exceptions.ChannelInvalidStateError: the connection is closed.
        """
        underlay = self.connection.transport
        if underlay is None:
            raise aiormq.exceptions.ChannelInvalidStateError('the connection is closed')
        return await underlay.connection.channel(publisher_confirms=confirms)

    async def lost(self) -> str:
        """Wait until the connection is gone, for whatever reason.

        Returns:
            The reason, as far as it is known.
        """
        underlay = self.connection.transport
        if underlay is None:
            return 'closed'
        closing = underlay.connection.closing
        dropped = asyncio.ensure_future(self._dropped.wait())
        await asyncio.wait([closing, dropped], return_when=asyncio.FIRST_COMPLETED)
        dropped.cancel()
        if not closing.done():
            return 'the broker does not answer'
        if self.transport.cutter.close_reason:
            return 'the broker closed it: {1} ({0})'.format(*self.transport.cutter.close_reason)
        error = None if closing.cancelled() else closing.exception()
        return str(error) if error and str(error) else 'the connection was lost'

    async def close(self) -> None:
        """Close politely; a broker that does not answer within two seconds is dropped."""
        # The library's close waits until everything is written, which a broker that reads nothing holds up for ever,
        # and even cancelled it does. So it is a task, and what ends it is that the socket goes.
        closing = self._begin_to_close()
        try:
            await asyncio.wait([closing], timeout=_CLOSE_SECONDS)
        finally:
            if not closing.done():
                self.transport.abort()
        await asyncio.wait([closing], timeout=_CLOSE_SECONDS)

    def _begin_to_close(self) -> asyncio.Task[None]:
        if self._closing is None:
            self._closing = asyncio.create_task(self.connection.close(), name='close')
            # It is to be gone, however it fails to say goodbye.
            self._closing.add_done_callback(lambda task: task.cancelled() or task.exception())
        return self._closing

    def abort(self) -> None:
        """Drop it at once."""
        self.transport.abort()
        if not self.transport.is_used:
            # The socket is the library's, which lets go of it when it likes; but nobody waits for it any more.
            self._dropped.set()
            self._begin_to_close()


async def close_channel(channel: AbstractChannel) -> None:
    """Close a channel, unless it is closed.

    A task of its own does it, and goes on if ours is cancelled. The library swallows a cancellation that comes
    meanwhile, so that whoever waits for the end of the task would do so for ever; or it gives the number of a channel
    that is still open to the next one, over which the broker ends the connection.
    """
    if channel.is_closed:
        return
    closing = asyncio.create_task(channel.close(None), name='close a channel')
    closing.add_done_callback(lambda task: task.cancelled() or task.exception())
    await asyncio.wait([closing])


async def connect(config: BusConfig, name: str) -> Link:
    """Open a connection to the first of the configured brokers that takes it.

    Args:
        config: where the brokers are, and who we are.
        name: what the connection is called in the broker's lists.

    Raises:
        BusError: none of them takes it; the reason and the cure of the last one that answered, else of the last.
    """
    tls = tls_context(config.tls) if config.tls else None
    failures: list[BusError] = []
    for host, port in config.addresses():
        address = f'[{host}]:{port}' if ':' in host else f'{host}:{port}'
        transport = Transport(
            body_limit=config.max_body_size + _COPY_ROOM,
            tls=tls,
            server_name=config.tls.server_name if config.tls else None,
            heartbeat_seconds=config.heartbeat,
            max_latency_seconds=config.max_latency,
        )
        try:
            return Link(await _open(config, host, port, transport, tls, name), transport, address)
        except Exception as error:  # noqa: BLE001 — whatever it is, it is explained to the operator
            transport.abort()
            if isinstance(error, TimeoutError) and transport.is_used:
                failures.append(_silent(address))
            else:
                failures.append(_explained(error, config, address, transport.cutter.close_reason))
    answered = [failure for failure in failures if not isinstance(failure, Unreachable)]
    raise (answered or failures)[-1]


async def _open(
    config: BusConfig, host: str, port: int, transport: Transport, tls: ssl.SSLContext | None, name: str
) -> Connection:
    reason = fallback.why()
    connection = Connection(
        make_url(
            host=host,
            port=port,
            login=config.username,
            password=config.password,
            virtualhost=config.vhost,
            heartbeat=int(config.heartbeat),
            # Without this a library that does not use our transport would send the password in the clear.
            ssl=tls is not None,
        ),
        ssl_context=tls,
        client_properties={'connection_name': name, 'product': 'wazo-busd'},
        transport_factory=None if reason else transport,
    )
    # A broker that says nothing would not end TLS either, which the library waits for after it is cancelled.
    dropping = asyncio.get_running_loop().call_later(_TIMEOUT_SECONDS, transport.abort)
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            await connection.connect()
    except BaseException:
        # Or else it closes itself when it is collected, whenever that is.
        await connection.close()
        raise
    finally:
        dropping.cancel()
    if not transport.is_used:
        log.warning(
            'tap_not_used',
            reason=reason or f'aiormq {version("aiormq")} and aio-pika {version("aio-pika")} do not use it',
            effect='an event costs ten times as much, and one with malformed properties ends the connection',
            hint='pip show aiormq aio-pika; versions that fit are in the release of wazo-busd',
        )
    return connection


def tls_context(config: TlsConfig) -> ssl.SSLContext:
    """How to encrypt. The broker's certificate and name are always verified; a private authority is named by `ca_file`.

    Raises:
        BusError: a file that the configuration names cannot be used.
    """
    try:
        context = _Named(config.server_name, _text(config.ca_file))
    except (OSError, ssl.SSLError) as error:
        raise BusError(f'bus.tls.ca_file {config.ca_file} cannot be used: {error}', f'ls -l {config.ca_file}') from None
    if config.certificate_file:
        try:
            context.load_cert_chain(config.certificate_file, _text(config.key_file), password=_no_password)
        except (OSError, ssl.SSLError) as error:
            raise BusError(
                f'bus.tls.certificate_file {config.certificate_file} cannot be used: {error}',
                f'openssl x509 -in {config.certificate_file} -noout -text',
            ) from None
    return context


class _Named(ssl.SSLContext):
    """A context that knows the name of the broker, as the library would take the host's."""

    def __new__(cls, *_: object) -> Self:
        return super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)

    def __init__(self, name: str | None, ca_file: str | None) -> None:
        self._name = name
        if ca_file is None:
            self.load_default_certs()
        else:
            self.load_verify_locations(ca_file)

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        return super().wrap_bio(incoming, outgoing, server_side, self._name or server_hostname, session)


def _no_password() -> str:
    # Without this, OpenSSL would ask on the terminal and hold everything up.
    raise BusError(
        'the key of bus.tls is encrypted, and a daemon has nobody to ask for the password',
        'openssl pkey -in KEY -out NEW-KEY; chmod 600 NEW-KEY',
    )


def _text(path: Path | None) -> str | None:
    return str(path) if path else None


def _explained(error: Exception, config: BusConfig, address: str, closed: tuple[int, str] | None) -> BusError:
    cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return BusError(
            f'the certificate of {address} is not trusted: {cause.verify_message}',
            'name its authority with bus.tls.ca_file, or its name with bus.tls.server_name',
        )
    if isinstance(cause, ssl.SSLError):
        return BusError(
            f'{address} does not speak TLS as we do: {cause.reason}',
            f'with TLS bus.port is 5671 as a rule; openssl s_client -connect {address}',
        )
    if isinstance(cause, socket.gaierror):
        return Unreachable(f'the name in {address} is not known: {cause.strerror}', 'check bus.host')
    if isinstance(error, TimeoutError):
        host, _, port = address.rpartition(':')
        return Unreachable(
            f'{address} does not answer within {_TIMEOUT_SECONDS:g} s', f'nc -vz {host.strip("[]")} {port}'
        )
    if isinstance(error, ValueError):
        return BusError(f'{address} is no address: {error}', 'check bus.host')
    if isinstance(cause, ConnectionResetError):
        return Unreachable(f'{address} hangs up: {_os_text(cause)}', 'journalctl -u rabbitmq-server -n 50')
    if type(cause) is OSError or getattr(cause, 'errno', None):
        # One without a number stands for several: of a name with several addresses none answers.
        return Unreachable(f'nothing listens on {address}: {_os_text(cause)}', 'systemctl status rabbitmq-server')
    if isinstance(error, aiormq.exceptions.ProbableAuthenticationError):
        return BusError(
            f'{address} refuses the user {config.username!r} or its password{_guest(config)}',
            f"rabbitmqctl authenticate_user '{config.username}'",
        )
    if closed:
        return _closed(closed, config, address)
    return BusError(
        f'{address} ended the connection: {str(error) or type(error).__name__}', 'journalctl -u rabbitmq-server -n 50'
    )


def _silent(address: str) -> Unreachable:
    """That a broker hangs: the kernel takes connections for it."""
    text = f'{address} takes the connection, and does not answer within {_TIMEOUT_SECONDS:g} s'
    return Unreachable(text, 'rabbitmq-diagnostics ping -t 10')


def _closed(closed: tuple[int, str], config: BusConfig, address: str) -> BusError:
    _, text = closed
    if 'not found' in text:
        return BusError(f'{address} has no vhost {config.vhost!r}', f"rabbitmqctl add_vhost '{config.vhost}'")
    if 'refused for user' in text and 'limit' not in text:
        return BusError(
            f'the user {config.username!r} may not use the vhost {config.vhost!r} of {address}',
            permissions(config),
        )
    return BusError(f'{address} refused the connection: {text}', 'journalctl -u rabbitmq-server -n 50')


def rights(namespace: str) -> tuple[str, str, str]:
    """The least that the daemon's user needs on its virtual host, as RabbitMQ's patterns: to configure, write and read.

    A dot is written `[.]`: a backslash would be doubled in quotes in the log, and what stands there is pasted.
    """
    own = f'^{namespace}([.].*)?$'
    return own, own, f'^(xivo|wazo-headers|{namespace}([.].*)?)$'


def permissions(config: BusConfig) -> str:
    """The command that gives the daemon's user the least it needs."""
    own, _, read = rights(config.namespace)
    return f"rabbitmqctl set_permissions -p '{config.vhost}' '{config.username}' '{own}' '{own}' '{read}'"


def _guest(config: BusConfig) -> str:
    if config.username == 'guest':
        return "; guest may only come from the broker's own host"
    return ''


def _os_text(error: BaseException) -> str:
    if isinstance(error, ConnectionRefusedError):
        # asyncio tells the address once more, and in its own way.
        return os.strerror(errno.ECONNREFUSED)
    return getattr(error, 'strerror', None) or str(error)
