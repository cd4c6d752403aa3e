# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What the board shows in tests: a daemon in four states, and a server that shows it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import cache

from plugins.availability.options import Options as AvailabilityOptions
from plugins.availability.tracker import AvailabilityTracker
from plugins.calls.options import CallsOptions
from plugins.calls.tracker import CallsTracker
from plugins.conferences import ConferenceTracker
from plugins.queues.options import QueuesOptions
from plugins.queues.tracker import QueueTracker
from plugins.tracking import Tracker, moment_of
from tests.plugins.trackers.rig import START, day
from tests.unit.controlled import daemon_status, handler_status
from wazo_busd.board import Board
from wazo_busd.http.server import HttpServer
from wazo_busd.panel import Panel, Row, Total
from wazo_busd.settlement import Counts
from wazo_busd.status import DaemonStatus, State

HOSTILE = '<img src=x onerror="document.title=\'broken\'">\x1b[31m\u202e<script>document.title="broken"</script>'
"""What a caller, or whoever names a queue, could write."""


class Site:
    """A board, and the daemon that it shows.

    Args:
        every_seconds: how often the board is looked at.
    """

    def __init__(self, every_seconds: float = 0.1) -> None:
        self.status: DaemonStatus = daemon_status()
        self.board = Board(lambda: self.status, every_seconds=every_seconds)
        self.server = HttpServer(self.board.pages(), streams=self.board.streams(in_full=False))
        self.port = 0

    @property
    def url(self) -> str:
        return f'http://127.0.0.1:{self.port}/board'

    def show(self, handler: str, panels: Callable[[], Iterator[Panel]]) -> None:
        self.board.panels(handler).show(panels)

    async def open(self) -> None:
        self.port = await self.server.open('127.0.0.1', self.port)


@asynccontextmanager
async def serving(site: Site) -> AsyncIterator[Site]:
    """While it can be asked."""
    await site.open()
    yield site
    await site.server.close()


def states(name: str) -> Site:
    """A site in one of the states that people see it in: `demo`, `empty`, `broken` or `hostile`."""
    site = Site()
    {'demo': _demo, 'empty': _empty, 'broken': _broken, 'hostile': _hostile}[name](site)
    return site


def _demo(site: Site) -> None:
    names = ('availability', 'calls', 'conferences', 'crm', 'queues')
    site.status = daemon_status(*(handler_status(name=name, counts=Counts(received=4211)) for name in names))
    for name, tracker in trackers().items():
        site.show(name, lambda tracker=tracker: _of(tracker))  # type: ignore[misc]


def _empty(site: Site) -> None:
    """A daemon that has just begun, with no tracker."""


def _broken(site: Site) -> None:
    counts = Counts(received=12, last_error='ConnectionRefusedError')
    site.status = daemon_status(
        handler_status(State.WAITING, 'not connected', name='calls'),
        handler_status(State.BROKEN, 'a secret of the plugin', name='crm'),
        handler_status(State.PAUSED, 'paused by a person', name='mail', counts=counts),
        handler_status(State.RESTING, 'the server is out', name='hook', counts=counts),
        connected=False,
        summary='connection refused by localhost:5672; systemctl start rabbitmq-server',
    )
    site.show('calls', _failing)
    bad = Row(('support', 'many wait', 14, timedelta(minutes=12, seconds=4)), 'bad')
    columns = ('queue', 'state', 'waiting', 'longest wait')
    site.show('queues', lambda: iter([Panel('Queues', columns, [bad], [Total('waiting', 14, 'bad')], since=0.0)]))
    down = Row(('wazo-calld', 'service', 'down', timedelta(hours=3)), 'bad')
    site.show('services', lambda: iter([Panel('Services', ('name', 'kind', 'state', 'for'), [down])]))


def _hostile(site: Site) -> None:
    site.status = daemon_status(handler_status(name='crm', counts=Counts(last_error=HOSTILE)), summary=HOSTILE)
    columns = (HOSTILE, 'a' * 300, 'three', 'four', 'five', 'six')
    rows = [Row((HOSTILE, 'é' * 5000, HOSTILE, number, timedelta(days=number), None), 'busy') for number in range(10)]
    site.show('hostile', lambda: iter([Panel(HOSTILE, columns, rows, [Total(HOSTILE, HOSTILE)], since=4e9)]))
    site.show('wide', lambda: iter([Panel('Empty', empty=HOSTILE)]))


def _failing() -> Iterator[Panel]:
    raise RuntimeError('a mistake of the plugin')


def _of(tracker: Tracker) -> Iterator[Panel]:
    return iter(list(tracker.panels(moment())))


def moment() -> float:
    """When the trackers are looked at: at the busiest hour of the day."""
    return START.timestamp() + 2.2 * 3600


@cache
def trackers() -> dict[str, Tracker]:
    """The trackers that the board shows, at that time of the sample day."""
    made: dict[str, Tracker] = {
        'availability': AvailabilityTracker(AvailabilityOptions()),
        'calls': CallsTracker(CallsOptions(), 'US'),
        'conferences': ConferenceTracker(),
        'queues': QueueTracker(QueuesOptions()),
    }
    for tracker in made.values():
        now = 0.0
        tracker.since = START.timestamp()
        for event in day('now'):
            at = moment_of(event)
            if at > moment():
                continue
            now = max(now, at)
            while (due := tracker.due()) is not None and due <= now:
                for _ in tracker.tick(due):
                    pass
            for _ in tracker.feed(event, at):
                pass
        for _ in tracker.tick(moment()):
            pass
    return made
