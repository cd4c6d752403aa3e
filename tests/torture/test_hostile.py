# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What hostile publishers send one after the other: no connection is lost over it, and no innocent event."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.conftest import Broker
from tests.support import eventually_sync
from tests.torture.conftest import MakeSite
from tests.torture.hostile import EVERYTHING, WELL_FORMED, Hostile
from tests.torture.scale import scaled
from tests.torture.site import PATIENCE_SECONDS
from tests.torture.wire import Wire

MIB = 1_048_576
LARGE = scaled(3, 10)
LARGE_BYTES = scaled(32, 127) * MIB
MOST_GROWTH = 16 * MIB

NOTE = """
import json
from pathlib import Path
from wazo_busd.api import handler

@handler('#')
async def note(event, context):
    with Path(context.options['home'], 'history').open('a') as file:
        file.write(json.dumps([event.routing_key, event.data if event.name == 'innocent' else None]) + '\\n')
"""


def test_every_hostile_one_is_dead_with_its_reason_and_every_innocent_one_between_is_handled(
    broker: Broker, way: str, make_site: MakeSite
) -> None:
    site = make_site(broker, plugins={'note': NOTE}, handlers='note: {plugin: note, options: {HOME}}')
    site.start()
    sent = EVERYTHING if way == 'tap' else WELL_FORMED
    keys = {_key(number, each): each for number, each in enumerate(sent)}
    with Wire(broker) as wire:
        for number, (key, each) in enumerate(keys.items()):
            raw_key = key.encode() if each.key is None else each.key
            wire.publish(json.dumps({'name': 'innocent', 'data': number}).encode(), key='innocent')
            wire.publish(each.body, properties=each.properties, key=raw_key)
        wire.flush()
    meant_dead = {key for key, each in keys.items() if each.reason}
    meant_handled = set(keys) - meant_dead
    eventually_sync(lambda: len(site.lines('history')) >= len(keys) + len(meant_handled), PATIENCE_SECONDS)
    eventually_sync(lambda: len(site.dead('note')) >= len(meant_dead), PATIENCE_SECONDS)
    site.stop()

    runs = [tuple(json.loads(line)) for line in site.lines('history')]
    letters = site.dead('note')
    dead = {letter['routing_key']: letter['text'] for letter in letters}
    print(f'\n{len(keys)} hostile ones: {len(letters)} dead, {len(runs) - len(keys)} handled')
    assert [number for key, number in runs if key == 'innocent'] == [*range(len(keys))]
    assert sorted(key for key, number in runs if key != 'innocent') == sorted(meant_handled)
    assert [
        f'{keys[key].what}: {dead.get(key)}' for key in meant_dead if keys[key].reason not in dead.get(key, '')
    ] == []
    assert (len(letters), re.findall('connection_lost|consumer_ended_by_broker', site.daemon.log)) == (
        len(meant_dead),
        [],
    )


def _key(number: int, hostile: Hostile) -> str:
    return f'hostile.{number}' if hostile.key is None else hostile.key.decode('utf-8', 'backslashreplace')


def test_bodies_far_over_the_limit_are_not_held_in_memory(broker: Broker, make_site: MakeSite) -> None:
    site = make_site(broker, plugins={'note': NOTE}, handlers='note: {plugin: note, options: {HOME}}')
    site.start()
    body = b'{"data": "' + b'x' * (LARGE_BYTES - 12) + b'"}'
    with Wire(broker) as wire:
        wire.publish(b'{"name": "innocent", "data": -1}', key='innocent')
        site.wait_lines('history', 1)
        before = _highest(site.daemon.process.pid)
        for number in range(LARGE):
            wire.publish(body, key='hostile.large')
            wire.publish(b'{"name": "innocent", "data": %d}' % number, key='innocent')
            wire.flush()
            site.wait_lines('history', number + 2)
    eventually_sync(lambda: len(site.dead('note')) == LARGE, PATIENCE_SECONDS)
    growth = _highest(site.daemon.process.pid) - before
    letters = site.dead('note')
    site.stop()

    print(f'\n{LARGE} bodies of {LARGE_BYTES // MIB} MiB: the daemon grew by {growth / MIB:.1f} MiB')
    assert {(each['size'], each['kept']) for each in letters} == {(LARGE_BYTES, 65_536)}
    assert growth <= MOST_GROWTH
    assert re.findall('connection_lost|consumer_ended_by_broker', site.daemon.log) == []


def _highest(process: int) -> int:
    """The most memory that a process ever had, in bytes (proc(5), VmHWM)."""
    (kilobytes,) = re.findall(r'VmHWM:\s+(\d+) kB', Path(f'/proc/{process}/status').read_text())
    return int(kilobytes) * 1024
