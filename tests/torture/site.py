# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The site: a broker, a daemon with plugins of the test's own, and the command line beside it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from tests.conftest import Broker
from tests.support import DaemonProcess, eventually_sync, write_config
from tests.torture.witness import Witness
from wazo_busd.cli import main

PATIENCE_SECONDS = 60.0


class Site:
    """Where a daemon is installed. Its plugins find the directory in the option `home`.

    Args:
        broker: its broker.
        directory: where everything is put.
        plugins: the sources of the plugins, by name.
        handlers: the YAML of the handlers; `HOME` in it stands for the option that names the directory.
        bus: more keys of `bus`, as YAML.
        port: where the daemon connects to, if it is not the broker itself.
        watched: the names of the handlers, if a witness is to watch what the daemon says of them.
    """

    def __init__(
        self,
        broker: Broker,
        directory: Path,
        *,
        plugins: Mapping[str, str],
        handlers: str,
        bus: str = 'prefetch: 16',
        port: int | None = None,
        watched: Sequence[str] = (),
    ) -> None:
        self.broker = broker
        self.home = directory / 'home'
        self.home.mkdir()
        self.daemon: DaemonProcess
        self._directory = directory
        # The path of a socket may not be long.
        self._runtime = tempfile.TemporaryDirectory(prefix='busd-') if watched else None
        control = Path(self._runtime.name if self._runtime else directory, 'control.sock')
        self.witness = Witness(broker, control, watched)
        self._is_watched = bool(watched)
        if watched:
            self.witness.start()
        http = {'http': f'{{listen: off, socket: {control}}}'} if watched else {}
        self.config = write_config(
            directory / 'etc',
            broker,
            handlers.replace('HOME', f'home: {self.home}'),
            bus=f'{{host: {broker.host}, port: {port or broker.port}, vhost: {broker.vhost}, {bus}}}',
            **http,
        )
        for name, source in plugins.items():
            (directory / 'etc' / 'plugins.d' / f'{name}.py').write_text(source)

    def start(self, *, wait: bool = True) -> None:
        """Start the daemon.

        Args:
            wait: until all its handlers consume.
        """
        self.daemon = DaemonProcess(self.config, self._directory / 'run', '-l', 'info')
        if wait and self._is_watched:
            self.witness.wait_ready()
        elif wait:
            self.daemon.wait_consuming()
        self.witness.is_there = wait

    def stop(self) -> None:
        """Stop the daemon in order."""
        self.witness.is_there = False
        code = self.daemon.stop()
        if code:
            raise AssertionError(f'the daemon ended with {code}; it logged:\n{self.daemon.log}')

    def close(self) -> None:
        """End the daemon, however."""
        if self._is_watched:
            self.witness.close()
        if self._runtime is not None:
            self._runtime.cleanup()
        if hasattr(self, 'daemon'):
            self.daemon.__exit__()

    def run(self, *arguments: str) -> Result:
        """Run `wazo-busd` with these arguments in this process."""
        return CliRunner().invoke(main, [*arguments, '-c', str(self.config)], catch_exceptions=False)

    def dead(self, handler: str) -> list[dict[str, Any]]:
        """The dead letters of a handler, with their bodies."""
        done = self.run('dead', 'list', '--handler', handler, '--bodies', '-o', 'json')
        if done.exit_code:
            raise AssertionError(done.output)
        found: list[dict[str, Any]] = json.loads(done.stdout)
        return found

    def lines(self, name: str) -> list[str]:
        """What a plugin has written into a file of its home."""
        path = self.home / name
        return path.read_text().splitlines() if path.exists() else []

    def wait_lines(self, name: str, number: int) -> list[str]:
        """Wait until a plugin has written so many lines into a file of its home."""
        eventually_sync(lambda: len(self.lines(name)) >= number, PATIENCE_SECONDS)
        return self.lines(name)
