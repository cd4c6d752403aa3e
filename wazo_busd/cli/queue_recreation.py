# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The recreation of `wazo-busd queue recreate`: both queues of a handler, with all that is told of it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import click

from wazo_busd.amqp import Found, Ledger, Place, Queues, Relocation, found, places
from wazo_busd.cli.asking import in_hand
from wazo_busd.cli.options import plural, typed
from wazo_busd.config import Configuration
from wazo_busd.errors import BusError
from wazo_busd.text import escape
from wazo_busd.topology import HandlerQueue

_Told = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Recreation:
    """What there was of both queues of a handler, and what was done.

    Attributes:
        wanted: what the handler asks of the broker.
        found: what there was of each place.
        is_dry: whether nothing was to be done.
        moved: how many events were moved; `None` if nothing was done.
    """

    wanted: HandlerQueue
    found: tuple[tuple[Place, Found], ...]
    is_dry: bool
    moved: int | None = None

    @property
    def is_needed(self) -> bool:
        """Whether something differed, or somebody was interrupted."""
        return not all(there.is_as_wanted for _, there in self.found)

    @property
    def next(self) -> str:
        """What to type next."""
        again = self.is_dry and self.is_needed
        return typed(f'wazo-busd queue recreate {self.wanted.handler}' if again else 'wazo-busd queue list')

    def plain(self) -> dict[str, Any]:
        """The same in plain types, for programs."""
        return {
            'handler': self.wanted.handler,
            'queue': self.wanted.queue.name,
            'needed': self.is_needed,
            'recreated': self.moved is not None,
            'moved': self.moved or 0,
            'missing': [place.queue.name for place, there in self.found if there.differences is None],
            'interim': {place.interim: there.interim for place, there in self.found if there.interim is not None},
            'differences': {
                place.queue.name: [str(each) for each in there.differences]
                for place, there in self.found
                if there.differences
            },
            'next': self.next,
        }


async def recreated(configuration: Configuration, wanted: HandlerQueue, *, dry_run: bool, told: _Told) -> Recreation:
    """Make both queues of a handler anew.

    Args:
        configuration: the configuration.
        wanted: what the handler asks of the broker.
        dry_run: whether to say only what differs.
        told: called with each line about what there is.

    Raises:
        BusError: it is not possible, or not now; nothing is lost.
    """
    config = configuration.config
    with _progress() as on_move:
        async with Queues(config.bus, config.state_dir, on_move) as queues:
            return await queues.unless_lost(_recreate(queues, configuration, wanted, dry_run, told))


async def _recreate(
    queues: Queues, configuration: Configuration, wanted: HandlerQueue, dry_run: bool, told: _Told
) -> Recreation:
    config = configuration.config
    if wanted.queue.is_quorum and not await queues.has_quorum():
        raise BusError('the broker refuses quorum queues', 'rabbitmqctl enable_feature_flag all')
    old = Ledger(config.state_dir, config.bus).patterns(wanted.queue.name)
    pairs = [(place, await found(queues, place)) for place in places(wanted, queues.hub, old)]
    for place, there in pairs:
        _tell_differences(place, there, told)
    recreation = Recreation(wanted, tuple(pairs), dry_run)
    if dry_run:
        return recreation
    relocations = [Relocation(queues, place, _tell) for place, _ in pairs]
    if recreation.is_needed:
        _check_in_hand(configuration, wanted.handler)
        for relocation, (_, there) in zip(relocations, pairs, strict=True):
            relocation.check(there)
    # That of the dead letters last: until it is as wanted the daemon keeps away from both.
    moved = sum([await relocation.run() for relocation in relocations])
    return replace(recreation, moved=moved) if recreation.is_needed else recreation


def _tell_differences(place: Place, there: Found, told: _Told) -> None:
    name = place.queue.name
    if there.differences is None:
        is_left = there.interim is not None
        told(f'{name}: is not there{": its events are on their way" if is_left else "; the daemon makes it"}')
    elif there.differences:
        told(f'{name}: is of another kind, with {plural(there.ready, "event")} in it')
        for each in there.differences:
            told(escape(f'  {each}'))
    else:
        told(f'{name}: is as the configuration says')
    if there.interim is not None:
        told(f'  {plural(there.interim, "event")} in {place.interim}, where somebody was interrupted')


def _check_in_hand(configuration: Configuration, handler: str) -> None:
    """See that the daemon has nothing in hand of the old queue, which would be lost with it.

    Raises:
        BusError: it has.
    """
    count = in_hand(configuration, handler)
    if count:
        raise BusError(
            f'the daemon has {plural(count, "event")} of {handler} in hand, which would be lost with the old queue',
            f'wazo-busd reload, or systemctl stop wazo-busd; then wazo-busd queue recreate {handler}',
        )


@contextmanager
def _progress() -> Iterator[Callable[[int], None]]:
    """What shows on a terminal how many moves there were, of which each event takes two."""
    moves = 0

    def on_move(count: int) -> None:
        nonlocal moves
        moves += count
        click.echo(f'\r{plural(moves, "move")}', nl=False, err=True)

    try:
        yield on_move if sys.stderr.isatty() else lambda count: None
    finally:
        if moves:
            click.echo(err=True)


def _tell(text: str) -> None:
    click.echo(escape(text), err=True)
