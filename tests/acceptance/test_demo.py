# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What `make run` shows."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import require_broker
from tools.sample_events import SAMPLES

ROOT = Path(__file__).parents[2]


def demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, '-m', 'demo', '--pause', '0.001', *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@pytest.fixture(scope='module', params=['rabbitmq', 'memory'])
def shown(request: pytest.FixtureRequest) -> str:
    """What it prints while every sample is played once."""
    if request.param == 'rabbitmq':
        require_broker()
    done = demo('--events', str(len(SAMPLES)), *(['--memory'] if request.param == 'memory' else []))
    assert done.stderr == ''
    return done.stdout


def test_every_event_is_one_line_with_the_handler_that_took_it(shown: str) -> None:
    lines = [line.split() for line in shown.splitlines() if line[:1].isdigit()]

    assert sorted((name, key) for _, _, name, key in lines) == sorted((each.name, each.routing_key) for each in SAMPLES)


def test_the_bus_is_named(shown: str) -> None:
    assert 'RabbitMQ on 127.0.0.1:' in shown or 'in-memory bus' in shown


def test_it_says_how_to_stop(shown: str) -> None:
    assert 'Ctrl-C stops' in shown


def test_nothing_is_left_behind(shown: str) -> None:
    assert not (ROOT / '.run').exists()


@pytest.mark.parametrize('memory', [True, False])
def test_ctrl_c_stops_it_with_code_zero(memory: bool) -> None:
    if not memory:
        require_broker()
    with subprocess.Popen(
        [sys.executable, '-m', 'demo', *(['--memory'] if memory else [])],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        while 'calls.call.created' not in process.stdout.readline():
            assert process.poll() is None
        os.killpg(process.pid, signal.SIGINT)
        process.stdout.read()

    assert (process.returncode, (ROOT / '.run').exists()) == (0, False)
