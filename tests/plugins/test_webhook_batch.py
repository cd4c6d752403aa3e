# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`webhook` in batches: each event is done with when the request that it is in is answered."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from plugins.webhook import Webhook
from plugins.webhook.batch import Batches
from plugins.webhook.options import Batch
from plugins.webhook.request import Request, together
from tests.plugins.webserver import Sent, WebServer
from tests.unit.rig import patiently, turn
from wazo_busd.errors import Retry, Stop
from wazo_busd.outcome import Outcome
from wazo_busd.testing import Outcomes, deliver, make_event

DONE, RETRY, DEAD = Outcome.DONE, Outcome.RETRY, Outcome.DEAD


async def send(server: WebServer, number: int, *, size: int = 3, within: str = '20s', **more: Any) -> Outcomes:
    """Send so many events."""
    options = {'url': server.url, 'allow_networks': ['127.0.0.0/8'], 'batch': {'size': size, 'within': within}}
    config = {key: more.pop(key) for key in ('concurrency', 'order_by') if key in more}
    events = [make_event('call_created', {'call_id': str(each)}) for each in range(number)]
    return await deliver(Webhook, *events, options=options | more, **config)


def numbers(server: WebServer) -> list[list[int]]:
    """Which events were in each request."""
    return [[int(each['data']['call_id']) for each in sent.json] for sent in server.sent]


def poisoned_by(*poison: int) -> Callable[[Sent], web.Response]:
    """Refuse requests with some events in them."""

    def answer(sent: Sent) -> web.Response:
        bad = [each for each in sent.json if int(each['data']['call_id']) in poison]
        return web.Response(status=422 if bad else 200, text='bad' if bad else '')

    return answer


async def test_as_many_events_as_were_asked_for_go_in_one_request(server: WebServer) -> None:
    await send(server, 6)

    assert numbers(server) == [[0, 1, 2], [3, 4, 5]]


async def test_what_waits_for_others_goes_when_it_has_waited_long_enough(server: WebServer) -> None:
    outcomes = await send(server, 1, within='50ms')

    assert (numbers(server), outcomes) == ([[0]], [DONE])


async def test_where_no_more_events_can_come_nothing_is_waited_for(server: WebServer) -> None:
    await send(server, 4, size=50, concurrency=2)

    assert numbers(server) == [[0, 1], [2, 3]]


async def test_a_batch_fits_into_what_the_handler_takes_at_a_time() -> None:
    for size in (2, 50, 200):
        options = Webhook.Options.model_validate({'url': 'https://crm.example/', 'batch': {'size': size}})
        assert size <= options.concurrency <= 256


async def test_no_event_is_done_with_before_its_request_is_answered() -> None:
    # Given a batch that is on its way
    answer = asyncio.Event()

    async def answered(request: Request) -> None:
        await answer.wait()

    batches = Batches(Batch(size=2), answered, most=8)
    waiting = [asyncio.create_task(batches.send(request(str(number)))) for number in range(2)]
    await turn()

    # When it is answered
    before = [each.done() for each in waiting]
    answer.set()
    await patiently(asyncio.wait(waiting))

    # Then both are done, and neither was before
    assert (before, [each.exception() for each in waiting]) == ([False, False], [None, None])
    await batches.close()


@pytest.mark.parametrize('status', [408, 429, 503])
async def test_a_batch_that_fails_is_tried_again_with_all_its_events(server: WebServer, status: int) -> None:
    server.answer(status)

    assert await send(server, 3) == [RETRY] * 3


async def test_a_batch_that_is_refused_whatever_is_in_it_is_dead_with_all_its_events(server: WebServer) -> None:
    server.answer(403, 'who are you?')

    outcomes = await send(server, 3)

    assert (outcomes, {each.text for each in outcomes.reasons}) == ([DEAD] * 3, {'403 Forbidden\nwho are you?'})
    assert len(server.sent) == 1


async def test_one_event_that_is_refused_takes_no_other_along(server: WebServer) -> None:
    server.answers = [poisoned_by(1)] * 4

    assert await send(server, 3) == [DONE, DEAD, DONE]


async def test_of_a_server_that_is_gone_one_event_is_dead(server: WebServer) -> None:
    server.answer(410)

    outcomes = await send(server, 3)

    assert (sorted(outcomes, key=str), len(server.sent)) == ([DEAD, RETRY, RETRY], 1)


async def test_requests_of_different_ways_are_different_batches(server: WebServer) -> None:
    await send(server, 4, url=server.url + '/{{ data.call_id | int % 2 }}', size=2)

    assert sorted((sent.path, [each['data']['call_id'] for each in sent.json]) for sent in server.sent) == [
        ('/hook/0', ['0', '2']),
        ('/hook/1', ['1', '3']),
    ]


async def test_cloudevents_come_as_a_batch_of_them(server: WebServer) -> None:
    await send(server, 3, body='cloudevents')

    (sent,) = server.sent
    assert sent.headers['Content-Type'] == 'application/cloudevents-batch+json; charset=utf-8'
    assert {each['specversion'] for each in sent.json} == {'1.0'}


async def test_documents_of_a_template_come_as_a_list(server: WebServer) -> None:
    await send(server, 3, template='{"n": "{{ data.call_id }}"}')

    assert server.sent[0].json == [{'n': '0'}, {'n': '1'}, {'n': '2'}]


async def test_a_batch_is_signed_as_a_whole(server: WebServer) -> None:
    await send(server, 3, signing_secret='s3cret')

    assert 'X-Busd-Signature' in server.sent[0].headers


async def test_a_batch_has_an_idempotency_key_of_its_own(server: WebServer) -> None:
    await send(server, 6)

    assert len({each.headers['Idempotency-Key'] for each in server.sent}) == 2


async def test_in_an_order_every_event_waits_for_its_own_request(server: WebServer) -> None:
    await send(server, 4, size=2, within='50ms', order_by='name')

    assert numbers(server) == [[0], [1], [2], [3]]


# ---- without a server


def request(name: str, way: str = 'https://crm.example/') -> Request:
    return Request(name, way, (), b'"%s"' % name.encode())


def test_a_request_alone_keeps_its_id() -> None:
    assert together([request('a')]) == Request('a', 'https://crm.example/', (), b'["a"]')


async def test_whose_event_waits_no_longer_is_not_sent() -> None:
    sent: list[bytes | None] = []

    async def note(request: Request) -> None:
        sent.append(request.body)

    batches = Batches(Batch(size=3), note, most=8)
    first = asyncio.create_task(batches.send(request('a')))
    await turn()
    first.cancel()
    await turn()

    await patiently(asyncio.gather(batches.send(request('b')), batches.send(request('c'))))

    assert sent == [b'["b","c"]']
    await batches.close()


async def test_what_is_under_way_when_the_handler_ends_is_ended() -> None:
    async def hang(request: Request) -> None:
        await asyncio.Event().wait()

    batches = Batches(Batch(size=1 + 1), hang, most=8)
    waiting = [asyncio.create_task(batches.send(request(each))) for each in 'abc']
    await turn()
    for each in waiting:
        each.cancel()

    await patiently(batches.close())

    assert batches._under_way == set()


async def test_each_event_gets_an_error_of_its_own() -> None:
    async def fail(request: Request) -> None:
        raise Retry('503', after=7.0)

    batches = Batches(Batch(size=2), fail, most=8)
    first, second = await asyncio.gather(*(batches.send(request(each)) for each in 'ab'), return_exceptions=True)

    assert isinstance(first, Retry)
    assert isinstance(second, Retry)
    assert (first is second, first.after, second.after) == (False, 7.0, 7.0)
    await batches.close()


async def test_somebody_who_still_waits_is_told_that_the_server_is_gone() -> None:
    asked, gone = asyncio.Event(), asyncio.Event()

    async def stop(request: Request) -> None:
        asked.set()
        await gone.wait()
        raise Stop('410 Gone')

    batches = Batches(Batch(size=3), stop, most=8)
    waiting = [asyncio.create_task(batches.send(request(each))) for each in 'abc']
    await patiently(asked.wait())
    waiting[0].cancel()
    await turn()
    gone.set()

    results = await patiently(asyncio.gather(*waiting, return_exceptions=True))

    assert [type(each) for each in results] == [asyncio.CancelledError, Stop, Retry]
    await batches.close()


@given(
    st.lists(st.sampled_from(['https://a/', 'https://b/', 'https://c/']), max_size=40),
    st.integers(2, 6),
    st.integers(1, 12),
    st.sets(st.integers(0, 39)),
)
async def test_whatever_comes_everything_is_sent_once_and_told_what_became_of_it(
    ways: Sequence[str], size: int, most: int, busy: set[int]
) -> None:
    # Given a server that is busy for some requests, and at most so many events at a time
    sent: list[str] = []
    places = asyncio.Semaphore(most)

    async def answer(request: Request) -> None:
        sent.extend((request.body or b'').decode()[2:-2].split('","'))
        await asyncio.sleep(0)
        if len(sent) in busy:
            raise Retry('503')

    batches = Batches(Batch(size=size, within=0.01), answer, most=most)

    async def one(number: int, way: str) -> None:
        async with places:
            await batches.send(request(str(number), way))

    # When events come
    results = await patiently(_gather([one(*each) for each in enumerate(ways)]))
    await batches.close()

    # Then each was in one request, and each was told
    assert sorted(sent, key=int) == [str(number) for number in range(len(ways))]
    assert all(each is None or isinstance(each, Retry) for each in results)


async def _gather(all_of_them: Sequence[Awaitable[None]]) -> list[BaseException | None]:
    return await asyncio.gather(*all_of_them, return_exceptions=True)
