# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The rig: a daemon, a broker, and a proxy between them that misbehaves."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import threading
from pathlib import Path

from tests.conftest import Broker
from tests.proxy import Proxy
from tests.support import DaemonProcess, eventually_sync, write_config
from tests.torture.books import Books, is_empty
from tests.torture.history import Account, History
from tests.torture.witness import Witness

HANDLERS = ('quick', 'flaky', 'lane')
PREFETCH = 64
PLUGINS = Path(__file__).with_name('plugins')
QUIET_SECONDS = 90.0


class ProxyThread:
    """A proxy in a thread of its own, told what to do from another.

    Args:
        host: the broker.
        port: its port.
    """

    def __init__(self, host: str, port: int) -> None:
        self._proxy = Proxy(host, port)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name='proxy')

    def start(self) -> None:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._proxy.__aenter__(), self._loop).result()

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._proxy.__aexit__(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def port(self) -> int:
        return self._proxy.port

    @property
    def opened(self) -> int:
        """How many connections there were."""
        return self._proxy.opened

    def reset(self) -> None:
        self._loop.call_soon_threadsafe(self._proxy.reset)

    def freeze(self) -> None:
        self._loop.call_soon_threadsafe(self._proxy.freeze)

    def bury(self) -> None:
        self._loop.call_soon_threadsafe(self._proxy.bury)


class Rig:
    """Everything that is tortured.

    Args:
        broker: a virtual host on a node that may be killed.
        directory: where everything is put.
    """

    def __init__(self, broker: Broker, directory: Path) -> None:
        self.node = broker.node
        self.broker = broker
        self.history = History(directory)
        self.daemon: DaemonProcess
        self._directory = directory
        self._generation = 0
        # The path of a socket may not be long.
        self._runtime = tempfile.TemporaryDirectory(prefix='busd-')
        self._control = Path(self._runtime.name, 'control.sock')
        self.witness = Witness(broker, self._control, HANDLERS)
        self.witness.start()
        self.proxy = ProxyThread(broker.host, broker.port)
        self.proxy.start()
        self._config = self._write()
        self._books = Books(self.history, HANDLERS, self._config)
        for name in HANDLERS:
            shutil.copy(PLUGINS / f'{name}.py', directory / 'etc' / 'plugins.d')
        self.start_daemon()

    def start_daemon(self) -> None:
        self.daemon = DaemonProcess(self._config, self._directory / 'run', '-l', 'warning')
        self.daemon.wait_told('READY=1')
        self.witness.is_there = True

    def stop_daemon(self) -> None:
        self.witness.is_there = False
        code = self.daemon.stop()
        if code:
            raise AssertionError(f'the daemon ended with {code}; it logged:\n{self.daemon.log}')

    def kill_daemon(self) -> None:
        self.witness.is_there = False
        self.daemon.__exit__()

    def change_configuration(self) -> None:
        self._generation += 1
        self._write()

    def close(self) -> None:
        self.witness.close()
        self.daemon.__exit__()
        self.proxy.stop()
        self._runtime.cleanup()

    def wait_quiet(self) -> None:
        """Wait until every event that was confirmed is done, discarded or dead with every handler.

        Raises:
            AssertionError: it takes too long; it says what is open.
        """
        try:
            eventually_sync(self._books.are_closed, QUIET_SECONDS)
        except TimeoutError:
            columns = 'name', 'messages_ready', 'messages_unacknowledged', 'consumers'
            queues = self.node.ctl('list_queues', '-p', self.broker.vhost, *columns)
            raise AssertionError(f'open are {self._books.open_ones()}\n{queues}\n{self.daemon.log}') from None

    def wait_empty(self) -> None:
        """Wait until no queue but those of dead letters holds anything: what is left there could be handled again."""
        eventually_sync(lambda: is_empty(self.broker), QUIET_SECONDS)

    def accounts(self) -> list[Account]:
        """What became of the events, handler by handler."""
        return self._books.accounts()

    def _write(self) -> Path:
        bus = f'{{host: 127.0.0.1, port: {self.proxy.port}, vhost: {self.broker.vhost}, prefetch: {PREFETCH}}}'
        handlers = f"""
            quick: {{plugin: quick, concurrency: {8 + self._generation % 2}, options: {self._options('quick')}}}
            flaky:
              plugin: flaky
              concurrency: 8
              retry: {{attempts: 5, backoff: 100ms..500ms, in_place: 1}}
              options: {self._options('flaky')}
            lane:
              plugin: lane
              concurrency: 8
              order_by: data.key
              retry: {{attempts: 5, backoff: 100ms..1s}}
              options: {self._options('lane')}
        """
        http = f'{{listen: off, socket: {self._control}}}'
        return write_config(self._directory / 'etc', self.broker, handlers, bus=bus, http=http)

    def _options(self, handler: str) -> str:
        return f'{{history: {self._directory / handler}.history}}'
