# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The handler: a configured use of a plugin."""

from __future__ import annotations

import inspect
import os
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

from wazo_busd.conditions import Condition, Hours, Refusal, Schedule, Where
from wazo_busd.config import HandlerConfig
from wazo_busd.context import Context
from wazo_busd.errors import ConditionError, Expired
from wazo_busd.event import Event
from wazo_busd.filter import Filter
from wazo_busd.language import Expression, Surroundings
from wazo_busd.match import Match
from wazo_busd.options import BaseOptions
from wazo_busd.plugin import Method, Plugin, concurrency_of
from wazo_busd.threads import Threads
from wazo_busd.work import Call

_UNKNOWN: Any = object()
_MOST_KNOWN = 1000
_LONGEST_KNOWN = 255


@dataclass(frozen=True, slots=True)
class Gather:
    """For how long a handler's events are gathered, to be handled as one burst.

    Attributes:
        seconds: counted from the first of them.
        whole: whether all of them are kept; else the first ones and the last, and the others are counted.
    """

    seconds: float
    whole: bool


class Handler:
    """A plugin with a name, what it matches, and its options.

    Args:
        name: the name in the configuration.
        plugin: the plugin.
        config: what the configuration says of it.
        options: its options, validated by the plugin's model; a map where the plugin has none.
        surroundings: what its conditions and texts know besides the event.
        schedule: the schedule that `config` names.
        secrets: what the configuration has from files and credentials.

    Raises:
        UnknownEvent: it matches an event by a name that the catalogue does not know.
    """

    def __init__(
        self,
        name: str,
        plugin: Plugin,
        config: HandlerConfig,
        options: Any,
        *,
        surroundings: Surroundings | None = None,
        schedule: Schedule | None = None,
        secrets: Iterable[str] = (),
    ) -> None:
        self.name = name
        self.plugin = plugin
        self.config = config
        self.options = options
        self.match = Match(config.match or plugin.match)
        self.surroundings = surroundings or Surroundings()
        self.secrets = frozenset(secrets)
        self.condition = _condition(name, config, self.surroundings, schedule)
        """What an event must be besides; `None` where the configuration asks for nothing."""
        self.filter = Filter(config)
        """Whose events it takes."""
        self.concurrency = config.concurrency or concurrency_of(plugin, options)
        self.gather = _gather(config, options)
        """How its events are gathered; `None` if each is handled by itself."""
        self._instance: Any = None
        self._calls: list[tuple[Match | None, Call]] = []
        self._known: dict[tuple[str, str], Call | None] = {}
        """What takes events of a key and a name, as far as it was asked for."""
        self._threads = Threads(name, 1)
        """For `start` and `stop` that are plain functions."""

    def is_same(self, other: Handler) -> bool:
        """Whether `other` would do exactly what this one does, so that a reload can leave it alone."""
        # Functions and classes are equal only if they are the same: code that was imported again is another.
        if (self.name, self.config, self.plugin) != (other.name, other.config, other.plugin):
            return False
        asks = self.config.when is not None or self.surroundings.placements or self.plugin.reads_surroundings
        return self._hours() == other._hours() and (not asks or self.surroundings == other.surroundings)

    async def start(self, context: Context) -> None:
        """Make the plugin's instance and let it start.

        Args:
            context: what the plugin gets.

        Raises:
            Exception: whatever the plugin's code raises.
        """
        if self.plugin.factory is not None:
            self._instance = _construct(self.plugin.factory, context)
            await self._maybe(getattr(self._instance, 'start', None), context)
        self._calls = [self._bound(method, context) for method in self.plugin.methods]
        self._known.clear()

    async def stop(self) -> None:
        """Let the plugin stop: close what it opened, flush what it holds.

        Raises:
            Exception: whatever the plugin's code raises.
        """
        try:
            await self._maybe(getattr(self._instance, 'stop', None), None)
        finally:
            self._threads.close()

    def call_for(self, event: Event) -> Call | Refusal | None:
        """The method that takes `event`; `None` if the event is not for this handler, or why it is not wanted.

        What the configuration matches decides. Among several methods, the first in the code that declared the event
        takes it. Where it cannot be said whether the event is wanted, the call raises that.
        """
        fitting = (event.routing_key, event.name)
        found = self._known.get(fitting, _UNKNOWN)
        if found is _UNKNOWN:
            found = self._find(event)
            if len(self._known) >= _MOST_KNOWN:
                # Keys with an id in them are of no use here, and never end.
                self._known.clear()
            if len(event.name) <= _LONGEST_KNOWN:
                self._known[fitting] = found
        if found is None or not (self.filter.is_open or self.filter.lets(event)):
            return None
        return found if self.condition is None else _if_wanted(self.condition, event, found)

    def _find(self, event: Event) -> Call | None:
        """The method that takes events of this key and name."""
        if not self.match.takes(event):
            return None
        return next((call for match, call in self._calls if match is None or match.takes(event)), None)

    def previewer(self, context: Context) -> Callable[[Event], Any] | None:
        """What tells of an event what the plugin would send; `None` if the plugin does not tell that.

        It belongs to an instance of its own, which is never started.

        Args:
            context: what the plugin gets.

        Raises:
            Exception: whatever the plugin's code raises.
        """
        if self.plugin.factory is None or not self.plugin.previews:
            return None
        function = _construct(self.plugin.factory, context).preview
        if len(inspect.signature(function).parameters) > 1:
            return lambda event: function(event, context)
        return lambda event: function(event)

    def _hours(self) -> Hours | None:
        return self.condition.hours if self.condition is not None else None

    async def _maybe(self, function: Callable[..., Any] | None, context: Context | None) -> None:
        """Call `start` or `stop` if the plugin has it, with the context if it takes one, and await what it gives.

        A plain function would block the loop, so it runs in a thread.
        """
        if function is None:
            return
        arguments = [context] if context is not None and inspect.signature(function).parameters else []
        if inspect.iscoroutinefunction(function):
            result = function(*arguments)
        else:
            result = await self._threads.run(lambda given: function(*given), arguments)
        if isinstance(result, Awaitable):
            await result

    def _bound(self, method: Method, context: Context) -> tuple[Match | None, Call]:
        function = method.function if self._instance is None else getattr(self._instance, method.name)
        run: Callable[[Event], Any] = function
        if method.wants_context:

            def run_with_context(event: Event) -> Any:
                return function(event, context)

            run = run_with_context
        if self.condition is not None and self.condition.expires_after_seconds is not None:
            run = _unless_expired(self.condition, run)
        # A plugin of one method takes all that the configuration lets through, whatever the method declared.
        alone = len(self.plugin.methods) == 1 or not method.match
        return None if alone else Match(method.match), Call(run, method.blocking)


def _gather(config: HandlerConfig, options: Any) -> Gather | None:
    digest_seconds = options.digest_seconds if isinstance(options, BaseOptions) else None
    if digest_seconds is not None:
        return Gather(digest_seconds, whole=True)
    return Gather(config.collapse, whole=False) if config.collapse is not None else None


def _condition(
    name: str, config: HandlerConfig, surroundings: Surroundings, schedule: Schedule | None
) -> Condition | None:
    asked = (config.where, config.when, config.schedule, config.expires_after)
    if all(each is None for each in asked):
        return None
    wish = config.schedule or ''
    return Condition(
        name,
        where=Where(config.where) if config.where else None,
        when=Expression(config.when) if config.when is not None else None,
        hours=Hours(wish.removeprefix('!'), schedule, inside=not wish.startswith('!')) if schedule else None,
        expires_after_seconds=config.expires_after,
        surroundings=surroundings,
        host_uuid=os.environ.get('XIVO_UUID'),
    )


def _if_wanted(condition: Condition, event: Event, call: Call) -> Call | Refusal:
    try:
        return condition.refusal(event) or call
    except ConditionError as error:
        return Call(_raise(error), blocking=False)


def _raise(error: ConditionError) -> Callable[[Event], Any]:
    """A call that raises: an event that may be wanted is no event to pass over, so it takes the way of the others."""

    def run(event: Event) -> Any:
        raise error

    return run


def _unless_expired(condition: Condition, run: Callable[[Event], Any]) -> Callable[[Event], Any]:
    """`run`, but for events that have become too old while they waited here."""

    def run_in_time(event: Event) -> Any:
        if condition.is_expired(event):
            raise Expired(f'it waited longer than {condition.expires_after_seconds:g} s')
        return run(event)

    return run_in_time


def _construct(factory: type, context: Context) -> Any:
    parameters = inspect.signature(factory).parameters.values()
    takes = [each for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
    return factory(context) if takes else factory()
