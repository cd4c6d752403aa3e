# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The daemon reads its configuration again: only what changed changes, and a mistake changes nothing."""

from __future__ import annotations

import signal
from pathlib import Path

import kombu
import pytest

from tests.conftest import Broker
from tests.support import DaemonProcess, eventually_sync, write_config

ONE = 'one: {plugin: log, match: calls.#}\n'
TWO = 'two: {plugin: log, match: faxes.#}\n'

WITNESS = """
from wazo_busd.api import handler

class Witness:
    def __init__(self, context):
        self.name, self.path = context.name, context.options.path

    def start(self):
        self.note('starts')

    @handler('calls.#')
    async def take(self, event):
        self.note(event.data)

    def stop(self):
        self.note('stops')

    def note(self, what):
        with open(self.path, 'a') as history:
            history.write(f'{self.name} {what}\\n')
"""
SLOW = """
import asyncio
from wazo_busd.api import handler

@handler('calls.#')
async def slow(event, context):
    context.log.info('slow_begins', number=event.data)
    await asyncio.sleep(event.data)
    context.log.info('slow_ends', number=event.data)
"""


@pytest.fixture
def config(broker: Broker, tmp_path: Path) -> Path:
    return write_config(tmp_path / 'etc', broker, ONE + TWO)


class Witnesses:
    """Two handlers of a plugin that notes what happens to it."""

    def __init__(self, broker: Broker, directory: Path) -> None:
        self.history = directory / 'history'
        self.broker = broker
        self.config = self.write('30s')
        (self.config.parent / 'plugins.d' / 'witness.py').write_text(WITNESS)

    def write(self, timeout: str) -> Path:
        options = f'options: {{path: {self.history}}}'
        handlers = f'one: {{plugin: witness, {options}}}\ntwo: {{plugin: witness, timeout: {timeout}, {options}}}\n'
        return write_config(self.history.parent / 'etc', self.broker, handlers)

    def announce(self, what: str) -> None:
        """Publish an event and wait until both have it."""
        _publish(self.broker, what)
        eventually_sync(lambda: {f'one {what}', f'two {what}'} <= set(self.lines()))

    def lines(self) -> list[str]:
        return self.history.read_text().splitlines()


def test_only_the_handler_that_changed_is_restarted(broker: Broker, tmp_path: Path) -> None:
    witnesses = Witnesses(broker, tmp_path)
    with DaemonProcess(witnesses.config, tmp_path) as daemon:
        daemon.wait_consuming()
        witnesses.announce('before')
        witnesses.write('20s')
        daemon.signal(signal.SIGHUP)
        daemon.wait_log('configuration_applied kept=one begun=two')
        witnesses.announce('after')
        daemon.stop()

    assert [line for line in witnesses.lines() if line.startswith('one')] == [
        'one starts',
        'one before',
        'one after',
        'one stops',
    ]
    assert sorted(line for line in witnesses.lines() if line.startswith('two')) == sorted(
        ['two starts', 'two before', 'two stops', 'two starts', 'two after', 'two stops']
    )


def test_after_a_broken_configuration_the_handlers_take_events(broker: Broker, tmp_path: Path) -> None:
    witnesses = Witnesses(broker, tmp_path)
    with DaemonProcess(witnesses.config, tmp_path) as daemon:
        daemon.wait_consuming()
        witnesses.config.write_text('handlers: [')
        daemon.signal(signal.SIGHUP)
        daemon.wait_log('reload_refused')
        witnesses.announce('after')

    assert witnesses.lines().count('one starts') == 1


def test_a_stop_during_a_reload_drains_all_handlers_at_once(broker: Broker, tmp_path: Path) -> None:
    def write(timeout: str) -> Path:
        handlers = f'one: {{plugin: slow}}\ntwo: {{plugin: slow, timeout: {timeout}}}\n'
        return write_config(tmp_path / 'etc', broker, handlers, drain_timeout='5s')

    config = write('30s')
    (config.parent / 'plugins.d' / 'slow.py').write_text(SLOW)
    with DaemonProcess(config, tmp_path) as daemon:
        daemon.wait_consuming()
        _publish(broker, 60)
        daemon.wait_log('(?s)slow_begins.*slow_begins')
        write('20s')
        daemon.signal(signal.SIGHUP)
        daemon.wait_told('^RELOADING=1')
        daemon.wait_told('1 of 2 handlers consume; two: it ends, to be begun anew')
        daemon.signal(signal.SIGTERM)
        daemon.wait_told('^STOPPING=1\n')

        assert (daemon.wait_exit(), daemon.log.count('configuration_applied')) == (0, 1)


def test_a_plugin_that_hangs_at_import_during_a_reload_hangs_nothing_else(broker: Broker, tmp_path: Path) -> None:
    witnesses = Witnesses(broker, tmp_path)
    plugins = witnesses.config.parent / 'plugins.d'
    with DaemonProcess(witnesses.config, tmp_path) as daemon:
        daemon.wait_consuming()
        (plugins / 'hangs.py').write_text(f"import time\nopen('{tmp_path}/imported', 'w').close()\ntime.sleep(600)\n")
        with witnesses.config.open('a') as config:
            config.write('  three: {plugin: hangs, match: calls.#}\n')
        daemon.signal(signal.SIGHUP)
        eventually_sync((tmp_path / 'imported').exists)
        witnesses.announce('after')

        assert daemon.stop() == 0


def _publish(broker: Broker, data: object) -> None:
    with kombu.Connection(broker.url) as connection:
        exchange = kombu.Exchange('xivo', type='topic')
        kombu.Producer(connection.channel(), exchange=exchange).publish(
            {'name': 'x', 'data': data}, routing_key='calls.call.created'
        )


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
