# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Does nothing but say that there was an event."""

import bench.early  # noqa: F401
from bench.recorder import recorder
from wazo_busd.api import Event, handler

take = recorder().take


@handler
async def count(event: Event) -> None:
    """Count it."""
    take(event.data['SentAt'])
