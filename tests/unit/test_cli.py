# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The command line: a person's Ctrl-C, and what plugins make of it."""

from __future__ import annotations

import importlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
import structlog
from click.testing import CliRunner

from wazo_busd.cli import main

BELL = "from wazo_busd.api import handler\n@handler('calls.#')\ndef ring(event): ...\n"
CTRL_C = 'import os, signal; os.kill(os.getpid(), signal.SIGINT)\n'


def commands(group: click.Group, before: str = '') -> Iterator[tuple[str, click.Command]]:
    """Each command with its name, those of groups included."""
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        assert command is not None
        yield f'{before}{name}', command
        if isinstance(command, click.Group):
            yield from commands(command, f'{before}{name} ')


@pytest.fixture
def check(tmp_path: Path) -> Callable[[str], subprocess.CompletedProcess[str]]:
    """Checks a configuration with a drop-in of some code, and another that is right."""
    (tmp_path / 'plugins.d').mkdir(mode=0o755)
    (tmp_path / 'config.yml').write_text(
        'plugin_dirs: [plugins.d]\nhandlers: {bad: {plugin: bad}, bell: {plugin: bell}}\n'
    )

    def run(code: str) -> subprocess.CompletedProcess[str]:
        for name, text in (('bad', code), ('bell', BELL)):
            path = tmp_path / 'plugins.d' / f'{name}.py'
            path.write_text(text)
            path.chmod(0o644)
        return subprocess.run(
            [sys.executable, '-m', 'wazo_busd', 'check', '-c', str(tmp_path / 'config.yml')],
            capture_output=True,
            text=True,
            check=False,
            # Whoever runs the tests in the background has Ctrl-C ignored, and so would their children.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    return run


def test_the_ctrl_c_of_a_person_ends_the_command(check: Callable[[str], subprocess.CompletedProcess[str]]) -> None:
    done = check(CTRL_C)

    assert (done.returncode, done.stderr.strip()) == (1, 'Aborted!')


def test_a_plugin_that_raises_the_same_takes_out_itself_alone(
    check: Callable[[str], subprocess.CompletedProcess[str]],
) -> None:
    done = check('raise KeyboardInterrupt\n')

    assert (done.returncode, done.stderr.count('error: ')) == (78, 1)


def test_ctrl_c_is_what_it_was_when_the_command_has_ended() -> None:
    before = signal.getsignal(signal.SIGINT)

    CliRunner().invoke(main, ['check', '-c', os.devnull])

    assert signal.getsignal(signal.SIGINT) is before


def test_a_ctrl_c_that_is_ignored_stays_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a command that a shell has started in the background
    seen = []
    module = importlib.import_module('wazo_busd.cli.check')
    monkeypatch.setattr(module, 'load', lambda path: seen.append(signal.getsignal(signal.SIGINT)))
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)

    # When it runs
    try:
        CliRunner().invoke(main, ['check', '-c', os.devnull])
    finally:
        signal.signal(signal.SIGINT, before)

    # Then it still ignores the signal
    assert seen == [signal.SIG_IGN]


def test_whatever_a_command_logs_shows_no_variables(tmp_path: Path) -> None:
    structlog.reset_defaults()

    CliRunner().invoke(main, ['check', '-c', str(tmp_path / 'config.yml')])

    assert structlog.is_configured()


def test_what_an_option_takes_is_named_and_not_its_type() -> None:
    told = {
        f'{name} {each.opts[-1]}': each.make_metavar(click.Context(command))
        for name, command in commands(main)
        for each in command.params
        if isinstance(each, click.Option) and not each.is_flag
    }

    assert (len(told) > 50, [each for each, shown in told.items() if shown in ('TEXT', 'FILENAME', 'INTEGER')]) == (
        True,
        [],
    )


@pytest.mark.parametrize('word', ['check', 'status', 'doctor', 'tail'])
def test_who_begins_is_told_where(word: str) -> None:
    assert word in CliRunner().invoke(main, ['--help']).stdout.split('Exit codes:')[0]


@pytest.mark.parametrize(('group', 'noun'), [('dead', 'dead letters'), ('queue', 'queues')])
def test_the_list_of_a_group_says_of_what(group: str, noun: str) -> None:
    said = ' '.join(CliRunner().invoke(main, [group, '--help']).stdout.split('Commands:')[1].split())

    assert re.search(rf'list Show the {noun}', said)
