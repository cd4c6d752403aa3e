# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The running daemon on its board and in its live view: what a call is, and where who calls is said and where not."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import aiohttp

from tests.acceptance.test_trackers import CALLER
from tests.conftest import Broker
from tests.support import DaemonProcess, Service, write_config
from tests.unit.controlled import short_directory
from tools.ports import free_ports
from wazo_busd import sample
from wazo_busd.codec import encode

PATIENCE_SECONDS = 20.0
NUMBER = '+14185550142'


async def _ring(broker: Broker) -> None:
    data = {**CALLER, 'caller_id_number': NUMBER, 'conversation_id': CALLER['call_id'], 'direction': 'inbound'}
    made = sample.of_content({'name': 'call_created', 'data': {**data, 'status': 'Ring'}}, at=time.time())
    async with Service(broker) as service:
        await service.send(made.exchange, made.routing_key, encode(made.body), dict(made.headers))


async def _told(answer: aiohttp.ClientResponse, kind: str) -> dict[str, Any]:
    """The next part of a stream that is of a kind."""
    while True:
        first, _, data = (await answer.content.readuntil(b'\n\n')).decode().partition('\n')
        if first == f'event: {kind}':
            told: dict[str, Any] = json.loads(data.removeprefix('data: '))
            return told


async def test_a_call_is_on_the_board_and_in_the_live_view_and_who_calls_on_the_socket_alone(
    broker: Broker, tmp_path: Path
) -> None:
    with short_directory() as runtime:
        (port,), path = free_ports(1), runtime / 'control.sock'
        http = f'{{listen: "127.0.0.1:{port}", socket: {path}}}'
        config = write_config(tmp_path, broker, 'calls: {plugin: calls}', http=http)
        with DaemonProcess(config, tmp_path) as daemon:
            daemon.wait_consuming()
            daemon.wait_log('configuration_applied')
            async with (
                asyncio.timeout(PATIENCE_SECONDS),
                aiohttp.ClientSession(f'http://127.0.0.1:{port}') as session,
                aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path))) as local,
                session.get('/board/updates') as board,
                session.get('/events?match=calls.%23') as by_port,
                local.get('http://localhost/events?handler=calls') as by_socket,
            ):
                await _told(by_port, 'begun')
                await _told(by_socket, 'begun')
                await _ring(broker)
                said = [await _told(each, 'handled') for each in (by_port, by_socket)]
                shown: list[Any] = []
                while ['calls now', 1, ''] not in shown:
                    shown = (await _told(board, 'board'))['parts'].get('calls/0', {}).get('totals', [])
                # Whoever still reads does not keep it from ending.
                assert daemon.stop() == 0

            assert [(each['event'], each['handler'], each['outcome']) for each in said] == [
                ('call_created', 'calls', 'done')
            ] * 2
            assert [NUMBER in json.dumps(each) for each in said] == [False, True]
