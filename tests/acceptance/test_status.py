# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The running daemon is asked how it fares, and tells the truth; it is told to pause, to go on, and to read again."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import stat
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Broker
from tests.support import DaemonProcess, Service, eventually_async, eventually_sync, write_config
from tests.unit.controlled import short_directory
from tools.ports import free_ports

NOTE = """
from wazo_busd.api import Event, handler

@handler('calls.#')
async def note(event, context):
    with open(context.options.file, 'a') as file:
        file.write(f'{event.data}\\n')
"""
OUT = """
from wazo_busd.api import handler

@handler('calls.#')
async def out(event):
    raise ConnectionRefusedError
"""
SLOW = """
import asyncio
from pathlib import Path
from wazo_busd.api import handler

@handler('calls.#')
async def slow(event, context):
    notes = Path(context.options.file)
    notes.write_text('begun\\n')
    while notes.read_text() == 'begun\\n':
        await asyncio.sleep(0.01)
"""
STOP = """
from wazo_busd.api import Stop, handler

@handler('calls.#')
async def stop(event):
    raise Stop('a secret of mine')
"""
LATE = """
from wazo_busd.api import handler

class Late:
    def start(self):
        raise OSError('a secret of mine')

    @handler('calls.#')
    async def take(self, event): ...
"""
LOG = 'log: {plugin: log, match: faxes.#}\n'


class Site:
    """A daemon with a control socket and a port."""

    def __init__(self, broker: Broker, directory: Path, runtime: Path) -> None:
        (self.port,) = free_ports(1)
        self.broker = broker
        self.socket = runtime / 'control.sock'
        self.notes = directory / 'notes'
        self.notes.touch()
        self._directory = directory
        self.write(LOG)
        for name, code in {
            'note': NOTE,
            'out': OUT,
            'slow': SLOW,
            'stop': STOP,
            'late': LATE,
            'broken': 'import nowhere\n',
        }.items():
            (directory / 'plugins.d' / f'{name}.py').write_text(code)

    def write(self, handlers: str, **top: str) -> None:
        http = f'{{listen: "127.0.0.1:{self.port}", socket: {self.socket}}}'
        self.config = write_config(self._directory, self.broker, handlers, http=http, **top)

    @contextmanager
    def daemon(self) -> Iterator[DaemonProcess]:
        """The daemon, when it can be asked."""
        with DaemonProcess(self.config, self._directory) as daemon:
            daemon.wait_told('READY=1')
            yield daemon

    def wait_ready(self) -> None:
        """Wait until all its handlers consume."""
        eventually_sync(lambda: self.page('/ready')[0] == 200)

    def type(self, *arguments: str) -> tuple[int, str]:
        """Type a command; its exit code and all that it says."""
        done = subprocess.run(
            [sys.executable, '-m', 'wazo_busd', *arguments, '-c', str(self.config)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout

    def last(self, *arguments: str) -> tuple[int, str]:
        """Type a command; its exit code and its last line."""
        code, said = self.type(*arguments)
        return code, said.splitlines()[-1]

    def page(self, path: str) -> tuple[int, Any]:
        try:
            with urllib.request.urlopen(f'http://127.0.0.1:{self.port}{path}', timeout=20) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())

    def state(self, handler: str) -> str:
        (found,) = (each for each in self.page('/status')[1]['handlers'] if each['handler'] == handler)
        word: str = found['state']
        return word

    def becomes(self, handler: str, state: str) -> None:
        eventually_sync(lambda: self.state(handler) == state)

    def lines(self) -> list[str]:
        return self.notes.read_text().splitlines()


@pytest.fixture
def site(broker: Broker, tmp_path: Path) -> Iterator[Site]:
    with short_directory() as runtime:
        yield Site(broker, tmp_path, runtime)


@pytest.fixture
async def service(broker: Broker) -> AsyncIterator[Service]:
    async with Service(broker) as made:
        yield made


async def ring(service: Service, *numbers: int) -> None:
    for number in numbers:
        body = json.dumps({'name': 'call_created', 'data': number}).encode()
        await service.send('wazo-headers', 'calls.call.created', body, {'name': 'call_created'})


def test_all_is_well(site: Site) -> None:
    with site.daemon() as daemon:
        site.wait_ready()
        code, line = site.last('status')

        assert (code, line.partition('.')[0]) == (0, 'all is well')
        assert site.page('/ready') == (200, {'ready': True, 'reasons': []})
        assert site.page('/1.0/status')[1]['bus_consumer'] == {'status': 'ok'}
        assert daemon.stop() == 0


def test_the_socket_is_for_the_user_and_the_group_and_goes_with_the_daemon(site: Site) -> None:
    with site.daemon() as daemon:
        site.wait_ready()
        mode = stat.S_IMODE(site.socket.stat().st_mode)
        daemon.stop()

    assert (mode, site.socket.exists()) == (0o660, False)


def test_where_systemd_has_made_a_directory_the_socket_is_there(broker: Broker, tmp_path: Path) -> None:
    config = write_config(tmp_path, broker, LOG, http='{listen: off}')
    with (
        short_directory() as runtime,
        DaemonProcess(config, tmp_path, environment={'RUNTIME_DIRECTORY': str(runtime)}) as daemon,
    ):
        daemon.wait_told('READY=1')

        assert (runtime / 'control.sock').is_socket()
        daemon.stop()


def test_what_a_killed_daemon_left_is_replaced(site: Site) -> None:
    with site.daemon() as daemon:
        site.wait_ready()
        daemon.signal(signal.SIGKILL)
        daemon.wait_exit()
    left = site.socket.exists()
    with site.daemon() as daemon:
        site.wait_ready()

        assert (left, site.last('status')[0]) == (True, 0)


def test_a_second_daemon_leaves_the_socket_to_the_first_and_says_so(site: Site, broker: Broker, tmp_path: Path) -> None:
    other = write_config(tmp_path / 'other', broker, LOG, http=f'{{listen: off, socket: {site.socket}}}')
    with site.daemon():
        site.wait_ready()
        with DaemonProcess(other, tmp_path / 'other') as second:
            told = second.wait_log('control_socket_not_open.*')
            second.stop()

        assert ('another daemon answers there' in told, site.last('status')[0]) == (True, 0)


def test_a_broker_that_is_away_is_told(site: Site) -> None:
    with socket.socket() as nobody:
        nobody.bind(('127.0.0.1', 0))
        site.write(LOG, bus=f'{{host: 127.0.0.1, port: {nobody.getsockname()[1]}}}')
        with site.daemon():
            eventually_sync(lambda: 'nothing listens' in site.page('/status')[1]['summary'])
            code, line = site.last('status')

            assert (code, line) == (1, 'not connected. next: systemctl status rabbitmq-server')
            assert site.page('/ready')[0] == 503
            assert site.page('/1.0/status') == (200, {'bus_consumer': {'status': 'fail'}, 'rest_api': {'status': 'ok'}})


async def test_a_queue_that_is_refused_is_told(site: Site, service: Service) -> None:
    await service.channel.declare_queue('wazo-busd.odd', durable=True)
    site.write(LOG + 'odd: {plugin: log, match: calls.#}\n')
    with site.daemon():
        await asyncio.to_thread(site.becomes, 'odd', 'refused')
        await asyncio.to_thread(site.becomes, 'log', 'consuming')
        code, line = site.last('status')
        ready, said = site.page('/ready')

    assert (code, line.partition(' next: ')[0], ready) == (1, 'odd: refused.', 503)
    assert [each.partition(':')[0] for each in said['reasons']] == ['odd is refused']


def test_a_broken_plugin_is_told_and_its_words_only_on_the_socket(site: Site) -> None:
    site.write(LOG + 'bad: {plugin: broken, match: calls.#}\n')
    with site.daemon():
        site.becomes('log', 'consuming')
        code, said = site.type('status')
        ready, reasons = site.page('/ready')

    assert (code, said.splitlines()[-1], ready) == (1, f'bad: broken. next: wazo-busd check -c {site.config}', 503)
    assert ['nowhere' in text for text in (said, str(reasons))] == [True, False]


async def test_a_handler_that_rests_is_ready_and_a_problem(site: Site, service: Service) -> None:
    site.write('out: {plugin: out, retry: {in_place: 0}}\n')
    with site.daemon():
        site.wait_ready()
        await ring(service, *range(10))
        await asyncio.to_thread(site.becomes, 'out', 'resting')
        code, line = site.last('status')

        assert (code, line.partition('.')[0], site.page('/ready')[0]) == (1, 'out: resting', 200)


async def test_a_handler_that_has_stopped_is_not_ready_and_its_words_are_only_on_the_socket(
    site: Site, service: Service
) -> None:
    site.write('stop: {plugin: stop}\n')
    with site.daemon():
        site.wait_ready()
        await ring(service, 1)
        await asyncio.to_thread(site.becomes, 'stop', 'stopped')
        code, said = site.type('status')
        ready, reasons = site.page('/ready')

    assert (code, said.splitlines()[-1].partition('.')[0], ready) == (1, 'stop: stopped', 503)
    assert ['a secret of mine' in text for text in (said, str(reasons))] == [True, False]


def test_a_plugin_that_cannot_start_is_not_ready(site: Site) -> None:
    site.write('late: {plugin: late}\n')
    with site.daemon() as daemon:
        daemon.wait_log('handler_not_started')
        code, said = site.type('status')
        ready, reasons = site.page('/ready')

    assert (code, said.splitlines()[-1].partition('.')[0], ready) == (1, 'late: starting', 503)
    assert ['a secret of mine' in text for text in (said, str(reasons))] == [True, False]


@pytest.mark.parametrize('order', ['', ', order_by: name'])
async def test_the_events_of_a_paused_handler_gather_and_are_handled_in_order(
    site: Site, service: Service, order: str
) -> None:
    # Given a handler that has handled something
    site.write(f'note: {{plugin: note, options: {{file: {site.notes}}}{order}}}\n')
    with site.daemon() as daemon:
        site.wait_ready()
        await ring(service, 0)
        await asyncio.to_thread(eventually_sync, lambda: site.lines() == ['0'])

        # When it is paused, and more comes
        paused = site.last('pause', 'note')[0]
        await asyncio.to_thread(site.becomes, 'note', 'paused')
        daemon.wait_told('STATUS=.*note: paused by a person; wazo-busd resume note')
        await ring(service, *range(1, 30))
        if not order:
            await eventually_async(lambda: _holds(service, 29))
        shown = site.last('status')
        ready = site.page('/ready')[0]
        before = site.lines()

        # Then nothing is handled until it is resumed, and then all of it in order
        resumed = site.last('resume', 'note')[0]
        await asyncio.to_thread(eventually_sync, lambda: len(site.lines()) == 30)
        assert (paused, shown, ready, before) == (
            0,
            (1, f'note: paused. next: wazo-busd resume -c {site.config} note'),
            503,
            ['0'],
        )
        assert (resumed, site.lines()) == (0, [str(number) for number in range(30)])
        assert daemon.stop() == 0


async def _holds(service: Service, count: int) -> bool:
    return await service.depth('wazo-busd.note') == count


async def test_a_pause_outlasts_a_reload_and_not_a_restart(site: Site, service: Service) -> None:
    handler = f'note: {{plugin: note, options: {{file: {site.notes}}}, timeout: %s}}\n'
    site.write(handler % '10s')
    with site.daemon() as daemon:
        site.wait_ready()
        site.type('pause', 'note')
        site.write(handler % '20s')
        code, _ = site.type('reload')
        await asyncio.to_thread(site.becomes, 'note', 'paused')
        daemon.stop()
    with site.daemon() as daemon:
        site.wait_ready()

        assert (code, site.state('note')) == (0, 'consuming')


def test_the_nearest_handler_is_suggested(site: Site) -> None:
    with site.daemon():
        site.wait_ready()

        code, last = site.last('pause', 'lag')

        assert (code, last.partition(' next: ')[0]) == (
            1,
            "error: no handler that runs is called 'lag' (did you mean 'log'?).",
        )


def test_a_reload_that_is_refused_prints_every_mistake_and_changes_nothing(site: Site) -> None:
    with site.daemon():
        site.wait_ready()
        site.write('log: {plugin: log, match: faxes.#, timeout: 3 weeks}\nother: {plugin: none, match: calls.#}\n')
        code, said = site.type('reload')
        problems = [line for line in said.splitlines() if line.startswith('error: ')]

        assert (code, len(problems), site.last('status')[0]) == (78, 2, 0)


def test_a_reload_that_is_applied_says_so(site: Site) -> None:
    with site.daemon():
        site.wait_ready()
        site.write(LOG + 'other: {plugin: log, match: calls.#}\n')
        code, _ = site.type('reload')

        assert code == 0
        site.becomes('other', 'consuming')


async def test_a_handler_that_a_reload_begins_anew_is_told_meanwhile_and_not_ready(
    site: Site, service: Service
) -> None:
    # Given a handler with an event that takes its time
    slow = f'slow: {{plugin: slow, options: {{file: {site.notes}}}, timeout: %s}}\n'
    site.write(slow % '50s')
    with site.daemon() as daemon:
        site.wait_ready()
        await ring(service, 1)
        await asyncio.to_thread(eventually_sync, lambda: site.lines() == ['begun'])

        # When a reload has to wait for that
        site.write(slow % '60s')
        daemon.signal(signal.SIGHUP)
        await asyncio.to_thread(eventually_sync, lambda: site.page('/ready')[0] == 503)
        (told,) = site.page('/status')[1]['handlers']
        site.notes.write_text('go on')
        await asyncio.to_thread(site.wait_ready)

        # Then it is told that it takes nothing until it has begun anew
        assert (told['handler'], told['state'], told['in_hand'], told['why']) == (
            'slow',
            'waiting',
            1,
            'it ends, to be begun anew',
        )


def test_the_level_of_the_log_is_changed(site: Site) -> None:
    with site.daemon() as daemon:
        site.wait_ready()
        code, _ = site.type('log-level', 'error')
        site.type('reload')
        daemon.stop()

    assert (code, 'draining' in daemon.log) == (0, False)


def test_nothing_can_be_changed_over_tcp(site: Site) -> None:
    with site.daemon():
        site.wait_ready()
        codes = set()
        for path in ('/handlers/log/pause', '/handlers/log/resume', '/log-level', '/reload'):
            request = urllib.request.Request(f'http://127.0.0.1:{site.port}{path}', data=b'debug', method='POST')
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(request, timeout=20)
            codes.add(refused.value.code)
            refused.value.close()

        assert (codes <= {404, 405}, site.state('log')) == (True, 'consuming')


def test_a_daemon_that_does_not_run_is_told(site: Site) -> None:
    code, line = site.last('status')

    assert (code, line.partition('next: ')[2]) == (3, f'wazo-busd run -c {site.config}')
