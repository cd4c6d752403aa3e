# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""journald: what it is sent, and what becomes of a line when it is away."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.controlled import short_directory
from wazo_busd import journald
from wazo_busd.journald import Journald


@pytest.fixture
def place() -> Iterator[Path]:
    """Where the socket of journald would be."""
    with short_directory() as directory:
        yield directory / 'socket'


@pytest.fixture
def listening(place: Path) -> Iterator[socket.socket]:
    """The socket of journald."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
        made.bind(str(place))
        made.settimeout(10)
        yield made


@pytest.fixture
def sender(place: Path) -> Iterator[Journald]:
    made = Journald(place)
    yield made
    made.close()


def fields(payload: bytes) -> dict[str, str]:
    """The fields of a datagram, as journald reads them."""
    found = {}
    while payload:
        head, _, payload = payload.partition(b'\n')
        name, equals, value = head.partition(b'=')
        if not equals:
            size = int.from_bytes(payload[:8], 'little')
            value, payload = payload[8 : 8 + size], payload[8 + size + 1 :]
        found[name.decode()] = value.decode()
    return found


def test_a_line_has_what_journalctl_finds_it_by(sender: Journald, listening: socket.socket) -> None:
    assert sender.send('error', 'event_dead handler=crm', {'handler': 'crm', 'attempt': 2})
    assert fields(listening.recv(4096)) == {
        'MESSAGE': 'event_dead handler=crm',
        'PRIORITY': '3',
        'SYSLOG_IDENTIFIER': 'wazo-busd',
        'BUSD_HANDLER': 'crm',
        'BUSD_ATTEMPT': '2',
    }


def test_a_text_of_several_lines_forges_no_field(sender: Journald, listening: socket.socket) -> None:
    sender.send('info', 'one\nPRIORITY=0', {'text': 'one\nPRIORITY=0', 'a=b\nPRIORITY': 'x'})
    assert fields(listening.recv(4096)) == {
        'MESSAGE': 'one\nPRIORITY=0',
        'PRIORITY': '6',
        'SYSLOG_IDENTIFIER': 'wazo-busd',
        'BUSD_TEXT': 'one\\nPRIORITY=0',
        'BUSD_A_B_PRIORITY': 'x',
    }


def test_the_name_of_a_field_is_none_that_journald_refuses(sender: Journald, listening: socket.socket) -> None:
    sender.send('info', 'x', {'é' * 100: '\ud800'})
    *_, name = fields(listening.recv(4096))
    assert name == 'BUSD_' + '_' * 59


def test_what_is_too_large_for_a_datagram_comes_as_a_file_that_nobody_changes(
    sender: Journald, listening: socket.socket
) -> None:
    text = 'x' * 1_000_000
    assert sender.send('info', text, {})
    payload, descriptors, _, _ = socket.recv_fds(listening, 4096, 1)
    with os.fdopen(descriptors[0], 'rb') as file:
        file.seek(0)
        assert (payload, fields(file.read())['MESSAGE'] == text) == (b'', True)
        with pytest.raises(OSError, match='not permitted'):
            os.write(os.open(f'/proc/self/fd/{file.fileno()}', os.O_RDWR), b'y')


def test_one_that_is_away_is_not_told(sender: Journald) -> None:
    assert not sender.send('info', 'x', {})


def test_one_that_was_away_is_left_alone_for_a_while_and_told_again_then(
    sender: Journald, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr('wazo_busd.journald.time.monotonic', lambda: now)
    sender.send('info', 'nobody', {})
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as back:
        back.bind(str(place))
        soon = sender.send('info', 'soon', {})
        now = 106.0
        assert (soon, sender.send('info', 'later', {}), fields(back.recv(4096))['MESSAGE']) == (False, True, 'later')


def test_one_that_is_behind_holds_nobody_up(
    sender: Journald, listening: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journald, '_PATIENCE_SECONDS', 0.01)
    assert False in [sender.send('info', 'x', {}) for _ in range(2000)]


def test_standard_error_is_known_for_the_journal_s_by_device_and_inode(monkeypatch: pytest.MonkeyPatch) -> None:
    found = os.fstat(2)
    monkeypatch.setenv('JOURNAL_STREAM', f'{found.st_dev}:{found.st_ino}')
    assert journald.has_stderr()


@pytest.mark.parametrize('value', ['', '1', '1:2', 'x:y', ':'])
def test_a_standard_error_that_leads_elsewhere_is_not(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv('JOURNAL_STREAM', value)
    assert not journald.has_stderr()
