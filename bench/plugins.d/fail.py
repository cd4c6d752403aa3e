# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Fails at every event."""

import bench.early  # noqa: F401
from bench.recorder import recorder
from wazo_busd.api import Event, handler

take = recorder().take


@handler
async def fail(event: Event) -> None:
    """Count the try, then fail."""
    take(event.data['SentAt'])
    raise ValueError('this event is to fail')
