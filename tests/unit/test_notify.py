# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The service manager: what it is told over its socket, and that it can stop nothing."""

from __future__ import annotations

import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest

from tests.unit.impatience import impatience
from wazo_busd.notify import Notifier


class Systemd:
    """The receiving end of the notification socket.

    Args:
        address: where it listens, as the environment names it.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.bind(f'\0{address[1:]}' if address.startswith('@') else address)

    def heard(self) -> list[str]:
        """Everything it was told until now: a datagram is there as soon as it is sent."""
        heard = []
        while True:
            try:
                heard.append(self._socket.recv(8192).decode())
            except BlockingIOError:
                return heard

    def stuff(self) -> None:
        """Fill its queue until it takes no more."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as other:
            other.connect(self._socket.getsockname())
            try:
                while True:
                    other.send(b'X_STUFF=1')
            except BlockingIOError:
                pass

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ('NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID'):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(params=['path', 'abstract'])
def systemd(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Systemd]:
    address = str(tmp_path / 'notify') if request.param == 'path' else f'@wazo-busd-{uuid.uuid4().hex}'
    systemd = Systemd(address)
    monkeypatch.setenv('NOTIFY_SOCKET', address)
    yield systemd
    systemd.close()


def descriptors() -> list[str]:
    return sorted(each.name for each in Path('/proc/self/fd').iterdir())


def test_ready_is_told(systemd: Systemd) -> None:
    Notifier().ready()
    assert systemd.heard() == ['READY=1']


def test_a_sign_of_life_is_told_every_time(systemd: Systemd) -> None:
    notifier = Notifier()
    notifier.alive()
    notifier.alive()
    assert systemd.heard() == ['WATCHDOG=1', 'WATCHDOG=1']


@pytest.mark.parametrize(
    ('drain_seconds', 'wanted'), [(0.0, '30000000'), (0.25, '30250000'), (30.0, '60000000'), (3600.0, '3630000000')]
)
def test_stopping_is_told_with_the_time_that_the_drain_and_what_follows_may_take(
    systemd: Systemd, drain_seconds: float, wanted: str
) -> None:
    Notifier().stopping(drain_seconds)
    assert systemd.heard() == [f'STOPPING=1\nEXTEND_TIMEOUT_USEC={wanted}']


def test_reloading_is_told_with_the_time_of_the_monotonic_clock(systemd: Systemd) -> None:
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    Notifier().reloading()
    after = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    [reloading, stamp] = systemd.heard()[0].split('\n')
    assert reloading == 'RELOADING=1'
    assert before <= int(stamp.removeprefix('MONOTONIC_USEC=')) <= after


def test_a_status_is_told(systemd: Systemd) -> None:
    Notifier().status('connected; 2 of 2 handlers consume')
    assert systemd.heard() == ['STATUS=connected; 2 of 2 handlers consume']


def test_a_status_that_is_the_same_is_told_once(systemd: Systemd) -> None:
    notifier = Notifier()
    for text in ('connected', 'connected', 'away', 'connected'):
        notifier.status(text)
    assert systemd.heard() == ['STATUS=connected', 'STATUS=away', 'STATUS=connected']


def test_a_status_is_one_line_that_says_nothing_else_to_systemd(systemd: Systemd) -> None:
    Notifier().status('refused\nMAINPID=1\x1b[2J')
    assert systemd.heard() == ['STATUS=refused\\nMAINPID=1\\x1b[2J']


def test_a_status_may_be_any_text(systemd: Systemd) -> None:
    Notifier().status('Hélène \ud800')
    assert systemd.heard() == ['STATUS=Hélène \\ud800']


def test_outside_systemd_nothing_is_told(log: StringIO) -> None:
    notifier = Notifier()
    notifier.ready()
    notifier.status('connected')
    notifier.alive()
    notifier.reloading()
    notifier.stopping(30.0)
    assert log.getvalue() == ''


def test_an_empty_address_is_no_systemd(monkeypatch: pytest.MonkeyPatch, log: StringIO) -> None:
    monkeypatch.setenv('NOTIFY_SOCKET', '')
    Notifier().ready()
    assert log.getvalue() == ''


def test_a_systemd_that_does_not_read_blocks_nothing(systemd: Systemd, log: StringIO) -> None:
    systemd.stuff()
    with impatience():
        Notifier().ready()
    assert 'systemd_not_told message=READY=1' in log.getvalue().replace('"', '')


def test_what_systemd_waits_for_is_told_to_one_that_is_behind(
    systemd: Systemd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('wazo_busd.notify._PATIENCE_SECONDS', 20.0)
    systemd.stuff()
    heard: list[str] = []
    # It may read what we tell along with what was there before.
    reader = threading.Timer(0.02, lambda: heard.extend(systemd.heard()))
    reader.start()

    Notifier().ready()
    reader.join()

    assert [*heard, *systemd.heard()][-1] == 'READY=1'


def test_a_status_that_was_not_taken_is_told_again(systemd: Systemd) -> None:
    notifier = Notifier()
    systemd.stuff()
    with impatience():
        notifier.status('connected')
    systemd.heard()
    notifier.status('connected')
    assert systemd.heard() == ['STATUS=connected']


@pytest.mark.parametrize('address', ['/nowhere/notify', 'relative/notify', '@wazo-busd-nobody', '/' + 'x' * 200])
def test_a_systemd_that_is_gone_is_no_failure(address: str, monkeypatch: pytest.MonkeyPatch, log: StringIO) -> None:
    monkeypatch.setenv('NOTIFY_SOCKET', address)
    Notifier().stopping(30.0)
    assert 'WARNING  systemd_not_told' in log.getvalue()


def test_a_systemd_that_comes_back_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('NOTIFY_SOCKET', str(tmp_path / 'notify'))
    notifier = Notifier()
    notifier.alive()
    systemd = Systemd(str(tmp_path / 'notify'))
    notifier.alive()
    heard = systemd.heard()
    systemd.close()
    assert heard == ['WATCHDOG=1']


def test_no_descriptor_is_left_behind(systemd: Systemd) -> None:
    notifier = Notifier()
    before = descriptors()
    notifier.ready()
    assert descriptors() == before


@pytest.mark.parametrize(
    ('wanted', 'pid', 'seconds'),
    [
        (None, None, 0.0),
        ('30000000', None, 30.0),
        ('500000', None, 0.5),
        ('30000000', 'ours', 30.0),
        ('30000000', '1', 0.0),
        ('30000000', '', 0.0),
        ('0', None, 0.0),
        ('', None, 0.0),
        ('often', None, 0.0),
        ('-5', None, 0.0),
        ('\u00b2', None, 0.0),
    ],
)
def test_the_watchdog_is_what_systemd_asks_of_this_process(
    wanted: str | None, pid: str | None, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    if wanted is not None:
        monkeypatch.setenv('WATCHDOG_USEC', wanted)
    if pid is not None:
        monkeypatch.setenv('WATCHDOG_PID', str(os.getpid()) if pid == 'ours' else pid)
    assert Notifier().watchdog_seconds == seconds
