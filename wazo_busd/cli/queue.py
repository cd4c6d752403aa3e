# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`wazo-busd queue`: looks at handlers' queues, makes one anew, empties or deletes one."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Coroutine
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

from wazo_busd import roster
from wazo_busd.amqp import Ledger, Queues
from wazo_busd.cli import stopping
from wazo_busd.cli.options import as_json, config_option, failure, misconfigured, output_option, plural, typed
from wazo_busd.cli.queue_recreation import recreated
from wazo_busd.cli.queue_table import Row, lines, read
from wazo_busd.config import HANDLER_NAME, Configuration, load, near
from wazo_busd.errors import BusError
from wazo_busd.text import escape
from wazo_busd.topology import HandlerQueue, Hub

F = TypeVar('F', bound=Callable[..., Any])
T = TypeVar('T')

_LIST = 'wazo-busd queue list'


@click.group(short_help="Look at handlers' queues, make one anew, empty or delete one.")
def queue() -> None:
    """Look at handlers' queues, make one anew, empty or delete one.

    It works whether the daemon runs or not.
    """


def handler_argument(function: F) -> F:
    """Add HANDLER."""

    def checked(context: click.Context, parameter: click.Parameter, value: str) -> str:
        if not HANDLER_NAME.fullmatch(value):
            raise click.BadParameter(f'{value!r} is no name of a handler; {_LIST} shows them')
        return value

    return click.argument('handler', metavar='HANDLER', callback=checked)(function)


@queue.command('list', short_help='Show the queues, what waits in them, and what is wrong with them.')
@config_option
@output_option
def list_command(path: Path, output: str) -> None:
    """Show the queues of the handlers that are configured, and of those that ever were.

    \b
    Examples:
      wazo-busd queue list
      wazo-busd queue list -o json
    """
    configuration = _configuration(path)
    rows = _run(_rows(configuration))
    if output == 'json':
        click.echo(json.dumps([each.plain() for each in rows], indent=2, ensure_ascii=False))
        return
    for line in lines(rows):
        click.echo(escape(line))


@queue.command('recreate', short_help='Make a queue anew that the broker refuses, and move its events over.')
@handler_argument
@click.option('--dry-run', is_flag=True, help='Say what differs, and do nothing.')
@config_option
@output_option
def recreate_command(handler: str, dry_run: bool, path: Path, output: str) -> None:
    """Make the queue of HANDLER anew, as the configuration wants it, and that of its dead letters. No event is lost.

    A queue cannot be changed. So its events are moved to a queue between, it is deleted and made anew, and they are
    moved back. What is published meanwhile is kept. It can be interrupted at any point and run again: it goes on.
    The daemon may run, as long as it does not consume the old queue: wazo-busd reload lets go of it.

    Handlers get the events in their order, each once, but for those of the two moments in which the queues change
    places: these can come twice, and after later ones. Both have the same event.id. If it is killed and not run again,
    what comes until then can come twice, too.

    \b
    Examples:
      wazo-busd queue recreate crm
      wazo-busd queue recreate crm --dry-run
    """
    configuration = _configuration(path)
    wanted = _wanted(configuration, handler)
    told = partial(click.echo, err=output == 'json')
    done = _run(recreated(configuration, wanted, dry_run=dry_run, told=told))
    what = 'nothing was done'
    if done.moved is not None:
        what = f'the queues of {handler} are as the configuration says; {plural(done.moved, "event")} moved'
    _say(output, f'{what}. next: {done.next}', done.plain())


@queue.command('purge', short_help='Throw away what waits in a queue.')
@handler_argument
@click.option('--force', is_flag=True, help='Also of a handler that is configured and enabled.')
@click.option('-y', '--yes', is_flag=True, help='Do not ask.')
@config_option
@output_option
def purge_command(handler: str, force: bool, yes: bool, path: Path, output: str) -> None:
    """Throw away, for good, the events that wait in the queue of HANDLER.

    What the handler has in hand stays, and so does the queue.

    \b
    Examples:
      wazo-busd queue purge crm --force
      wazo-busd queue purge old-crm --yes
    """
    configuration = _configuration(path)
    if not force:
        _refuse_enabled(configuration, handler, f'wazo-busd queue purge {handler} --force')
    row = _row(configuration, handler)
    if row.events is None:
        _fail(f'there is no queue {row.queue}', _LIST)
    if not row.events:
        _say(output, f'{row.queue} is empty; nothing was done', _plain(row, purged=0))
        return
    _ask(f'throw away {plural(row.events, "event")} of {handler}', yes=yes, output=output)
    purged = _run(_with_queues(configuration, lambda queues: queues.purge(row.queue)))
    told = f'{plural(purged, "event")} of {handler} thrown away; the queue stays{_dead_left(row)}'
    _say(output, told, _plain(row, purged=purged))


@queue.command('delete', short_help='Delete the queue of a handler that is gone.')
@handler_argument
@click.option('--dead-letters', is_flag=True, help='Delete its dead letters too.')
@click.option('-y', '--yes', is_flag=True, help='Do not ask.')
@config_option
@output_option
def delete_command(handler: str, dead_letters: bool, yes: bool, path: Path, output: str) -> None:
    """Delete the queue of HANDLER, which is gone or switched off, with what is in it.

    Its dead letters stay, unless --dead-letters says otherwise.

    \b
    Examples:
      wazo-busd queue delete old-crm
      wazo-busd queue delete old-crm --dead-letters --yes
    """
    configuration = _configuration(path)
    _refuse_enabled(configuration, handler, 'take it out of the configuration or write enabled: false, and reload')
    row = _row(configuration, handler)
    gone = row.present(dead_letters=dead_letters)
    if not gone:
        _fail(f'there is no queue {row.queue}', f'wazo-busd queue delete {handler} --dead-letters, or {_LIST}')
    if row.consumers:
        _fail(f'{row.queue} is being consumed', 'wazo-busd reload, which lets go of handlers that are gone')
    told = ', '.join(f'{name} with {plural(count, "event")}' for name, count in gone.items())
    _ask(f'delete {told}', yes=yes, output=output)
    _run(_with_queues(configuration, lambda queues: _deleted(queues, list(gone))))
    left = replace(row, dead_letters=None) if dead_letters else row
    _say(output, f'deleted {told}{_dead_left(left)}', _plain(left, deleted=gone))


async def _rows(configuration: Configuration) -> list[Row]:
    async with Queues(configuration.config.bus, configuration.config.state_dir) as queues:
        rows = [await queues.unless_lost(read(queues, configuration.config, name)) for name in _names(configuration)]
    return [each for each in rows if each.state != 'gone' or each.present(dead_letters=True)]


def _row(configuration: Configuration, handler: str) -> Row:
    return _run(_with_queues(configuration, lambda queues: read(queues, configuration.config, handler)))


async def _with_queues(configuration: Configuration, use: Callable[[Queues], Coroutine[Any, Any, T]]) -> T:
    async with Queues(configuration.config.bus, configuration.config.state_dir) as queues:
        return await queues.unless_lost(use(queues))


async def _deleted(queues: Queues, names: list[str]) -> None:
    for name in names:
        await queues.delete(name)


def _wanted(configuration: Configuration, name: str) -> HandlerQueue:
    """What a handler of the configuration asks of the broker; no other plugin is imported."""
    handlers = configuration.config.handlers
    if name not in handlers:
        gone = f'wazo-busd queue delete {name}, if it is gone'
        _fail(f'there is no handler {name!r}', near(name, handlers) or gone)
    if not handlers[name].enabled:
        _fail(f'{name} is switched off, with enabled: false', f'wazo-busd queue delete {name}')
    called = roster.alone(configuration, name)
    if name not in called.handlers:
        misconfigured([each for each in (*called.problems, *called.failures) if each.handler == name])
    handler = called.handlers[name]
    return Hub(configuration.config.bus.namespace).handler_queue(name, handler.match.bindings, handler.config.queue)


def _refuse_enabled(configuration: Configuration, name: str, cure: str) -> None:
    config = configuration.config.handlers.get(name)
    if config is not None and config.enabled:
        _fail(f'{name} is configured and enabled: its events are wanted', cure)


def _names(configuration: Configuration) -> list[str]:
    config = configuration.config
    known = [Hub(config.bus.namespace).handler_of(name) for name in Ledger(config.state_dir, config.bus).known]
    return list(dict.fromkeys([*config.handlers, *(each for each in known if HANDLER_NAME.fullmatch(each))]))


def _plain(row: Row, **done: Any) -> dict[str, Any]:
    """What was done to a queue and what is left of its handler, for programs."""
    following = _dead_list(row) if row.dead_letters else ''
    return {'handler': row.handler, 'queue': row.queue, **done, 'dead_letters': row.dead_letters, 'next': following}


def _say(output: str, told: str, plain: dict[str, Any]) -> None:
    click.echo(as_json(plain) if output == 'json' else told)


def _dead_list(row: Row) -> str:
    return typed(f'wazo-busd dead list --handler {row.handler}')


def _dead_left(row: Row) -> str:
    if row.dead_letters is None:
        return ''
    if not row.dead_letters:
        return f'; {row.queue}.dead is left, with nothing in it'
    count = plural(row.dead_letters, 'dead letter')
    return f'; {row.queue}.dead is left, with {count}. next: {_dead_list(row)}'


def _ask(what: str, *, yes: bool, output: str) -> None:
    if not (yes or sys.stdin.isatty()):
        _fail('nobody is there to be asked', 'add --yes')
    is_json = output == 'json'
    if not yes and not click.confirm(escape(f'{what}?'), err=is_json):
        click.echo('nothing was done', err=is_json)
        sys.exit(1)


def _configuration(path: Path) -> Configuration:
    configuration = load(path)
    if configuration.problems:
        misconfigured(configuration.problems)
    return configuration


def _run(going: Coroutine[Any, Any, T]) -> T:
    try:
        return stopping.run(going)
    except BusError as error:
        _fail(error.text, error.cure)
    except stopping.Stopped:
        _fail('interrupted, and nothing is lost', 'run the same command again: it goes on')


def _fail(text: str, cure: str) -> NoReturn:
    click.echo(failure(text, cure), err=True)
    sys.exit(1)
