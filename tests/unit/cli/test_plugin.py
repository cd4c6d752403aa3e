# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`wazo-busd plugin` and `plugins`: one that is written works, and what is wrong with others is told."""

from __future__ import annotations

import importlib
import json
import os
import re
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from types import ModuleType
from typing import Any

import click
import pytest

from tests.unit.cli.conftest import Shell
from wazo_busd.cli import main

HEAD = 'from wazo_busd.api import handler\n'
BELL = f"{HEAD}@handler('call_ended')\nasync def ring(event): ...\n"


@pytest.fixture
def directory(tmp_path: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of drop-ins, which is where one is."""
    made = tmp_path / 'plugins.d'
    made.mkdir(mode=0o755)
    shell.config.write_text('plugin_dirs: [plugins.d]\n')
    monkeypatch.chdir(made)
    return made


@pytest.fixture
def imported(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], ModuleType]]:
    """What imports a module from the directory, as pytest does."""
    monkeypatch.syspath_prepend(str(directory))
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], '__file__', '')).startswith(str(directory)):
            del sys.modules[name]


def write(path: Path, code: str) -> Path:
    path.write_text(dedent(code))
    path.chmod(0o644)
    return path


# ---- new


def test_a_plugin_that_is_written_passes_the_test_that_is_written(
    shell: Shell, imported: Callable[[str], ModuleType]
) -> None:
    assert shell('plugin', 'new', 'bell').exit_code == 0

    vars(imported('test_bell'))['test_an_event_is_done_with']()


def test_the_test_that_is_written_fails_where_the_plugin_does(
    shell: Shell, directory: Path, imported: Callable[[str], ModuleType]
) -> None:
    shell('plugin', 'new', 'bell')
    code = (directory / 'bell.py').read_text()
    (directory / 'bell.py').write_text(code.replace('event.call_id', 'event.no_such'))

    with pytest.raises(AssertionError):
        vars(imported('test_bell'))['test_an_event_is_done_with']()


@pytest.mark.parametrize('umask', [0o022, 0o002, 0o077])
def test_a_plugin_that_is_written_passes_the_check_whatever_the_umask(
    shell: Shell, directory: Path, umask: int
) -> None:
    os.umask(umask)
    shell('plugin', 'new', 'bell')
    done = shell('plugin', 'check', 'bell.py')

    assert (done.exit_code, 'calls.call.ended' in done.stdout, 'warning' in done.stdout) == (0, True, False)


def test_what_is_to_be_typed_next_is_told(shell: Shell, directory: Path) -> None:
    said = shell('plugin', 'new', 'bell', '-d', str(directory)).stdout

    assert f'-m pytest {directory}/test_bell.py' in said
    assert f'wazo-busd plugin check {directory}/bell.py' in said


@pytest.mark.parametrize('there', ['bell.py', 'test_bell.py'])
def test_nothing_that_is_there_is_changed(shell: Shell, directory: Path, there: str) -> None:
    (directory / there).write_text('mine')
    done = shell('plugin', 'new', 'bell')

    assert (done.exit_code, (directory / there).read_text(), [each.name for each in directory.iterdir()]) == (
        1,
        'mine',
        [there],
    )


def test_a_link_that_leads_nowhere_is_not_written_through(shell: Shell, directory: Path, tmp_path: Path) -> None:
    (directory / 'bell.py').symlink_to(tmp_path / 'elsewhere')

    assert (shell('plugin', 'new', 'bell').exit_code, (tmp_path / 'elsewhere').exists()) == (1, False)


@pytest.mark.parametrize(
    'name',
    ['', 'Bell', 'my-bell', '../bell', 'bell.py', '1st', 'class', 'handler', 'json', 'log', '_bell', 'test_bell', 'é'],
)
def test_a_name_that_no_plugin_can_have_is_refused(shell: Shell, directory: Path, name: str) -> None:
    assert (shell('plugin', 'new', '--', name).exit_code, list(directory.iterdir())) == (2, [])


def test_a_directory_that_cannot_be_written_is_told(
    shell: Shell, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, mode: str) -> None:
        raise PermissionError(13, 'Permission denied')

    monkeypatch.setattr(Path, 'open', refuse)
    done = shell('plugin', 'new', 'bell')

    assert (done.exit_code, 'cannot be written: Permission denied' in done.stderr) == (1, True)


def test_programs_are_told_what_was_written(shell: Shell, directory: Path) -> None:
    told = json.loads(shell('plugin', 'new', 'bell', '-o', 'json').stdout)
    command = told.pop('test')

    assert (told, command.endswith('-m pytest test_bell.py')) == (
        {'plugin': 'bell', 'files': ['bell.py', 'test_bell.py'], 'next': 'wazo-busd plugin check bell.py'},
        True,
    )


def test_where_nothing_was_written_standard_output_stays_empty_for_programs(shell: Shell, directory: Path) -> None:
    (directory / 'bell.py').write_text('mine')
    done = shell('plugin', 'new', 'bell', '-o', 'json')

    assert (done.exit_code, done.stdout) == (1, '')


# ---- check


def test_what_a_plugin_takes_and_its_options_are_told(shell: Shell, directory: Path) -> None:
    write(
        directory / 'bell.py',
        """
        from wazo_busd.api import BaseOptions, handler
        class Options(BaseOptions):
            url: str
            pause: float = 2.0
        @handler('calls.#', options=Options, concurrency=4)
        def ring(event): ...
        """,
    )
    said = shell('plugin', 'check', 'bell.py').stdout

    assert '  option    url: str, required\n  option    pause: float, 2.0 by default' in said
    assert '  method    ring, in a thread, 4 at a time' in said
    assert re.search(r'^bell: .*/bell\.py, sha256:', said)


def test_a_call_that_holds_up_the_loop_is_warned_of(shell: Shell, directory: Path) -> None:
    write(directory / 'bell.py', f'import time\n{BELL.replace("...", "time.sleep(1)")}')
    done = shell('plugin', 'check', 'bell.py')

    told = f'warning: {directory}/bell.py:4: ring is async and calls time.sleep, which holds up all handlers; await a'
    assert (done.exit_code, told in done.stdout) == (0, True)


def test_a_pattern_that_gets_nothing_is_warned_of(shell: Shell, directory: Path) -> None:
    write(directory / 'bell.py', BELL.replace('call_ended', 'calls.*'))

    assert "did you mean 'calls.#'?" in shell('plugin', 'check', 'bell.py').stdout


@pytest.mark.parametrize(
    ('code', 'told'),
    [
        ('raise SystemExit', 'cannot be imported: SystemExit'),
        ('x =', 'SyntaxError'),
        ('import no_such_library', 'pip install --target'),
        ('', 'has nothing that takes events'),
        (BELL.replace('call_ended', 'call_endet'), 'no event is called call_endet'),
    ],
)
def test_what_is_wrong_with_a_plugin_is_told(shell: Shell, directory: Path, code: str, told: str) -> None:
    write(directory / 'bell.py', code)
    done = shell('plugin', 'check', 'bell.py')

    assert (done.exit_code, told in done.stdout) == (1, True)


def test_a_file_that_others_can_write_is_told_with_the_cure(shell: Shell, directory: Path) -> None:
    write(directory / 'bell.py', BELL).chmod(0o666)
    done = shell('plugin', 'check', 'bell.py')

    assert (done.exit_code, f'chmod go-w {directory}/bell.py' in done.stdout) == (1, True)


def test_all_plugins_of_a_directory_are_told(shell: Shell, directory: Path) -> None:
    write(directory / 'bell.py', BELL)
    write(directory / 'test_bell.py', 'raise SystemExit')
    (directory / 'door').mkdir(mode=0o755)
    write(directory / 'door' / '__init__.py', BELL)
    (directory / 'empty').mkdir(mode=0o755)
    done = shell('plugin', 'check', '.', '-o', 'json')

    assert [(each['plugin'], each['error'] is None) for each in json.loads(done.stdout)] == [
        ('bell', True),
        ('door', True),
        ('empty', False),
    ]


@pytest.mark.parametrize(('name', 'told'), [('test_x.py', 'passes over'), ('x.txt', 'is no plugin')])
def test_a_file_that_the_daemon_does_not_look_at_is_told(shell: Shell, directory: Path, name: str, told: str) -> None:
    write(directory / name, BELL)
    done = shell('plugin', 'check', name)

    assert (done.exit_code, told in done.stdout) == (1, True)


def test_a_directory_without_plugins_is_told(shell: Shell, directory: Path) -> None:
    done = shell('plugin', 'check', '.')

    assert (done.exit_code, 'next: wazo-busd plugin new NAME' in done.stderr) == (1, True)


def test_a_drop_in_that_is_called_as_one_that_is_installed_is_told(shell: Shell, directory: Path) -> None:
    write(directory / 'log.py', BELL)

    assert "there is more than one plugin 'log'" in shell('plugin', 'check', 'log.py').stdout


# ---- plugins


def listed(shell: Shell, *arguments: str) -> tuple[int, dict[str, dict[str, Any]]]:
    done = shell(*(arguments or ('plugins',)), '-c', str(shell.config), '-o', 'json')
    return done.exit_code, {each['plugin']: each for each in json.loads(done.stdout)['plugins']}


def test_every_plugin_is_listed_with_where_it_comes_from_and_who_uses_it(shell: Shell, directory: Path) -> None:
    write(directory / 'bell.py', BELL)
    shell.config.write_text('plugin_dirs: [plugins.d]\nhandlers: {door: {plugin: bell}, front: {plugin: bell}}\n')
    code, found = listed(shell)

    assert (code, found['bell']['sources'], found['bell']['used_by']) == (
        0,
        [f'{directory}/bell.py'],
        ['door', 'front'],
    )
    assert re.match('wazo-busd ', found['webhook']['sources'][0])


def test_one_that_cannot_be_loaded_is_no_problem_as_long_as_no_handler_uses_it(shell: Shell, directory: Path) -> None:
    write(directory / 'bell.py', 'raise SystemExit')
    unused, _ = listed(shell)
    shell.config.write_text('plugin_dirs: [plugins.d]\nhandlers: {door: {plugin: bell}}\n')
    used, found = listed(shell)

    assert (unused, used, 'SystemExit' in found['bell']['error']) == (0, 1, True)


def test_of_a_name_that_is_there_twice_both_places_are_told(shell: Shell, directory: Path) -> None:
    write(directory / 'log.py', BELL)
    _, found = listed(shell)

    assert (len(found['log']['sources']), 'more than one plugin' in found['log']['error']) == (2, True)


def test_one_that_a_handler_asks_for_and_that_is_nowhere_is_told(shell: Shell, directory: Path) -> None:
    shell.config.write_text('plugin_dirs: [plugins.d]\nhandlers: {door: {plugin: no-such}}\n')
    code, found = listed(shell)

    assert (code, found['no-such']['error']) == (1, "there is no plugin 'no-such'")


def test_without_a_configuration_what_is_installed_is_listed(shell: Shell, tmp_path: Path) -> None:
    done = shell('plugins', '-c', str(tmp_path / 'none.yml'))

    assert (done.exit_code, 'webhook' in done.stdout, 'there is no' in done.stderr) == (0, True, True)


def test_a_wrong_configuration_is_told_behind_the_list(shell: Shell, directory: Path) -> None:
    shell.config.write_text('plugin_dirs: [plugins.d]\nhandlers: 7\n')
    done = shell('plugins', '-c', str(shell.config))

    assert (done.exit_code, 'webhook' in done.stdout, 'wazo-busd check' in done.stderr) == (78, True, True)


def test_the_list_of_the_group_is_the_same(shell: Shell, directory: Path) -> None:
    assert listed(shell, 'plugin', 'list') == listed(shell)


def test_a_name_that_would_control_the_terminal_does_not(shell: Shell, directory: Path) -> None:
    write(directory / '\x1b[31mbell.py', 'raise ValueError("\x1b[2J")')
    said = shell('plugins', '-c', str(shell.config)).stdout + shell('plugin', 'check', '.').stdout

    assert ('\x1b' in said, '\\x1b[31mbell' in said) == (False, True)


# ---- help


def examples() -> list[str]:
    group = main.commands['plugin']
    assert isinstance(group, click.Group)
    commands = [main.commands['plugins'], *group.commands.values()]
    lines = [line.strip() for each in commands for line in (each.help or '').partition('Examples:')[2].splitlines()]
    return sorted({line for line in lines if line})


@pytest.mark.parametrize('example', examples())
def test_the_examples_of_the_help_work(shell: Shell, directory: Path, example: str) -> None:
    if 'check' in example:
        write(directory / 'bell.py', BELL)
    program, *arguments = shlex.split(example.replace('/etc/wazo-busd/plugins.d', str(directory)))
    more = () if 'new' in arguments else ('-c', str(shell.config))

    assert (program, shell(*arguments, *more).exit_code) == ('wazo-busd', 0)
