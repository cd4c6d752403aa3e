# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The options of `availability`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from wazo_busd.api import BaseOptions, Duration

from ..tracking import TrackerOptions

Kind = Literal['asterisk', 'service', 'trunk', 'plugin', 'line', 'peer']
"""What can be watched."""

_DAY_SECONDS = 86_400.0


class Flapping(BaseOptions):
    """When something changes too often to be told each time.

    Attributes:
        changes: so many changes are flapping.
        within: if they come within this time. It is over when nothing has changed for so long.
    """

    changes: Annotated[int, Field(ge=2, le=100)] = 5
    within: Annotated[Duration, Field(ge=1.0, le=_DAY_SECONDS)] = 600.0


class Options(TrackerOptions):
    """The options of `availability`.

    Attributes:
        most: how much is remembered at a time. What is one too many replaces the oldest.
        restore_within: how old what was remembered before a restart may be; older than that, it begins anew.
        watch: what is watched: `asterisk`, `service`, `trunk`, `plugin` (plugins of Wazo being installed and removed),
            `line`, `peer`.
        down_after: what is back sooner was not down.
        together: lines and peers that go down, or come back, within this time of the first are told as one.
        flapping: when something changes too often to be told each time.
        stuck_after: an installation that makes no progress for so long is stuck.
    """

    watch: tuple[Kind, ...] = ('asterisk', 'service', 'trunk', 'plugin')
    down_after: Annotated[Duration, Field(ge=0.0, le=_DAY_SECONDS)] = 30.0
    together: Annotated[Duration, Field(ge=0.0, le=3600.0)] = 60.0
    flapping: Flapping = Flapping()
    stuck_after: Annotated[Duration, Field(ge=1.0, le=_DAY_SECONDS)] = 900.0
