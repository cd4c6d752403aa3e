# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Our topic matching against RabbitMQ's, on random patterns and keys."""

from __future__ import annotations

import uuid

import aio_pika
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import Broker
from tests.examples import examples
from wazo_busd.patterns import Matcher

WORDS = st.sampled_from(['', 'a', 'b', 'ab', 'calls', 'A', '__DOT__', 'é'])
KEYS = st.lists(WORDS, max_size=6).map('.'.join)
PATTERNS = st.lists(st.one_of(st.sampled_from(['*', '#']), WORDS), max_size=6).map('.'.join)


@settings(max_examples=examples(25), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(patterns=st.lists(PATTERNS, min_size=1, max_size=12, unique=True), keys=st.lists(KEYS, min_size=1, max_size=25))
async def test_a_key_fits_a_pattern_here_as_it_does_on_rabbitmq(
    broker: Broker, patterns: list[str], keys: list[str]
) -> None:
    connection = await aio_pika.connect(broker.url)
    async with connection:
        channel = await connection.channel()
        exchange = await channel.declare_exchange(f'topic-{uuid.uuid4().hex}', 'topic', auto_delete=True)
        queues = {pattern: await channel.declare_queue(exclusive=True) for pattern in patterns}
        for pattern, queue in queues.items():
            await queue.bind(exchange, pattern)
        for number, key in enumerate(keys):
            # Confirmed, so that everything lies in its queues when the next line looks there.
            await exchange.publish(aio_pika.Message(str(number).encode()), key, mandatory=False)
        theirs: dict[str, set[int]] = {}
        for pattern, queue in queues.items():
            theirs[pattern] = set()
            while (message := await queue.get(no_ack=True, fail=False)) is not None:
                theirs[pattern].add(int(message.body))

    ours = {pattern: {n for n, key in enumerate(keys) if Matcher([pattern]).matches(key)} for pattern in patterns}
    assert ours == theirs
