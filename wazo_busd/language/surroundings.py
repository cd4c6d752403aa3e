# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The surroundings: what expressions and texts know besides the event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a text stands in the configuration.

    Attributes:
        option: the path of the option, as in `options.text`.
        file: the file; `''` where it was not written in one.
        line: the line in that file, from 1.
    """

    option: str
    file: str = ''
    line: int = 0

    def __str__(self) -> str:
        return f'{self.option} ({self.file}:{self.line})' if self.file else self.option


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What expressions and texts know besides the event.

    Attributes:
        names: what people call users, numbers and whatever else has an identifier.
        region: the country whose telephone numbers are written without a prefix, as in `FR`; `None` for none.
        placements: where the texts of a handler stand, by the identity of each.
    """

    names: Mapping[str, str] = field(default_factory=dict)
    region: str | None = None
    placements: Mapping[int, Placement] = field(default_factory=dict, compare=False)
