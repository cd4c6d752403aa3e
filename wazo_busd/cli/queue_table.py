# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The table of `wazo-busd queue list`: what each handler has in the broker."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from wazo_busd.amqp import Found, Queues, found, places
from wazo_busd.cli.options import typed
from wazo_busd.config import Config, QueueConfig

_HEADS = ('handler', 'queue', 'events', 'consumers', 'dead', 'state')
_NUMBERS = ('events', 'consumers', 'dead')


@dataclass(frozen=True, slots=True)
class Row:
    """What one handler has in the broker.

    Attributes:
        handler: its name.
        queue: the name of its queue.
        state: `as configured`, `another kind`, `not there`, `switched off` or `gone`.
        events: how many wait in its queue; `None` if there is none.
        consumers: how many take them.
        dead_letters: how many dead letters it has; `None` if there is no queue of them.
        interim: how many events lie where somebody was interrupted who made a queue anew, by queue.
        differences: in what its queues differ from what the configuration says, in words, by queue.
    """

    handler: str
    queue: str
    state: str
    events: int | None
    consumers: int
    dead_letters: int | None
    interim: dict[str, int]
    differences: dict[str, list[str]]

    @property
    def next(self) -> str:
        """What to type next about it; `''` where nothing is wrong."""
        if self.state in ('another kind', 'as configured') and (self.differences or self.interim):
            return f'wazo-busd queue recreate {self.handler}'
        if self.state in ('gone', 'switched off') and (self.events is not None or self.interim):
            return f'wazo-busd queue delete {self.handler}'
        return 'wazo-busd run, which makes it' if self.state == 'not there' else ''

    def present(self, *, dead_letters: bool) -> dict[str, int]:
        """The queues that are there, with how many events are in them.

        Args:
            dead_letters: whether that of the dead letters is meant too.
        """
        own = {} if self.events is None else {self.queue: self.events}
        dead = {f'{self.queue}.dead': self.dead_letters} if dead_letters and self.dead_letters is not None else {}
        between = {name: count for name, count in self.interim.items() if dead_letters or '.dead.' not in name}
        return {**own, **between, **dead}

    def plain(self) -> dict[str, Any]:
        """The same in plain types, for programs."""
        return {**asdict(self), 'next': typed(self.next)}


async def read(queues: Queues, config: Config, handler: str) -> Row:
    """What a handler has.

    Args:
        queues: the broker.
        config: the configuration.
        handler: its name, be it one that is no longer configured.

    Raises:
        BusError: the broker refuses to say.
    """
    configured = config.handlers.get(handler)
    kind = configured.queue if configured is not None else QueueConfig()
    own, dead = places(queues.hub.handler_queue(handler, (), kind), queues.hub)
    is_wanted = configured is not None and configured.enabled
    # Who is compared with nothing is only looked at.
    there, letters = [await found(queues, place, compare=is_wanted) for place in (own, dead)]
    differences = {
        place.queue.name: [str(each) for each in seen.differences]
        for place, seen in ((own, there), (dead, letters))
        if seen.differences
    }
    interim = {
        place.interim: seen.interim for place, seen in ((own, there), (dead, letters)) if seen.interim is not None
    }
    return Row(
        handler=handler,
        queue=own.queue.name,
        state=_state(is_there=there.differences is not None, is_known=configured is not None, is_wanted=is_wanted)
        if not differences
        else 'another kind',
        events=_ready(there),
        consumers=there.consumers,
        dead_letters=_ready(letters),
        interim=interim,
        differences=differences,
    )


def lines(rows: Sequence[Row]) -> Iterator[str]:
    """The table, then what is to be said of some of its rows."""
    if not rows:
        yield 'no handler is configured, and none was before'
        return
    table = [
        (each.handler, each.queue, _number(each.events), str(each.consumers), _number(each.dead_letters), each.state)
        for each in rows
    ]
    widths = [max(map(len, column)) for column in zip(_HEADS, *table, strict=True)]
    for row in (_HEADS, *table):
        cells = [
            f'{cell:>{width}}' if head in _NUMBERS else f'{cell:<{width}}'
            for cell, width, head in zip(row, widths, _HEADS, strict=True)
        ]
        yield '  '.join(cells).rstrip()
    for each in rows:
        told = [f'{name}: {text}' for name, texts in each.differences.items() for text in texts]
        told += [f'{name}: {_on_their_way(count)} in it' for name, count in each.interim.items()]
        if told or each.next:
            yield ''
        yield from told
        if each.next:
            yield f'{each.handler}: {each.state}. next: {typed(each.next)}'
    if not any(each.next for each in rows):
        yield from ('', typed(_sum(rows)))


def _sum(rows: Sequence[Row]) -> str:
    """What all of them have, and what to type next."""
    waiting, dead = sum(each.events or 0 for each in rows), sum(each.dead_letters or 0 for each in rows)
    queues = '1 queue' if len(rows) == 1 else f'{len(rows)} queues'
    events = '1 event waits' if waiting == 1 else f'{waiting} events wait'
    if dead:
        return f'{queues}, {events}, {dead} dead letter{"" if dead == 1 else "s"}. next: wazo-busd dead list'
    return f'{queues}, {events}. next: wazo-busd {"top" if waiting else "status"}'


def _state(*, is_there: bool, is_known: bool, is_wanted: bool) -> str:
    if not is_known:
        return 'gone'
    if not is_wanted:
        return 'switched off'
    return 'as configured' if is_there else 'not there'


def _ready(there: Found) -> int | None:
    return there.ready if there.differences is not None else None


def _on_their_way(count: int) -> str:
    return '1 event is on its way' if count == 1 else f'{count} events are on their way'


def _number(count: int | None) -> str:
    return '-' if count is None else str(count)
