# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The channel for a few declarations: closed after them, and nothing of it stays."""

from __future__ import annotations

import aiormq.exceptions
import pytest
from pamqp.commands import Channel, Exchange

from tests.unit.amqp.broker import linked
from wazo_busd.amqp.channel import control


async def test_a_channel_for_declarations_is_closed_after_them() -> None:
    async with linked() as (broker, link):
        async with control(link):
            pass

        assert len((await broker.session()).frames(Channel.Close)) == 1


async def test_a_channel_for_declarations_that_was_refused_is_not_closed_again() -> None:
    async with linked() as (broker, link):
        broker.answers[Exchange.Declare] = lambda _: [Channel.Close(403, 'ACCESS_REFUSED - refused', 40, 10)]

        with pytest.raises(aiormq.exceptions.ChannelAccessRefused):
            async with control(link) as channel:
                await channel.exchange_declare('x')

        assert not (await broker.session()).frames(Channel.Close)


async def test_channels_for_declarations_leave_nothing_behind() -> None:
    async with linked() as (_, link):
        underlay = link.connection.transport
        assert underlay is not None
        closing = getattr(underlay.connection, '_closing')  # noqa: B009 — not in its abstract class
        before = len(closing._callbacks)
        for _ in range(20):
            async with control(link):
                pass

        assert len(closing._callbacks) == before, 'each leaves something with the connection, which may live for years'
