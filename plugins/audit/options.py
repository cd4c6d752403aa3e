# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The options of `audit`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from wazo_busd.api import BaseOptions, Duration

from ..tracking import TrackerOptions

Risky = Literal['premium', 'international', 'national']
"""Kinds of numbers that calls can cost money to."""


class OutboundBurst(BaseOptions):
    """How many outbound calls are too many.

    Attributes:
        calls: more than so many are too many.
        within: if they come within this time; then it is quiet about that user for so long.
        kinds: the kinds of numbers that count.
    """

    calls: Annotated[int, Field(ge=1, le=1000)] = 20
    within: Annotated[Duration, Field(ge=1.0, le=86_400.0)] = 600.0
    kinds: tuple[Risky, ...] = ('international', 'premium')


class Options(TrackerOptions):
    """The options of `audit`.

    Attributes:
        most: how much is remembered at a time. What is one too many replaces the oldest.
        restore_within: how old what was remembered before a restart may be; older than that, it begins anew.
        risky: the kinds of numbers that nobody's calls should be forwarded to: `premium`, `international`, `national`.
        outbound_burst: how many outbound calls of one user are too many; `null` for none.
    """

    risky: tuple[Risky, ...] = ('premium', 'international')
    outbound_burst: OutboundBurst | None = OutboundBurst()
