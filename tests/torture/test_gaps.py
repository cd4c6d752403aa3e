# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Where events can have been lost, the handlers that match `busd.gap` are told so; and nowhere else."""

from __future__ import annotations

import json
import signal
import time
from datetime import datetime
from typing import Any

from tests.conftest import Broker
from tests.torture.conftest import MakeSite
from tests.torture.site import Site
from tests.torture.wire import Wire

ROOM = 100

WATCH = """
import json
from pathlib import Path
from wazo_busd.api import handler

@handler('busd.gap')
async def watch(event, context):
    with Path(context.options['home'], 'gaps').open('a') as file:
        file.write(json.dumps(event.data) + '\\n')
"""

SLOW = """
import asyncio
from pathlib import Path
from wazo_busd.api import handler

@handler('calls.#')
async def slow(event, context):
    home = Path(context.options['home'])
    while home.joinpath('blocked').exists():
        await asyncio.sleep(0.05)
    with home.joinpath('history').open('a') as file:
        file.write(f'{event.data}\\n')
"""


def test_a_gap_is_told_to_who_asks_for_it_and_where_there_was_none_nobody_is(
    mortal_broker: Broker, make_site: MakeSite
) -> None:
    broker = mortal_broker
    site = make_site(
        broker,
        plugins={'watch': WATCH, 'slow': SLOW},
        handlers=f"""
            watch: {{plugin: watch, options: {{HOME}}}}
            slow: {{plugin: slow, queue: {{max_length: {ROOM}}}, options: {{HOME}}}}
        """,
        watched=('watch', 'slow'),
    )
    site.start()
    _nothing_is_lost(site)
    began = time.time()
    with Wire(broker) as wire:
        wire.delete_queue('wazo-busd.slow')
        deleted = _gap(site, 1)
        site.stop()
        wire.delete_queue('wazo-busd.slow')
        site.start()
        gone = _gap(site, 2)
        full = _overflow(site, wire)
    mortal_broker.node.stop_server()
    site.daemon.wait_log('not_connected reason="nothing listens')
    mortal_broker.node.start()
    down = _gap(site, 4)
    site.witness.wait_ready()
    site.stop()

    told = [deleted, gone, full, down]
    print('\n' + '\n'.join(map(str, told)))
    assert [each['handler'] for each in told] == ['slow', 'slow', 'slow', None]
    reasons = ['was deleted', 'was gone', 'was full', 'the broker was down']
    assert [reason for reason, each in zip(reasons, told, strict=True) if reason not in each['reason']] == []
    times = [datetime.fromisoformat(each[name]).timestamp() for each in told for name in ('from', 'to')]
    assert (
        times[0] <= began + 5.0,
        times[1::2],
        [end - start >= 0 for start, end in zip(times[::2], times[1::2], strict=True)],
    ) == (True, sorted(times[1::2]), [True] * 4)
    assert len(site.lines('gaps')) == 4
    assert site.witness.lies() == []


def _nothing_is_lost(site: Site) -> None:
    """Things that happen and lose nothing: a closed connection, a reload, a restart."""
    site.broker.node.evaluate('rabbit_networking:close_all_connections(<<"by a test">>)')
    site.daemon.wait_log('connection_lost')
    site.daemon.wait_consuming()
    site.config.write_text(site.config.read_text().replace(f'max_length: {ROOM}', f'max_length: {ROOM}, type: quorum'))
    site.daemon.signal(signal.SIGHUP)
    site.daemon.wait_log('configuration_applied kept="slow watch"')
    site.stop()
    site.start()
    assert site.lines('gaps') == []


def _overflow(site: Site, wire: Wire) -> dict[str, Any]:
    (site.home / 'blocked').touch()
    for number in range(3 * ROOM):
        wire.publish(b'{"name": "x", "data": %d}' % number)
    wire.flush()
    site.daemon.wait_log('queue_full')
    (site.home / 'blocked').unlink()
    return _gap(site, 3)


def _gap(site: Site, number: int) -> dict[str, Any]:
    """The gap of a number, when it is told."""
    found: dict[str, Any] = json.loads(site.wait_lines('gaps', number)[number - 1])
    return found
