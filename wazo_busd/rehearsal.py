# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The rehearsal: what the handlers of a configuration would do with an event. None is started, nothing is sent."""

from __future__ import annotations

import asyncio
import inspect
import json
import tempfile
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from traceback import TracebackException
from typing import Any, NoReturn, Self

import structlog

from wazo_busd.burst import Burst, gathered
from wazo_busd.codec import encode
from wazo_busd.config import Configuration
from wazo_busd.context import Context
from wazo_busd.errors import Discard, Interrupted, Permanent
from wazo_busd.event import Event
from wazo_busd.fact import Fact
from wazo_busd.handler import Handler
from wazo_busd.roster import Roster
from wazo_busd.throttle import Throttle, file_of
from wazo_busd.verdict import Ruling, Verdict, absent, verdict
from wazo_busd.work import Work

Previewer = Callable[[Event], Any]


class Rehearsal:
    """Gives events to the handlers of a configuration, none of which is started, and tells what each would do.

    What a plugin remembers from one event to the next, it remembers here too.

    Args:
        configuration: the configuration; it has no problems.
        roster: its handlers.
        previews: whether to ask what they would send.
        state_dir: where the daemon remembers what it has let through; `None` begins without.
    """

    def __init__(
        self, configuration: Configuration, roster: Roster, *, previews: bool = True, state_dir: Path | None = None
    ) -> None:
        self._configuration = configuration
        self._roster = roster
        self._previews = previews
        self._contexts: dict[str, Context] = {}
        self._previewers: dict[str, Previewer | None] = {}
        self._throttles: dict[str, Throttle] = {}
        self._bursts: dict[str, tuple[float, tuple[Event, ...]]] = {}
        """When the burst of a handler began, and its events so far."""
        self._state_dir = state_dir
        self.lacks: list[str] = []
        """What could not be read, so that a verdict may be another than the daemon's."""
        self._files = ExitStack()
        self._directory = Path()

    def __enter__(self) -> Self:
        self._directory = Path(self._files.enter_context(tempfile.TemporaryDirectory(prefix='wazo-busd-')))
        return self

    def __exit__(self, *error: object) -> None:
        self._files.close()

    async def verdicts(
        self, event: Event, *, now: float | None = None, only: Collection[str] | None = None
    ) -> list[Verdict]:
        """What each handler would do with an event, in the order of the configuration.

        Args:
            event: the event.
            now: the time, Unix seconds; that of the clock if `None`.
            only: the handlers that are asked; all if `None`.
        """
        at = time.time() if now is None else now
        names = [name for name in self._configuration.config.handlers if only is None or name in only]
        return [await self._verdict(name, event, at) for name in names]

    async def _verdict(self, name: str, event: Event, now: float) -> Verdict:
        handler = self._roster.handlers.get(name)
        if handler is None:
            return absent(name, self._configuration, self._roster)
        found = verdict(handler, event, now=now)
        if found.ruling is Ruling.NOT:
            return found
        denial = self._throttled(handler, event, now)
        if denial is not None:
            return Verdict(name, Ruling.NOT, (denial,))
        if not found.runs:
            return found
        burst = self._burst(handler, event, now)
        return await self._previewed(handler, burst, found) if self._previews else found

    def _throttled(self, handler: Handler, event: Event, now: float) -> str | None:
        """Why it comes too soon after another; if it does not, it is remembered."""
        config = handler.config.throttle
        if config is None:
            return None
        throttle = self._throttles.get(handler.name)
        if throttle is None:
            throttle = self._throttles[handler.name] = Throttle(handler.name, config)
            path = file_of(self._state_dir, handler.name) if self._state_dir else None
            try:
                if path is not None:
                    throttle.recall(path)
            except OSError as error:
                self.lacks.append(f'{path}: {error.strerror}: what {handler.name} has let through is not known')
        denial = throttle.explain(event, now=now)
        if denial is None:
            throttle.lets(event, now=now)
        return denial

    def _burst(self, handler: Handler, event: Event, now: float) -> Event:
        """The event, or the burst so far that it is the last of."""
        if handler.gather is None:
            return event
        began, events = self._bursts.get(handler.name, (now, ()))
        if now - began >= handler.gather.seconds:
            began, events = now, ()
        events = (*events, event)
        self._bursts[handler.name] = (began, events)
        return gathered(Burst(len(events), events), redelivered=False, attempt=1, id=event.id)

    async def _previewed(self, handler: Handler, event: Event, found: Verdict) -> Verdict:
        """The verdict with what the handler would send.

        The plugin may know better than its conditions: that it has no use for the event, or that no text can be made
        of it.
        """
        if handler.name not in self._contexts:
            self._contexts[handler.name] = context_of(handler, self._directory / handler.name)
        context = self._contexts[handler.name]
        try:
            previewer = self._previewer(handler, context)
            if previewer is None:
                return found
            async with asyncio.timeout(handler.config.timeout):
                return replace(found, sends=await ask(previewer, event, context))
        except Discard as error:
            said = f'plugin: it has no use for the event: {error}'
            return replace(found, ruling=Ruling.NOT, reasons=(context.concealed(said),))
        except Permanent as error:
            return replace(found, ruling=Ruling.DEAD, reasons=(context.concealed(str(error)),))
        except (Interrupted, asyncio.CancelledError):
            raise
        except BaseException as error:  # noqa: BLE001 — it is the plugin's own code, and may raise anything
            said = ''.join(TracebackException.from_exception(error, limit=0).format_exception_only()).strip()
            text = f'plugin: {handler.plugin.name} could not say what it would send: {said}'
            return replace(found, ruling=Ruling.UNKNOWN, reasons=(context.concealed(text),))

    def _previewer(self, handler: Handler, context: Context) -> Previewer | None:
        if handler.name not in self._previewers:
            self._previewers[handler.name] = handler.previewer(context)
        return self._previewers[handler.name]


def context_of(handler: Handler, state_dir: Path) -> Context:
    """A context in which nothing is sent and nothing emitted.

    Args:
        handler: the handler that it is for.
        state_dir: the directory of the handler.
    """
    return Context(
        handler.name,
        handler.options,
        log=structlog.stdlib.get_logger().bind(handler=handler.name),
        http=_nothing_is_sent,
        guarded=_nothing_is_sent,
        emit=_nothing_is_emitted,
        state_dir=state_dir,
        surroundings=handler.surroundings,
        concurrency=handler.concurrency,
        secrets=handler.secrets,
    )


async def ask(previewer: Previewer, event: Event, context: Context) -> dict[str, Any]:
    """What a plugin says that it would send, in JSON's types, without what the configuration has from files.

    Args:
        previewer: what the handler gave.
        event: the event.
        context: the context of the plugin.

    Raises:
        TypeError: it is no map.
        Exception: whatever the plugin's code raises.
    """
    told = previewer(event)
    told = await told if inspect.isawaitable(told) else told
    if not isinstance(told, Mapping):
        raise TypeError(f'preview returned {type(told).__name__}, and a map of names to values was expected')
    found: dict[str, Any] = _concealed(json.loads(encode(dict(told))), context)
    return found


def _nothing_is_sent(*whatever: Any) -> NoReturn:
    raise RuntimeError('a preview sends nothing')


async def _nothing_is_emitted(name: str, data: Any, routing_key: str | None, cause: Work | Fact | None) -> None:
    _nothing_is_sent()


def _concealed(value: Any, context: Context) -> Any:
    if isinstance(value, str):
        return context.concealed(value)
    if isinstance(value, list):
        return [_concealed(each, context) for each in value]
    if isinstance(value, dict):
        return {context.concealed(key): _concealed(each, context) for key, each in value.items()}
    return value
