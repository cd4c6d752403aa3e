# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""A Debian 12 of the test's own, in a container: its own files, processes, users, network and systemd."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tools.children import end_with_parent

_START_SECONDS = 60.0
_STOP_SECONDS = 30.0
_PATIENCE_SECONDS = 90.0
_PACKAGES = ['python3', 'tzdata', 'logrotate', 'ca-certificates', 'man-db']
_ENVIRONMENT = {
    'PATH': '/usr/sbin:/usr/bin:/sbin:/bin',
    'HOME': '/root',
    'LANG': 'C.UTF-8',
    'TERM': 'dumb',
    'DEBIAN_FRONTEND': 'noninteractive',
}


def make_tree(tree: Path) -> None:
    """Make a Debian with what a host has anyway; RabbitMQ lies ready in its archive of packages, not installed.

    Raises:
        RuntimeError: it cannot be made.
    """
    _do(['debootstrap', '--variant=minbase', '--include=systemd,systemd-sysv,dbus', 'bookworm', str(tree)])
    (tree / 'etc' / 'hosts').write_text('127.0.0.1 localhost\n')
    inside = ['chroot', str(tree), 'env', *(f'{name}={value}' for name, value in _ENVIRONMENT.items())]
    fetch = [*inside, 'apt-get', 'install', '-y', '-q', '--no-install-recommends']
    _do([*inside, 'apt-get', 'update', '-q'])
    _do([*fetch, *_PACKAGES])
    _do([*fetch, '--download-only', 'rabbitmq-server'])


def _do(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f'{" ".join(command)}: {done.stdout[-3000:]}{done.stderr[-3000:]}')


class Host:
    """A running copy of a tree.

    Args:
        template: the tree.
        directory: where the copy is put; it is made.
    """

    def __init__(self, template: Path, directory: Path) -> None:
        self.root = directory
        subprocess.run(['cp', '-a', str(template), str(directory)], check=True)
        self._process: subprocess.Popen[bytes] | None = None
        self._leader = 0

    def start(self) -> None:
        """Start it, and wait until its systemd has started everything.

        Raises:
            RuntimeError: no systemd can run here.
        """
        console = self.root.with_suffix('.console')
        with console.open('wb') as output:
            self._process = subprocess.Popen(
                [
                    *(
                        'systemd-nspawn',
                        '--quiet',
                        f'--directory={self.root}',
                        '--boot',
                        '--register=no',
                        '--keep-unit',
                    ),
                    *('--private-network', '--console=pipe', f'--machine={self.root.name}'),
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                preexec_fn=end_with_parent,
            )
        try:
            self._wait(self._is_up, _START_SECONDS)
        except TimeoutError:
            said = console.read_text(errors='replace')[-3000:]
            self.stop()
            raise RuntimeError(f'systemd does not start in a container here; it said:\n{said}') from None

    def stop(self) -> None:
        """Switch it off and remove it."""
        if self._process is not None:
            # What systemd-nspawn takes for the button of a machine.
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        shutil.rmtree(self.root, ignore_errors=True)

    def run(self, command: str, *, fails: bool = False) -> str:
        """Type a command as root, in a shell.

        Args:
            command: what is typed.
            fails: whether it is meant to fail.

        Returns:
            What it says, errors included.

        Raises:
            AssertionError: it fails, or does not although it is meant to.
        """
        code, said = self.attempt(command)
        assert (code != 0) == fails, f'{command}\nexit code {code}\n{said}'
        return said

    def attempt(self, command: str) -> tuple[int, str]:
        """Type a command as root, in a shell; the exit code and what it says."""
        done = subprocess.run(
            ['nsenter', f'--target={self._leader}', '--all', '--wd', '/bin/sh', '-ec', f'cd /root\n{command}'],
            env=_ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        return done.returncode, done.stdout

    def eventually(self, command: str, seconds: float = _PATIENCE_SECONDS) -> str:
        """Type a command again and again until it works; what it says then."""
        last = ''

        def works() -> bool:
            nonlocal last
            code, last = self.attempt(command)
            return code == 0

        try:
            self._wait(works, seconds)
        except TimeoutError:
            journal = self.attempt('journalctl -u "wazo-busd*" -n 30 --no-pager')[1]
            raise AssertionError(f'this never worked: {command}\n{last}\n{journal}') from None
        return last

    def show(self, name: str, unit: str = 'wazo-busd') -> str:
        """What systemd knows of a unit, as in `MainPID`."""
        return self.run(f'systemctl show --value --property={name} {unit}').strip()

    def put(self, source: Path) -> None:
        """Copy a file to where root is at home."""
        shutil.copy(source, self.root / 'root')

    def write(self, path: str, text: str) -> None:
        """Write a file."""
        target = self.root / path.lstrip('/')
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def read(self, path: str) -> str:
        """Read a file."""
        return (self.root / path.lstrip('/')).read_text()

    def files(self) -> set[str]:
        """The paths of all there is, but for what the system itself notes while it runs."""
        noted = ('/proc', '/sys', '/dev', '/run', '/tmp', '/root', '/var/log', '/var/cache', '/var/tmp', '/var/lib/apt')
        found = subprocess.run(
            ['find', str(self.root), '-xdev', '-mindepth', '1', '-printf', '/%P\n'],
            capture_output=True,
            text=True,
            check=True,
        )
        return {
            path
            for path in found.stdout.splitlines()
            if not path.startswith(noted) and not path.startswith(('/var/lib/dpkg', '/var/lib/systemd'))
        }

    def _is_up(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            raise TimeoutError
        # The first child makes the second, which is the container's systemd, and ends.
        children = Path(f'/proc/{self._process.pid}/task/{self._process.pid}/children').read_text().split()
        self._leader = int(children[0]) if children else 0
        if not Path(f'/proc/{self._leader}/root/run/systemd/private').exists():
            return False
        return self.attempt('systemctl is-system-running')[1].strip() in ('running', 'degraded')

    @staticmethod
    def _wait(holds: Callable[[], bool], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > deadline:
                raise TimeoutError
            time.sleep(0.1)
