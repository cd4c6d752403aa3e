# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The post: one handler at its work, from its start to its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from tests.unit.rig import PATIENCE_SECONDS, log_lines, make_context, make_handler, patiently, turn
from wazo_busd import post as module
from wazo_busd.blackbox import read
from wazo_busd.breaker import never
from wazo_busd.bus import ConsumerState
from wazo_busd.codec import Limits, encode
from wazo_busd.config import QueueConfig
from wazo_busd.errors import HandlerTimeout
from wazo_busd.event import Event
from wazo_busd.memory import MemoryBus
from wazo_busd.plugin import handler
from wazo_busd.post import Post
from wazo_busd.strays import Strays
from wazo_busd.suspects import Suspects


class Bench:
    """A bus in memory, and posts on it."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()
        self.bus = MemoryBus(on_change=self._changed.set)
        self.strays = Strays()
        self.steps: list[str] = []
        self.posts: list[Post] = []

    def begin(
        self,
        plugin: Any,
        *,
        suspects: Suspects | None = None,
        is_outage: Callable[[BaseException], bool] = never,
        **config: Any,
    ) -> Post:
        """Begin a post whose handler is called `bell` and matches everything."""
        one = make_handler(plugin, name='bell', **config)
        queue = self.bus.hub.handler_queue('bell', one.match.bindings, QueueConfig())
        post = Post(
            one,
            queue,
            bus=self.bus,
            context=lambda: make_context('bell', options=self),
            limits=Limits(),
            strays=self.strays,
            suspects=suspects,
            is_outage=is_outage,
        )
        post.begin()
        self.posts.append(post)
        return post

    def send(self, data: Any = None) -> None:
        """Publish an event as a service would."""
        body = encode({'name': 'call_created', 'data': data})
        self.bus.send('wazo-headers', 'calls.call.created', body, {'name': 'call_created'})

    @property
    def state(self) -> ConsumerState:
        return self.bus.status().consumers['bell'].state

    async def consuming(self) -> None:
        """Wait until the post consumes."""
        await self.until(lambda: self.state is ConsumerState.CONSUMING)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until the bus has changed so that a condition holds."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not condition():
                self._changed.clear()
                await self._changed.wait()


@pytest.fixture
async def bench(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    """A bench on which nobody waits before he tries again; its posts are ended in the end."""
    monkeypatch.setattr(module, '_FIRST_PAUSE_SECONDS', 0.0)
    made = Bench()
    yield made
    for post in made.posts:
        post.hurry()
        await patiently(post.end(0.0))


class Noting:
    """A plugin that notes on its bench what happens to it."""

    def __init__(self, context: Any) -> None:
        self.bench: Bench = context.options

    @handler
    async def on_event(self, event: Event) -> None:
        self.bench.steps.append(f'event {event.data}')

    async def start(self) -> None:
        self.bench.steps.append('start')

    async def stop(self) -> None:
        self.bench.steps.append('stop')


def noting(**methods: Callable[..., Any]) -> type[Noting]:
    """`Noting`, with other methods."""
    return type('Plugin', (Noting,), methods)


# ---- start


async def test_a_post_consumes_when_its_plugin_has_started(bench: Bench) -> None:
    bench.begin(Noting)

    await bench.consuming()

    assert bench.steps == ['start']


async def test_events_that_came_before_the_plugin_has_started_are_handled_then(bench: Bench) -> None:
    # Given a plugin that takes its time to start
    release = asyncio.Event()

    async def start(self: Noting) -> None:
        await release.wait()
        self.bench.steps.append('start')

    post = bench.begin(noting(start=start))
    bench.send(1)
    bench.send(2)
    await turn()

    # When it has started
    release.set()
    await bench.consuming()
    await turn()
    await patiently(post.end(20.0))

    # Then it gets what came meanwhile, in order
    assert bench.steps == ['start', 'event 1', 'event 2', 'stop']


async def test_a_post_that_starts_says_so(bench: Bench, log: StringIO) -> None:
    bench.begin(Noting)

    await bench.consuming()

    assert log_lines(log, 'handler_started') == [{'level': 'INFO', 'handler': 'bell', 'plugin': 'test'}]


@pytest.mark.parametrize('error', [OSError, ValueError, SystemExit, KeyboardInterrupt, asyncio.CancelledError])
async def test_a_plugin_that_cannot_start_is_started_again(bench: Bench, error: type[BaseException]) -> None:
    # Given a plugin that can only start the third time
    async def start(self: Noting) -> None:
        self.bench.steps.append('start')
        if len(self.bench.steps) < 3:
            raise error

    # When its post begins
    bench.begin(noting(start=start))

    # Then it consumes in the end
    await bench.consuming()
    assert bench.steps == ['start'] * 3


async def test_a_plugin_that_cannot_start_is_told_with_what_that_means(bench: Bench, log: StringIO) -> None:
    # Given a plugin that cannot start at first
    async def start(self: Noting) -> None:
        self.bench.steps.append('start')
        if len(self.bench.steps) == 1:
            raise OSError('no bell')

    # When its post begins
    bench.begin(noting(start=start))
    await bench.consuming()

    # Then the log says so
    assert log_lines(log, 'handler_not_started') == [
        {
            'level': 'ERROR',
            'handler': 'bell',
            'plugin': 'test',
            'error': 'OSError: no bell',
            'retry_seconds': '0',
            'effect': 'its events wait in its queue',
        }
    ]


async def test_a_mistake_in_start_is_told_with_its_traceback(bench: Bench, log: StringIO) -> None:
    async def start(self: Noting) -> None:
        self.bench.steps.append('start')
        if len(self.bench.steps) == 1:
            raise ValueError('a mistake')

    bench.begin(noting(start=start))
    await bench.consuming()

    assert ', in start\n' in log.getvalue()


async def test_an_error_in_start_that_cannot_be_told_does_not_matter(bench: Bench) -> None:
    # Given a plugin whose error has no text
    class Odd(Exception):
        def __str__(self) -> str:
            raise RuntimeError('no text')

    async def start(self: Noting) -> None:
        self.bench.steps.append('start')
        if len(self.bench.steps) == 1:
            raise Odd

    # When it cannot start
    bench.begin(noting(start=start))

    # Then it is started again
    await bench.consuming()
    assert bench.steps == ['start'] * 2


async def test_a_plugin_that_takes_too_long_to_start_is_started_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a plugin that hangs when it first starts
    monkeypatch.setattr(module, '_START_SECONDS', 0.01)

    async def start(self: Noting) -> None:
        self.bench.steps.append('start')
        if len(self.bench.steps) == 1:
            await asyncio.Event().wait()

    # When its post begins
    bench.begin(noting(start=start))

    # Then it consumes in the end
    await bench.consuming()
    assert bench.steps == ['start'] * 2


# ---- end


async def test_the_end_of_a_post_stops_its_plugin(bench: Bench) -> None:
    post = bench.begin(Noting)
    await bench.consuming()

    await patiently(post.end(20.0))

    assert bench.steps == ['start', 'stop']


async def test_the_end_of_a_post_waits_for_what_runs_and_then_stops_the_plugin(bench: Bench) -> None:
    # Given a handler that runs
    begun, release = asyncio.Event(), asyncio.Event()

    @handler
    async def on_event(self: Noting, event: Event) -> None:
        begun.set()
        await release.wait()
        self.bench.steps.append('event')

    post = bench.begin(noting(on_event=on_event))
    await bench.consuming()
    bench.send()
    await patiently(begun.wait())

    # When the post ends
    ending = asyncio.create_task(post.end(3600.0))
    await turn()
    before = (ending.done(), list(bench.steps))
    release.set()
    await patiently(ending)

    # Then, and not before, the event is done, and then the plugin stops
    assert (before, bench.steps, bench.bus.backlog('bell')) == ((False, ['start']), ['start', 'event', 'stop'], 0)


async def test_the_end_of_a_post_gives_back_what_has_not_begun(bench: Bench) -> None:
    # Given a handler that runs, and events behind it
    begun, release = asyncio.Event(), asyncio.Event()

    @handler
    async def on_event(self: Noting, event: Event) -> None:
        begun.set()
        await release.wait()

    post = bench.begin(noting(on_event=on_event))
    await bench.consuming()
    for number in range(3):
        bench.send(number)
    await patiently(begun.wait())

    # When the post ends
    ending = asyncio.create_task(post.end(3600.0))
    await turn()
    release.set()
    await patiently(ending)

    # Then they are in the queue
    assert bench.bus.backlog('bell') == 2


async def test_events_that_come_after_the_end_stay_in_the_queue(bench: Bench) -> None:
    post = bench.begin(Noting)
    await bench.consuming()
    await patiently(post.end(20.0))

    bench.send()
    await turn()

    assert (bench.bus.backlog('bell'), bench.steps) == (1, ['start', 'stop'])


async def test_the_event_of_a_handler_that_is_late_is_given_back(bench: Bench) -> None:
    # Given a handler that hangs
    begun = asyncio.Event()

    @handler
    async def on_event(self: Noting, event: Event) -> None:
        begun.set()
        await asyncio.Event().wait()

    post = bench.begin(noting(on_event=on_event))
    await bench.consuming()
    bench.send()
    await patiently(begun.wait())

    # When the post ends and nobody wants to wait
    await patiently(post.end(0.0))

    # Then the event is in the queue, and the plugin has stopped
    assert (bench.bus.backlog('bell'), bench.steps) == (1, ['start', 'stop'])


async def test_a_post_that_ends_consumes_no_more_while_it_waits(bench: Bench) -> None:
    # Given a handler that runs
    begun, release = asyncio.Event(), asyncio.Event()

    @handler
    async def on_event(self: Noting, event: Event) -> None:
        begun.set()
        await release.wait()

    post = bench.begin(noting(on_event=on_event))
    await bench.consuming()
    bench.send()
    await patiently(begun.wait())

    # When its post ends, and waits for it
    ending = asyncio.create_task(post.end(3600.0))
    await turn()
    state = bench.state
    release.set()
    await patiently(ending)

    # Then its queue is not consumed meanwhile
    assert state is ConsumerState.CANCELLED


async def test_a_post_that_was_hurried_before_its_plugin_had_started_does_not_wait_either(bench: Bench) -> None:
    # Given a post that is hurried as soon as it begins
    begun = asyncio.Event()

    @handler
    async def on_event(self: Noting, event: Event) -> None:
        begun.set()
        await asyncio.Event().wait()

    post = bench.begin(noting(on_event=on_event))
    post.hurry()
    await bench.consuming()
    bench.send()
    await patiently(begun.wait())

    # When it ends
    await patiently(post.end(3600.0))

    # Then the event is in the queue
    assert bench.bus.backlog('bell') == 1


@pytest.mark.parametrize('early', [True, False])
async def test_hurry_ends_the_waiting(bench: Bench, early: bool) -> None:
    # Given a handler that hangs
    begun = asyncio.Event()

    @handler
    async def on_event(self: Noting, event: Event) -> None:
        begun.set()
        await asyncio.Event().wait()

    post = bench.begin(noting(on_event=on_event))
    await bench.consuming()
    bench.send()
    await patiently(begun.wait())

    # When its post ends in a hurry, before or while it waits
    if early:
        post.hurry()
    ending = asyncio.create_task(post.end(3600.0))
    await turn()
    post.hurry()
    await patiently(ending)

    # Then the event is in the queue
    assert bench.bus.backlog('bell') == 1


async def test_a_post_can_end_while_its_plugin_starts(bench: Bench) -> None:
    # Given a plugin that hangs when it starts
    begun = asyncio.Event()

    async def start(self: Noting) -> None:
        begun.set()
        await asyncio.Event().wait()

    post = bench.begin(noting(start=start))
    await patiently(begun.wait())

    # When the post ends
    await patiently(post.end(3600.0))

    # Then it has not been stopped, as it never started
    assert bench.steps == []


async def test_a_post_can_end_while_it_waits_to_start_its_plugin_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a plugin that cannot start
    monkeypatch.setattr(module, '_FIRST_PAUSE_SECONDS', 3600.0)
    failed = asyncio.Event()

    async def start(self: Noting) -> None:
        failed.set()
        raise OSError('no bell')

    post = bench.begin(noting(start=start))
    await patiently(failed.wait())
    await turn()

    # When the post ends
    await patiently(post.end(3600.0))

    # Then it is gone
    assert bench.bus.status().consumers == {}


@pytest.mark.parametrize('error', [None, ConnectionResetError, SystemExit])
async def test_a_post_can_end_while_its_plugin_starts_even_if_that_does_not_like_to_be_cancelled(
    bench: Bench, error: type[BaseException] | None
) -> None:
    # Given a plugin that makes something else of its cancellation
    begun = asyncio.Event()

    async def start(self: Noting) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if error is not None:
                raise error from None
            self.bench.steps.append('start')

    post = bench.begin(noting(start=start))
    await patiently(begun.wait())

    # When the post ends
    await patiently(post.end(3600.0))

    # Then it has ended; what has started after all has been stopped
    assert bench.steps == ([] if error else ['start', 'stop'])


async def test_a_post_ends_without_a_plugin_whose_start_ignores_that_it_is_cancelled(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, log: StringIO
) -> None:
    # Given a plugin that cannot be cancelled
    monkeypatch.setattr(module, '_LEAST_SECONDS', 0.01)
    begun, release = asyncio.Event(), asyncio.Event()

    async def start(self: Noting) -> None:
        begun.set()
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    post = bench.begin(noting(start=start))
    await patiently(begun.wait())

    # When the post ends
    await patiently(post.end(0.0))
    release.set()
    await turn()

    # Then nobody waits for it, the log names it, and it never consumes
    assert (log_lines(log, 'handler_ignores_cancellation'), bench.bus.status().consumers) == (
        [{'level': 'ERROR', 'handler': 'bell', 'while': 'starting'}],
        {},
    )


async def test_a_plugin_that_has_just_started_is_stopped(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a post that waits for the bus, with its plugin started
    waits = asyncio.Event()
    original = bench.bus.detach

    async def detach(name: str, timeout_seconds: float) -> None:
        if not waits.is_set():
            waits.set()
            await asyncio.Event().wait()
        await original(name, timeout_seconds)

    monkeypatch.setattr(bench.bus, 'detach', detach)
    post = bench.begin(Noting)
    await patiently(waits.wait())

    # When it ends
    await patiently(post.end(20.0))

    # Then the plugin is stopped
    assert bench.steps == ['start', 'stop']


@pytest.mark.parametrize('error', [ValueError, SystemExit, KeyboardInterrupt, asyncio.CancelledError, HandlerTimeout])
async def test_a_plugin_that_fails_to_stop_keeps_nobody_from_ending(
    bench: Bench, error: type[BaseException], log: StringIO
) -> None:
    # Given a plugin that fails to stop
    async def stop(self: Noting) -> None:
        raise error('stuck')

    post = bench.begin(noting(stop=stop))
    await bench.consuming()

    # When its post ends
    await patiently(post.end(20.0))

    # Then the log says so
    assert log_lines(log, 'handler_stop_failed') == [
        {'level': 'ERROR', 'handler': 'bell', 'error': f'{error.__name__}: stuck'}
    ]


async def test_a_plugin_that_awaits_a_task_that_it_has_cancelled_keeps_nobody_from_ending(bench: Bench) -> None:
    # Given a plugin that stops as many do
    async def stop(self: Noting) -> None:
        task = asyncio.create_task(asyncio.sleep(3600))
        task.cancel()
        await task

    post = bench.begin(noting(stop=stop))
    await bench.consuming()

    # When its post ends together with others
    results = await patiently(asyncio.gather(post.end(20.0), asyncio.sleep(0, 'the others')))

    # Then all of them end
    assert results == [None, 'the others']


async def test_an_end_that_is_cancelled_while_the_plugin_stops_is_cancelled(bench: Bench) -> None:
    # Given a plugin that hangs when it stops
    begun = asyncio.Event()

    async def stop(self: Noting) -> None:
        if not begun.is_set():
            begun.set()
            await asyncio.Event().wait()

    post = bench.begin(noting(stop=stop))
    await bench.consuming()
    ending = asyncio.create_task(post.end(20.0))
    await patiently(begun.wait())

    # When somebody cancels the end
    ending.cancel()
    await asyncio.wait([ending])

    # Then it is
    assert ending.cancelled()


async def test_a_plugin_that_takes_too_long_to_stop_is_not_waited_for(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, log: StringIO
) -> None:
    # Given a plugin that hangs when it stops
    monkeypatch.setattr(module, '_STOP_SECONDS', 0.01)

    async def stop(self: Noting) -> None:
        await asyncio.Event().wait()

    post = bench.begin(noting(stop=stop))
    await bench.consuming()

    # When its post ends
    await patiently(post.end(20.0))

    # Then the log says so
    (line,) = log_lines(log, 'handler_stop_failed')
    assert line['error'].startswith('TimeoutError')


async def test_a_post_can_be_begun_again_for_the_same_queue(bench: Bench) -> None:
    # Given a post that has ended, and an event that came since
    post = bench.begin(Noting)
    await bench.consuming()
    await patiently(post.end(20.0))
    bench.send('late')

    # When another post begins there
    bench.begin(Noting)
    await bench.consuming()
    await turn()

    # Then it gets the event
    assert bench.steps == ['start', 'stop', 'start', 'event late']


# ---- what a plugin leaves running


@pytest.fixture
async def left(bench: Bench) -> AsyncIterator[list[asyncio.Task[Any]]]:
    """What the plugins of a test have left running, on a loop whose tasks are noted."""
    asyncio.get_running_loop().set_task_factory(bench.strays)
    tasks: list[asyncio.Task[Any]] = []
    yield tasks
    asyncio.get_running_loop().set_task_factory(None)


async def _for_ever() -> None:
    await asyncio.Event().wait()


async def test_what_a_call_has_left_running_is_counted(bench: Bench, left: list[asyncio.Task[Any]]) -> None:
    # Given a plugin that leaves a task running with every event
    @handler
    async def on_event(self: Noting, event: Event) -> None:
        left.append(asyncio.create_task(_for_ever()))

    bench.begin(noting(on_event=on_event))
    await bench.consuming()

    # When it has handled two
    bench.send(1)
    bench.send(2)
    await turn()

    # Then they are counted
    assert bench.strays.left('bell') == 2


@pytest.mark.parametrize('where', ['start', 'on_event', 'stop'])
async def test_the_end_of_a_post_ends_what_its_plugin_has_left_running(
    bench: Bench, left: list[asyncio.Task[Any]], where: str
) -> None:
    # Given a plugin that leaves a task running
    async def leave(self: Noting, *event: Event) -> None:
        left.append(asyncio.create_task(_for_ever()))

    async def on_event(self: Noting, event: Event) -> None:
        await leave(self)

    post = bench.begin(noting(**{where: handler(on_event) if where == 'on_event' else leave}))
    await bench.consuming()
    bench.send(1)
    await turn()

    # When its post ends
    await patiently(post.end(20.0))

    # Then the task ends
    assert [task.cancelled() for task in left] == [True]


async def test_a_task_that_the_plugin_ends_itself_is_not_told(
    bench: Bench, left: list[asyncio.Task[Any]], log: StringIO
) -> None:
    # Given a plugin that ends in its stop what it began in its start
    async def start(self: Noting) -> None:
        left.append(asyncio.create_task(_for_ever()))

    async def stop(self: Noting) -> None:
        left[0].cancel()
        await asyncio.wait(left)

    post = bench.begin(noting(start=start, stop=stop))
    await bench.consuming()

    # When its post ends
    await patiently(post.end(20.0))

    # Then there is nothing to say
    assert log_lines(log, 'tasks_cancelled') == []


async def test_what_a_start_that_failed_has_left_running_is_ended(bench: Bench, left: list[asyncio.Task[Any]]) -> None:
    # Given a plugin whose first start fails
    async def start(self: Noting) -> None:
        left.append(asyncio.create_task(_for_ever()))
        if len(left) == 1:
            raise OSError('not yet')

    # When the second one succeeds
    bench.begin(noting(start=start))
    await bench.consuming()

    # Then only what that one began runs
    assert [task.done() for task in left] == [True, False]


# ---- while what it needs is out


class ServerOut(Exception):
    """What a library raises."""


def is_server_out(error: BaseException) -> bool:
    return isinstance(error, ServerOut)


class Server:
    """A plugin that needs a server."""

    def __init__(self) -> None:
        self.is_out = True
        self.handled: list[Any] = []
        self.came = asyncio.Event()

        @handler
        async def ring(event: Event) -> None:
            if self.is_out:
                raise ServerOut
            self.handled.append(event.data)
            self.came.set()

        self.plugin = ring


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A handler that rests is soon tried again."""
    monkeypatch.setattr('wazo_busd.breaker._FIRST_PAUSE_SECONDS', 0.005)
    monkeypatch.setattr('wazo_busd.breaker._LAST_PAUSE_SECONDS', 0.005)


async def test_while_what_it_needs_is_out_its_events_wait_in_its_queue_and_the_status_says_why(bench: Bench) -> None:
    # Given a handler whose server is out
    bench.begin(Server().plugin, is_outage=is_server_out, retry={'in_place': 0, 'backoff': '1h'})
    await bench.consuming()

    # When events come
    for number in range(8):
        bench.send(number)
    await bench.until(lambda: bench.state is ConsumerState.PAUSED)
    await turn()

    # Then most of them wait in its queue
    assert bench.bus.status().consumers['bell'].detail.startswith('5 outages in a row, the last was ServerOut')
    assert bench.bus.backlog('bell') == 3


@pytest.mark.usefixtures('soon')
async def test_when_what_it_needs_is_back_it_handles_what_waits(bench: Bench) -> None:
    # Given a handler whose server is out, and events that wait
    server = Server()
    bench.begin(server.plugin, is_outage=is_server_out, retry={'in_place': 0, 'backoff': '1h'})
    await bench.consuming()
    for number in range(8):
        bench.send(number)
    await bench.until(lambda: bench.state is ConsumerState.PAUSED)

    # When it is back
    server.is_out = False
    await patiently(server.came.wait())
    await bench.until(lambda: bench.bus.status().consumers['bell'].detail == '')

    # Then all that had not been tried is handled
    bench.send('last')
    async with asyncio.timeout(PATIENCE_SECONDS):
        while 'last' not in server.handled:
            server.came.clear()
            await server.came.wait()
    assert bench.bus.backlog('bell') == 0


async def test_a_handler_that_ends_while_it_rests_gives_its_events_back(bench: Bench) -> None:
    # Given a handler that rests
    post = bench.begin(Server().plugin, is_outage=is_server_out, retry={'in_place': 0, 'backoff': '1h'})
    await bench.consuming()
    for number in range(8):
        bench.send(number)
    await bench.until(lambda: bench.state is ConsumerState.PAUSED)

    # When it ends
    await patiently(post.end(1.0))

    # Then they are in its queue
    assert bench.bus.backlog('bell') == 3


async def test_what_its_handler_is_at_is_recorded_for_the_next_process(bench: Bench, tmp_path: Path) -> None:
    # Given a handler that runs
    begun, release = asyncio.Event(), asyncio.Event()

    @handler
    async def ring(event: Event) -> None:
        begun.set()
        await release.wait()

    bench.begin(ring, suspects=Suspects(tmp_path))
    await bench.consuming()
    bench.send()
    await patiently(begun.wait())

    # When another process looks
    found = read(tmp_path / 'running' / 'bell.box')
    release.set()

    # Then it finds what the handler is at
    assert len(found) == 1
