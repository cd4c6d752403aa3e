# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The daemon reads its configuration again: only what changed changes, and a mistake changes nothing."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.conftest import Broker
from tests.support import DaemonProcess, write_config

ONE = 'one: {plugin: log, match: calls.#}\n'
TWO = 'two: {plugin: log, match: faxes.#}\n'


@pytest.fixture
def config(broker: Broker, tmp_path: Path) -> Path:
    return write_config(tmp_path / 'etc', broker, ONE + TWO)


def test_only_the_handler_that_changed_is_restarted(config: Path, broker: Broker, tmp_path: Path) -> None:
    with DaemonProcess(config, tmp_path) as daemon:
        daemon.wait_consuming()
        write_config(config.parent, broker, ONE + TWO.replace('faxes', 'voicemails'))
        daemon.signal(signal.SIGHUP)

        assert daemon.wait_log('configuration_applied kept=one begun=two')


def test_a_new_handler_begins_and_a_removed_one_ends(config: Path, broker: Broker, tmp_path: Path) -> None:
    with DaemonProcess(config, tmp_path) as daemon:
        daemon.wait_consuming()
        write_config(config.parent, broker, ONE + TWO.replace('two', 'three'))
        daemon.signal(signal.SIGHUP)
        daemon.wait_log('configuration_applied kept=one begun=three')

        assert daemon.wait_log('queue_unbound queue=wazo-busd.two')


def test_a_broken_configuration_changes_nothing_and_says_why(config: Path, broker: Broker, tmp_path: Path) -> None:
    with DaemonProcess(config, tmp_path) as daemon:
        daemon.wait_consuming()
        write_config(config.parent, broker, ONE.replace('log', 'lgo'))
        daemon.signal(signal.SIGHUP)
        daemon.wait_log('reload_refused problems=1')

        assert "did you mean 'log'?" in daemon.log


def test_a_broken_configuration_leaves_all_handlers_consuming(config: Path, broker: Broker, tmp_path: Path) -> None:
    with DaemonProcess(config, tmp_path) as daemon:
        daemon.wait_consuming()
        config.write_text('handlers: [')
        daemon.signal(signal.SIGHUP)
        daemon.wait_log('reload_refused')
        daemon.wait_told('^READY=1$')

        assert daemon.log.count('configuration_applied') == 1


def test_systemd_hears_that_it_reloads(config: Path, tmp_path: Path) -> None:
    with DaemonProcess(config, tmp_path) as daemon:
        daemon.wait_consuming()
        daemon.signal(signal.SIGHUP)

        assert daemon.wait_told('^RELOADING=1\nMONOTONIC_USEC=[0-9]+$')


def test_a_drop_in_that_changed_is_run_anew(config: Path, broker: Broker, tmp_path: Path) -> None:
    write_config(config.parent, broker, ONE + 'bell: {plugin: bell}\n')
    plugin = config.parent / 'plugins.d' / 'bell.py'
    code = "from wazo_busd.api import handler\n@handler('calls.#')\ndef ring(event): print('{}')\n"
    plugin.write_text(code.format('ding'))

    with DaemonProcess(config, tmp_path) as daemon:
        daemon.wait_consuming()
        plugin.write_text(code.format('dong'))
        daemon.signal(signal.SIGHUP)

        assert daemon.wait_log('configuration_applied kept=one begun=bell')


def test_the_log_level_changes_without_a_restart_of_handlers(config: Path, broker: Broker, tmp_path: Path) -> None:
    with DaemonProcess(config, tmp_path) as daemon:
        daemon.wait_consuming()
        write_config(config.parent, broker, ONE + TWO, log_level='debug')
        daemon.signal(signal.SIGHUP)

        assert daemon.wait_log('configuration_applied kept="one two" begun=""')


def test_another_broker_is_connected_to_with_all_handlers(config: Path, broker: Broker, tmp_path: Path) -> None:
    other = Broker(broker.node, f'{broker.vhost}-other')
    broker.node.add_vhost(other.vhost)

    with DaemonProcess(config, tmp_path) as daemon:
        daemon.wait_consuming()
        write_config(config.parent, other, ONE + TWO)
        daemon.signal(signal.SIGHUP)
        daemon.wait_log('configuration_applied kept="" begun="one two"')
        daemon.wait_consuming()
