# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Handles events of one key after the other, and fails at some of them once."""

import asyncio
import os
from pathlib import Path

from wazo_busd.api import Context, Event, handler


@handler('calls.#')
async def lane(event: Event, context: Context) -> None:
    number, key = event.data['number'], event.data['key']
    with Path(context.options['history']).open('a') as file:
        file.write(f'run {number} {event.attempt} {key}\n')
        file.flush()
        await asyncio.sleep(context.options.get('pause_seconds', 0))
        if number % 25 == 4 and event.attempt == 1:
            raise ConnectionError('not yet')
        os.write(file.fileno(), f'done {number} {event.attempt} {key}\n'.encode())
