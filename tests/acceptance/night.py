# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""A host at night: broker, web server and daemon, and an operator who types what docs/operating.md says."""

from __future__ import annotations

import asyncio
import json
import shlex
import sys
import threading
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import pytest
from click.testing import CliRunner

from tests.acceptance.situations import Typed, blocks, commands, misses
from tests.conftest import Broker
from tests.plugins.webserver import WebServer
from tests.proxy import Proxy
from tests.support import PATIENCE_SECONDS, DaemonProcess, eventually_sync, write_config
from tests.torture.wire import Wire
from wazo_busd import loader, units
from wazo_busd.cli import main

T = TypeVar('T')

_QUICKLY = {'doctor': ('--listen', '0.5s'), 'tail': ('--for', '0.5s')}
"""What a test does not wait for as long as a person."""


class Night:
    """A daemon with the configuration of the page, and what it depends on.

    Args:
        broker: the broker.
        directory: where everything is put.
        runtime: where the control socket is put.
    """

    def __init__(self, broker: Broker, directory: Path, runtime: Path) -> None:
        self.broker = broker
        self._directory = directory
        self._socket = runtime / 'control.sock'
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name='night')
        self._thread.start()
        self.web = self.do(WebServer().__aenter__())
        self.door = self.do(Proxy(broker.host, broker.port).__aenter__())
        self._daemon: DaemonProcess | None = None
        self._etc = directory / 'etc'
        self._config = write_config(
            self._etc,
            broker,
            '{}',
            http=f'{{listen: off, socket: {self._socket}}}',
            bus=f'{{host: 127.0.0.1, port: {self.door.port}, vhost: {broker.vhost}}}',
        )
        (self._etc / 'conf.d').mkdir()
        self.add('50-mine.yml', blocks('', 'yaml')[0])
        self.install('Replay after repair')

    def start(self) -> None:
        """Start the daemon."""
        self._daemon = DaemonProcess(self._config, self._directory / 'run')
        self._daemon.wait_consuming()

    def do(self, going: Coroutine[Any, Any, T]) -> T:
        """Do something where the web server and the door are."""
        return asyncio.run_coroutine_threadsafe(going, self._loop).result(PATIENCE_SECONDS)

    def calm(self) -> None:
        """Let all be well again."""
        if not self.door.is_open:
            self.do(self.door.open())
        self.web.answers.clear()
        self.release()
        for path in (self._etc / 'conf.d').iterdir():
            if path.name != '50-mine.yml':
                path.unlink()
        self.install('Replay after repair')
        self.type('reload')
        eventually_sync(self._is_calm)
        for each in json.loads(self.type('queue list -o json')):
            if each['state'] == 'gone':
                self.type(f'queue delete {each["handler"]} --dead-letters --yes')
            elif each['dead_letters']:
                self.type('dead drop --yes')

    def _is_calm(self) -> bool:
        found = self.status()
        for name, each in found.items():
            if each['state'] == 'paused':
                self.type(f'resume {name}')
            if each['state'] == 'refused':
                with Wire(self.broker) as wire:
                    wire.delete_queue(f'wazo-busd.{name}')
                    wire.delete_queue(f'wazo-busd.{name}.dead')
                self.type('reload')
        return len(found) == 3 and all((each['state'], each['in_hand']) == ('consuming', 0) for each in found.values())

    def close(self) -> None:
        """End everything."""
        if self._daemon is not None:
            self._daemon.__exit__()
        self.do(self.door.__aexit__())
        self.do(self.web.__aexit__(None, None, None))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def add(self, name: str, text: str) -> None:
        """Write a file into `conf.d`, with the web server that is there."""
        here = f'http://127.0.0.1:{self.web.port}/hook", allow_networks: ["127.0.0.0/8"]'
        (self._etc / 'conf.d' / name).write_text(text.replace('https://crm.example.org/hooks/wazo"', here))

    def remove(self, name: str) -> None:
        """Take a file out of `conf.d`."""
        (self._etc / 'conf.d' / name).unlink()

    def install(self, title: str) -> None:
        """Install the bell as a section of the page has it."""
        (self._etc / 'plugins.d' / 'bell.py').write_text(blocks(title, 'python')[0])

    def fail(self) -> None:
        """Let the bell fail on two missed calls."""
        self.install('A plugin that fails')
        self.type('reload')
        self.becomes('bell', state='consuming')
        for name in ('Alice', 'Bob'):
            self.type(f'emit user_missed_call caller_id_name={name}')
        self.becomes('bell', dead=2)
        self.settles('wazo-busd.bell.dead', 2)

    def release(self) -> None:
        """Let the web server answer what it holds back."""
        if self.web.hold is not None:
            self._loop.call_soon_threadsafe(self.web.hold.set)
            self.web.hold = None

    def type(self, line: str, stdin: str | None = None) -> str:
        """Type a command, and give all that it says, as on a host where everything lies where it usually does."""
        arguments = [self._here(each) for each in shlex.split(line)]
        option, value = _QUICKLY.get(arguments[0], ('', ''))
        if option in arguments:
            arguments[arguments.index(option) + 1] = value
        elif option == '--listen':
            arguments += [option, value]
        if arguments[:2] != ['plugin', 'check']:
            arguments += ['-c', str(self._config)]
        with pytest.MonkeyPatch.context() as process:
            # What a process has for itself.
            process.setattr(sys, 'path', list(sys.path))
            process.setattr(sys, 'path_hooks', list(sys.path_hooks))
            process.setattr(units, 'STATE', units.State())
            process.setattr(loader, '_claims', {})
            done = CliRunner().invoke(main, arguments, input=stdin, catch_exceptions=False)
        return self._usual(done.output)

    def _here(self, word: str) -> str:
        word = word.replace('/var/lib/wazo-busd', str(self._etc / 'state'))
        return word.replace('/etc/wazo-busd', str(self._etc))

    def _usual(self, said: str) -> str:
        usual = {
            f' -c {self._config}': '',
            str(self._etc / 'state'): '/var/lib/wazo-busd',
            str(self._etc): '/etc/wazo-busd',
            f'127.0.0.1:{self.door.port}': 'localhost:5672',
        }
        for here, there in usual.items():
            said = said.replace(here, there)
        return said

    def says(self, title: str, first: int = 0, end: int | None = None) -> list[str]:
        """Type commands of a section, one after the other.

        `…` for an argument stands for what the command before said is to be typed.

        Args:
            title: the section.
            first: the first of them, from 0.
            end: the one before which it ends; `None` types all.

        Returns:
            Where page and commands differ: each line with its command before it; none if they agree.
        """
        differences, following = [], ''
        for typed in commands(title)[first:end]:
            if typed.command == 'status':
                # A handler that rests, say, is seen at one try or between two.
                self._soon(typed)
            said = self.type(following if typed.command.endswith(' …') else typed.command)
            following = said.strip().rpartition('next: wazo-busd ')[2]
            differences += [f'{typed.command}: {line}' for line in misses(typed, said)]
        return differences

    def _soon(self, typed: Typed) -> None:
        """Wait until a command that changes nothing says what the page says; if it never does, the page is to tell."""
        with suppress(TimeoutError):
            eventually_sync(lambda: not misses(typed, self.type(typed.command)), patience_seconds=10.0)

    def status(self) -> dict[str, dict[str, Any]]:
        """How the handlers fare, by name, with `done` among the rest."""
        found = json.loads(self.type('status -o json'))['handlers']
        return {each['handler']: {**each, 'done': each['outcomes']['done']} for each in found}

    def done(self, handler: str) -> int:
        """How many events a handler has done."""
        number: int = self.status()[handler]['done']
        return number

    def becomes(self, handler: str, **wanted: Any) -> None:
        """Wait until a handler fares so."""

        def is_so() -> bool:
            found = self.status().get(handler)
            return found is not None and found | wanted == found

        eventually_sync(is_so)

    def tells(self, text: str) -> None:
        """Wait until the status has a text in it."""
        eventually_sync(lambda: text in self.type('status'))

    def all_consume(self) -> None:
        """Wait until all handlers consume."""
        eventually_sync(lambda: {each['state'] for each in self.status().values()} == {'consuming'})

    def settles(self, queue: str, number: int) -> None:
        """Wait until so many events wait in a queue."""
        with Wire(self.broker) as wire:
            eventually_sync(lambda: wire.depth(queue) == number)

    def publish(self, name: str, key: str, number: int = 1, *, exchange: str = 'xivo') -> None:
        """Publish events that differ in their `call_id`."""
        with Wire(self.broker) as wire:
            for each in range(number):
                body = json.dumps({'name': name, 'data': {'call_id': f'1777629422.{each}'}})
                wire.publish(body.encode(), key=key, exchange=exchange)
            wire.flush()
