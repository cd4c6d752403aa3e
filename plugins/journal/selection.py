# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The selection: which records of a journal are read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from .record import moment


class Selection(NamedTuple):
    """Which records are read.

    Attributes:
        since: those of events that came then or later; `None` from the first.
        until: those of events that came before; `None` to the last.
        name: those of events that are called so; `None` whatever they are called.
    """

    since: datetime | None = None
    until: datetime | None = None
    name: str | None = None

    @property
    def first(self) -> str:
        """The least `received_at` of a record."""
        return moment(self.since.timestamp()) if self.since is not None else ''

    @property
    def last(self) -> str:
        """What is greater than the `received_at` of every record."""
        return moment(self.until.timestamp()) if self.until is not None else '~'

    def takes(self, record: Mapping[str, Any]) -> bool:
        """Whether a record is among them."""
        received_at = str(record.get('received_at'))
        return self.first <= received_at < self.last and self.name in (None, record.get('name'))
