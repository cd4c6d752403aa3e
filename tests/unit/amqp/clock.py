# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The clock: the time that a connection sees."""

from __future__ import annotations

from types import SimpleNamespace

import pytest


class Clock:
    """A time that passes when a test says so.

    Args:
        monkeypatch: puts it into the place of the real one.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        for module in ('protocol', 'transport'):
            monkeypatch.setattr(f'wazo_busd.amqp.{module}.time', SimpleNamespace(monotonic=lambda: self.now))
