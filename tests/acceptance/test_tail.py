# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`wazo-busd tail` as a process on a real broker: shows what is emitted, and ends as it should."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import pytest
from click.testing import CliRunner

from tests.conftest import Broker
from tests.support import PATIENCE_SECONDS, write_config
from wazo_busd.cli import main


class Tail:
    """The command as a process that listens.

    Args:
        config: its configuration.
        arguments: its arguments.
        stdout: where it writes to; a pipe if `None`.
        environment: more environment variables.
    """

    def __init__(
        self, config: Path, *arguments: str, stdout: int | None = None, environment: Mapping[str, str] | None = None
    ) -> None:
        self._config = config
        self.process = subprocess.Popen(
            # Whoever runs the tests in the background lets them ignore Ctrl-C.
            ['env', '--default-signal=INT', sys.executable, '-m', 'wazo_busd', 'tail', *arguments, '-c', str(config)],
            stdout=subprocess.PIPE if stdout is None else stdout,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | dict(environment or {}),
        )
        self.said = ''

    def wait_listening(self) -> None:
        self.wait_said('Ctrl-C ends it')

    def wait_said(self, text: str) -> None:
        """Wait until it says something to the operator."""
        while text not in self.said:
            line = self._stream(self.process.stderr).readline()
            assert line, f'it never said {text!r}, but {self.said}'
            self.said += line

    def line(self) -> str:
        return self._stream(self.process.stdout).readline()

    def emit(self, *arguments: str) -> None:
        done = CliRunner().invoke(main, ['emit', *arguments, '-c', str(self._config)], catch_exceptions=False)
        assert done.exit_code == 0, done.stderr

    def end(self) -> tuple[int, str]:
        """Wait for its end, and give its exit code and the last line that it said."""
        code = self.process.wait(PATIENCE_SECONDS)
        self.said += self._stream(self.process.stderr).read()
        return code, (self.said.splitlines() or [''])[-1]

    def _stream(self, stream: IO[str] | None) -> IO[str]:
        assert stream is not None
        return stream

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()


@pytest.fixture
def config(broker: Broker, tmp_path: Path) -> Path:
    return write_config(tmp_path / 'etc', broker, '{}')


@pytest.fixture
def start(config: Path) -> Iterator[Any]:
    """Starts the command, and waits until it listens."""
    made: list[Tail] = []

    def begin(*arguments: str, **options: Any) -> Tail:
        made.append(Tail(config, *arguments, **options))
        made[-1].wait_listening()
        return made[-1]

    yield begin
    for each in made:
        each.close()


def test_what_is_emitted_is_shown_with_the_daemon_away(start: Any) -> None:
    tail = start('call_created', '-n', '1')
    tail.emit('call_created')

    assert re.match(r'\d\d:\d\d:\d\d\.\d{3} call_created .* caller=Alice <1001>', tail.line())
    assert tail.end()[0] == 0


def test_json_can_be_read_as_it_comes(start: Any) -> None:
    tail = start('-o', 'json')
    tail.emit('agent_status_update', 'agent_id=42')
    told = json.loads(tail.line())

    assert (told['name'], told['exchange'], told['data']['agent_id']) == ('agent_status_update', 'wazo-headers', 42)


def test_hosts_of_2019_are_heard(start: Any) -> None:
    tail = start('service_deregistered', '--names-only')
    tail.emit('service_deregistered', '--era', '2019')

    assert tail.line() == 'service_deregistered_event\n'


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM], ids=lambda each: each.name)
def test_a_signal_ends_it_well_with_a_summary(start: Any, number: signal.Signals) -> None:
    tail = start()
    tail.emit('call_created')
    tail.line()
    tail.process.send_signal(number)
    code, last = tail.end()

    assert (code, re.fullmatch(r'1 event in \d+\.\d s', last) is not None) == (0, True)


def test_whoever_reads_no_more_ends_it_quietly(start: Any) -> None:
    tail = start()
    said = tail.said
    tail.emit('call_created')
    tail.line()
    tail.process.stdout.close()
    tail.emit('call_created')
    code, _ = tail.end()
    tail.process.stdout = None

    assert (code, tail.said) == (0, said)


def test_a_report_is_shown_in_the_end(start: Any) -> None:
    tail = start('--report', '-n', '3')
    tail.emit('Hangup')
    tail.emit('call_created')
    tail.emit('call_created')
    tail.emit('call_ended')
    code, last = tail.end()
    keys = [line.split()[-1] for line in tail.process.stdout.read().splitlines()]

    assert (code, keys[1:], '3 events in' in last, '1 of AMI hidden' in last) == (
        0,
        ['calls.call.created', 'calls.call.ended'],
        True,
        True,
    )


@pytest.mark.parametrize(('environment', 'coloured'), [({'NO_COLOR': ''}, True), ({'NO_COLOR': '1'}, False)])
def test_on_a_terminal_there_is_colour_unless_it_is_not_wanted(
    start: Any, environment: Mapping[str, str], coloured: bool
) -> None:
    ours, theirs = pty.openpty()
    tail = start('-n', '1', stdout=theirs, environment={**environment, 'COLUMNS': '150'})
    tail.emit('call_created')
    os.close(theirs)
    tail.end()
    shown = os.read(ours, 4096)
    os.close(ours)

    assert (b'call_created' in shown, b'\x1b[' in shown) == (True, coloured)


def test_a_broker_that_is_away_is_told(config: Path, broker: Broker) -> None:
    config.write_text(f'bus: {{host: {broker.host}, port: 1}}\n')
    tail = Tail(config)
    code, last = tail.end()
    tail.close()

    assert (code, last.startswith('error: nothing listens on'), last.endswith('systemctl status rabbitmq-server')) == (
        1,
        True,
        True,
    )


def test_a_broker_that_is_restarted_is_heard_again(mortal_broker: Broker, tmp_path: Path) -> None:
    config = write_config(tmp_path / 'etc', mortal_broker, '{}')
    tail = Tail(config, '--names-only')
    tail.wait_listening()
    mortal_broker.node.stop_server()
    tail.wait_said('what comes meanwhile is not heard')
    mortal_broker.node.start()
    tail.wait_said('listening again')
    tail.emit('call_created')
    line = tail.line()
    tail.close()

    assert line == 'call_created\n'
