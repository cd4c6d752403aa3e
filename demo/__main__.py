# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`python -m demo`: the daemon at its work, on a private RabbitMQ; where there is none, `wazo-busd demo`."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import click

from demo.publisher import Publisher, Send
from tools.rabbitmq_node import NodeError, RabbitmqNode, is_installed
from wazo_busd.cli.asking import Unanswered, answer
from wazo_busd.config import load
from wazo_busd.demo.day import Day

_HERE = Path(__file__).absolute().parent
_RUN = _HERE.parent / '.run'
_PAUSE_SECONDS = 0.25
_LOOK_SECONDS = 0.2
_QUIET_LOOKS = 5
_PAGE = 40
"""After how many events it says again how to stop."""
_ALL_CONSUME = re.compile(r'\b(\d+) of \1 handlers consume')


@dataclass(frozen=True, slots=True)
class _Show:
    """What is shown.

    Attributes:
        day: the events.
        events: how many of them; 0 for no end.
        pause_seconds: how long to wait after each.
    """

    day: Day
    events: int
    pause_seconds: float

    async def play(self, send: Send, taken: Callable[[], Awaitable[None]]) -> None:
        """Publish them.

        Args:
            send: publishes.
            taken: waits until the daemon has handled what was published.
        """
        for number, moment in enumerate(self.day, 1):
            said = moment.publication
            await send(said.exchange, said.routing_key, said.headers, said.body)
            await asyncio.sleep(self.pause_seconds)
            if number == self.events:
                await taken()
                return
            if number % _PAGE == 0:
                # In one piece, even where nothing is buffered: the daemon writes between.
                sys.stdout.write(f'{"":8}  {number} events so far; Ctrl-C stops\n')
                sys.stdout.flush()


@click.command()
@click.option('--events', type=int, default=0, help='Stop after so many events; 0 goes on until Ctrl-C.')
@click.option('--pause', 'pause_seconds', type=float, default=_PAUSE_SECONDS, help='Seconds between events.')
@click.option('--seed', type=int, default=0, help='Another seed is another day.')
def main(events: int, pause_seconds: float, seed: int) -> None:
    """Show wazo-busd at its work on a private RabbitMQ, on the sample day of an office.

    The events come in the order of that day, half of them as hosts of today send them and half as those of 2019, but at
    an even pace instead of its hours.
    """
    if not is_installed():
        print('RabbitMQ is missing, so the day is played on a bus in memory. As root: apt install rabbitmq-server')
        os.execv(sys.executable, [sys.executable, '-m', 'wazo_busd', 'demo', '--seed', str(seed)])  # noqa: S606 — ourselves
    show = _Show(Day(seed), events, pause_seconds)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    # Drop-ins that others could write are refused, however open this tree was cloned.
    os.umask(0o022)
    shutil.rmtree(_RUN, ignore_errors=True)
    _RUN.mkdir()
    # The path of a socket may not be long.
    runtime = Path(tempfile.mkdtemp(prefix='busd-'))
    try:
        sys.exit(_on_rabbitmq(show, runtime / 'control.sock'))
    except NodeError as error:
        sys.exit(f'{error}\nnext: {sys.executable} -m wazo_busd demo')
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    finally:
        shutil.rmtree(_RUN, ignore_errors=True)
        shutil.rmtree(runtime, ignore_errors=True)


def _on_rabbitmq(show: _Show, control: Path) -> int:
    print('starting a private RabbitMQ under .run, which takes about five seconds …', flush=True)
    node = RabbitmqNode(_RUN / 'rabbitmq')
    try:
        node.start()
        config = _write_config(f'bus: {{host: {node.host}, port: {node.port}}}', control)
        return asyncio.run(_beside_daemon(node, config, show))
    finally:
        # A second Ctrl-C must not leave the node behind.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        node.stop()
        print('the private RabbitMQ is stopped and its data removed', flush=True)


async def _beside_daemon(node: RabbitmqNode, config: Path, show: _Show) -> int:
    """Run `wazo-busd run` as a process of its own, and publish until it ends."""
    hearer = _Hearer(_RUN / 'notify')
    # A group of its own: Ctrl-C reaches this process alone, which passes it on once.
    daemon = subprocess.Popen(
        [sys.executable, '-m', 'wazo_busd', 'run', '-c', str(config)],
        # Without a buffer its lines would come in pieces, and ours between them.
        env={**os.environ, 'NOTIFY_SOCKET': str(hearer.path), 'PYTHONUNBUFFERED': ''},
        process_group=0,
    )
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, daemon.send_signal, signal.SIGTERM)
    ended = asyncio.create_task(asyncio.to_thread(daemon.wait))
    hearing = asyncio.create_task(hearer.run())
    await asyncio.wait([ended, asyncio.create_task(hearer.consuming.wait())], return_when=asyncio.FIRST_COMPLETED)
    if not ended.done():
        _say(f'wazo-busd run -c {config.relative_to(_RUN.parent)}', f'RabbitMQ on {node.host}:{node.port}')
        async with Publisher(node.host, node.port) as publisher:

            async def taken() -> None:
                await publisher.taken()
                await _handled(config)

            playing = asyncio.create_task(show.play(publisher.send, taken))
            await asyncio.wait([ended, playing], return_when=asyncio.FIRST_COMPLETED)
            if not playing.cancel() and not ended.done():
                daemon.send_signal(signal.SIGTERM)
    hearing.cancel()
    return await ended


async def _handled(config: Path) -> None:
    """Wait until the daemon has nothing in hand, and for a while has got nothing; or until it has ended."""
    configuration = load(config)
    before, quiet = -1, 0
    while quiet < _QUIET_LOOKS:
        try:
            status = (await asyncio.to_thread(answer, configuration, config, '/status')).value
        except Unanswered:
            return
        received = sum(each['received'] for each in status['handlers'])
        is_quiet = received == before and not any(each['in_hand'] for each in status['handlers'])
        before, quiet = received, quiet + 1 if is_quiet else 0
        await asyncio.sleep(_LOOK_SECONDS)


def _say(command: str, bus: str) -> None:
    print(f'{command}\n{bus}; the handlers are those of demo/config.yml. Ctrl-C stops.\n')
    print(f'{"time":<8}  {"handler":<12} {"event":<38} routing key', flush=True)


def _write_config(bus: str, control: Path) -> Path:
    """The demonstration's configuration, with what only this run knows in a file of its conf.d."""
    config = _RUN / 'config.yml'
    shutil.copyfile(_HERE / 'config.yml', config)
    (_RUN / 'plugins.d').mkdir()
    for plugin in (_HERE / 'plugins.d').glob('*.py'):
        shutil.copyfile(plugin, _RUN / 'plugins.d' / plugin.name)
    (_RUN / 'conf.d').mkdir()
    (_RUN / 'conf.d' / 'run.yml').write_text(
        f'state_dir: {_RUN / "state"}\nhttp: {{listen: off, socket: {control}}}\n{bus}\n'
    )
    return config


class _Hearer:
    """What systemd would be: hears what the daemon tells its service manager."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.consuming = asyncio.Event()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.bind(str(path))

    async def run(self) -> None:
        while True:
            told = await asyncio.get_running_loop().sock_recv(self._socket, 4096)
            if _ALL_CONSUME.search(told.decode()):
                self.consuming.set()


if __name__ == '__main__':
    main()
