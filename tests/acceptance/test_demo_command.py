# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`wazo-busd demo` as a process: what it shows, what it serves, and what it leaves behind."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest

from wazo_busd import roster
from wazo_busd.config import load

README = (Path(__file__).parents[2] / 'README.md').read_text()
CAPTURE = next(block for block in re.findall(r'```\n(.*?)```', README, re.DOTALL) if 'wazo-busd demo' in block)


def demo(directory: Path, *arguments: str) -> subprocess.Popen[str]:
    """Begin it, with its temporary files below a directory."""
    return subprocess.Popen(
        [sys.executable, '-m', 'wazo_busd', 'demo', *arguments],
        env=os.environ | {'TMPDIR': str(directory), 'TZ': 'UTC'},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_day_of_the_readme_is_the_one_that_everybody_gets(tmp_path: Path) -> None:
    with demo(tmp_path, '--headless') as process:
        shown, complaints = process.communicate(timeout=100)
    promised = CAPTURE.split('\n\n', 1)[1].partition('What came of')

    assert shown.strip() == f'{promised[1]}{promised[2]}'.strip()
    assert (process.returncode, complaints, list(tmp_path.iterdir())) == (0, '', [])


class Watched:
    """A short day that somebody has watched, with the board, and stopped when it was over."""

    def __init__(self, directory: Path) -> None:
        self.kept = directory / 'kept'
        self.board = b''
        self.lines: list[str] = []
        arguments = ('--hours', '0.6', '--speed', '3000', '--board', '--keep', str(self.kept))
        with demo(directory, *arguments) as process:
            assert process.stdout is not None
            for line in process.stdout:
                self.lines.append(line)
                if line.startswith('The board stays'):
                    (url,) = re.findall(r'http://\S+', line)
                    with urllib.request.urlopen(url, timeout=20) as answer:
                        self.board = answer.read()
                    process.send_signal(signal.SIGINT)
            self.code = process.wait()

    @property
    def text(self) -> str:
        return ''.join(self.lines)


@pytest.fixture(scope='module')
def watched(tmp_path_factory: pytest.TempPathFactory) -> Watched:
    return Watched(tmp_path_factory.mktemp('demo'))


def test_what_reaches_the_office_is_shown_while_it_does(watched: Watched) -> None:
    shown = [re.match(r'08:\d\d:\d\d  (\w+) +\S', line) for line in watched.lines]

    assert {each[1] for each in shown if each} == {'mail', 'chat', 'crm'}


def test_the_board_can_be_looked_at_when_the_day_is_over(watched: Watched) -> None:
    assert (b'<title>Board of wazo-busd</title>' in watched.board, watched.code) == (True, 0)


def test_the_summary_is_shown_once_and_ends_with_what_to_try_next(watched: Watched) -> None:
    assert (watched.text.count('What came of a day'), 'Next:\n  wazo-busd demo' in watched.text) == (1, True)


def test_a_configuration_that_is_kept_is_right(watched: Watched) -> None:
    configuration = load(watched.kept / 'config.yml')

    assert (configuration.problems, roster.call(configuration).problems) == ((), [])


def test_mails_that_are_kept_can_be_read(watched: Watched) -> None:
    mails = [message_from_bytes(path.read_bytes(), policy=policy.default) for path in watched.kept.glob('outbox/*.eml')]

    assert mails != []
    assert [each for each in mails if not str(each['Subject']).startswith('Missed call of ')] == []


def test_a_day_that_is_stopped_has_a_summary_too_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with demo(tmp_path, '-o', 'json', '--speed', '1') as process:
        # The temporary directory is there when the day begins.
        while not list(tmp_path.glob('*/state/handlers')):
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        shown, complaints = process.communicate(timeout=100)
    said: dict[str, Any] = json.loads(shown)

    assert (process.returncode, complaints, said['until'], list(tmp_path.iterdir())) == (0, '', '08:00', [])
