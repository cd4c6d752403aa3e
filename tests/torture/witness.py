# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The witness: asks a daemon all the time how it fares, and the broker how it really is, and says where they differ."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conftest import Broker
from tests.torture.wire import Wire

_EVERY_SECONDS = 0.08
_HANG_SECONDS = 5.0
_GRACE_SECONDS = 1.5
"""So much later than the broker the daemon may know it, on a machine that has other things to do."""

_SILENCE_SECONDS = 2.0
"""After so long a broker that says nothing is found out (`wazo_busd.amqp.probe`)."""

_READY_SECONDS = 30.0
_WELL = ('consuming', 'resting')


@dataclass(frozen=True, slots=True)
class Sight:
    """What the daemon said of itself at a time.

    Attributes:
        began: when it was asked, on the monotonic clock.
        ended: when it had answered.
        ready: what `/ready` said; `None` where it was not answered.
        page: the page `/status`.
        fault: what was wrong with the answer itself; `''` if nothing was.
    """

    began: float
    ended: float
    ready: bool | None = None
    page: Mapping[str, Any] | None = None
    fault: str = ''


@dataclass(frozen=True, slots=True)
class Count:
    """How many consumers the broker had at a time.

    Attributes:
        began: when it was asked, on the monotonic clock.
        ended: when it had answered.
        consumers: of each handler's queue; `None` where the broker could not be asked.
    """

    began: float
    ended: float
    consumers: Mapping[str, int] | None


class Witness:
    """Asks in threads of its own, until it is closed.

    Args:
        broker: the broker, which is asked past any proxy.
        control: the control socket of the daemon.
        handlers: the names of the handlers that are configured all the time.
    """

    def __init__(self, broker: Broker, control: Path, handlers: Sequence[str]) -> None:
        self.handlers = handlers
        self.is_there = False
        """Whether the daemon runs, and has to answer."""
        self.sights: list[Sight] = []
        self.counts: list[Count] = []
        self.silences: list[tuple[float, float]] = []
        self._broker = broker
        self._control = control
        self._closing = threading.Event()
        self._threads = [threading.Thread(target=each, name='witness') for each in (self._ask, self._count)]

    def start(self) -> None:
        """Begin to ask."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Ask no more."""
        self._closing.set()
        for thread in self._threads:
            thread.join()

    def silent(self, from_at: float, to_at: float) -> None:
        """Note that nothing could pass on the daemon's connections, and that there were no others.

        Args:
            from_at: since when, on the monotonic clock.
            to_at: until when.
        """
        self.silences.append((from_at, to_at))

    def wait_ready(self) -> None:
        """Wait until the daemon says that it is ready, and the broker has been asked since whether it is.

        Raises:
            AssertionError: it never does.
        """
        began = time.monotonic()
        while not self._is_ready_since(began):
            if time.monotonic() > began + _READY_SECONDS:
                raise AssertionError(f'not ready again: {self.sights[-1] if self.sights else "nobody answers"}')
            time.sleep(0.02)

    def _is_ready_since(self, began: float) -> bool:
        said = next((each for each in self.sights if each.ready and each.began >= began), None)
        # Who stops the daemon before that leaves nobody who knows whether it was.
        return said is not None and any(each.consumers and each.began >= said.ended for each in reversed(self.counts))

    def lies(self) -> list[str]:
        """What the daemon has said that was not so, in words; of each kind a few."""
        found = [
            f'{each.began - self.sights[0].began:.2f} s: {text}' for each in self.sights for text in self._wrong(each)
        ]
        return found[:20]

    @property
    def summary(self) -> str:
        """How much was asked."""
        answered = [each for each in self.sights if each.ready is not None]
        ready = sum(bool(each.ready) for each in answered)
        return f'{len(answered)} answers, {ready} times ready, {len(self.counts)} looks at the broker'

    def _wrong(self, sight: Sight) -> Iterator[str]:
        if sight.fault:
            yield sight.fault
        if sight.page is None:
            return
        page, handlers = sight.page, sight.page['handlers']
        if page['ready'] is not (not page['reasons']):
            yield f'ready is {page["ready"]}, and the reasons are {page["reasons"]}'
        if page['connected'] is not page['summary'].startswith('connected to '):
            yield f'connected is {page["connected"]}, and the summary is {page["summary"]!r}'
        if not page['connected'] and (page['ready'] or any(each['state'] == 'consuming' for each in handlers)):
            yield f'not connected, and {[each["state"] for each in handlers]}'
        if page['ready'] and not all(each['state'] in _WELL for each in handlers):
            yield f'ready, and {[each["state"] for each in handlers]}'
        if 'the daemon stops' not in page['reasons'] and {each['handler'] for each in handlers} != {*self.handlers}:
            yield f'of the handlers only {[each["handler"] for each in handlers]} are told'
        if any((each['backlog'] or 0) < each['in_hand'] for each in handlers if each['backlog'] is not None):
            yield 'a backlog is less than what is in hand'
        if sight.ready:
            yield from self._not_so(sight)

    def _not_so(self, sight: Sight) -> Iterator[str]:
        """Why the daemon is not ready, though it says so."""
        for from_at, to_at in self.silences:
            if sight.began > from_at + _SILENCE_SECONDS + _GRACE_SECONDS and sight.ended < to_at:
                yield f'ready {sight.began - from_at:.1f} s after its connections froze'
        near = self._near(sight, _GRACE_SECONDS)
        known = [each.consumers for each in near if each.consumers is not None]
        if known:
            lacking = [name for name in self.handlers if not any(each[name] for each in known)]
            if lacking:
                yield f'ready, and the broker has no consumer for {lacking}'
        elif near and not any(
            each.consumers is not None for each in self._near(sight, _SILENCE_SECONDS + _GRACE_SECONDS)
        ):
            yield 'ready, and there is no broker'

    def _near(self, sight: Sight, seconds: float) -> list[Count]:
        return [
            each for each in self.counts if each.ended >= sight.began - seconds and each.began <= sight.ended + seconds
        ]

    def _ask(self) -> None:
        while not self._closing.wait(_EVERY_SECONDS):
            was_there, began = self.is_there, time.monotonic()
            try:
                ready_code, ready = self._page('/ready')
                status_code, page = self._page('/status')
            except (OSError, http.client.HTTPException, ValueError) as error:
                must = was_there and self.is_there
                fault = f'it does not answer: {error!r}' if must else ''
                self.sights.append(Sight(began, time.monotonic(), fault=fault))
                continue
            said = ready_code, ready['ready'], status_code
            fault = '' if said in ((200, True, 200), (503, False, 200)) else f'the pages are {said}'
            self.sights.append(Sight(began, time.monotonic(), ready['ready'], page, fault))

    def _page(self, path: str) -> tuple[int, Any]:
        connection = _Connection(self._control)
        try:
            connection.request('GET', path)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def _count(self) -> None:
        while not self._closing.is_set():
            began = time.monotonic()
            try:
                with Wire(self._broker, patience_seconds=_SILENCE_SECONDS) as wire:
                    self._count_over(wire.consumers)
            except (OSError, EOFError, AssertionError):
                self.counts.append(Count(began, time.monotonic(), None))
                self._closing.wait(_EVERY_SECONDS)

    def _count_over(self, ask: Callable[[str], int]) -> None:
        while not self._closing.is_set():
            began, found = time.monotonic(), dict.fromkeys(self.handlers, 0)
            for name in self.handlers:
                try:
                    found[name] = ask(f'wazo-busd.{name}')
                except AssertionError as error:
                    if 'NOT_FOUND' not in str(error):
                        raise
                    # The channel is gone with it.
                    self.counts.append(Count(began, time.monotonic(), found))
                    raise EOFError from error
            self.counts.append(Count(began, time.monotonic(), found))
            self._closing.wait(_EVERY_SECONDS)


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__('localhost', timeout=_HANG_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))
