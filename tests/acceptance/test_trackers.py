# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Trackers in the daemon: what they derive reaches other handlers, over a restart too, and figures can be fetched."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Broker
from tests.support import DaemonProcess, Service, eventually_sync, write_config
from tools.ports import free_ports
from wazo_busd import sample
from wazo_busd.codec import encode

NOTE = """
from wazo_busd.api import handler

@handler('busd.call.missed')
async def note(event, context):
    with open(context.options.file, 'a') as file:
        file.write(f'{event.id} {event.data["caller_id_name"]} {event.data["called"]}\\n')
"""
CALLER: dict[str, Any] = {'call_id': '1777881676.16', 'is_caller': True, 'user_uuid': None}
CALLEE: dict[str, Any] = {
    'call_id': '1777881677.17',
    'is_caller': False,
    'user_uuid': 'dd32e231-eb56-4699-bf22-cd1207b6e08e',
}


class Site:
    """A daemon with a tracker, with figures, and with a handler that notes missed calls."""

    def __init__(self, broker: Broker, directory: Path) -> None:
        (self.port,) = free_ports(1)
        self.notes = directory / 'notes'
        self.notes.touch()
        self._directory = directory
        self._config = write_config(
            directory,
            broker,
            f"""
            calls: {{plugin: calls}}
            metrics: {{plugin: metrics}}
            note: {{plugin: note, options: {{file: {self.notes}}}}}
            """,
            http=f'{{listen: "127.0.0.1:{self.port}"}}',
        )
        (directory / 'plugins.d' / 'note.py').write_text(NOTE)

    def daemon(self) -> DaemonProcess:
        return DaemonProcess(self._config, self._directory)

    def figures(self) -> str:
        with urllib.request.urlopen(f'http://127.0.0.1:{self.port}/metrics', timeout=20) as answer:
            said: bytes = answer.read()
            return said.decode()

    def shows(self, line: str) -> bool:
        try:
            return line in self.figures().splitlines()
        except urllib.error.URLError:
            # It listens a moment after its handlers have begun.
            return False


@pytest.fixture
def site(broker: Broker, tmp_path: Path) -> Site:
    return Site(broker, tmp_path)


async def _send(broker: Broker, name: str, leg: dict[str, Any], ago_seconds: float, **more: Any) -> None:
    """What a host says of a leg of a call, some seconds ago."""
    data = {
        **leg,
        'conversation_id': CALLER['call_id'],
        'caller_id_name': 'Émilie Roy' if leg is CALLER else 'Noah Diallo',
        'caller_id_number': '+14185550142' if leg is CALLER else '2018',
        'dialed_extension': '2018',
        'direction': 'inbound',
        'status': 'Ring' if leg is CALLER else 'Ringing',
        **more,
    }
    made = sample.of_content({'name': name, 'data': data}, at=time.time() - ago_seconds)
    async with Service(broker) as service:
        await service.send(made.exchange, made.routing_key, encode(made.body), dict(made.headers))


async def _rings(broker: Broker) -> None:
    await _send(broker, 'call_created', CALLER, 30)
    await _send(broker, 'call_created', CALLEE, 29)


async def _is_over(broker: Broker) -> None:
    await _send(broker, 'call_ended', CALLEE, 10, reason_code=19)
    await _send(broker, 'call_ended', CALLER, 9, reason_code=16)


def _noted(site: Site) -> list[str]:
    return [line.partition(' ')[2] for line in site.notes.read_text().splitlines()]


async def test_a_missed_call_reaches_a_handler(broker: Broker, site: Site) -> None:
    with site.daemon() as daemon:
        daemon.wait_consuming()
        await _rings(broker)
        await _is_over(broker)

        eventually_sync(lambda: _noted(site) == ['Émilie Roy Noah Diallo'])
        assert daemon.stop() == 0


async def test_a_call_that_began_before_a_restart_and_ended_meanwhile_is_missed_once(
    broker: Broker, site: Site
) -> None:
    # Given a call that rings
    with site.daemon() as daemon:
        daemon.wait_consuming()
        await _rings(broker)
        eventually_sync(lambda: site.shows('wazo_busd_calls_conversations{direction="inbound",handler="calls"} 1.0'))
        assert daemon.stop() == 0

    # When it ends while the daemon is away
    await _is_over(broker)
    with site.daemon() as daemon:
        eventually_sync(lambda: _noted(site) != [])
        daemon.stop()

    # Then it is known who called and who was called
    assert _noted(site) == ['Émilie Roy Noah Diallo']


async def test_the_figures_of_the_day_can_be_fetched(broker: Broker, site: Site) -> None:
    with site.daemon() as daemon:
        daemon.wait_consuming()
        await _rings(broker)
        await _is_over(broker)

        missed = 'wazo_busd_telephony_missed_calls_total{direction="inbound",handler="metrics",reason="no-answer"} 1.0'
        eventually_sync(lambda: site.shows(missed))
        figures = site.figures()
        daemon.stop()

    assert 'wazo_busd_bus_events_total{handler="metrics",name="call_created"} 2.0' in figures
    assert 'wazo_busd_events_total{handler="calls",outcome="done"} 4.0' in figures
    assert 'wazo_busd_connected 1.0' in figures


async def test_what_can_be_fetched_names_nobody(broker: Broker, site: Site) -> None:
    with site.daemon() as daemon:
        daemon.wait_consuming()
        await _rings(broker)
        await _is_over(broker)
        eventually_sync(lambda: site.shows('wazo_busd_calls_missed_total{direction="inbound",handler="calls"} 1.0'))
        figures = site.figures()
        daemon.stop()

    said = [CALLER['call_id'], CALLEE['user_uuid'], 'Émilie', 'Diallo', '4185550142', '2018']
    assert [each for each in said if each in figures] == []
