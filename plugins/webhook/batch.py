# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The batch: several events in one request. Each of them is done with when that is answered."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from itertools import islice

from wazo_busd.api import Retry, Stop

from .answer import Rejected
from .options import Batch
from .request import Request, together

Send = Callable[[Request], Awaitable[None]]


class Batches:
    """Gathers requests of the same way until there are enough, or until the first has waited long enough.

    Args:
        batch: how many, and how long.
        send: sends one request; returns when it is accepted.
        most: how many requests can wait at all. When all do, no further one comes, and nothing is waited for.
    """

    def __init__(self, batch: Batch, send: Send, *, most: int) -> None:
        self._batch = batch
        self._send = send
        self._most = most
        self._gathering: dict[object, _Gathering] = {}
        self._under_way: set[asyncio.Task[None]] = set()

    async def send(self, request: Request) -> None:
        """Send a request with others; return when they are accepted.

        Raises:
            Exception: what `send` raises for all of them. If the server rejects their bodies, each is sent alone, so
                that one that is at fault takes no other along.
        """
        member = _Member(request)
        gathering = self._gathering.get(request.way)
        if gathering is None:
            gathering = self._gathering[request.way] = _Gathering(request.way)
            gathering.timer = asyncio.get_running_loop().call_later(self._batch.within, self._begin, gathering)
        gathering.members.append(member)
        if len(gathering.members) >= self._batch.size:
            self._begin(gathering)
        elif self._waiting >= self._most:
            for each in list(self._gathering.values()):
                self._begin(each)
        await member.answered

    async def close(self) -> None:
        """End what is under way; nobody waits for it."""
        for gathering in self._gathering.values():
            gathering.cancel()
        for task in self._under_way:
            task.cancel()
        if self._under_way:
            await asyncio.wait(self._under_way)

    @property
    def _waiting(self) -> int:
        return sum(len(each.members) for each in self._gathering.values())

    def _begin(self, gathering: _Gathering) -> None:
        del self._gathering[gathering.way]
        gathering.cancel()
        task = asyncio.create_task(self._answer([each for each in gathering.members if not each.answered.done()]))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _answer(self, members: Sequence[_Member]) -> None:
        """Send some together, and tell each what became of it."""
        if not members:
            return
        try:
            await self._send(together([each.request for each in members]))
        except Stop as error:
            # One dead letter says it all; the others wait in the queue. Whose time is over hears nothing any more.
            waiting = (each for each in members if not each.answered.done())
            for each in islice(waiting, 1):
                each.tell(error)
            for each in waiting:
                each.tell(Retry(error.reason))
        except Rejected as error:
            if error.is_about_body and len(members) > 1:
                await asyncio.gather(*(self._answer([each]) for each in members))
            else:
                _tell_all(members, error)
        except Exception as error:  # noqa: BLE001 — it is given to those who wait
            _tell_all(members, error)
        else:
            for each in members:
                each.tell(None)


class _Member:
    """A request, and who waits for its answer."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def tell(self, error: Exception | None) -> None:
        if self.answered.done():
            return
        if error is None:
            self.answered.set_result(None)
        else:
            self.answered.set_exception(error)


class _Gathering:
    """A batch that gathers."""

    def __init__(self, way: object) -> None:
        self.way = way
        self.members: list[_Member] = []
        self.timer: asyncio.TimerHandle | None = None

    def cancel(self) -> None:
        if self.timer is not None:
            self.timer.cancel()


def _tell_all(members: Sequence[_Member], error: Exception) -> None:
    for each in members:
        # Each its own: an exception that several tasks raise gathers the tracebacks of all.
        each.tell(_copy(error))


def _copy(error: Exception) -> Exception:
    if isinstance(error, Retry):
        return Retry(error.reason, after=error.after)
    return Rejected(str(error), is_about_body=error.is_about_body) if isinstance(error, Rejected) else error
