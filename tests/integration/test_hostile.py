# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What hostile or broken publishers send: each becomes an event or a dead letter, and the connection lives."""

from __future__ import annotations

import json
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest
from aiormq.abc import ChannelFrame
from aiormq.channel import Channel
from pamqp import commands, encode
from pamqp.body import ContentBody
from pamqp.frame import marshal
from pamqp.header import ContentHeader

from tests.conftest import Broker
from tests.integration.conftest import MakeStation
from tests.support import Service, eventually_async
from wazo_busd.codec import Limits
from wazo_busd.config import HandlerConfig
from wazo_busd.context import Context
from wazo_busd.dispatcher import Dispatcher
from wazo_busd.handler import Handler
from wazo_busd.plugin import describe, handler

FLAG = {'content_type': 0x8000, 'headers': 0x2000, 'expiration': 0x100, 'timestamp': 0x40, 'user_id': 0x10}


def _table(depth: int) -> bytes:
    content = b''
    for _ in range(depth):
        content = b'\x01nF' + struct.pack('>I', len(content)) + content
    return struct.pack('>I', len(content)) + content


HOSTILE_PROPERTIES = {
    'a content type that is not UTF-8': struct.pack('>H', FLAG['content_type']) + b'\x02\xff\xfe',
    'an expiration that is not UTF-8': struct.pack('>H', FLAG['content_type']) + b'\x01\x80',
    'a timestamp past the year 9999': struct.pack('>HQ', FLAG['timestamp'], 2**62),
    'headers 500 deep': struct.pack('>H', FLAG['headers']) + _table(500),
    'a header name that is not UTF-8': struct.pack('>HI', FLAG['headers'], 4) + b'\x01\xfft\x01',
    'a header timestamp past the year 9999': struct.pack('>HI', FLAG['headers'], 11)
    + b'\x01aT'
    + struct.pack('>Q', 2**63),
}

HOSTILE_BODIES = {
    'nothing': b'',
    'text': b'hello',
    'a number': b'2',
    'a string': b'""',
    'a list': b'[]',
    'null': b'null',
    'not UTF-8': b'{"name": "\xff"}',
    'UTF-16': '{"name": "x"}'.encode('utf-16'),
    'cut off': b'{"name": "call_cre',
    'nested 10,000 deep': b'[' * 10_000 + b']' * 10_000,
    'nested 65 deep': b'{"a":' * 65 + b'1' + b'}' * 65,
    'over the limit': b'{"data": "' + b'x' * 1_048_576 + b'"}',
    'a huge number': b'{"data": ' + b'9' * 5_000 + b'}',
}

STRANGE_EVENTS = {
    'no name': b'{"data": {}}',
    'a null name': b'{"name": null, "data": {}}',
    'a name that is no text': b'{"name": 42}',
    'no data': b'{"name": "call_created"}',
    'NaN': b'{"name": "x", "data": {"value": NaN}}',
    'infinity': b'{"name": "x", "data": {"value": -Infinity}}',
    'a lone surrogate': b'{"name": "x", "data": "\\ud800"}',
    'a null ACL': b'{"name": "x", "required_acl": null}',
    'an ACL that is no text': b'{"name": "x", "required_acl": 7}',
    'tagged types': b'{"name": "x", "data": {"__type__": "uuid", "__value__": {"hex": "0"}}}',
    'the name twice': b'{"name": "x", "name": "y"}',
    'nested 64 deep': b'{"a":' * 64 + b'1' + b'}' * 64,
}


class Bench:
    """A dispatcher on a real broker whose handler notes what it runs on."""

    def __init__(self, broker: Broker, service: Service) -> None:
        self.names: list[str] = []
        self._broker = broker
        self._service = service

    async def send(self, body: bytes, properties: bytes | None = None) -> None:
        """Publish with properties as raw bytes; without confirmation, as services do."""
        channel = cast('Channel', await self._service.channel.get_underlay_channel())
        frames = [
            marshal(commands.Basic.Publish(exchange='xivo', routing_key='calls.x'), channel.number),
            _header_frame(channel.number, len(body), properties),
            *(marshal(ContentBody(body[at : at + 100_000]), channel.number) for at in range(0, len(body), 100_000)),
        ]
        channel.delivery_tag += 1
        await channel.write_queue.put(ChannelFrame(payload=b''.join(frames), should_close=False))

    async def dead_letters(self, number: int) -> list[tuple[str, int]]:
        """Error text and true size of the dead letters, when there are so many."""

        async def are_there() -> bool:
            return await self._service.depth('wazo-busd.odd.dead') >= number

        await eventually_async(are_there)
        found = await self._service.take('wazo-busd.odd.dead')
        return [(str(each.headers['busd-error-text']), int(str(each.headers['busd-size']))) for each in found]

    async def handled(self, number: int) -> list[str]:
        async def are_there() -> bool:
            return len(self.names) >= number

        await eventually_async(are_there)
        return self.names


def _header_frame(channel: int, size: int, properties: bytes | None) -> bytes:
    if properties is None:
        return marshal(ContentHeader(body_size=size, properties=commands.Basic.Properties()), channel)
    payload = struct.pack('>HHQ', 60, 0, size) + properties
    return struct.pack('>BHI', 2, channel, len(payload)) + payload + b'\xce'


@pytest.fixture
async def bench(broker: Broker, make_station: MakeStation, service: Service, tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(broker, service)

    @handler('#')
    async def note(event: object) -> None:
        bench.names.append(getattr(event, 'name', '?'))

    station = await make_station(broker)
    plugin = describe(note, name='note', source='a test', version='1')
    odd = Handler('odd', plugin, HandlerConfig(plugin='note'), {})
    await odd.start(_no_context(tmp_path))
    dispatcher = Dispatcher(odd, Limits())
    station.bus.attach(station.hub.handler_queue('odd', ['#'], odd.config.queue), dispatcher.accept)
    await station.consuming('odd')
    yield bench
    await dispatcher.drain(1.0)


def _no_context(state_dir: Path) -> Context:
    return Context('odd', {}, log=None, http=None, emit=None, state_dir=state_dir)  # type: ignore[arg-type]


@pytest.mark.parametrize('kind', HOSTILE_PROPERTIES)
async def test_malformed_properties_become_a_dead_letter_and_the_next_event_is_handled(bench: Bench, kind: str) -> None:
    await bench.send(b'{"name": "x"}', HOSTILE_PROPERTIES[kind])
    await bench.send(b'{"name": "innocent"}')

    assert (len(await bench.dead_letters(1)), await bench.handled(1)) == (1, ['innocent'])


@pytest.mark.usefixtures('way')
@pytest.mark.parametrize('kind', HOSTILE_BODIES)
async def test_a_body_that_is_no_event_becomes_a_dead_letter_and_the_next_event_is_handled(
    bench: Bench, kind: str
) -> None:
    await bench.send(HOSTILE_BODIES[kind])
    await bench.send(b'{"name": "innocent"}')

    assert ([size for _, size in await bench.dead_letters(1)], await bench.handled(1)) == (
        [len(HOSTILE_BODIES[kind])],
        ['innocent'],
    )


@pytest.mark.usefixtures('way')
async def test_strange_events_are_handled_all_the_same(bench: Bench) -> None:
    for body in STRANGE_EVENTS.values():
        await bench.send(body)

    assert await bench.handled(len(STRANGE_EVENTS)) == ['', '', '', 'call_created', *'xxxxxx', 'y', '']


@pytest.mark.usefixtures('way')
async def test_headers_of_every_type_are_handled(bench: Bench) -> None:
    headers: dict[str, object] = {
        'name': 'from the header',
        'null': None,
        'number': 7,
        'truth': True,
        'list': [1, 'x', None],
        'table': {'a': {'b': 'c'}},
        'bytes': bytearray(b'\xff\x00'),
        'float': 1.5,
        'user_uuid:None': True,
    }
    table = encode.field_table(headers)  # type: ignore[arg-type]

    await bench.send(json.dumps({'name': 'from the body'}).encode(), struct.pack('>H', FLAG['headers']) + table)

    assert await bench.handled(1) == ['from the header']
