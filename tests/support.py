# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What tests of whole buses and daemons are written with."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from textwrap import dedent, indent
from types import TracebackType
from typing import Any, Self, TypeVar

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection

from tests.conftest import Broker
from wazo_busd.delivery import Delivery
from wazo_busd.outcome import Reason

T = TypeVar('T')

PATIENCE_SECONDS = 20.0


async def eventually(condition: Callable[[], bool], changed: asyncio.Event | None = None) -> None:
    """Wait until `condition` holds.

    Args:
        condition: looked at whenever `changed` is set; every 10 ms where nothing tells.
        changed: set by whoever may have made it true.
    """
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():
            if changed is None:
                await asyncio.sleep(0.01)
            else:
                changed.clear()
                await changed.wait()


async def eventually_async(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until a condition that must be asked for holds."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await condition():
            await asyncio.sleep(0.05)


def eventually_sync(
    condition: Callable[[], bool], patience_seconds: float = PATIENCE_SECONDS, *, every_seconds: float = 0.01
) -> None:
    """Wait, without a loop, until `condition` holds."""
    deadline = time.monotonic() + patience_seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(every_seconds)


def reason_for(handler: str, error: str = 'ValueError') -> Reason:
    """A reason, for a test that does not mind which."""
    return Reason(
        handler=handler,
        plugin='test',
        plugin_version='1',
        error=error,
        text='it does not fit',
        traceback='',
        attempts=1,
        first_at=1.0,
        last_at=2.0,
        event_id='a' * 32,
    )


class Collected:
    """An entrance of deliveries that keeps them, for a test to settle."""

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []
        self._came = asyncio.Event()

    def accept(self, delivery: Delivery) -> None:
        self.deliveries.append(delivery)
        self._came.set()

    async def count(self, number: int) -> list[Delivery]:
        """Wait for the first `number` deliveries."""
        await eventually(lambda: len(self.deliveries) >= number, self._came)
        return self.deliveries[:number]

    @property
    def bodies(self) -> list[Any]:
        return [json.loads(each.body) for each in self.deliveries]


class Service:
    """Publishes as a service of a Wazo host: persistent, JSON; with confirms, so that a test knows it has arrived."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self.connection: AbstractConnection
        self.channel: AbstractChannel

    async def __aenter__(self) -> Self:
        self.connection = await aio_pika.connect(self._broker.url)
        self.channel = await self.connection.channel()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.connection.close()

    async def send(self, exchange: str, routing_key: str, body: bytes, headers: dict[str, Any]) -> None:
        message = aio_pika.Message(
            body,
            headers=headers,
            content_type='application/json',
            content_encoding='utf-8',
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        )
        await (await self.channel.get_exchange(exchange, ensure=False)).publish(message, routing_key, mandatory=False)

    async def take(self, queue: str) -> list[aio_pika.abc.AbstractIncomingMessage]:
        """Everything that lies in a queue, taken out of it."""
        found = []
        async with self.connection.channel() as channel:
            source = await channel.get_queue(queue, ensure=False)
            while (message := await source.get(no_ack=True, fail=False)) is not None:
                found.append(message)
        return found

    async def depth(self, queue: str) -> int:
        """How many messages a queue has ready; a passive declaration counts what `list_queues` tells late."""
        async with self.connection.channel() as channel:
            declared = await channel.declare_queue(queue, passive=True)
            return declared.declaration_result.message_count or 0


class DaemonProcess:
    """The installed daemon as a process, and what it tells its service manager.

    Args:
        config: its main configuration file.
        directory: where its notification socket and its log are put.
        arguments: more arguments of `wazo-busd run`.
        environment: more environment variables.
    """

    def __init__(
        self, config: Path, directory: Path, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> None:
        self.told: list[str] = []
        self._known = 0
        directory.mkdir(exist_ok=True)
        path = directory / f'notify-{uuid.uuid4().hex[:8]}'
        self._log = directory / f'{path.name}.log'
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.settimeout(0.05)
        with self._log.open('wb') as log:
            self.process = subprocess.Popen(
                [sys.executable, '-m', 'wazo_busd', 'run', '-c', str(config), *arguments],
                env=os.environ | {'NOTIFY_SOCKET': str(path), **(environment or {})},
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    @property
    def log(self) -> str:
        return self._log.read_text()

    def wait_told(self, pattern: str) -> str:
        """Wait until it tells its service manager what `pattern` is found in, after what was waited for before."""

        def found() -> str | None:
            self._hear()
            for number, each in enumerate(self.told[self._known :], self._known):
                if re.search(pattern, each):
                    self._known = number + 1
                    return each
            return None

        return self._wait(found, pattern)

    def wait_consuming(self) -> None:
        """Wait until all its handlers consume."""
        self.wait_told(r'STATUS=connected.*; (\d+) of \1 handlers consume')

    def wait_log(self, pattern: str) -> str:
        """Wait until its log has something that `pattern` is found in."""

        def found() -> str | None:
            self._hear()
            match = re.search(pattern, self.log)
            return match[0] if match else None

        return self._wait(found, pattern)

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait_exit(self) -> int:
        """Wait until it ends, and give its exit code."""
        code = self._wait(self._ended, 'its end')
        self._socket.close()
        return code

    def stop(self) -> int:
        """Ask it to stop, and give its exit code."""
        self.signal(signal.SIGTERM)
        return self.wait_exit()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._socket.close()

    def _ended(self) -> int | None:
        self._hear()
        return self.process.poll()

    def _hear(self) -> None:
        while True:
            try:
                self.told.append(self._socket.recv(8192).decode())
            except TimeoutError:
                return

    def _wait(self, look: Callable[[], T | None], what: str) -> T:
        deadline = time.monotonic() + PATIENCE_SECONDS * 3
        while (found := look()) is None:
            if time.monotonic() > deadline or (what != 'its end' and self.process.poll() is not None):
                raise AssertionError(f'the daemon never came to {what!r}; it told {self.told} and logged:\n{self.log}')
        return found


def write_config(directory: Path, broker: Broker, handlers: str, **top: str) -> Path:
    """A configuration for a daemon on a broker.

    Args:
        directory: where it is put, with its state and drop-ins.
        broker: the broker.
        handlers: the YAML of the handlers.
        top: other keys of the top level, as YAML.
    """
    directory.mkdir(exist_ok=True)
    (directory / 'plugins.d').mkdir(exist_ok=True)
    lines = [f'{key}: {value}' for key, value in top.items()]
    # Several daemons run beside each other.
    http = [] if 'http' in top else ['http: {listen: off, socket: off}']
    if 'bus' not in top:
        lines.append(f'bus: {{host: {broker.host}, port: {broker.port}, vhost: {broker.vhost}}}')
    text = '\n'.join(
        [*lines, 'state_dir: state', 'plugin_dirs: [plugins.d]', *http, 'handlers:', indent(dedent(handlers), '  ')]
    )
    path = directory / 'config.yml'
    path.write_text(text)
    return path
