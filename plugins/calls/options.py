# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The options of `calls`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from wazo_busd.api import Duration

from ..tracking import TrackerOptions


class CallsOptions(TrackerOptions):
    """The options of `calls`.

    Attributes:
        most: how many conversations are remembered at a time, and how many missed callers; what is one too many
            replaces the oldest.
        restore_within: how old what was remembered before a restart may be; older than that, it begins anew.
        returned_within: how long after a missed call it counts as returned when somebody calls back.
        long_hold: from how long on a hold is told of.
        stale_after: after so long without any event a conversation is taken to be over.
        queue_calls: whether an agent has missed a call of a queue that nobody answered, and is told who answered it
            instead.
        emergency_numbers: numbers that call for help here, beside those of the configured `region`.
        locations: where somebody is who calls for help, by the UUID of the user, their number, or the number that they
            dialed.
    """

    returned_within: Annotated[Duration, Field(ge=60.0, le=2_592_000.0)] = 86_400.0
    long_hold: Annotated[Duration, Field(ge=1.0, le=86_400.0)] = 120.0
    stale_after: Annotated[Duration, Field(ge=60.0, le=604_800.0)] = 14_400.0
    queue_calls: bool = False
    emergency_numbers: tuple[str, ...] = ()
    locations: dict[str, str] = Field(default_factory=dict)
