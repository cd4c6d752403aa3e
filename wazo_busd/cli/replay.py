# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`wazo-busd replay`: plays recorded events again, on the bus or straight into a handler."""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, NoReturn

import click
from click.core import ParameterSource

from wazo_busd.cli import replay_handler, stopping
from wazo_busd.cli.host import host_of, is_here
from wazo_busd.cli.listening import configuration_of
from wazo_busd.cli.options import config_option, failure, output_option, plural
from wazo_busd.cli.pace import Pace, speed_of
from wazo_busd.cli.recorded import Broken, NoRecording, Survey, events, survey
from wazo_busd.cli.replay_bus import Stage
from wazo_busd.cli.replay_handler import Audition
from wazo_busd.config import BusConfig
from wazo_busd.errors import BusError, PluginError
from wazo_busd.text import escape

_MOST_BROKEN = 20
"""So many lines that are no events are named; more are only counted."""


@click.command(short_help='Play recorded events again, on the bus or into a handler.')
@click.argument('file', type=click.Path(path_type=Path, dir_okay=False, exists=True, readable=False))
@click.option('--handler', metavar='HANDLER', help='Straight into this handler, without a broker.')
@click.option('--speed', default='1', show_default=True, metavar='N|max', help='How many times as fast as it was.')
@click.option(
    '--onto',
    type=click.Choice(['hub', 'upstream']),
    default='hub',
    show_default=True,
    help='hub: for the handlers alone; upstream: for every consumer of the bus, Wazo included.',
)
@click.option('--derived', is_flag=True, help='Derived events too, which handlers make anew from the others.')
@click.option('-y', '--yes', is_flag=True, help='Do not ask; not for the host that it was recorded on.')
@click.option('--yes-onto', metavar='HOST', help='Do not ask, and play it onto the bus of this host, whichever it is.')
@config_option
@output_option
def replay(
    file: Path,
    handler: str | None,
    speed: str,
    onto: str,
    derived: bool,
    yes: bool,
    yes_onto: str | None,
    path: Path,
    output: str,
) -> None:
    """Play the events of FILE again, which wazo-busd record has made, or a journal of JSON lines.

    Without --handler they go onto the bus of the configuration, with the header busd-replayed: true, and onto the
    exchange of wazo-busd unless --onto says otherwise, so that only its handlers get them. With --handler no broker is
    needed: the handler is started with a state directory of its own, and what becomes of each event is shown. None is
    tried again. Either way handlers run in earnest: what they send is sent. So it is asked before.

    \b
    Examples:
      wazo-busd replay calls.jsonl --handler crm --speed max
      wazo-busd replay day.jsonl.gz --speed 10
    """
    pace = Pace(speed_of(speed))
    configuration = configuration_of(path)
    if handler is not None:
        _refuse_options_of_the_bus()
    found, is_whole = _survey(file), True
    if handler is not None:
        config = replay_handler.handler_of(configuration, handler, path)
        audition = Audition(configuration, config, output)
        _tell(f'{_summary(file, found)}; straight into {handler}, which runs in earnest: what it sends is sent')
        _ask(f'give {plural(found.events, "event")} to {handler}', yes=yes or yes_onto is not None)
        _run(audition.play(events(file), pace), audition.conclude)
    else:
        bus = configuration.config.bus
        stage = Stage(bus, upstream=onto == 'upstream', derived=derived, told=lambda told: _warn(file, told))
        _tell(f'{_summary(file, found)}; onto {stage.place}')
        _ask_onto(bus, found, yes=yes, yes_onto=yes_onto)
        _run(stage.play(events(file), pace, found.events), lambda: stage.conclude(output))
        is_whole = not stage.uncarried
    sys.exit(1 if found.broken or not is_whole else 0)


def _refuse_options_of_the_bus() -> None:
    """Say that options would change nothing where no bus is played onto."""
    context = click.get_current_context()
    for name in ('onto', 'derived'):
        if context.get_parameter_source(name) is not ParameterSource.DEFAULT:
            raise click.UsageError(f'either --handler or --{name}')


def _survey(file: Path) -> Survey:
    """What there is in a file; lines that are no events are told."""
    if not file.is_file():
        _fail(f'{file} is no regular file, and it is read twice', 'name the file itself; a .gz is unpacked as it is')
    try:
        found = survey(file)
    except NoRecording as error:
        _fail(str(error), 'wazo-busd record FILE makes one')
    except OSError as error:
        _fail(f'{file} cannot be read: {error.strerror or error}', f'ls -l {file}')
    for each in found.broken[:_MOST_BROKEN]:
        _warn(file, each)
    if len(found.broken) > _MOST_BROKEN:
        _tell(f'warning: {len(found.broken) - _MOST_BROKEN} more lines of {file} are left out')
    if not found.events:
        _fail(f'{file} has no event', 'wazo-busd record FILE makes one')
    return found


def _summary(file: Path, found: Survey) -> str:
    head = found.head
    kind = 'of a journal' if head.is_journal else f'recorded on {head.host or "a host that it does not name"}'
    since, masked = f', from {head.since} on' if head.since else '', ', masked' if head.masked else ''
    return f'{file}: {plural(found.events, "event")} in {found.seconds:.1f} s, {kind}{since}{masked}'


def _ask_onto(bus: BusConfig, found: Survey, *, yes: bool, yes_onto: str | None) -> None:
    """See that somebody wants it on this very bus."""
    host, names = host_of(bus), [each for each, _ in bus.addresses()]
    if yes_onto is not None:
        if yes_onto not in (host, *names):
            _fail(
                f'--yes-onto {yes_onto}: the bus of the configuration is on {host}',
                f'--yes-onto {host}, if it is meant',
            )
        return
    if not is_here(bus):
        _fail(f'{", ".join(names)} is another host than this one', f'--yes-onto {names[0]}, if it is meant')
    is_same = found.head.host in ('', host)
    if is_same:
        _tell(f'warning: it happened on {host}, this host: what handlers did then, they do once more')
    if yes and is_same:
        _fail(f'--yes is not enough for {host}, where it was recorded', f'--yes-onto {host}, if it is meant')
    _ask(f'publish {plural(found.events, "event")} there', yes=yes)


def _ask(what: str, *, yes: bool) -> None:
    if not (yes or sys.stdin.isatty()):
        _fail('nobody is there to be asked', 'add --yes')
    if not yes and not click.confirm(escape(f'{what}?'), err=True):
        _tell('nothing was done')
        sys.exit(1)


def _run(going: Coroutine[Any, Any, None], conclude: Callable[[], None]) -> None:
    """Play, and say in the end what became of it, however it ended."""
    try:
        stopping.run(going)
    except BusError as error:
        conclude()
        _fail(error.text, error.cure)
    except PluginError as error:
        _fail(error.text, error.hint)
    except stopping.Stopped:
        conclude()
        _tell('ended before it was done')
        sys.exit(1)
    conclude()


def _warn(file: Path, broken: Broken) -> None:
    _tell(f'warning: {file}:{broken.line}: {broken.reason}; it is left out')


def _tell(text: str) -> None:
    click.echo(escape(text), err=True)


def _fail(text: str, cure: str) -> NoReturn:
    click.echo(failure(text, cure), err=True)
    sys.exit(1)
