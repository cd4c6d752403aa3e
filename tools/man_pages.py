# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`python -m tools.man_pages DIRECTORY`: a manual page of each command, made from its help."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click

from wazo_busd import __version__
from wazo_busd.cli import main

_PROGRAM = 'wazo-busd'
_WIDTH = 76
_FILES = {
    '/etc/wazo-busd/config.yml': 'the configuration of the package, which explains every key',
    '/etc/wazo-busd/conf.d/': 'your own files; the first in alphabetical order wins',
    '/etc/wazo-busd/credentials/': 'secrets: "${credential:NAME}" in the configuration',
    '/etc/wazo-busd/plugins.d/': 'plugins of yours',
    '/var/lib/wazo-busd/': 'the state',
    '/var/log/wazo-busd/': 'journals',
    '/run/wazo-busd/control.sock': 'where the running daemon is asked',
}


def pages() -> dict[str, str]:
    """The text of every page, in the language of man(7), by the name of its file."""
    return {f'{name.replace(" ", "-")}.1': page(context) for name, context in _contexts()}


def page(context: click.Context) -> str:
    """The page of one command."""
    name = context.command_path
    command = context.command
    title = name.replace(' ', '-')
    summary = (command.get_short_help_str(200) or '').rstrip('.')
    stamp = time.gmtime(int(os.environ.get('SOURCE_DATE_EPOCH', time.time())))
    lines = [
        f'.TH "{_plain(title.upper())}" "1" "{time.strftime("%Y-%m-%d", stamp)}" "{_PROGRAM} {__version__}"',
        '.SH NAME',
        f'{_plain(title)} \\- {_plain(summary[:1].lower() + summary[1:])}',
        '.SH SYNOPSIS',
        f'.B {_plain(name)}',
        _plain(' '.join(command.collect_usage_pieces(context))),
        '.SH DESCRIPTION',
        *_prose(command.help or ''),
    ]
    options = [record for each in command.params if (record := each.get_help_record(context))]
    if options:
        lines += ['.SH OPTIONS']
        for written, meaning in options:
            lines += ['.TP', f'.B {_plain(written)}', _plain(meaning)]
    if isinstance(command, click.Group):
        lines += ['.SH COMMANDS']
        for each in command.list_commands(context):
            lines += ['.TP', f'.BR {_plain(f"{title}-{each}")} (1)', _plain(_short(command, each, context))]
    if context.parent is None:
        lines += ['.SH FILES']
        for file, meaning in _FILES.items():
            lines += ['.TP', f'.I {_plain(file)}', _plain(meaning)]
    else:
        above = context.parent.command_path.replace(' ', '-')
        lines += ['.SH SEE ALSO', f'.BR {_plain(above)} (1)']
    return '\n'.join([*lines, ''])


def _contexts() -> Iterator[tuple[str, click.Context]]:
    waiting = [click.Context(main, info_name=_PROGRAM, terminal_width=_WIDTH)]
    while waiting:
        context = waiting.pop()
        yield context.command_path, context
        if isinstance(context.command, click.Group):
            waiting += [
                click.Context(each, info_name=name, parent=context, terminal_width=_WIDTH)
                for name, each in sorted(context.command.commands.items())
                if not each.hidden
            ]


def _short(group: click.Group, name: str, context: click.Context) -> str:
    command = group.get_command(context, name)
    return command.get_short_help_str(200) if command else ''


def _prose(text: str) -> Iterator[str]:
    """Paragraphs; those behind a backspace are not filled, and a line that ends in a colon heads the examples."""
    for paragraph in re.split(r'\n\s*\n', text.partition('\f')[0].strip()):
        lines = paragraph.splitlines()
        if lines[0].strip() != '\b':
            yield from ('.PP', _plain(' '.join(line.strip() for line in lines)))
            continue
        if lines[1].rstrip().endswith(':'):
            yield from ('.SH ' + _plain(lines[1].strip().rstrip(':').upper()), '.EX')
            lines = lines[1:]
        else:
            yield from ('.PP', '.EX')
        yield from (*(_plain(line.strip()) for line in lines[1:]), '.EE')


def _plain(text: str) -> str:
    """Text in which nothing is taken for a command of roff, and every hyphen can be copied to a shell."""
    text = (
        text.replace('\\', '\\e')
        .replace('-', '\\-')
        .replace("'", '\\(aq')
        .replace('`', '\\(ga')
        .replace('^', '\\(ha')
        .replace('~', '\\(ti')
    )
    return '\n'.join(f'\\&{line}' if line.startswith('.') else line for line in text.splitlines())


def _write(directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (directory / name).write_text(text, 'utf-8')


if __name__ == '__main__':
    _write(Path(sys.argv[1]))
