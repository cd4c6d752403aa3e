# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Drives Debian's Chromium over the DevTools protocol: one process, and a tab for each test."""

from __future__ import annotations

import asyncio
import base64
import itertools
import os
import shutil
import signal
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import aiohttp

PATIENCE_SECONDS = 20.0
_OPTIONS = (
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--disable-dev-shm-usage',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--disable-extensions',
    '--js-flags=--expose-gc',
    '--remote-debugging-port=0',
)
_MOST_BYTES = 64_000_000

Look = Literal['light', 'dark']


def program() -> str | None:
    """Debian's Chromium; `None` where there is none."""
    return shutil.which('chromium')


class Chromium:
    """A browser without a window.

    Args:
        directory: what it writes goes there.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    def start(self) -> None:
        """Start it, and wait until it can be asked."""
        found = program()
        assert found is not None
        self._process = subprocess.Popen(
            [found, *_OPTIONS, f'--user-data-dir={self._directory}', 'about:blank'],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | {'HOME': str(self._directory)},
            process_group=0,
        )
        said = self._directory / 'DevToolsActivePort'
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (said.exists() and said.read_text().count('\n')):
            assert self._process.poll() is None, 'chromium has ended'
            assert time.monotonic() < deadline, 'chromium does not start'
            time.sleep(0.05)
        self.port = int(said.read_text().splitlines()[0])

    def stop(self) -> None:
        """End it, and all that it has started."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    @asynccontextmanager
    async def tab(self, *, width: int = 1920, height: int = 1080, look: Look = 'light') -> AsyncIterator[Tab]:
        """A new tab.

        Args:
            width: how wide its window is, in pixels.
            height: how high.
            look: what its reader prefers.
        """
        base = f'http://127.0.0.1:{self.port}/json'
        async with aiohttp.ClientSession() as session:
            async with session.put(f'{base}/new?about:blank') as answer:
                told = await answer.json()
            async with session.ws_connect(told['webSocketDebuggerUrl'], max_msg_size=_MOST_BYTES) as socket:
                tab = Tab(socket)
                await tab.begin(width, height, look)
                try:
                    yield tab
                finally:
                    await tab.end()
            async with session.get(f'{base}/close/{told["id"]}'):
                pass


class Tab:
    """A page that is shown.

    Args:
        socket: the way to it.
    """

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.errors: list[str] = []
        """What went wrong in the page, as its console says it."""
        self._reading = asyncio.create_task(self._read())

    async def begin(self, width: int, height: int, look: Look) -> None:
        """Be ready for a page."""
        for domain in ('Page', 'Runtime', 'Log'):
            await self.ask(f'{domain}.enable')
        await self.resize(width, height)
        features = [{'name': 'prefers-color-scheme', 'value': look}]
        await self.ask('Emulation.setEmulatedMedia', features=features)

    async def end(self) -> None:
        """Be done with it."""
        self._reading.cancel()
        await asyncio.wait([self._reading])

    async def resize(self, width: int, height: int) -> None:
        """Be of another size."""
        await self.ask(
            'Emulation.setDeviceMetricsOverride', width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )

    async def open(self, url: str) -> None:
        """Load a page."""
        await self.ask('Page.navigate', url=url)
        await self.until("document.readyState === 'complete'")

    async def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Ask the browser for something, by a method of the protocol."""
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({'id': number, 'method': method, 'params': parameters})
        async with asyncio.timeout(PATIENCE_SECONDS * 3):
            told: dict[str, Any] = await answer
            return told

    async def evaluate(self, expression: str) -> Any:
        """What an expression of JavaScript gives in the page; of a promise, what comes of it."""
        told = await self.ask('Runtime.evaluate', expression=expression, returnByValue=True, awaitPromise=True)
        assert 'exceptionDetails' not in told, told['exceptionDetails']
        return told['result'].get('value')

    async def until(self, expression: str) -> None:
        """Wait until an expression is true in the page."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not await self.evaluate(expression):
                await asyncio.sleep(0.02)

    async def press(self, key: str, code: int) -> None:
        """Press a key and let it go."""
        for kind in ('keyDown', 'keyUp'):
            await self.ask('Input.dispatchKeyEvent', type=kind, key=key, code=key, windowsVirtualKeyCode=code)

    async def picture(self, path: Path) -> None:
        """Take a picture of the whole page."""
        size = (await self.ask('Page.getLayoutMetrics'))['cssContentSize']
        clip = {'x': 0, 'y': 0, 'width': size['width'], 'height': size['height'], 'scale': 1}
        told = await self.ask('Page.captureScreenshot', format='png', captureBeyondViewport=True, clip=clip)
        path.write_bytes(base64.b64decode(told['data']))

    async def weight(self) -> tuple[int, int]:
        """How many bytes the page holds when all that nobody needs is gone, and how many nodes there are."""
        for _ in range(2):
            await self.ask('HeapProfiler.collectGarbage')
        heap = (await self.ask('Runtime.getHeapUsage'))['usedSize']
        counted = await self.ask('Memory.getDOMCounters')
        return int(heap), int(counted['nodes'])

    async def _read(self) -> None:
        async for frame in self._socket:
            told = frame.json()
            if 'id' in told:
                answer = self._answers.pop(told['id'])
                if answer.done():
                    continue
                if 'error' in told:
                    answer.set_exception(RuntimeError(str(told['error'])))
                else:
                    answer.set_result(told['result'])
            else:
                self._note(told['method'], told['params'])

    def _note(self, method: str, said: dict[str, Any]) -> None:
        if method == 'Runtime.exceptionThrown':
            self.errors.append(str(said['exceptionDetails']))
        elif method == 'Log.entryAdded' and said['entry']['level'] in ('error', 'warning'):
            self.errors.append(f'{said["entry"]["text"]} {said["entry"].get("url", "")}')
        elif method == 'Runtime.consoleAPICalled' and said['type'] in ('error', 'warning', 'assert'):
            self.errors.append(str(said['args']))
