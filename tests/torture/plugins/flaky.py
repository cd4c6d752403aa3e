# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Fails at some events once or twice, at some always, and needs nothing of others."""

import asyncio
import os
from pathlib import Path

from wazo_busd.api import Context, Discard, Event, Retry, handler


@handler('calls.#')
async def flaky(event: Event, context: Context) -> None:
    number, key = event.data['number'], event.data['key']
    with Path(context.options['history']).open('a') as file:
        file.write(f'run {number} {event.attempt} {key}\n')
        file.flush()
        await asyncio.sleep(0)
        if number % 50 == 7:
            raise ValueError('it never fits')
        if number % 10 == 3 and event.attempt < 4:
            # Where only outages were left the breaker would let one event through a minute.
            raise Retry('not yet') if number % 20 == 3 else RuntimeError('not yet')
        what = 'discarded' if number % 20 == 5 else 'done'
        os.write(file.fileno(), f'{what} {number} {event.attempt} {key}\n'.encode())
        if what == 'discarded':
            raise Discard('not for me')
