# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""An event whose handler ends the process is dead after the third time, and nothing that was in flight with it is."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from tests.conftest import Broker
from tests.support import eventually_sync
from tests.torture.conftest import MakeSite
from tests.torture.scale import IS_LONG
from tests.torture.site import PATIENCE_SECONDS, Site
from tests.torture.wire import Wire

IN_FLIGHT = 10
MOST_CRASHES = 3
CULPRIT = 4
WAYS = [('fault', -11), ('exit', 1), ('kill', -9)]

FRAGILE = """
import asyncio, ctypes, os, signal
from pathlib import Path
from wazo_busd.api import handler

begun = 0
everybody = asyncio.Event()

@handler('calls.#')
async def fragile(event, context):
    global begun
    home = Path(context.options['home'])
    begun += 1
    if begun >= 10:
        everybody.set()
    if not home.joinpath('crashed').exists():
        # The first time all of them are in flight when the process ends.
        await everybody.wait()
    if event.data['how']:
        home.joinpath('crashed').touch()
        {'exit': lambda: os._exit(1), 'fault': lambda: ctypes.string_at(0), 'kill': lambda: os.kill(os.getpid(), 9)}[
            event.data['how']
        ]()
    with home.joinpath('history').open('a') as file:
        file.write(f'{event.data["number"]}\\n')
"""


@pytest.mark.parametrize(('how', 'code'), WAYS if IS_LONG else WAYS[:1])
@pytest.mark.usefixtures('way')
def test_one_that_ends_the_process_is_dead_after_the_third_time_and_the_other_nine_are_handled(
    broker: Broker, make_site: MakeSite, how: str, code: int
) -> None:
    site = make_site(
        broker,
        plugins={'fragile': FRAGILE},
        handlers='fragile: {plugin: fragile, concurrency: 10, options: {HOME}}',
    )
    site.start()
    with Wire(broker) as wire:
        for number in range(IN_FLIGHT):
            data = {'number': number, 'how': how if number == CULPRIT else ''}
            wire.publish(json.dumps({'name': 'x', 'data': data}).encode())
        wire.flush()
    codes = []
    while True:
        eventually_sync(lambda: site.daemon.process.poll() is not None or _is_over(site), PATIENCE_SECONDS)
        if site.daemon.process.poll() is None:
            break
        codes.append(site.daemon.wait_exit())
        # As systemd does (Restart=on-failure).
        site.start(wait=False)
    site.stop()

    (letter,) = site.dead('fragile')
    handled = Counter(map(int, site.lines('history')))
    print(f'\n{how}: exit codes {codes}, handled {sorted(handled.items())}, dead {letter["text"]!r}')
    assert codes == [code] * MOST_CRASHES
    # What was done and not yet acknowledged when the process ended is done again, once a crash.
    assert (set(handled), max(handled.values()) <= 1 + MOST_CRASHES) == (set(range(IN_FLIGHT)) - {CULPRIT}, True)
    assert (json.loads(letter['body'])['data']['number'], letter['error'], letter['attempts']) == (
        CULPRIT,
        'HandlerCrashed',
        MOST_CRASHES,
    )


def _is_over(site: Site) -> bool:
    return len(set(site.lines('history'))) == IN_FLIGHT - 1 and bool(site.dead('fragile'))
