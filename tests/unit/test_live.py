# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The live view: what is told to whom, and what cannot be asked for."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.unit.rig import make_work
from wazo_busd import live as module
from wazo_busd.event import Event
from wazo_busd.http.page import Page
from wazo_busd.live import Live
from wazo_busd.onlookers import MOST, Onlooker, Onlookers
from wazo_busd.outcome import Outcome

CALL = Event('call_created', {'caller_id_number': '5550100'}, 'calls.call.created')


async def begun(
    onlookers: Onlookers, query: dict[str, list[str]], *, in_full: bool = False
) -> Page | AsyncIterator[bytes]:
    return await Live(onlookers, lambda: ['crm', 'other']).streams(in_full=in_full)['/events'](query)


async def reading(onlookers: Onlookers, query: dict[str, list[str]], *, in_full: bool = False) -> AsyncIterator[bytes]:
    stream = await begun(onlookers, query, in_full=in_full)
    assert not isinstance(stream, Page)
    await anext(stream)
    return stream


async def refused(query: dict[str, list[str]]) -> tuple[int, Any]:
    page = await begun(Onlookers(), query)
    assert isinstance(page, Page)
    return page.status, json.loads(page.body)


def parts(text: bytes) -> list[tuple[str, Any]]:
    lines = [each.split('\n') for each in text.decode().strip().split('\n\n')]
    return [(kind.removeprefix('event: '), json.loads(data.removeprefix('data: '))) for kind, data in lines]


@pytest.mark.parametrize('in_full', [True, False])
async def test_what_events_say_goes_by_the_socket_alone(in_full: bool) -> None:
    onlookers = Onlookers()
    stream = await reading(onlookers, {'match': ['calls.#'], 'handler': ['crm']}, in_full=in_full)
    onlookers.see(make_work(CALL, handler='crm'), Outcome.DONE)
    onlookers.see(make_work(CALL, handler='other'), Outcome.DONE)
    ((kind, said),) = parts(await anext(stream))

    assert (kind, said['event'], said['handler'], said['outcome']) == ('handled', 'call_created', 'crm', 'done')
    assert ('5550100' in json.dumps(said)) is in_full


async def test_what_was_missed_is_told_before_what_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('wazo_busd.onlookers._MOST_SIGHTINGS', 1)
    onlookers = Onlookers()
    stream = await reading(onlookers, {})
    for _ in range(3):
        onlookers.see(make_work(CALL), Outcome.DONE)

    assert [kind for kind, _ in parts(await anext(stream))] == ['missed', 'handled']


async def test_in_silence_a_word_is_said_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, '_QUIET_SECONDS', 0.01)

    assert await anext(await reading(Onlookers(), {})) == b': nothing\n\n'


async def test_who_leaves_is_told_nothing_more() -> None:
    onlookers = Onlookers()
    stream = await reading(onlookers, {})
    await stream.aclose()  # type: ignore[attr-defined]

    assert onlookers.present == []


@pytest.mark.parametrize(
    ('query', 'said'),
    [
        ({'match': ['calls.x*']}, "match: 'calls.x*'"),
        ({'match': ['call_craeted']}, 'call_craeted'),
        ({'match': ['']}, 'match'),
        ({'match': [','.join(['calls.#'] * 51)]}, '50'),
        ({'macth': ['calls.#']}, "'macth'"),
        ({'handler': ['cmr']}, "'cmr'"),
    ],
)
async def test_what_cannot_be_asked_for_is_refused_with_what_can(query: dict[str, list[str]], said: str) -> None:
    status, told = await refused(query)

    assert (status, said in told['error'], told['hint'] != '') == (400, True, True)


async def test_one_too_many_is_refused() -> None:
    onlookers = Onlookers()
    for _ in range(MOST):
        onlookers.add(Onlooker())
    page = await begun(onlookers, {})

    assert isinstance(page, Page)
    assert page.status == 503


@pytest.mark.parametrize('in_full', [True, False])
async def test_a_number_in_a_key_goes_by_the_socket_alone(in_full: bool) -> None:
    onlookers = Onlookers()
    stream = await reading(onlookers, {}, in_full=in_full)
    onlookers.see(make_work(Event('sent', {}, 'sms.0123456789.sent'), handler='crm'), Outcome.DONE)
    ((_, said),) = parts(await anext(stream))

    assert ('0123456789' in said['routing_key']) is in_full


async def test_who_comes_at_the_same_time_as_the_last_one_is_told_that_there_is_no_room() -> None:
    onlookers = Onlookers()
    streams = [await begun(onlookers, {}) for _ in range(MOST + 1)]
    told = [parts(await anext(stream))[0][0] for stream in streams if not isinstance(stream, Page)]

    assert (told, len(onlookers.present)) == (['begun'] * MOST + ['full'], MOST)
