# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`journal`, whatever its format: what is read is what was written, and hostile texts break out of nothing."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from plugins.journal.record import KEYS
from tests.examples import examples
from tests.plugins.hostile import NAMES, names
from tests.plugins.journal.book import Book, event, together
from wazo_busd.api import Event, encode_json
from wazo_busd.testing import make_event

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | names,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)

some = settings(max_examples=examples(15), suppress_health_check=list(HealthCheck))


def in_json(value: Any) -> Any:
    """A value as JSON has it."""
    return json.loads(encode_json(value))


async def test_a_record_has_the_keys_of_the_page(book: Book) -> None:
    await book.write(event({'call_id': '1'}))

    assert [tuple(record) for record in await book.records()] == [KEYS]


async def test_what_is_read_is_what_the_event_said(book: Book) -> None:
    given = event({'call_id': '1', 'n': [1, 2.5, None, True]}, headers={'tenant_uuid': 't', 'x': 1})

    await book.write(given)

    assert await book.records() == [
        {
            'received_at': datetime.fromtimestamp(given.received_at, UTC).isoformat(timespec='microseconds'),
            'name': 'call_created',
            'exchange': 'wazo-headers',
            'routing_key': 'calls.call.created',
            'origin_uuid': None,
            'tenant_uuid': 't',
            'headers': {'name': 'call_created', 'tenant_uuid': 't', 'x': 1},
            'data': {'call_id': '1', 'n': [1, 2.5, None, True]},
            'id': given.id,
            'redelivered': False,
            'attempt': 1,
            'handler': 'calls',
        }
    ]


async def test_events_are_kept_over_a_stop_and_a_start(book: Book) -> None:
    await book.write(event(1))
    await book.write(event(2))

    assert await book.data() == [1, 2]


async def test_many_events_that_come_together_are_all_there(book: Book) -> None:
    await book.write(*map(event, range(300)))

    assert sorted(await book.data()) == list(range(300))


# ---- once each


async def test_two_genuine_events_that_are_identical_are_two(book: Book) -> None:
    twin = event({'call_id': '1'})

    await book.write(twin, twin)

    assert await book.data() == [{'call_id': '1'}] * 2


async def test_two_genuine_events_that_are_identical_are_two_over_a_restart(book: Book) -> None:
    twin = event({'call_id': '1'})

    await book.write(twin)
    await book.write(twin)

    assert await book.data() == [{'call_id': '1'}] * 2


@dataclass(frozen=True)
class Again:
    """An event, and the same as the broker gives it out again."""

    first: Event
    again: Event


@pytest.fixture
def pair() -> Again:
    first = event({'call_id': '1'})
    more: dict[str, Any] = {'routing_key': first.routing_key, 'exchange': first.exchange, 'headers': first.headers}
    given = Event('call_created', first.data, body=first.body, received_at=first.received_at, redelivered=True, **more)
    assert first.id == given.id
    return Again(first, given)


async def test_an_event_that_is_given_out_again_is_there_once(book: Book, pair: Again) -> None:
    async with book.opened() as journal:
        await journal.on_event(pair.first)
        await journal.on_event(pair.again)

    assert await book.data() == [{'call_id': '1'}]


async def test_an_event_that_is_given_out_again_after_a_restart_is_there_once(book: Book, pair: Again) -> None:
    await book.write(pair.first)
    await book.write(pair.again)

    assert await book.data() == [{'call_id': '1'}]


async def test_an_event_that_is_given_out_again_and_was_not_written_is_written(book: Book, pair: Again) -> None:
    await book.write(event('another'))
    await book.write(pair.again)

    assert {'call_id': '1'} in await book.data()


async def test_twins_that_are_both_given_out_again_are_two(book: Book, pair: Again) -> None:
    await book.write(pair.first, pair.first)
    await book.write(pair.again, pair.again)

    assert await book.data() == [{'call_id': '1'}] * 2


async def test_an_event_that_is_given_up_while_it_is_written_is_there_once(book: Book, pair: Again) -> None:
    # Given a try that is cancelled while its row is being written
    async with book.opened() as journal:
        task = asyncio.create_task(journal.on_event(pair.first))
        while not task.done() and not journal._clerk._committing:
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])

        # When it comes again
        await journal.on_event(pair.again)

    # Then it is there once
    assert await book.data() == [{'call_id': '1'}]


# ---- hostile texts


@pytest.mark.parametrize('place', ['data', 'key', 'header', 'name', 'routing key', 'tenant', 'call id'])
async def test_a_hostile_text_is_a_text_wherever_it_stands(book: Book, place: str) -> None:
    # No routing key can have half a letter: the broker's are texts.
    texts = [text.encode(errors='ignore').decode() for text in NAMES] if place == 'routing key' else NAMES
    given = [_event_with(place, text) for text in texts]

    await book.write(*given)

    found = [_seen(record) for record in await book.records()]
    assert found == [
        in_json([each.name, each.routing_key, each.tenant_uuid, each.headers, each.data]) for each in given
    ]


def _event_with(place: str, text: str) -> Event:
    return make_event(
        text if place == 'name' else 'call_created',
        {
            'key': {text: 1} if place == 'key' else {'': ''},
            'data': [text] if place == 'data' else None,
            'call_id': text if place == 'call id' else '1',
        },
        routing_key=text if place == 'routing key' else 'calls.call.created',
        headers={'x': text if place == 'header' else '', 'tenant_uuid': text if place == 'tenant' else 't'},
    )


def _seen(record: dict[str, Any]) -> list[Any]:
    return [record[key] for key in ('name', 'routing_key', 'tenant_uuid', 'headers', 'data')]


@some
@example([NAMES])
@given(st.lists(JSON, min_size=1, max_size=8))
async def test_whatever_an_event_says_is_read_as_it_was(book: Book, values: list[Any]) -> None:
    async with book.opened() as journal:
        before = len(await book.records())
        for value in values:
            await journal.on_event(event(value))

    assert (await book.data())[before:] == [in_json(value) for value in values]


# ---- the mask


async def test_what_is_masked_is_nowhere_in_the_journal(book: Book) -> None:
    given = event({'caller_id_number': '+15551234567', 'n': 1}, headers={'x': '5551234'})

    await book.write(given, mask=['data.caller_id_number', 'headers.x'])

    (record,) = await book.records()
    assert (record['data'], record['headers']['x']) == ({'caller_id_number': '+•••••••••67', 'n': 1}, '•••••34')


# ---- what is read


@pytest.fixture
async def days(book: Book) -> Book:
    """A journal with an event of each of three days."""
    events = [
        Event(name, day, received_at=datetime(2026, 3, day, 12, tzinfo=UTC).timestamp())
        for day, name in ((1, 'a'), (2, 'b'), (3, 'a'))
    ]
    async with book.opened() as journal:
        for each in events:
            await together(journal, [each])
    return book


@pytest.mark.parametrize(
    ('selection', 'expected'),
    [
        ({'since': datetime(2026, 3, 2, tzinfo=UTC)}, [2, 3]),
        ({'until': datetime(2026, 3, 2, tzinfo=UTC)}, [1]),
        ({'since': datetime(2026, 3, 2, 12, tzinfo=UTC), 'until': datetime(2026, 3, 3, 12, tzinfo=UTC)}, [2]),
        ({'name': 'a'}, [1, 3]),
        ({'name': 'a', 'since': datetime(2026, 3, 2, tzinfo=UTC)}, [3]),
        ({'name': "a' OR '1'='1"}, []),
    ],
)
async def test_only_what_is_asked_for_is_read(days: Book, selection: dict[str, Any], expected: list[int]) -> None:
    assert [record['data'] for record in await days.records(**selection)] == expected


async def test_a_journal_can_be_read_while_it_is_written(book: Book) -> None:
    async with book.opened() as journal:
        await journal.on_event(event(1))

        assert await book.data() == [1]
