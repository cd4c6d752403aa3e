# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The recreation of `wazo-busd queue recreate`: both queues of a handler, with all that is told of it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from wazo_busd.amqp import Found, Ledger, Place, Queues, Relocation, found, places
from wazo_busd.cli.asking import in_hand
from wazo_busd.cli.options import plural, typed
from wazo_busd.config import Configuration
from wazo_busd.errors import BusError
from wazo_busd.text import escape
from wazo_busd.topology import HandlerQueue


async def recreated(configuration: Configuration, wanted: HandlerQueue, *, dry_run: bool) -> int | None:
    """Make both queues of a handler anew.

    Args:
        configuration: the configuration.
        wanted: what the handler asks of the broker.
        dry_run: whether to say only what differs.

    Returns:
        How many events were moved; `None` if nothing was done.

    Raises:
        BusError: it is not possible, or not now; nothing is lost.
    """
    config = configuration.config
    with _progress() as on_move:
        async with Queues(config.bus, config.state_dir, on_move) as queues:
            return await queues.unless_lost(_recreate(queues, configuration, wanted, dry_run=dry_run))


async def _recreate(queues: Queues, configuration: Configuration, wanted: HandlerQueue, *, dry_run: bool) -> int | None:
    config = configuration.config
    if wanted.queue.is_quorum and not await queues.has_quorum():
        raise BusError('the broker refuses quorum queues', 'rabbitmqctl enable_feature_flag all')
    old = Ledger(config.state_dir, config.bus).patterns(wanted.queue.name)
    pairs = [(place, await found(queues, place)) for place in places(wanted, queues.hub, old)]
    for place, there in pairs:
        _tell_differences(place, there)
    is_needed = not all(there.is_as_wanted for _, there in pairs)
    if dry_run:
        _tell_next(wanted.handler if is_needed else '')
        return None
    relocations = [Relocation(queues, place, _tell) for place, _ in pairs]
    if is_needed:
        _check_in_hand(configuration, wanted.handler)
        for relocation, (_, there) in zip(relocations, pairs, strict=True):
            relocation.check(there)
    # That of the dead letters last: until it is as wanted the daemon keeps away from both.
    moved = sum([await relocation.run() for relocation in relocations])
    if is_needed:
        return moved
    _tell_next('')
    return None


def _tell_next(handler: str) -> None:
    """Say that nothing was done, and what to type.

    Args:
        handler: whose queues are to be made anew; `''` if they are as they should be.
    """
    command = f'wazo-busd queue recreate {handler}' if handler else 'wazo-busd queue list'
    click.echo(f'nothing was done. next: {typed(command)}')


def _tell_differences(place: Place, there: Found) -> None:
    name = place.queue.name
    if there.differences is None:
        is_left = there.interim is not None
        click.echo(f'{name}: is not there{": its events are on their way" if is_left else "; the daemon makes it"}')
    elif there.differences:
        click.echo(f'{name}: is of another kind, with {plural(there.ready, "event")} in it')
        for each in there.differences:
            click.echo(escape(f'  {each}'))
    else:
        click.echo(f'{name}: is as the configuration says')
    if there.interim is not None:
        click.echo(f'  {plural(there.interim, "event")} in {place.interim}, where somebody was interrupted')


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
