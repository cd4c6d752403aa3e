# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Canaries: planted secrets, numbers and names are in nothing that the daemon writes or shows of itself."""

from __future__ import annotations

import asyncio
import json
import socketserver
import stat
import tarfile
import threading
import urllib.request
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.acceptance.canaries import CALLER, NUMBERS, SECRETS, MailEcho, WebEcho, serving
from tests.conftest import Broker, new_vhost
from tests.support import DaemonProcess, Service, eventually_sync, write_config
from tests.unit.controlled import short_directory
from tools.ports import free_ports
from tools.rabbitmq_node import RabbitmqNode
from wazo_busd.cli import main

WAYS = ('done', 'retry', 'discard', 'dead')
PRIVATE = (*SECRETS.values(), *NUMBERS, *CALLER.split())
SAID_BY_SERVERS = (*SECRETS.values(), *NUMBERS)
"""What is hidden where an error has the words of a server, which may quote a name: nothing tells that from others."""

REFUSING = ('hook', 'mail', 'chat')
"""The handlers whose server refuses whatever they send, and says again what it was told."""

PAGES = ('/status', '/1.0/status', '/metrics', '/ready', '/health', '/board')
STREAMS = ('/events', '/board/updates')
COMMANDS = (
    'status',
    'status -o json',
    'handlers',
    'handlers -o json',
    'plugins',
    'queue list',
    'dead list',
    'dead list -o json',
    'check',
)
FORMS = ('json', 'wazo')
PLACES = (
    *(f'the log as {form}' for form in FORMS),
    *PAGES,
    *STREAMS,
    *COMMANDS,
    'doctor',
    'the bundle',
    'the command line',
    'the environment',
    'what systemd is told',
)

MIXED = """
from pydantic import Field
from wazo_busd.api import BaseOptions, Discard, Retry, handler

class Mixed:
    class Options(BaseOptions):
        password: str = Field(repr=False)

    @handler('calls.#')
    async def take(self, event, context):
        number, password = event.data['caller_id_number'], context.options.password
        said = f'{number} is not known with {password}'
        context.log.info('a_call', number=number, said=said)
        try:
            {}[said]
        except KeyError:
            context.log.exception('looked_up')
        if event.data['way'] == 'retry' and event.attempt == 1:
            raise Retry(said)
        if event.data['way'] == 'discard':
            raise Discard(said)
        if event.data['way'] == 'dead':
            raise ValueError(said)
"""


class Aviary:
    """A daemon that was given secrets and events, and what it showed of itself, by place."""

    def __init__(self, broker: Broker, directory: Path, runtime: Path) -> None:
        self.shown: dict[str, str] = {}
        self.files: dict[str, bytes] = {}
        self.modes: dict[str, int] = {}
        self._broker = broker
        self._directory = directory
        self._runtime = runtime
        (self._port,) = free_ports(1)
        broker.node.add_user('canary', SECRETS['bus'])
        broker.node.set_permissions(broker.vhost, 'canary', '.*', '.*', '.*')
        self._etc = directory / 'etc'
        (self._etc / 'credentials').mkdir(parents=True)
        for name, secret in SECRETS.items():
            path = self._etc / 'credentials' / name
            path.write_text(f'{secret}\n')
            path.chmod(0o600)

    def watch(self, form: str) -> None:
        """Let the daemon live through it all once, with a log of a form, and keep what it shows."""
        with (
            ThreadingHTTPServer(('127.0.0.1', 0), WebEcho) as web,
            socketserver.ThreadingTCPServer(('127.0.0.1', 0), MailEcho) as mail,
            serving(web),
            serving(mail),
        ):
            config = self._write(form, web.server_port, mail.server_address[1])
            with DaemonProcess(config, self._directory / form, '-d') as daemon:
                daemon.wait_consuming()
                streams = [threading.Thread(target=self._follow, args=[path]) for path in STREAMS]
                for each in streams:
                    each.start()
                eventually_sync(lambda: len(self.shown.keys() & {*STREAMS}) == len(STREAMS))
                asyncio.run(self._publish())
                dead = len(NUMBERS) * (1 + len(REFUSING) * len(WAYS))
                eventually_sync(lambda: daemon.log.count('event_dead') == dead, 60.0)
                if form == FORMS[0]:
                    self._look(daemon, config)
                assert daemon.stop() == 0
                for each in streams:
                    each.join()
                self.shown['what systemd is told'] = '\n'.join(daemon.told)
                self.shown[f'the log as {form}'] = daemon.log

    def _look(self, daemon: DaemonProcess, config: Path) -> None:
        for page in PAGES:
            self.shown[page] = self._page(page)
        for command in COMMANDS:
            done = CliRunner().invoke(main, [*command.split(), '-c', str(config)], catch_exceptions=False)
            self.shown[command] = done.output
        bundle = self._directory / 'bundle.tar.gz'
        arguments = ['doctor', '--listen', '100ms', '--bundle', str(bundle), '-c', str(config)]
        self.shown['doctor'] = CliRunner().invoke(main, arguments, catch_exceptions=False).output
        with tarfile.open(bundle) as archive:
            files = [archive.extractfile(each) for each in archive.getmembers()]
            self.shown['the bundle'] = '\n'.join(each.read().decode() for each in files if each)
        process = Path(f'/proc/{daemon.process.pid}')
        self.shown['the command line'] = (process / 'cmdline').read_text()
        self.shown['the environment'] = (process / 'environ').read_text()
        for path in sorted((self._etc / 'state').rglob('*')):
            self.modes[str(path)] = stat.S_IMODE(path.stat().st_mode)
            if path.is_file():
                self.files[path.name] = path.read_bytes()

    def _page(self, path: str) -> str:
        with urllib.request.urlopen(f'http://127.0.0.1:{self._port}{path}', timeout=20) as answer:
            text: str = answer.read().decode()
            return text

    def _follow(self, path: str) -> None:
        with urllib.request.urlopen(f'http://127.0.0.1:{self._port}{path}', timeout=60) as answer:
            for line in answer:
                self.shown[path] = self.shown.get(path, '') + line.decode()

    async def _publish(self) -> None:
        async with Service(self._broker) as service:
            for number in NUMBERS:
                for way in WAYS:
                    data = {'caller_id_number': number, 'caller_id_name': CALLER, 'way': way, 'call_id': '1.2'}
                    body = json.dumps({'name': 'call_created', 'data': data}).encode()
                    await service.send('wazo-headers', 'calls.call.created', body, {'name': 'call_created'})

    def _write(self, form: str, web_port: int, mail_port: int) -> Path:
        def secret(name: str) -> str:
            return f'${{file:{self._etc}/credentials/{name}}}'

        handlers = f"""
            mixed:
              plugin: mixed
              retry: {{attempts: 2, in_place: 0, backoff: 100ms..100ms}}
              options: {{password: "${{credential:plugin}}"}}
            hook:
              plugin: webhook
              match: calls.#
              retry: {{attempts: 1}}
              options:
                url: "http://127.0.0.1:{web_port}/{secret('hook')}"
                headers: {{X-Token: "{secret('token')}"}}
                auth: {{bearer: "{secret('bearer')}"}}
                signing_secret: "{secret('signing')}"
                allow_networks: [127.0.0.0/8]
            mail:
              plugin: mail
              match: calls.#
              retry: {{attempts: 1}}
              options:
                to: ops@example.org
                subject: "{{{{ data.caller_id_name }}}} {{{{ data.caller_id_number }}}}"
                text: "{{{{ data.caller_id_number }}}}"
                server: {{host: localhost, port: {mail_port}, username: canary, password: "{secret('mail')}"}}
            chat:
              plugin: notify
              match: calls.#
              retry: {{attempts: 1}}
              options:
                to: "json://canary:{secret('chat')}@127.0.0.1:{web_port}/"
                text: "{{{{ data.caller_id_name }}}} {{{{ data.caller_id_number }}}}"
        """
        at = f'host: {self._broker.host}, port: {self._broker.port}, vhost: {self._broker.vhost}'
        config = write_config(
            self._etc,
            self._broker,
            handlers,
            bus=f'{{{at}, username: canary, password: "{secret("bus")}"}}',
            http=f'{{listen: "127.0.0.1:{self._port}", socket: {self._runtime}/control.sock}}',
            log_format=form,
        )
        (self._etc / 'plugins.d' / 'mixed.py').write_text(MIXED)
        return config


@pytest.fixture(scope='module')
def aviary(node: RabbitmqNode, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aviary]:
    """What was shown of a daemon that has seen success, refusals, retries and death, with a log in either form."""
    with short_directory() as runtime:
        made = Aviary(new_vhost(node), tmp_path_factory.mktemp('canary'), runtime)
        for form in FORMS:
            made.watch(form)
        yield made


@pytest.mark.parametrize('place', PLACES)
def test_nothing_private_is_in_it(aviary: Aviary, place: str) -> None:
    shown = aviary.shown[place]
    planted = SAID_BY_SERVERS if place == 'dead list -o json' else PRIVATE
    assert shown
    assert [each for each in planted if each in shown] == []


def test_what_is_hidden_was_there(aviary: Aviary) -> None:
    hidden = {
        'json': r'061\u2022\u2022\u2022\u2022\u202278 is not known with \u2026',
        'wazo': '061•••••78 is not known with …',
    }
    assert [hidden[form] in aviary.shown[f'the log as {form}'] for form in FORMS] == [True, True]


def test_no_secret_is_in_a_file_of_the_state_directory(aviary: Aviary) -> None:
    assert aviary.files
    assert [
        name for name, content in aviary.files.items() for each in SECRETS.values() if each.encode() in content
    ] == []


def test_nobody_else_can_read_the_state_directory(aviary: Aviary) -> None:
    assert {path: oct(mode) for path, mode in aviary.modes.items() if mode & stat.S_IRWXO} == {}
