# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The audition of `wazo-busd replay --handler`: recorded events, given to one handler without a broker."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from traceback import TracebackException
from typing import Any, NoReturn

import click
import structlog

from wazo_busd import roster
from wazo_busd.cli.options import command, failure, misconfigured, plural
from wazo_busd.cli.pace import Pace
from wazo_busd.cli.recorded import Recorded
from wazo_busd.cli.tail_line import json_text
from wazo_busd.codec import Limits
from wazo_busd.config import Configuration, near
from wazo_busd.context import Context
from wazo_busd.delivery import Delivery, PlainProperties
from wazo_busd.dispatcher import Dispatcher
from wazo_busd.emission import emitter
from wazo_busd.errors import Interrupted, PluginError
from wazo_busd.event import Event
from wazo_busd.gathering import Gathering
from wazo_busd.handler import Handler
from wazo_busd.http import SharedSession
from wazo_busd.outcome import Outcome
from wazo_busd.testing.outcomes import emitted
from wazo_busd.testing.recorder import Recorder, burst_of
from wazo_busd.text import escape
from wazo_busd.throttle import Throttle

_MOST_OPEN = 256
_NAME_WIDTH = 30


def handler_of(configuration: Configuration, name: str, path: Path) -> Handler:
    """The handler of a name, be it one that is switched off, such that it tries each event once; or say why not.

    Args:
        configuration: the configuration.
        name: the name of the handler.
        path: the main configuration file.
    """
    handlers = configuration.config.handlers
    if name not in handlers:
        _fail(f'there is no handler {name!r}', near(name, handlers) or command('check', path))
    found = roster.alone(_once(configuration, name), name)
    if name not in found.handlers:
        misconfigured([each for each in (*found.problems, *found.failures) if each.handler == name])
    return found.handlers[name]


class Audition:
    """Gives recorded events to a handler through the daemon's own dispatcher, and shows what becomes of each.

    Args:
        configuration: the configuration.
        handler: the handler.
        output: `text` or `json`.
    """

    def __init__(self, configuration: Configuration, handler: Handler, output: str) -> None:
        bus = configuration.config.bus
        self._handler = handler
        self._limits = Limits(bus.max_body_size, bus.max_depth)
        self._is_json = output == 'json'
        self._watcher = _Watcher(self._settled)
        self._given: dict[int, tuple[Recorded, float]] = {}
        self._outcomes: Counter[str] = Counter()
        self._passed_over = 0
        self._emitted = 0
        self._context: Context

    async def play(self, recorded: Iterator[Recorded], pace: Pace) -> None:
        """Start the handler, give it the events when their time has come, and stop it.

        Args:
            recorded: the events.
            pace: when each of them is played.

        Raises:
            PluginError: the handler cannot be started.
        """
        http = SharedSession()
        with tempfile.TemporaryDirectory(prefix='wazo-busd-') as directory:
            self._context = self._make_context(http, Path(directory) / 'state')
            try:
                await self._start()
                try:
                    await self._give(recorded, pace, Path(directory) / 'gathered')
                finally:
                    await self._handler.stop()
            finally:
                await http.close()

    def conclude(self) -> None:
        """Say what became of them all."""
        told = {
            'handler': self._handler.name,
            'outcomes': dict(self._outcomes),
            'passed_over': self._passed_over,
            'unsettled': self._watcher.missing,
            'emitted': self._emitted,
        }
        if self._is_json:
            click.echo(json_text(told))
            return
        parts = [f'{count} {outcome}' for outcome, count in self._outcomes.most_common()] or ['no event was for it']
        if self._passed_over:
            parts.append(f'{self._passed_over} passed over: not matched, or not wanted')
        if self._watcher.missing:
            parts.append(f'{self._watcher.missing} not finished')
        if self._emitted:
            parts.append(f'{plural(self._emitted, "derived event")} emitted')
        click.echo(f'{self._handler.name}: {"; ".join(parts)}')

    async def _start(self) -> None:
        try:
            await self._handler.start(self._context)
        except (Interrupted, asyncio.CancelledError):
            raise
        except BaseException as error:
            # It is the plugin's own code, and may raise anything.
            said = self._context.concealed(_first_line(error))
            raise PluginError(f'{self._handler.name} cannot be started: {said}', 'wazo-busd check') from error

    async def _give(self, recorded: Iterator[Recorded], pace: Pace, files: Path) -> None:
        handler = self._handler
        throttle = Throttle(handler.name, handler.config.throttle) if handler.config.throttle else None
        dispatcher = Dispatcher(handler, self._limits, throttle=throttle)
        # Nothing comes again here, so every event is tried, however many have failed.
        dispatcher.breaker.stop()

        async def hand(body: bytes, last: Event) -> None:
            burst = Recorded(0.0, '', last.routing_key, {'name': f'a burst of {last.name}'}, {}, body)
            self._accept(dispatcher, burst_of(self._next(burst), body, last, self._watcher))

        gatherer = await dispatcher.gather(Gathering(files, handler.name), hand) if handler.gather is not None else None
        try:
            for each in recorded:
                await pace.reach(each.at)
                await self._watcher.room()
                self._accept(dispatcher, self._delivery(each))
            await self._watcher.all_settled.wait()
            if gatherer is not None:
                await gatherer.flush()
                await self._watcher.all_settled.wait()
        finally:
            await dispatcher.drain(0.0)

    def _accept(self, dispatcher: Dispatcher, delivery: Delivery) -> None:
        self._watcher.expect()
        self._watcher.is_accepting = True
        dispatcher.accept(delivery)
        self._watcher.is_accepting = False

    def _next(self, each: Recorded) -> int:
        tag = self._watcher.count + 1
        self._given[tag] = (each, time.monotonic())
        return tag

    def _delivery(self, each: Recorded) -> Delivery:
        return Delivery(
            self._next(each),
            body=each.body,
            exchange=each.exchange,
            routing_key=each.routing_key,
            properties=PlainProperties(each.headers),
            redelivered=False,
            received_at=time.time(),
            acknowledger=self._watcher,
        )

    def _settled(self, delivery: Delivery, *, at_once: bool) -> None:
        each, began = self._given.pop(delivery.tag)
        outcome = delivery.settled or Outcome.INTERRUPTED
        if at_once and outcome is Outcome.DONE:
            self._passed_over += 1
            return
        self._outcomes[outcome.value] += 1
        reason, history = self._watcher.reasons.pop(delivery.tag, None), self._watcher.histories.pop(delivery.tag, None)
        error = f'{reason.error}: {reason.text}' if reason else history.first_error if history else ''
        self._show(each, outcome, self._context.concealed(error.partition('\n')[0]), time.monotonic() - began)

    def _show(self, each: Recorded, outcome: Outcome, error: str, seconds: float) -> None:
        said = each.headers.get('name')
        name = said if isinstance(said, str) and said else each.routing_key
        if self._is_json:
            told = {
                'at': each.at,
                'name': name,
                'routing_key': each.routing_key,
                'outcome': outcome.value,
                'error': error,
                'seconds': round(seconds, 6),
            }
            click.echo(json_text(told))
            return
        text = f'{each.at:>12.3f} s  {escape(name):<{_NAME_WIDTH}}  {outcome.value:<9}  {seconds * 1000:>7.1f} ms'
        click.echo(f'{text}  {escape(error)}'.rstrip())

    def _make_context(self, http: SharedSession, state_dir: Path) -> Context:
        handler = self._handler
        return Context(
            handler.name,
            handler.options,
            log=structlog.stdlib.get_logger().bind(handler=handler.name),
            http=http.get,
            guarded=http.guarded,
            concurrency=handler.concurrency,
            secrets=handler.secrets,
            emit=emitter(self._publish),
            state_dir=state_dir,
            surroundings=handler.surroundings,
        )

    async def _publish(self, routing_key: str, body: bytes, headers: Mapping[str, Any]) -> None:
        self._emitted += 1
        found = emitted(routing_key, body, headers)
        if self._is_json:
            click.echo(json_text({'emitted': found.name, 'routing_key': found.routing_key, 'data': found.data}))
        else:
            click.echo(f'{"":>14}  {escape(found.name):<{_NAME_WIDTH}}  emitted')


class _Watcher(Recorder):
    """Notes what becomes of the deliveries, and tells it."""

    def __init__(self, settled: Callable[..., None]) -> None:
        super().__init__()
        self.all_settled.set()
        self.count = 0
        """How many there were."""
        self.is_accepting = False
        """Whether a delivery is being taken, so that what is settled now was looked at and no more."""
        self._tell = settled
        self._room = asyncio.Event()

    def expect(self) -> None:
        """One more delivery is coming."""
        super().expect()
        self.count += 1

    def ack(self, delivery: Delivery) -> None:
        """Note that one is settled."""
        super().ack(delivery)
        self._tell(delivery, at_once=self.is_accepting)
        self._room.set()

    async def room(self) -> None:
        """Wait until there are not too many at a time."""
        # The loop may not have turned for long, and nobody else would have.
        await asyncio.sleep(0)
        while self.missing >= _MOST_OPEN:
            self._room.clear()
            await self._room.wait()


def _once(configuration: Configuration, name: str) -> Configuration:
    """The configuration in which a handler tries each event once: a person does not wait for back-offs."""
    config = configuration.config
    handler = config.handlers[name]
    tries = {'in_place': 0, **({'attempts': 1} if handler.order_by else {})}
    once = handler.model_copy(update={'retry': handler.retry.model_copy(update=tries)})
    return replace(configuration, config=config.model_copy(update={'handlers': {**config.handlers, name: once}}))


def _first_line(error: BaseException) -> str:
    said = ''.join(TracebackException.from_exception(error, limit=0).format_exception_only())
    return said.strip().partition('\n')[0]


def _fail(text: str, cure: str) -> NoReturn:
    click.echo(failure(text, cure), err=True)
    sys.exit(1)
