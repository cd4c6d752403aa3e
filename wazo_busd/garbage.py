# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The garbage: objects that refer to each other, which Python frees only when it looks for them."""

from __future__ import annotations

import asyncio
import gc

_MOST_YOUNG = 20_000
"""So many objects more than were freed, instead of 700, and they are looked through. Where many handlers are busy,
thousands of events are under way, and none of them is garbage: with 50 handlers a third of an event's cost was to look
through the others."""

_EVERY_SECONDS = 10.0
"""So often they are looked through whatever their number, as that may take days to be reached."""


async def collect() -> None:
    """Look for garbage by the clock, and seldom by the count, until cancelled."""
    thresholds = gc.get_threshold()
    gc.set_threshold(_MOST_YOUNG, *thresholds[1:])
    try:
        while True:
            await asyncio.sleep(_EVERY_SECONDS)
            gc.collect(1)
    finally:
        gc.set_threshold(*thresholds)
