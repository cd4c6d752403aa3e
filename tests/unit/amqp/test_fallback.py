# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The fallback: where the tap cannot be put under the library, the same deliveries come by its callback."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import aiormq.connection
import pytest
import trustme
from aiormq.abc import DeliveredMessage
from pamqp.commands import Basic
from pamqp.common import FieldTable
from pamqp.header import ContentHeader

from tests.unit.amqp.broker import PATIENCE_SECONDS, listening
from tests.unit.rig import log_lines, turn
from wazo_busd.amqp import fallback
from wazo_busd.amqp.connection import Link, connect
from wazo_busd.amqp.frames import Cut
from wazo_busd.amqp.properties import WireProperties
from wazo_busd.config import BusConfig, TlsConfig
from wazo_busd.errors import BusError, Undecodable

HEADERS: FieldTable = {'name': 'call_created', 'user_uuid:x': True, 'none': None, 'bytes': bytearray(b'\xff')}


def message(body: bytes = b'{}', **properties: Any) -> DeliveredMessage:
    """A delivery as the library gives it."""
    return DeliveredMessage(
        delivery=Basic.Deliver('wazo-busd', 7, True, 'xivo', 'calls.call.created'),
        header=ContentHeader(body_size=len(body), properties=Basic.Properties(**properties)),
        body=body,
        channel=cast('Any', None),
    )


def without_hook(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let aiormq be one that takes no transport factory."""
    connect_: Callable[..., None] = aiormq.connection.Connection.__init__

    def init(
        self: Any, url: Any, *, loop: Any = None, context: Any = None, client_properties: Any = None, **more: Any
    ) -> None:
        if 'transport_factory' in more:
            raise TypeError("unexpected keyword argument 'transport_factory'")
        connect_(self, url, loop=loop, context=context, client_properties=client_properties, **more)

    monkeypatch.setattr(aiormq.connection.Connection, '__init__', init)


def deaf_hook(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let aiormq be one that takes a transport factory and does not use it."""
    connect_: Callable[..., None] = aiormq.connection.Connection.__init__

    def init(self: Any, url: Any, *, transport_factory: Any = None, **more: Any) -> None:
        connect_(self, url, **more)

    monkeypatch.setattr(aiormq.connection.Connection, '__init__', init)


def not_handed_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let aio-pika be one that has no such parameters."""
    monkeypatch.setattr('wazo_busd.amqp.transport.Connection.PARAMETERS', ())


def ruled_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('WAZO_BUSD_TAP', 'off')


REASONS = [without_hook, deaf_hook, not_handed_down, ruled_out]


@asynccontextmanager
async def linked(config: BusConfig) -> AsyncIterator[Link]:
    link = await connect(config, 'test')
    try:
        yield link
    finally:
        await link.close()


async def soon(awaited: Awaitable[Any]) -> Any:
    return await asyncio.wait_for(awaited, PATIENCE_SECONDS)


# ---- falling back


@pytest.mark.parametrize('because', REASONS)
async def test_without_the_tap_there_is_a_connection_all_the_same(
    monkeypatch: pytest.MonkeyPatch, because: Callable[[pytest.MonkeyPatch], None]
) -> None:
    because(monkeypatch)

    async with listening() as broker, linked(broker.config) as link:
        assert (link.transport.is_used, (await link.open_channel()).is_closed) == (False, False)


@pytest.mark.parametrize('because', REASONS)
async def test_that_the_tap_is_not_used_is_told_with_what_it_means(
    monkeypatch: pytest.MonkeyPatch, log: StringIO, because: Callable[[pytest.MonkeyPatch], None]
) -> None:
    because(monkeypatch)

    async with listening() as broker, linked(broker.config):
        (line,) = log_lines(log, 'tap_not_used')

    assert (line['level'], 'ten times' in line['effect'], bool(line['reason'])) == ('WARNING', True, True)


async def test_where_the_tap_is_used_nothing_is_told(log: StringIO) -> None:
    async with listening() as broker, linked(broker.config) as link:
        assert (link.transport.is_used, log_lines(log, 'tap_not_used')) == (True, [])


@pytest.mark.parametrize('because', REASONS)
async def test_deliveries_come_to_whoever_taps(
    monkeypatch: pytest.MonkeyPatch, because: Callable[[pytest.MonkeyPatch], None]
) -> None:
    because(monkeypatch)
    cuts: asyncio.Queue[Cut] = asyncio.Queue()

    async with listening() as broker, linked(broker.config) as link:
        channel = await link.open_channel()
        link.transport.cutter.tap(channel.number, 'wazo-busd', lambda batch: cuts.put_nowait(batch[0]))
        await channel.basic_consume(
            'q', fallback.callback(link.transport.cutter, channel.number), consumer_tag='wazo-busd'
        )
        (await broker.session()).deliver(channel.number, 3, b'{"name": "x"}')
        cut = await soon(cuts.get())

    assert (cut.tag, cut.body) == (3, b'{"name": "x"}')


async def test_what_is_dropped_is_lost_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    ruled_out(monkeypatch)

    async with listening() as broker, linked(broker.config) as link:
        lost = asyncio.create_task(link.lost())
        await turn()
        link.abort()

        assert await soon(lost) == 'the broker does not answer'


async def test_a_broker_that_has_answered_was_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    ruled_out(monkeypatch)

    async with listening() as broker, linked(broker.config) as link:
        before = link.transport.heard_at
        link.transport.answered()

        assert (before, link.transport.heard_at > 0) == (0.0, True)


# ---- over TLS


def secured(authority: trustme.CA, directory: Path, name: str) -> ssl.SSLContext:
    authority.cert_pem.write_to_path(directory / 'ca.pem')
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


@pytest.mark.parametrize('because', REASONS)
@pytest.mark.parametrize(('name', 'server_name'), [('127.0.0.1', None), ('pbx.example', 'pbx.example')])
async def test_without_the_tap_it_is_encrypted_and_the_name_verified(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    because: Callable[[pytest.MonkeyPatch], None],
    name: str,
    server_name: str | None,
) -> None:
    because(monkeypatch)
    tls = TlsConfig(ca_file=tmp_path / 'ca.pem', server_name=server_name)

    async with (
        listening(secured(trustme.CA(), tmp_path, name)) as broker,
        linked(broker.config.model_copy(update={'tls': tls})) as link,
    ):
        assert not (await link.open_channel()).is_closed


async def test_without_the_tap_a_broker_of_another_name_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ruled_out(monkeypatch)
    tls = TlsConfig(ca_file=tmp_path / 'ca.pem')

    async with listening(secured(trustme.CA(), tmp_path, 'pbx.example')) as broker:
        with pytest.raises(BusError, match='is not trusted'):
            await connect(broker.config.model_copy(update={'tls': tls}), 'test')


# ---- what the library gives


def test_a_delivery_is_what_would_have_been_cut_out() -> None:
    cut = fallback.as_cut(message(b'{"a": 1}'), 1_000)

    assert cut._replace(properties=b'') == Cut(7, True, b'xivo', b'calls.call.created', b'', 8, b'{"a": 1}')


def test_its_headers_are_those_that_came() -> None:
    properties = WireProperties(fallback.as_cut(message(headers=HEADERS), 1_000).properties)

    assert properties.headers == HEADERS


def test_text_that_is_not_utf_8_is_there_as_bytes() -> None:
    given: Any = {'a': b'\xff', 'inside': [{'b': b'\xfe'}]}

    headers = WireProperties(fallback.as_cut(message(headers=given), 1_000).properties).headers

    assert headers == given


def test_of_an_oversize_body_the_first_64_kib_are_kept() -> None:
    cut = fallback.as_cut(message(bytes(200_000)), 100_000)

    assert (len(cut.body), cut.size) == (65_536, 200_000)


def test_properties_that_cannot_be_written_again_spoil_the_event() -> None:
    spoilt = message()
    spoilt.header.properties = SimpleNamespace(marshal=lambda: 1 // 0)  # type: ignore[assignment]

    with pytest.raises(Undecodable):
        _ = WireProperties(fallback.as_cut(spoilt, 1_000).properties).headers


def test_what_is_no_delivery_is_refused() -> None:
    returned = replace(message(), delivery=Basic.GetEmpty())

    with pytest.raises(TypeError, match='GetEmpty'):
        fallback.as_cut(returned, 1_000)
