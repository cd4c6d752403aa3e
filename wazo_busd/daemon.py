# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The daemon: start, run, drain, stop, each once and in this order."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import structlog

from wazo_busd import __version__, logs, reload
from wazo_busd.announcements import GAP, Announcements
from wazo_busd.board import Board
from wazo_busd.bus import Bus, Gap, MakeBus, consuming_seconds
from wazo_busd.codec import Limits
from wazo_busd.config import Config, Configuration, state_dir
from wazo_busd.context import Context
from wazo_busd.control import Control
from wazo_busd.emission import emitter
from wazo_busd.errors import ConfigurationError, Problem, in_order
from wazo_busd.figure import Figure
from wazo_busd.gathering import left_behind
from wazo_busd.handler import Handler
from wazo_busd.http import SharedSession, is_outage
from wazo_busd.instruments import Instruments
from wazo_busd.live import Live
from wazo_busd.lookout import Lookout
from wazo_busd.notify import Notifier
from wazo_busd.onlookers import Onlookers
from wazo_busd.own_figures import own_figures
from wazo_busd.post import Post
from wazo_busd.rates import Rates
from wazo_busd.retry import RetryPolicy
from wazo_busd.roster import Roster
from wazo_busd.status import DaemonStatus, handlers_of
from wazo_busd.suspects import Suspects
from wazo_busd.topology import Hub

_RATES_SECONDS = 10.0
"""How often it is looked how many events have come; rates are those of the last six of these."""

T = TypeVar('T')

log = structlog.stdlib.get_logger(__name__)


class Daemon:
    """The whole process: one bus, one post a handler.

    Args:
        path: the main configuration file, read again on SIGHUP.
        make_bus: makes the bus.
        level: the log level, if the command line gives one.
        debug: whether the command line asks for debugging.
    """

    def __init__(self, path: Path, make_bus: MakeBus, *, level: str | None = None, debug: bool = False) -> None:
        self._path = path
        self._make_bus = make_bus
        self._level = level
        self._debug = debug
        self.lookout = Lookout()
        """Knows the bus and the handlers' tasks; whoever runs the loop lets it watch."""
        self._notifier = Notifier()
        self._http = SharedSession()
        self._config = Config()
        self._suspects = Suspects()
        self._posts: dict[str, Post] = {}
        self._leaving: list[Post] = []
        """Posts that are under way to their end."""
        self._wanted: set[str] = set()
        """The handlers that are to be at work when a reload is over."""
        self._ending: asyncio.Task[None] | None = None
        """The end of those that a reload takes away."""
        self._announcements = Announcements()
        self._onlookers = Onlookers()
        self._board = Board(self.status)
        self._instruments = Instruments(
            self._figures, Control(self), (self._board, Live(self._onlookers, self.pausable))
        )
        self._since = time.time()
        self._rates = Rates(steps=6, longest_seconds=3 * _RATES_SECONDS)
        self._looking: asyncio.Task[None] | None = None
        """Looks for the rates."""
        self._paused: set[str] = set()
        """Handlers that a person has paused. They stay so when they are begun anew."""
        self._broken: dict[str, str] = {}
        """Handlers whose plugin cannot be imported, with the reason."""
        self._bus: Bus
        self._bus_task: asyncio.Task[None] | None = None
        self._watchdog: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()
        self._reloading = reload.Reload()

    async def run(self, configuration: Configuration, names: Roster) -> None:
        """Run until a signal says stop.

        Args:
            configuration: the configuration, without problems.
            names: its handlers, without problems.

        Raises:
            ConfigurationError: the state directory cannot be used.
        """
        await self._start(configuration, names)
        await self._serve()
        await self._drain()
        await self._stop()

    def stop(self) -> None:
        """Begin to drain; called a second time, wait no longer for running handlers."""
        if self._stopping.is_set():
            log.warning('hurrying', effect='handlers that still run are cancelled, and their events given out again')
            for post in (*self._leaving, *self._posts.values()):
                post.hurry()
        self._stopping.set()

    async def reread(self) -> Sequence[Problem]:
        """See `wazo_busd.control.Controlled.reread`."""
        return await self._reloading.result()

    def status(self) -> DaemonStatus:
        """See `wazo_busd.control.Controlled.status`."""
        bus = self._bus.status()
        plugins = {name: each.plugin for name, each in self._config.handlers.items()}
        # In the midst of a reload some are gone from the configuration already.
        broken = {name: (plugins.get(name, ''), why) for name, why in self._broken.items()}
        leaving = {post.handler.name: post for post in self._leaving if post.handler.name in self._wanted}
        handlers = handlers_of(bus, {**leaving, **self._posts}, broken, self._rates)
        return DaemonStatus(
            self._since, bus.connected, bus.summary, handlers, self._stopping.is_set(), bus.cannot_publish
        )

    def pausable(self) -> Collection[str]:
        """See `wazo_busd.control.Controlled.pausable`."""
        return {*self._posts, *self._broken}

    def pause(self, handler: str, *, is_paused: bool) -> None:
        """See `wazo_busd.control.Controlled.pause`."""
        (self._paused.add if is_paused else self._paused.discard)(handler)
        log.info('handler_paused' if is_paused else 'handler_resumed', handler=handler)
        post = self._posts.get(handler)
        if post is not None:
            post.pause(is_paused=is_paused)
        self._tell_status()

    def log_from(self, level: str) -> None:
        """See `wazo_busd.control.Controlled.log_from`."""
        self._level, self._debug = level, False
        logs.change_level(level)
        log.info('log_level', threshold=level)

    async def _start(self, configuration: Configuration, names: Roster) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        loop.add_signal_handler(signal.SIGHUP, self._reloading.ask)
        log.info('starting', version=__version__, config=str(self._path))
        problems = state_dir.made(configuration)
        if problems:
            raise ConfigurationError(problems)
        self._suspects = Suspects(configuration.config.state_dir)
        self._suspects.load()
        await self._apply(configuration, names)
        self._looking = asyncio.create_task(self._rates.keep(self._received, _RATES_SECONDS), name='rates')
        if self._notifier.watchdog_seconds:
            self._watchdog = asyncio.create_task(self._prove_alive(), name='watchdog')
        self._notifier.ready()
        self._tell_status()

    async def _serve(self) -> None:
        """Until a signal says stop, or the bus fails in a way that nobody thought of."""
        while not self._stopping.is_set():
            waiting = [asyncio.create_task(each.wait()) for each in (self._stopping, self._reloading.asked)]
            bus = [self._bus_task] if self._bus_task else []
            await asyncio.wait([*waiting, *bus], return_when=asyncio.FIRST_COMPLETED)
            for signalled in waiting:
                signalled.cancel()
            if bus and bus[0].done():
                bus[0].result()
                raise RuntimeError('the bus ended by itself')
            if self._reloading.asked.is_set():
                await self._reloading.run(self._reload())

    async def _drain(self) -> None:
        """Take nothing new, finish what was taken."""
        self._notifier.stopping(self._config.drain_timeout)
        self._notifier.status('draining')
        log.info('draining', timeout_seconds=self._config.drain_timeout)
        await self._end(list(self._posts))
        if self._ending is not None:
            await self._ending

    async def _stop(self) -> None:
        await self._close_bus()
        await self._instruments.close()
        await self._http.close()
        for task in (self._watchdog, self._looking):
            if task is not None:
                task.cancel()
        self._notifier.status('stopped')
        log.info('stopped')

    async def _reload(self) -> Sequence[Problem]:
        """Change what changed; keep everything if anything is wrong, and say what."""
        self._notifier.reloading()
        try:
            read = await self._unless_stopping(asyncio.create_task(reload.read(self._path), name='reload'))
        except Exception as error:
            # Whatever a plugin's code has done to the import: the daemon lives on.
            log.exception('reload_refused', effect='the daemon goes on with what it has')
            self._notifier.ready()
            return [
                Problem(f'the configuration cannot be read: {type(error).__name__}', hint='journalctl -u wazo-busd')
            ]
        if read is None:
            return [Problem('the daemon stops')]
        configuration, names = read
        problems = [*configuration.problems, *names.problems]
        # A plugin that was broken before is no reason to refuse what else has changed.
        problems += [problem for problem in names.failures if problem.handler not in self._broken]
        problems += [] if problems else state_dir.made(configuration)
        if problems:
            for problem in in_order(problems):
                log.error('configuration_problem', problem=str(problem))
            log.error(
                'reload_refused',
                problems=len(problems),
                effect='the daemon goes on with what it has',
                hint=f'wazo-busd check -c {self._path}',
            )
        else:
            await self._apply(configuration, names)
        self._notifier.ready()
        self._tell_status()
        return in_order(problems)

    async def _unless_stopping(self, task: asyncio.Task[T]) -> T | None:
        """What a task gives; `None`, and the task goes on, if a signal says stop before it ends."""
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait([task, stopping], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        return None if self._stopping.is_set() else task.result()

    async def _apply(self, configuration: Configuration, names: Roster) -> None:
        """Go over to a configuration: end the handlers that are gone or changed, begin the new and the changed."""
        old, new = self._config, configuration.config
        logs.configure(
            self._level or new.log_level,
            debug=self._debug or new.debug,
            form=new.log_format,
            secrets=configuration.secrets,
        )
        same_bus = self._bus_task is not None and (old.bus, old.state_dir) == (new.bus, new.state_dir)
        kept = {
            name
            for name, post in self._posts.items()
            if same_bus and not post.is_halted and name in names.handlers and post.handler.is_same(names.handlers[name])
        }
        self._wanted = set(names.handlers)
        self._ending = asyncio.create_task(self._end([name for name in self._posts if name not in kept]), name='end')
        await self._unless_stopping(self._ending)
        if self._stopping.is_set():
            # Those that end go on to do so beside the others, which the drain ends at once.
            return
        self._config = new
        self._paused &= set(new.handlers)
        if not same_bus:
            await self._close_bus()
            self._bus = self.lookout.bus = self._make_bus(new, self._tell_status, self._on_gap)
            self._bus_task = asyncio.create_task(self._bus.run(), name='bus')
        self._broken = {problem.handler: problem.message for problem in names.failures}
        for problem in names.failures:
            log.error('plugin_broken', problem=str(problem), effect='its handler does not run; the others do')
        begun = [name for name in names.handlers if name not in kept]
        for name in begun:
            self._posts[name] = self._post(names.handlers[name], self._bus)
            self._posts[name].begin()
        await self._bus.keep_only({name for name, handler in new.handlers.items() if handler.enabled})
        self._tell_left(new)
        await self._instruments.apply(new.http)
        log.info('configuration_applied', kept=' '.join(sorted(kept)), begun=' '.join(sorted(begun)))

    def _tell_left(self, config: Config) -> None:
        """Tell of what was gathered for handlers that are gone: nobody publishes it."""
        for path in left_behind(config.state_dir / 'gathered', config.handlers):
            log.warning(
                'gathered_left', path=str(path), effect='it is kept', hint='name its handler again, or remove it'
            )

    def _post(self, handler: Handler, bus: Bus) -> Post:
        config = self._config
        delays_seconds = RetryPolicy(handler.config.retry).steps_seconds
        queue = Hub(config.bus.namespace).handler_queue(
            handler.name, handler.match.bindings, handler.config.queue, delays_seconds
        )

        def context() -> Context:
            return Context(
                handler.name,
                handler.options,
                log=structlog.stdlib.get_logger(f'{logs.PLUGINS}{handler.plugin.name}').bind(handler=handler.name),
                http=self._http.get,
                guarded=self._http.guarded,
                concurrency=min(handler.concurrency, config.bus.prefetch),
                secrets=handler.secrets,
                emit=emitter(bus.publish),
                state_dir=config.state_dir / 'handlers' / handler.name,
                surroundings=handler.surroundings,
                meter=self._instruments.meter(handler.name),
                panels=self._board.panels(handler.name),
                consuming_seconds=lambda: consuming_seconds(bus.status().consumers.get(handler.name)),
            )

        limits = Limits(size=config.bus.max_body_size, depth=config.bus.max_depth)
        return Post(
            handler,
            queue,
            bus=bus,
            context=context,
            limits=limits,
            strays=self.lookout.strays,
            suspects=self._suspects,
            is_outage=is_outage,
            state_dir=config.state_dir,
            is_paused=handler.name in self._paused,
            onlookers=self._onlookers,
        )

    def _received(self) -> dict[str, int]:
        """How many events each handler that has started has taken since then."""
        return {
            name: post.dispatcher.counts.received for name, post in self._posts.items() if post.dispatcher is not None
        }

    def _on_gap(self, gap: Gap) -> None:
        """Say that events can have been lost: in the log, and to the handlers that match `busd.gap`."""
        wanted = any(post.handler.match.takes(GAP) for post in self._posts.values())
        self._announcements.gap(gap, self._bus.publish if wanted else None)

    async def _end(self, names: list[str]) -> None:
        """End some posts, all at the same time."""
        posts = [self._posts.pop(name) for name in names]
        self._leaving += posts
        await asyncio.gather(*(post.end(self._config.drain_timeout) for post in posts))
        for post in posts:
            self._leaving.remove(post)
            self._instruments.forget(post.handler.name)
            self._board.forget(post.handler.name)

    def _figures(self) -> Iterator[Figure]:
        """What there is to measure of the daemon itself."""
        started = {name: post.dispatcher for name, post in self._posts.items() if post.dispatcher is not None}
        return own_figures(self._bus.status(), started, self._broken)

    async def _close_bus(self) -> None:
        await self._announcements.close()
        if self._bus_task is not None:
            await self._bus.close()
            await self._bus_task
            self._bus_task = None

    async def _prove_alive(self) -> None:
        """Tell systemd's watchdog that the loop turns; a loop that is stuck tells nothing."""
        while True:
            self._notifier.alive()
            await asyncio.sleep(self._notifier.watchdog_seconds / 3)

    def _tell_status(self) -> None:
        if self._bus_task is None or self._stopping.is_set():
            return
        self._notifier.status(self.status().line())
