# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What is played again says so, goes nowhere else, and is confirmed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from pamqp.commands import Basic, Channel
from pamqp.header import ContentHeader

from tests.unit.amqp.broker import ScriptedBroker, listening
from wazo_busd.amqp import Playback, Unsendable
from wazo_busd.errors import BusError


@pytest.fixture
async def broker() -> AsyncIterator[ScriptedBroker]:
    async with listening() as broker:
        yield broker


def nested(levels: int) -> list[Any]:
    """A list in a list in a list."""
    found: list[Any] = []
    for _ in range(levels - 1):
        found = [found]
    return found


async def played(broker: ScriptedBroker, headers: dict[str, Any], **properties: Any) -> Any:
    """The properties that the broker gets."""
    async with Playback(broker.config) as playback:
        assert await playback.publish('wazo-busd', 'calls.x', b'{}', headers, properties)
        _, header = await (await broker.session()).heard(ContentHeader)
    return header.properties


async def test_an_event_that_is_played_again_says_so_and_is_persistent(broker: ScriptedBroker) -> None:
    properties = await played(broker, {'name': 'x'}, content_type='application/json')

    assert (properties.headers, properties.delivery_mode, properties.content_type) == (
        {'name': 'x', 'busd-replayed': True},
        2,
        'application/json',
    )


async def test_headers_that_would_send_it_elsewhere_are_left_out(broker: ScriptedBroker) -> None:
    properties = await played(broker, {'CC': ['other'], 'BCC': ['other'], 'x-death': [{'queue': 'q'}]})

    assert properties.headers == {'busd-replayed': True}


async def test_what_no_queue_takes_is_told(broker: ScriptedBroker) -> None:
    def returned(header: ContentHeader) -> list[Any]:
        return []

    broker.answers[ContentHeader] = returned
    async with Playback(broker.config) as playback:
        session = await broker.session()
        channel = 1

        def answer(header: ContentHeader) -> list[Any]:
            back = ContentHeader(body_size=0, properties=header.properties)
            return [
                Basic.Return(312, 'NO_ROUTE', 'wazo-busd', 'calls.x'),
                back,
                Basic.Ack(session.confirmation(channel)),
            ]

        broker.answers[ContentHeader] = answer
        assert not await playback.publish('wazo-busd', 'calls.x', b'', {}, {})


@pytest.mark.parametrize(
    ('code', 'text', 'told'),
    [
        (404, "NOT_FOUND - no exchange 'xivo' in vhost '/'", "there is no exchange 'xivo' on"),
        (403, "ACCESS_REFUSED - access to exchange 'xivo'", "the user 'guest' may not publish on 'xivo'"),
    ],
)
async def test_a_refusal_is_told_with_the_cure(broker: ScriptedBroker, code: int, text: str, told: str) -> None:
    broker.answers[Basic.Publish] = lambda _: [Channel.Close(code, text, 60, 40)]
    broker.answers[ContentHeader] = lambda _: []
    async with Playback(broker.config) as playback:
        with pytest.raises(BusError, match=told):
            await playback.publish('xivo', 'calls.x', b'', {}, {})


@pytest.mark.parametrize(
    ('key', 'headers', 'properties'),
    [
        ('calls.x', {'n': 2**80}, {}),
        ('calls.x', {'n': 10**30}, {}),
        ('calls.x', {'deep': nested(500)}, {}),
        ('calls.x', {'long': 'x' * 200_000}, {}),
        ('calls.x', {}, {'app_id': '\ud800'}),
        ('\ud800', {}, {}),
        ('x' * 256, {}, {}),
    ],
)
async def test_what_amqp_cannot_carry_is_told_and_what_comes_after_it_is_published(
    broker: ScriptedBroker, key: str, headers: dict[str, Any], properties: dict[str, Any]
) -> None:
    async with Playback(broker.config) as playback:
        with pytest.raises(Unsendable, match='AMQP cannot carry it'):
            await playback.publish('xivo', key, b'', headers, properties)
        assert await playback.publish('xivo', 'calls.x', b'', {'deep': nested(200)}, {})
