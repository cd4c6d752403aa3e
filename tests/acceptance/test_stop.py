# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""A plugin says Stop: its queue rests, the status says why, and a reload lets it go on with what waited."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Broker
from tests.support import DaemonProcess, eventually_sync, write_config
from tests.torture.wire import Wire

DOOR = """
from pathlib import Path
from wazo_busd.api import Stop, handler

@handler('calls.#')
async def knock(event, context):
    home = Path(context.options['home'])
    if (home / 'closed').exists():
        raise Stop('the door is closed for good')
    with (home / 'opened').open('a') as file:
        file.write(f'{event.data}\\n')
"""


@pytest.fixture
def daemon(broker: Broker, tmp_path: Path) -> Iterator[DaemonProcess]:
    """A daemon whose handler stops at its first event."""
    config = write_config(tmp_path / 'etc', broker, f'door: {{plugin: door, options: {{home: {tmp_path}}}}}\n')
    (tmp_path / 'etc' / 'plugins.d' / 'door.py').write_text(DOOR)
    (tmp_path / 'closed').touch()
    with DaemonProcess(config, tmp_path / 'run') as daemon:
        daemon.wait_consuming()
        yield daemon


def publish(broker: Broker, *numbers: int) -> None:
    with Wire(broker) as wire:
        for number in numbers:
            wire.publish(b'{"name": "x", "data": %d}' % number)
        wire.flush()


def test_a_handler_that_stopped_goes_on_after_a_reload_though_nothing_of_it_changed(
    broker: Broker, daemon: DaemonProcess, tmp_path: Path
) -> None:
    # Given a handler that says stop at its first event
    publish(broker, 1)
    status = daemon.wait_told('STATUS=.*; door: stopped: ')
    daemon.wait_log('handler_stopped .*handler=door reason="the door is closed for good"')
    publish(broker, 2, 3)

    # When what it stopped for is mended, and the configuration read again
    (tmp_path / 'closed').unlink()
    daemon.signal(signal.SIGHUP)

    # Then it handles what came meanwhile, and only the event that it stopped at is missing
    opened = tmp_path / 'opened'
    eventually_sync(lambda: opened.exists() and len(opened.read_text().split()) >= 2)
    assert opened.read_text().split() == ['2', '3']
    assert 'door: stopped: the door is closed for good; when that is mended: systemctl reload wazo-busd' in status
