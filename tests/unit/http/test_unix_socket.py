# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The control socket: whose it is, and what is done to one that lies there."""

from __future__ import annotations

import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.controlled import short_directory
from wazo_busd.http.unix_socket import UnixSocket


@pytest.fixture
def path() -> Iterator[Path]:
    with short_directory() as directory:
        yield directory / 'control.sock'


def left_behind(path: Path) -> None:
    """What a daemon leaves that was killed."""
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
        dead.listen()


def test_it_is_for_its_user_and_its_group_and_nobody_else(path: Path) -> None:
    made = UnixSocket(path)

    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    made.close()


def test_one_that_a_dead_daemon_left_is_replaced(path: Path) -> None:
    left_behind(path)

    made = UnixSocket(path)
    made.socket.listen()

    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    made.close()


def test_one_that_somebody_answers_on_is_not(path: Path) -> None:
    living = UnixSocket(path)
    living.socket.listen()

    with pytest.raises(OSError, match='another daemon answers there'):
        UnixSocket(path)

    assert path.is_socket()
    living.close()


def test_what_is_no_socket_is_left_alone(path: Path) -> None:
    path.write_text('mine')

    with pytest.raises(OSError, match='no socket'):
        UnixSocket(path)

    assert path.read_text() == 'mine'


def test_a_link_is_not_followed(path: Path) -> None:
    left_behind(other := path.with_name('other'))
    path.symlink_to(other)

    with pytest.raises(OSError, match='no socket'):
        UnixSocket(path)


def test_a_directory_that_is_not_there_is_an_error(path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        UnixSocket(path.parent / 'none' / 'control.sock')


def test_when_it_is_closed_its_file_is_gone(path: Path) -> None:
    UnixSocket(path).close()

    assert not path.exists()


def test_the_file_of_another_is_left(path: Path) -> None:
    made = UnixSocket(path)
    path.rename(path.with_name('moved'))
    other = UnixSocket(path)

    made.close()

    assert path.is_socket()
    other.close()


def test_a_directory_that_is_gone_already_is_no_mistake(path: Path) -> None:
    made = UnixSocket(path)
    path.unlink()

    made.close()
