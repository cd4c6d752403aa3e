# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`wazo-busd plugin`: writes a plugin with its test, and says of one what the daemon would."""

from __future__ import annotations

import keyword
import os
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import click

from wazo_busd.cli.options import as_json, config_option, output_option, plural, typed
from wazo_busd.cli.plugin_report import Report, reports
from wazo_busd.cli.plugins import plugins
from wazo_busd.loader import Loader
from wazo_busd.text import escape

_PLUGIN = """\
from wazo_busd.api import Context, Event, handler


@handler('call_ended')
async def {name}(event: Event, context: Context) -> None:
    context.log.info('{name}_ran', call_id=event.call_id)
"""

_TEST = """\
import asyncio

from wazo_busd.testing import Outcome, deliver, make_event

from {name} import {name}


def test_an_event_is_done_with() -> None:
    outcomes = asyncio.run(deliver({name}, make_event('call_ended', {{'call_id': '1777629422.8'}})))

    assert outcomes == [Outcome.DONE]
"""


@click.group(short_help='Write a plugin, check one, or list them.')
def plugin() -> None:
    """Write a plugin with its test, check one as the daemon would, or list all that are found."""


plugin.add_command(plugins, 'list')


@plugin.command('new', short_help='Write a working plugin, and its test.')
@click.argument('name', metavar='NAME')
@click.option(
    '-d',
    '--directory',
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=Path(),
    metavar='DIRECTORY',
    help='Where to; here by default.',
)
@output_option
def new(name: str, directory: Path, output: str) -> None:
    """Write NAME.py, a plugin that works, and test_NAME.py, its test. Nothing that is there already is changed.

    The test runs with pytest and needs no broker.

    \b
    Examples:
      wazo-busd plugin new bell
      wazo-busd plugin new bell -d /etc/wazo-busd/plugins.d
    """
    _check_name(name)
    code, test = directory / f'{name}.py', directory / f'test_{name}.py'
    following = f'wazo-busd plugin check {shlex.quote(str(code))}'
    for path in (code, test):
        if os.path.lexists(path):
            _fail(f'{path} is there already, and nothing was written', following)
    for path, text in ((code, _PLUGIN), (test, _TEST)):
        try:
            _write(path, text.format(name=name))
        except OSError as error:
            _fail(f'{path} cannot be written: {error.strerror or error}', f'ls -ld {shlex.quote(str(directory))}; id')
        click.echo(escape(f'wrote {path}'), err=output == 'json')
    trying = f'{_pytest()} {shlex.quote(str(test))}'
    if output == 'json':
        click.echo(as_json({'plugin': name, 'files': [str(code), str(test)], 'test': trying, 'next': following}))
        return
    click.echo(escape(f'next: {trying}'))
    click.echo(escape(f'      {following}'))
    click.echo(escape(f'      then, in conf.d: handlers: {{{name.replace("_", "-")}: {{plugin: {name}}}}}'))


@plugin.command('check', short_help='Load a plugin as the daemon would, and say what it is.')
@click.argument('place', metavar='PATH', type=click.Path(path_type=Path, exists=True))
@config_option
@output_option
def check(place: Path, path: Path, output: str) -> None:
    """Load a plugin as the daemon would, and say what it takes, which options it has, and what is wrong with it.

    PATH is a file, a package, or a directory of these. Its code is imported, and nothing of it is called. Calls that
    would hold up all handlers, such as time.sleep, are warned of. Exits with 1 if a plugin cannot be used;
    warnings change nothing about that.

    \b
    Examples:
      wazo-busd plugin check bell.py
      wazo-busd plugin check /etc/wazo-busd/plugins.d -o json
    """
    found = reports(place)
    if not found:
        _fail(f'{place} has no plugin: no file that ends in .py, no package', 'wazo-busd plugin new NAME')
    if output == 'json':
        click.echo(as_json([each.plain() for each in found]))
    else:
        for each in found:
            click.echo('\n'.join(map(escape, each.lines())))
        click.echo(escape(_end(found, path)))
    if any(each.error for each in found):
        sys.exit(1)


def _end(found: list[Report], config: Path) -> str:
    wrong = sum(bool(each.error) for each in found)
    if wrong:
        return f'{plural(len(found), "plugin")}, {wrong} cannot be used'
    warnings = sum(len(each.warnings) for each in found)
    told = f'right, with {plural(warnings, "warning")}' if warnings else 'right'
    following = f'name a handler that uses it in conf.d, then {typed("wazo-busd check")}'
    return f'{plural(len(found), "plugin")}: {told}. next: {following}'


def _check_name(name: str) -> None:
    """See that a plugin can be called so.

    Raises:
        click.UsageError: it cannot.
    """
    for text in _objections(name):
        raise click.UsageError(escape(f'{name!r}: {text}'))


def _objections(name: str) -> Iterator[str]:
    if not (name.isascii() and name.isidentifier() and name == name.lower()):
        yield 'expected a name of small letters, digits and _, as in missed_calls'
    elif keyword.iskeyword(name) or name in {'context', 'event', 'handler', 'asyncio'}:
        yield 'it means something else in Python, or in the plugin; expected another name, as in bell'
    elif name.startswith(('_', 'test_')):
        yield 'what begins so is no plugin to the daemon; expected another name, as in bell'
    elif name in sys.stdlib_module_names:
        yield "a module of Python's own is called so; expected another name, as in bell"
    elif name in Loader([]).names:
        yield 'a plugin that is installed is called so, and of two neither is loaded; wazo-busd plugins lists them'


def _write(path: Path, text: str) -> None:
    """Write a file that nobody else can write, whatever the umask is: the daemon would refuse it."""
    with path.open('x') as file:
        file.write(text)
    path.chmod(0o644)


def _pytest() -> str:
    """How to run pytest with the Python that has wazo-busd."""
    is_default = os.path.realpath(shutil.which('python3') or '') == os.path.realpath(sys.executable)
    return f'{"python3" if is_default and sys.prefix == sys.base_prefix else shlex.quote(sys.executable)} -m pytest'


def _fail(text: str, following: str) -> NoReturn:
    click.echo(escape(f'error: {text}. next: {following}'), err=True)
    sys.exit(1)
