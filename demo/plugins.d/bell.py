# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Rings when somebody who called has hung up."""

from wazo_busd.api import Context, Event, handler


@handler('call_ended')
async def ring(event: Event, context: Context) -> None:
    """Say so, once for each call, though each party has an event; a real bell needs `await context.http.post(…)`."""
    if event.data['is_caller']:
        print(f'          {context.name:<12} ding! {event.data["caller_id_number"]} has hung up')
