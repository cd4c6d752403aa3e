# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What `make run` shows."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
from itertools import islice
from pathlib import Path
from typing import NoReturn

import pytest
from click.testing import CliRunner

from tests.conftest import require_broker
from wazo_busd.demo.day import Day

ROOT = Path(__file__).parents[2]
# As many as a minute shows.
SHOWN = 240


def demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, '-m', 'demo', '--pause', '0.001', *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@pytest.fixture(scope='module')
def shown() -> str:
    """What it prints in its first minute, played faster."""
    require_broker()
    done = demo('--events', str(SHOWN))
    assert done.stderr == ''
    return done.stdout


def lines(shown: str) -> list[list[str]]:
    return [line.split() for line in shown.splitlines() if line[:1].isdigit()]


def test_every_event_is_one_line_with_the_handler_that_took_it(shown: str) -> None:
    published = [each.publication for each in islice(Day(), SHOWN)]

    assert sorted((name, key) for _, _, name, key in lines(shown)) == sorted(
        (each.headers['name'], each.routing_key) for each in published
    )


def test_all_families_come_within_the_first_minute(shown: str) -> None:
    assert {handler for _, handler, _, _ in lines(shown)} >= {
        'calls',
        'queues',
        'agents',
        'faxes',
        'voicemails',
        'conferences',
        'users',
        'accounts',
        'services',
        'plugins',
    }


def test_the_plugin_beside_it_rings(shown: str) -> None:
    assert 'bell         ding!' in shown


def test_the_bus_is_named(shown: str) -> None:
    assert 'RabbitMQ on 127.0.0.1:' in shown


def test_it_says_how_to_stop_at_the_top_and_again_later(shown: str) -> None:
    before, _, after = shown.partition('call_created')

    assert 'Ctrl-C stops' in before
    assert 'Ctrl-C stops' in after


def test_nothing_is_left_behind(shown: str) -> None:
    assert not (ROOT / '.run').exists()


def test_without_rabbitmq_the_same_day_is_played_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('demo.__main__.is_installed', lambda: False)
    ran: list[list[str]] = []

    def execv(program: str, arguments: list[str]) -> NoReturn:
        ran.append(arguments)
        raise SystemExit

    monkeypatch.setattr(os, 'execv', execv)
    said = CliRunner().invoke(importlib.import_module('demo.__main__').main, ['--seed', '7']).stdout

    assert ('apt install rabbitmq-server' in said, ran[0][1:]) == (True, ['-m', 'wazo_busd', 'demo', '--seed', '7'])


def test_ctrl_c_stops_it_with_code_zero_and_no_complaint() -> None:
    require_broker()
    with subprocess.Popen(
        [sys.executable, '-m', 'demo'],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        while 'calls.call.created' not in process.stdout.readline():
            assert process.poll() is None
        os.killpg(process.pid, signal.SIGINT)
        rest = process.stdout.read()

    assert (process.returncode, (ROOT / '.run').exists(), 'WARNING' in rest) == (0, False, False)
