# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What ends a test of code that must not block, if it does."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import pytest


@contextmanager
def impatience(seconds: int = 10) -> Iterator[None]:
    """Fail a test that takes longer, wherever it hangs."""

    def end(number: int, frame: FrameType | None) -> None:
        # No OSError such as TimeoutError: the code under test may take that for an answer.
        pytest.fail('it blocks')

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
