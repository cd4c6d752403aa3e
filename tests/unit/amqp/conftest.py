# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What the tests of AMQP share."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from tests.unit.amqp.clock import Clock


@pytest.fixture
def unused_port() -> Iterator[int]:
    """A port that nobody listens on and nobody else is given, as long as the test runs."""
    with socket.socket() as held:
        held.bind(('127.0.0.1', 0))
        yield held.getsockname()[1]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A time that passes when the test says so."""
    return Clock(monkeypatch)
