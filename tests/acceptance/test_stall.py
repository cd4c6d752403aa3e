# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""A handler that blocks the loop: it is named, and the connections to the broker are kept meanwhile."""

from __future__ import annotations

import json
from pathlib import Path

from tests.conftest import Broker
from tests.support import DaemonProcess, Service, eventually_sync, write_config

BLOCKING = """
import time
from wazo_busd.api import handler

@handler('calls.#')
async def block(event, context):
    time.sleep(event.data)
"""


def _connections(broker: Broker) -> set[str]:
    """The daemon's connections, as the broker knows them."""
    lines = broker.node.ctl('list_connections', 'pid', 'vhost', 'client_properties').splitlines()
    return {line for line in lines if broker.vhost in line and 'wazo-busd: ' in line}


async def test_a_handler_that_blocks_the_loop_is_named_and_costs_no_connection(broker: Broker, tmp_path: Path) -> None:
    bus = f'{{host: {broker.host}, port: {broker.port}, vhost: {broker.vhost}, heartbeat: 2s}}'
    config = write_config(tmp_path, broker, 'stuck: {plugin: block}', bus=bus)
    (tmp_path / 'plugins.d' / 'block.py').write_text(BLOCKING)

    with DaemonProcess(config, tmp_path) as daemon:
        daemon.wait_consuming()
        eventually_sync(lambda: len(_connections(broker)) == 2)
        before = _connections(broker)
        async with Service(broker) as service:
            # RabbitMQ gives up a connection that it has not heard for two to three intervals.
            for seconds in (7, 0):
                body = json.dumps({'name': f'blocks_{seconds}', 'data': seconds}).encode()
                await service.send('xivo', 'calls.call.created', body, {})
        daemon.wait_log('event_handled event_name=blocks_0 ')
        after = _connections(broker)
        daemon.stop()

        assert ('loop_blocked handler=stuck' in daemon.log, after) == (True, before)
