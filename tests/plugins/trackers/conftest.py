# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The sample day happens where clocks show UTC, as services send local time without a zone."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The local time is UTC."""
    with monkeypatch.context() as patched:
        patched.setenv('TZ', 'UTC')
        time.tzset()
        yield
    time.tzset()
