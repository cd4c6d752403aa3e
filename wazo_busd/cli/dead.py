# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`wazo-busd dead`: looks at the events that handlers gave up on, sends them back, or drops them."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

from wazo_busd.amqp import ORPHANS, DeadLetter, DeadLetters, Ledger
from wazo_busd.cli.completion import handler_names
from wazo_busd.cli.dead_selection import Selection, in_full, line_of, plain, without_numbers, without_secrets
from wazo_busd.cli.options import as_json, config_option, failure, misconfigured, output_option, plural, typed
from wazo_busd.config import Config, Configuration, load
from wazo_busd.errors import BusError
from wazo_busd.redaction import Redaction
from wazo_busd.text import escape
from wazo_busd.topology import Hub

F = TypeVar('F', bound=Callable[..., Any])
T = TypeVar('T')


@click.group(short_help='Look at what handlers gave up on, send it back, or drop it.')
def dead() -> None:
    """Look at the events that handlers gave up on, the dead letters; send them back to the handler, or drop them.

    It works whether the daemon runs or not.
    """


def selection_options(function: F) -> F:
    """Add what says which dead letters are meant."""
    function = click.option('--error', metavar='CLASS', help='Only those of this class of error, as in KeyError.')(
        function
    )
    return click.option(
        '--handler',
        metavar='HANDLER',
        shell_complete=handler_names,
        help='Only those of this handler, be it one that is no longer configured.',
    )(function)


@dead.command('list', short_help='Show the dead letters, grouped by error.')
@selection_options
@click.option('--bodies', is_flag=True, help='With -o json: what the events say, too.')
@config_option
@output_option
def list_command(handler: str | None, error: str | None, bodies: bool, path: Path, output: str) -> None:
    """Show the dead letters, grouped by handler and error. They stay where they are.

    Secrets of the configuration in errors are hidden, and telephone numbers but for their ends.

    \b
    Examples:
      wazo-busd dead list
      wazo-busd dead list --handler crm
      wazo-busd dead list -o json
    """
    configuration = _configuration(path)
    selection = Selection(handler=handler, error=error)
    redaction = _redaction(configuration)
    letters = [without_numbers(each, redaction) for each in _run(_found(configuration.config, selection))]
    if output == 'json':
        click.echo(json.dumps([plain(each, body=bodies) for each in letters], indent=2, ensure_ascii=False))
        return
    if not letters:
        following = typed('wazo-busd dead list' if selection.words() else 'wazo-busd status')
        click.echo(escape(f'no dead letters{selection.words()}. next: {following}'))
        return
    groups: dict[tuple[str, str, str], list[DeadLetter]] = {}
    for letter in letters:
        groups.setdefault((letter.handler, letter.error, letter.text.partition('\n')[0]), []).append(letter)
    for group in sorted(groups.values(), key=len, reverse=True):
        click.echo(escape(line_of(group)))
    first = letters[-1].event_id[:12]
    click.echo(f'\n{plural(len(letters), "dead letter")}. next: {typed(f"wazo-busd dead show {first}")}')


@dead.command('show', short_help='Show one in full.')
@click.argument('identity', metavar='ID')
@click.option('--body', is_flag=True, help='Write the body alone, byte for byte.')
@config_option
@output_option
def show_command(identity: str, body: bool, path: Path, output: str) -> None:
    """Show a dead letter in full: why, when, after how many tries, and the event. ID is the beginning of its id.

    \b
    Examples:
      wazo-busd dead show 3f2a91c0d4e5
      wazo-busd dead show 3f2a91c0d4e5 --body > event.json
    """
    configuration = _configuration(path)
    redaction = _redaction(configuration)
    found = _run(_found(configuration.config, Selection(ids=(identity,))))
    letters = [without_secrets(each, redaction) for each in found]
    if not letters:
        _fail(f'no dead letter has an id that begins with {identity!r}', 'wazo-busd dead list')
    if body:
        sys.stdout.buffer.write(letters[-1].original.body)
    elif output == 'json':
        click.echo(json.dumps([plain(each, body=True) for each in letters], indent=2, ensure_ascii=False))
    else:
        for letter in letters:
            click.echo('\n'.join(map(escape, in_full(letter))))
        following = typed(f'wazo-busd dead replay {letters[-1].event_id[:12]}')
        click.echo(f'\n{escape(f"next: {following}")}')


@dead.command('replay', short_help='Send them back to the handler that gave up.')
@click.argument('identities', metavar='[ID]...', nargs=-1)
@selection_options
@click.option('-y', '--yes', is_flag=True, help='Do not ask.')
@config_option
@output_option
def replay_command(
    identities: Sequence[str], handler: str | None, error: str | None, yes: bool, path: Path, output: str
) -> None:
    """Send events back to the handler that gave up on them, and to no other, with all its tries before it again.

    Each is taken out only when the handler's queue has it. So this can be interrupted at any point, and run again:
    nothing is lost, and at most the one that was in hand is handled twice.

    \b
    Examples:
      wazo-busd dead replay 3f2a91c0d4e5
      wazo-busd dead replay --handler crm --error ClientResponseError
      wazo-busd dead replay --yes
    """
    config = _config(path)
    selection = Selection(handler=handler, error=error, ids=tuple(identities))
    letters = _run(_found(config, selection))
    whole, lost = [each for each in letters if each.can_return], [each for each in letters if not each.can_return]
    why, following = _loss(lost[0]) if lost else ('', 'wazo-busd dead list')
    if lost:
        told = f'{plural(len(lost), "dead letter")} cannot be sent back: {why}'
        if not whole:
            _fail(told, following)
        click.echo(f'{told}. next: {typed(following)}', err=output == 'json')
    _ask(whole, selection, 'send back', yes=yes, output=output)
    _run(_check_queues(config, {letter.handler for letter in whole}))
    sent = _act(config, Selection.of(whole), 'sending back', lambda session: session.send_back)
    if output == 'json':
        refused = {'refused': len(lost), 'why': why, 'next': typed(following)}
        click.echo(as_json({'sent_back': sent.total(), 'handlers': sent, **refused}))
    else:
        click.echo(f'{plural(sent.total(), "event")} sent back. next: {typed("wazo-busd dead list")}')


@dead.command('drop', short_help='Throw them away.')
@click.argument('identities', metavar='[ID]...', nargs=-1)
@selection_options
@click.option('--older', metavar='AGE', help='Only those that died longer ago, as in 7d.')
@click.option('-y', '--yes', is_flag=True, help='Do not ask.')
@config_option
@output_option
def drop_command(
    identities: Sequence[str],
    handler: str | None,
    error: str | None,
    older: str | None,
    yes: bool,
    path: Path,
    output: str,
) -> None:
    """Throw dead letters away, for good.

    \b
    Examples:
      wazo-busd dead drop --older 7d
      wazo-busd dead drop --handler crm --error ValueError
    """
    config = _config(path)
    selection = Selection(handler=handler, error=error, ids=tuple(identities)).older_than(older)
    letters = _run(_found(config, selection))
    _ask(letters, selection, 'throw away', yes=yes, output=output)

    async def nothing(letter: DeadLetter) -> None:
        """To be taken out is all that happens to it."""

    dropped = _act(config, Selection.of(letters), 'dropping', lambda _: nothing)
    if output == 'json':
        click.echo(as_json({'dropped': dropped.total(), 'handlers': dropped}))
    else:
        click.echo(f'{plural(dropped.total(), "dead letter")} dropped')


def _loss(letter: DeadLetter) -> tuple[str, str]:
    """Why a letter cannot be sent back, and what to type."""
    why = 'it is no event of the daemon' if letter.is_whole else 'only the beginning of the body was kept'
    return why, f'wazo-busd dead drop {letter.event_id[:12]}'


def _ask(letters: Sequence[DeadLetter], selection: Selection, what: str, *, yes: bool, output: str) -> None:
    """Ask before anything is done; end where there is nothing to do, or the answer is no."""
    if not letters:
        _fail(f'no dead letters{selection.words()}', 'wazo-busd dead list')
    handlers = ', '.join(sorted({letter.handler for letter in letters}))
    if not (yes or sys.stdin.isatty()):
        _fail('nobody is there to be asked', 'add --yes')
    is_json = output == 'json'
    if not yes and not click.confirm(escape(f'{what} {plural(len(letters), "event")} of {handlers}?'), err=is_json):
        click.echo('nothing was done', err=is_json)
        sys.exit(1)


async def _check_queues(config: Config, handlers: set[str]) -> None:
    async with DeadLetters(config.bus) as session:
        for handler in sorted(handlers):
            if not await session.has_queue(handler):
                raise BusError(
                    f'{handler} has no queue that its events could be sent back to',
                    'configure a handler of that name and start the daemon, or wazo-busd dead drop',
                )


def _act(
    config: Config,
    selection: Selection,
    title: str,
    action: Callable[[DeadLetters], Callable[[DeadLetter], Coroutine[Any, Any, None]]],
) -> Counter[str]:
    """Do something with each of the letters, and take it out.

    Returns:
        With how many of each handler.
    """

    async def go() -> Counter[str]:
        done: Counter[str] = Counter()
        async with DeadLetters(config.bus) as session:
            with click.progressbar(length=selection.size, label=title, file=sys.stderr) as bar:
                for handler in _handlers(config, selection):
                    async for letter in session.read(handler, selection.takes, action(session)):
                        done[letter.handler] += 1
                        bar.update(1)
        return done

    return _run(go())


async def _found(config: Config, selection: Selection) -> list[DeadLetter]:
    async with DeadLetters(config.bus) as session:
        return [letter async for letter in _letters(session, config, selection)]


async def _letters(session: DeadLetters, config: Config, selection: Selection) -> AsyncIterator[DeadLetter]:
    for handler in _handlers(config, selection):
        async for letter in session.read(handler, selection.takes):
            yield letter


def _handlers(config: Config, selection: Selection) -> list[str]:
    """Whose dead letters are looked at: of handlers that are configured or ever were, and of those that are gone."""
    known = [Hub(config.bus.namespace).handler_of(queue) for queue in Ledger(config.state_dir, config.bus).known]
    named = [selection.handler] if selection.handler else []
    return list(dict.fromkeys([*named, *config.handlers, *known, ORPHANS])) if not named else [*named, ORPHANS]


def _config(path: Path) -> Config:
    return _configuration(path).config


def _configuration(path: Path) -> Configuration:
    configuration = load(path)
    if configuration.problems:
        misconfigured(configuration.problems)
    return configuration


def _redaction(configuration: Configuration) -> Redaction:
    redaction = Redaction()
    redaction.add(configuration.secrets)
    return redaction


def _run(going: Coroutine[Any, Any, T]) -> T:
    try:
        return asyncio.run(going)
    except BusError as error:
        _fail(error.text, error.cure)


def _fail(text: str, cure: str) -> NoReturn:
    click.echo(failure(text, cure), err=True)
    sys.exit(1)
