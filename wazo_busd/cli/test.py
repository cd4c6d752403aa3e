# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`wazo-busd test`: tries the cases that are written beside a configuration."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import click

from wazo_busd import roster
from wazo_busd.cli.options import (
    EXIT_CONFIGURATION,
    as_json,
    command,
    config_option,
    output_option,
    plural,
    print_problems,
)
from wazo_busd.codec import Limits
from wazo_busd.config import Configuration, load
from wazo_busd.errors import Problem, in_order
from wazo_busd.roster import Roster
from wazo_busd.text import escape
from wazo_busd.trial import Case, Difference, read_cases, try_case

EXIT_USAGE = 2

Result = tuple[Case, tuple[Difference, ...]]


@click.command(short_help='Try cases: which handlers run on an event, and what they send.')
@click.argument(
    'files', metavar='FILE...', nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, readable=False)
)
@config_option
@output_option
def test(files: Sequence[Path], path: Path, output: str) -> None:
    """Try the cases in each FILE: which handlers run on an event, and what they would send.

    Of a directory all files *.yml are read. No broker is needed, nothing is sent.

    Exits with 0 if all pass, with 1 if one does not, with 2 if a FILE is wrong, with 78 if the configuration is.

    \b
    A case is a name, an event, and what is sent:
      a busy fax tells nobody:
        event: fax_outbound_failed
        fields: {error: busy}
        sent: []

    \b
    Examples:
      wazo-busd test /etc/wazo-busd/tests
      wazo-busd test -c ./config.yml faxes.yml calls.yml -o json
    """
    configuration = load(path)
    names = roster.call(configuration)
    wrong = [*configuration.problems, *names.problems]
    if wrong:
        _refuse(wrong, output, f'{plural(len(wrong), "error")}; next: {command("check", path)}', EXIT_CONFIGURATION)
    cases = _cases(files, configuration, output)
    results = asyncio.run(_tried(cases, configuration, names))
    failed = [case for case, differences in results if differences]
    if output == 'json':
        told = {
            'passed': len(results) - len(failed),
            'failed': len(failed),
            'cases': [_plain(*each) for each in results],
        }
        click.echo(as_json(told))
    else:
        for case, differences in results:
            _print(case, differences)
        click.echo(f'{len(results) - len(failed)} passed, {len(failed)} failed')
    sys.exit(1 if failed else 0)


def _cases(files: Sequence[Path], configuration: Configuration, output: str) -> list[Case]:
    bus = configuration.config.bus
    limits = Limits(bus.max_body_size, bus.max_depth)
    read = [read_cases(each, tuple(configuration.config.handlers), limits) for each in _files(files)]
    wrong = [problem for each in read for problem in each.problems]
    if wrong:
        _refuse(wrong, output, f'{plural(len(wrong), "error")} in the cases; nothing was tried', EXIT_USAGE)
    return [case for each in read for case in each.cases]


async def _tried(cases: Sequence[Case], configuration: Configuration, names: Roster) -> list[Result]:
    return [(case, await try_case(case, configuration, names)) for case in cases]


def _files(given: Sequence[Path]) -> list[Path]:
    found: list[Path] = []
    for each in given:
        if not each.is_dir():
            found.append(each)
            continue
        inside = sorted(file for file in each.glob('*.yml') if not file.name.startswith('.'))
        if not inside:
            raise click.UsageError(f'{each} has no file that ends in .yml')
        found += inside
    return found


def _print(case: Case, differences: Sequence[Difference]) -> None:
    place = escape(f'{case.file}:{case.line}: {case.name}')
    click.echo(f'{"FAIL" if differences else "ok"}  {place}')
    for each in differences:
        number = f'event {each.step}, ' if len(case.moments) > 1 else ''
        for count, line in enumerate(each.lines()):
            click.echo(f'      {number if not count else ""}{line}')


def _plain(case: Case, differences: Sequence[Difference]) -> dict[str, Any]:
    return {
        'file': case.file,
        'line': case.line,
        'name': case.name,
        'passed': not differences,
        'differences': [each.plain() for each in differences],
    }


def _refuse(problems: Sequence[Problem], output: str, summary: str, code: int) -> NoReturn:
    if output == 'json':
        told = [
            {'file': each.file, 'line': each.line, 'message': each.message, 'hint': each.hint}
            for each in in_order(problems)
        ]
        click.echo(as_json({'errors': told}))
    else:
        print_problems(problems)
        click.echo(summary, err=True)
    sys.exit(code)
