# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Rings when a call ends."""

from wazo_busd.api import Context, Event, handler


@handler('calls.call.ended')
async def ring(event: Event, context: Context) -> None:
    """Say so; a real bell would be rung with `await context.http.post(…)`."""
    print(f'          {context.name:<12} ding! {event.data["caller_id_number"]} has hung up')
