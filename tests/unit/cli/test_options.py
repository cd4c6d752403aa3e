# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What is to be typed names the configuration, where that is not the usual one; JSON is harmless on a terminal."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wazo_busd.cli import main
from wazo_busd.cli.options import DEFAULT_CONFIG, as_json, next_command, with_config


@pytest.mark.parametrize(
    ('cure', 'typed'),
    [
        ('wazo-busd reload', "wazo-busd reload -c '/a b.yml'"),
        ('mend that, then: wazo-busd reload', "mend that, then: wazo-busd reload -c '/a b.yml'"),
        ('wazo-busd dead list --handler crm', "wazo-busd dead list -c '/a b.yml' --handler crm"),
        ('wazo-busd queue list', "wazo-busd queue list -c '/a b.yml'"),
        ('wazo-busd top', "wazo-busd top -c '/a b.yml'"),
        # The daemon of systemd reads the usual one.
        ('systemctl start wazo-busd', "wazo-busd run -c '/a b.yml'"),
        ('wazo-busd queue recreate crm', "wazo-busd queue recreate -c '/a b.yml' crm"),
        ('sudo wazo-busd setup-broker', "sudo wazo-busd setup-broker -c '/a b.yml'"),
        ('wazo-busd check -c /x', 'wazo-busd check -c /x'),
        ('journalctl -u wazo-busd -n 50', 'journalctl -u wazo-busd -n 50'),
        ('rabbitmqctl delete_queue -p / wazo-busd.run', 'rabbitmqctl delete_queue -p / wazo-busd.run'),
    ],
)
def test_each_of_our_commands_names_it(cure: str, typed: str) -> None:
    assert with_config(cure, Path('/a b.yml')) == typed


def test_the_usual_one_is_not_named() -> None:
    assert with_config('systemctl start wazo-busd; wazo-busd status', DEFAULT_CONFIG) == (
        'systemctl start wazo-busd; wazo-busd status'
    )


@pytest.mark.parametrize(
    ('cure', 'command'),
    [
        ('put it back, or make it anew: wazo-busd queue recreate slow', 'wazo-busd queue recreate slow'),
        ('put it back, or delete it: rabbitmqctl delete_queue slow', None),
        ('rabbitmqctl list_bindings; then wazo-busd queue recreate slow', None),
        ('systemctl start rabbitmq-server', None),
    ],
)
def test_of_a_cure_in_prose_that_ends_with_a_command_of_ours_that_is_the_next(cure: str, command: str | None) -> None:
    assert next_command(cure) == (command or cure)


def test_each_command_that_reads_a_configuration_names_it_when_it_is_to_be_typed() -> None:
    reading = [
        ' '.join([*above, name])
        for above, group in _groups(main, ())
        for name, each in group.commands.items()
        if any('-c' in option.opts for option in each.params)
    ]

    assert [each for each in reading if '-c' not in with_config(f'wazo-busd {each}', Path('/x'))] == []


def _groups(group: click.Group, above: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Group]]:
    yield above, group
    for name, each in group.commands.items():
        if isinstance(each, click.Group):
            yield from _groups(each, (*above, name))


def test_what_cannot_be_printed_is_told_with_what_to_type() -> None:
    with Path('/dev/full').open('w') as full:
        done = subprocess.run(
            [sys.executable, '-m', 'wazo_busd', 'completion', 'bash'], stdout=full, stderr=subprocess.PIPE, text=True
        )

    said = 'error: standard output cannot be written: No space left on device. next: df -h\n'
    assert (done.returncode, done.stderr) == (1, said)


@pytest.mark.parametrize('name', ['stdin', 'stdout', 'stderr'])
def test_commands_find_every_stream_open(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    # As Python has it where the shell has closed it.
    monkeypatch.setattr(sys, name, None)
    with pytest.raises(SystemExit):
        main(['--version'])

    with getattr(sys, name) as stream:
        assert not stream.closed


@given(text=st.text())
@example('\x9b31m \u202e \x7f \U000e0001')
def test_json_for_programs_is_the_same_value_and_only_letters_to_a_terminal(text: str) -> None:
    told = as_json({'name': text})

    assert (json.loads(told), told.replace('\n', '').isprintable()) == ({'name': text}, True)
