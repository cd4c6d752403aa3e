# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""A private PostgreSQL cluster from Debian's package: its own data, a socket in its own directory, no port.

The machine's own clusters are never touched. PostgreSQL refuses to run as root, so for root it runs as the user
postgres, whom the package makes.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

_PLACE = Path('/usr/lib/postgresql')
_START_SECONDS = 60.0
_STOP_SECONDS = 30.0
_USER = 'postgres'


class ClusterError(Exception):
    """Raised when the cluster cannot be made, started or asked. The text holds the end of what it printed."""


def binaries() -> Path | None:
    """The directory of the newest version's programs; `None` if PostgreSQL's server is not on this machine."""
    found = [path for path in _PLACE.glob('*/bin') if (path / 'initdb').exists() and (path / 'postgres').exists()]
    return max(found, key=lambda path: float(path.parent.name), default=None)


class PostgresqlNode:
    """One private cluster, reached by a socket in a directory that is removed when it stops."""

    def __init__(self) -> None:
        found = binaries()
        if found is None:
            raise ClusterError('PostgreSQL is missing; as root: apt install postgresql')
        self._binaries = found
        # Not in a directory of pytest: those are closed to the user postgres.
        self.directory = Path(tempfile.mkdtemp(prefix='busd-postgresql-'))
        self._user = pwd.getpwnam(_USER) if os.geteuid() == 0 else None
        if self._user is not None:
            os.chown(self.directory, self._user.pw_uid, self._user.pw_gid)
        self._data = self.directory / 'data'
        self._server: subprocess.Popen[bytes] | None = None

    def url(self, database: str) -> str:
        """The URL of a database."""
        return f'postgresql://{_USER}@/{database}?host={self.directory}'

    def start(self) -> None:
        """Start it, the first time on a new cluster, and wait until it answers.

        Raises:
            ClusterError: it does not.
        """
        if not self._data.exists():
            options = ['--username', _USER, '--auth', 'trust', '--encoding', 'UTF8', '--locale', 'C.UTF-8', '--no-sync']
            self._run('initdb', '--pgdata', str(self._data), *options)
        settings = [
            'listen_addresses=',
            f'unix_socket_directories={self.directory}',
            'max_connections=40',
            'shared_buffers=16MB',
        ]
        with (self.directory / 'output').open('wb') as output:
            self._server = subprocess.Popen(
                [self._binaries / 'postgres', '-D', self._data, *(word for each in settings for word in ('-c', each))],
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_end_with_parent,
                **self._identity(),  # type: ignore[call-overload]
            )
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            if time.monotonic() > deadline or self._server.poll() is not None:
                raise ClusterError(f'the private PostgreSQL does not start; it printed:\n{self._output()}')
            time.sleep(0.05)

    def stop_server(self) -> None:
        """Stop the server at once but in order; `start` brings it back with its data."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """End the server as a loss of power would; `start` brings it back with what it had committed."""
        self._end(signal.SIGQUIT)

    def stop(self) -> None:
        """Stop it and remove all of it; nobody waits for what it would still write."""
        self.kill()
        shutil.rmtree(self.directory)

    def create_database(self, name: str) -> None:
        """Make a database."""
        self._run('createdb', '--host', str(self.directory), '--username', _USER, name)

    def ask(self, database: str, statement: str) -> str:
        """Run a statement, and give what it prints: fields with `|` between, without titles.

        Raises:
            ClusterError: it failed.
        """
        where = ['--host', str(self.directory), '--username', _USER, '--dbname', database]
        return self._run('psql', *where, '--no-psqlrc', '--tuples-only', '--no-align', '--command', statement).strip()

    def _answers(self) -> bool:
        done = subprocess.run(
            [self._binaries / 'pg_isready', '--quiet', '--host', self.directory], capture_output=True, check=False
        )
        return done.returncode == 0

    def _run(self, program: str, *arguments: str) -> str:
        done = subprocess.run(
            [self._binaries / program, *arguments],
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            **self._identity(),  # type: ignore[call-overload]
        )
        if done.returncode:
            raise ClusterError(f'{program}: {done.stdout[-2000:]}{done.stderr[-2000:]}')
        return str(done.stdout)

    def _identity(self) -> dict[str, object]:
        """Who runs the programs, as arguments of `subprocess`."""
        environment = {'LANG': 'C.UTF-8', 'PATH': os.environ.get('PATH', '/usr/bin:/bin'), 'HOME': str(self.directory)}
        if self._user is None:
            return {'env': environment}
        return {'env': environment, 'user': self._user.pw_uid, 'group': self._user.pw_gid, 'extra_groups': []}

    def _end(self, number: signal.Signals) -> None:
        server, self._server = self._server, None
        if server is None or server.poll() is not None:
            return
        server.send_signal(number)
        try:
            server.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()

    def _output(self) -> str:
        path = self.directory / 'output'
        return path.read_text(errors='replace')[-3000:] if path.exists() else ''


def _end_with_parent() -> None:
    """In the child: be ended when the one who started it ends in any way (prctl(2), PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, signal.SIGQUIT)
