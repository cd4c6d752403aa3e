# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Plugins are replaced while the daemon runs: it takes the new ones when it is told to, and only where they are new."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.conftest import Broker
from tests.support import DaemonProcess, write_config
from tests.unit.test_loader import install

HANDLERS = 'alarm: {plugin: alarm}\nbell: {plugin: bell}\n'
STARTED = """
from wazo_busd.api import handler
{helper}
class Bell:
    async def start(self): print('started with', {tone}, flush=True)
    @handler('calls.#')
    def ring(self, event): ...
"""


@pytest.fixture
def config(broker: Broker, tmp_path: Path) -> Path:
    return write_config(tmp_path / 'etc', broker, HANDLERS)


def test_a_changed_helper_restarts_the_drop_in_that_uses_it_and_no_other(config: Path, tmp_path: Path) -> None:
    plugins = config.parent / 'plugins.d'
    (plugins / 'alarm.py').write_text(STARTED.format(helper='', tone=1))
    (plugins / 'bell.py').write_text(STARTED.format(helper='import tones', tone='tones.A'))
    (plugins / 'tones.py').write_text('A = 440')

    with DaemonProcess(config, tmp_path) as daemon:
        daemon.wait_log('started with 440')
        daemon.wait_consuming()
        (plugins / 'tones.py').write_text('A = 660')
        daemon.signal(signal.SIGHUP)
        daemon.wait_log('started with 660')

        assert daemon.wait_log('configuration_applied kept=alarm begun=bell')


def test_an_upgraded_plugin_is_restarted_with_its_new_code(config: Path, tmp_path: Path) -> None:
    plugins = config.parent / 'plugins.d'
    (plugins / 'alarm.py').write_text(STARTED.format(helper='', tone=1))
    files = {'bells/__init__.py': 'from bells.tone import Bell', 'bells/tone.py': STARTED.format(helper='', tone=440)}
    install(plugins, 'wazo-bells', version='1', plugins={'bell': 'bells:Bell'}, files=files)

    with DaemonProcess(config, tmp_path) as daemon:
        daemon.wait_log('started with 440')
        daemon.wait_consuming()
        (plugins / 'wazo_bells-1.dist-info').rename(tmp_path / 'old')
        files['bells/tone.py'] = STARTED.format(helper='', tone=660)
        install(plugins, 'wazo-bells', version='2', plugins={'bell': 'bells:Bell'}, files=files)
        daemon.signal(signal.SIGHUP)
        daemon.wait_log('started with 660')

        assert daemon.wait_log('configuration_applied kept=alarm begun=bell')
