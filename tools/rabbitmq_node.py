# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""A private RabbitMQ node from Debian's package: its own name, ports, data and cookie, and nothing left behind.

The machine's own broker is never touched. The node runs as whoever starts it: Debian's wrapper scripts insist on root
and switch to the user rabbitmq, whose home they share, so the server's own scripts are called instead.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from tools.children import end_with_parent
from tools.ports import free_ports

_SCRIPTS = Path('/usr/lib/rabbitmq/bin')
_START_SECONDS = 90.0
_STOP_SECONDS = 30.0
_ANSWER_SECONDS = 60.0


class NodeError(Exception):
    """Raised when the node cannot be started or asked. The text holds the end of what it printed."""


def is_installed() -> bool:
    """Whether RabbitMQ's server and Erlang's own tools are on this machine."""
    return (_SCRIPTS / 'rabbitmq-server').exists() and all(shutil.which(each) for each in ('epmd', 'erl_call'))


class RabbitmqNode:
    """One private node, on loopback only.

    Args:
        directory: where its data, logs and cookie are; made if missing.
        feature_flags: `''` starts a new node without any feature flag, as a broker has that was upgraded in place.
        tls: the options of a TLS listener beside the plain one: cacertfile, certfile, keyfile. It asks clients for a
            certificate and wants a good one.
        beside: another node, started before it: a new one joins its cluster, and uses its port mapper and cookie.
    """

    def __init__(
        self,
        directory: Path,
        *,
        feature_flags: str | None = None,
        tls: Mapping[str, Path] | None = None,
        beside: RabbitmqNode | None = None,
    ) -> None:
        self.directory = directory.absolute()
        self.host = '127.0.0.1'
        self.port, self.tls_port, self._distribution_port, self.epmd_port = free_ports(4)
        self.cookie = secrets.token_hex(10).upper()
        if beside is not None:
            self.epmd_port, self.cookie = beside.epmd_port, beside.cookie
        self._beside = beside
        self.name = f'busd-{secrets.token_hex(4)}@localhost'
        self._tls = tls
        self._feature_flags = feature_flags
        self._epmd: subprocess.Popen[bytes] | None = None
        self._server: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers; one that runs goes on.

        Raises:
            NodeError: it does not.
        """
        if self._server is not None and self._server.poll() is None:
            return
        self._write_files()
        if self._epmd is None and self._beside is None:
            self._epmd = subprocess.Popen(
                ['epmd', '-port', str(self.epmd_port), '-address', self.host],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                preexec_fn=end_with_parent,
            )
            self._wait_for_port(self.epmd_port, time.monotonic() + 10.0)
        deadline = time.monotonic() + _START_SECONDS
        while True:
            self._server = self._spawn()
            try:
                self._wait_until_up(deadline)
                return
            except NodeError:
                # After a kill the port mapper still knows the old node's name for a moment.
                if time.monotonic() > deadline or 'seems to be running' not in self._output():
                    self.stop()
                    raise
                time.sleep(0.2)

    def stop(self) -> None:
        """End it for good, at once, and the port mapper with it: nobody needs any more what it holds."""
        self.kill()
        if self._epmd is not None:
            _end(self._epmd, signal.SIGKILL)
            self._epmd = None

    def stop_server(self) -> None:
        """Stop the broker; `start` brings it back with its data, on the same port."""
        self._end_server(signal.SIGTERM)

    def kill(self) -> None:
        """End the broker with SIGKILL; `start` brings it back with what it had written."""
        self._end_server(signal.SIGKILL)

    def freeze(self) -> None:
        """Let the broker stand still with SIGSTOP: the kernel goes on taking connections for it, and nobody answers."""
        if self._server is not None:
            _signal(self._server, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen broker go on where it was."""
        if self._server is not None:
            _signal(self._server, signal.SIGCONT)

    def ctl(self, *arguments: str) -> str:
        """Run `rabbitmqctl` against it.

        Returns:
            What it printed.

        Raises:
            NodeError: it failed.
        """
        done = self._ask([str(_SCRIPTS / 'rabbitmqctl'), '--quiet', *arguments], '')
        if done.returncode:
            raise NodeError(f'rabbitmqctl {" ".join(arguments)}: {done.stdout[-2000:]}{done.stderr[-2000:]}')
        return done.stdout

    def evaluate(self, code: str) -> str:
        """Evaluate an Erlang expression in it, in no time; `rabbitmqctl` takes a second to start.

        Returns:
            The value, as `erl_call` writes it.

        Raises:
            NodeError: it failed.
        """
        # A name of its own: who is called like one that has just gone is refused.
        done = self._ask(['erl_call', '-sname', self.name, '-h', f'call-{secrets.token_hex(4)}', '-e'], f'{code}.\n')
        value = done.stdout.removeprefix('{ok, ')
        if done.returncode or value == done.stdout:
            raise NodeError(f'{code}: {done.stdout[-2000:]}{done.stderr[-2000:]}')
        return value.removesuffix('}')

    def add_vhost(self, name: str) -> None:
        """Make a virtual host where guest may do everything."""
        self.evaluate(f'rabbit_vhost:add(<<"{name}">>, <<"test">>)')
        self.set_permissions(name, 'guest', '.*', '.*', '.*')

    def add_user(self, name: str, password: str) -> None:
        """Make a user who may do nothing yet."""
        self.evaluate(f'rabbit_auth_backend_internal:add_user(<<"{name}">>, <<"{password}">>, <<"test">>)')

    def set_permissions(self, vhost: str, user: str, configure: str, write: str, read: str) -> None:
        """Say what a user may do on a virtual host, in three regular expressions."""
        rights = ', '.join(f'<<"{each}">>'.replace('\\', '\\\\') for each in (configure, write, read))
        who = f'<<"{user}">>, <<"{vhost}">>'
        self.evaluate(f'rabbit_auth_backend_internal:set_permissions({who}, {rights}, <<"test">>)')

    def _ask(self, command: list[str], text: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            env=self.environment(),
            cwd=self.directory,
            input=text,
            capture_output=True,
            text=True,
            timeout=_ANSWER_SECONDS,
        )

    def _write_files(self) -> None:
        for name in ('home', 'mnesia', 'log'):
            (self.directory / name).mkdir(parents=True, exist_ok=True)
        cookie = self.directory / 'home' / '.erlang.cookie'
        if not cookie.exists():
            cookie.write_text(self.cookie)
            cookie.chmod(0o400)
        lines = [f'listeners.tcp.1 = {self.host}:{self.port}']
        if self._tls:
            lines += [f'listeners.ssl.1 = {self.host}:{self.tls_port}']
            lines += [f'ssl_options.{option} = {path}' for option, path in self._tls.items()]
            lines += ['ssl_options.verify = verify_peer', 'ssl_options.fail_if_no_peer_cert = true']
        if self._beside is not None:
            lines += ['cluster_formation.peer_discovery_backend = classic_config']
            lines += [f'cluster_formation.classic_config.nodes.1 = {self._beside.name}']
        (self.directory / 'rabbitmq.conf').write_text('\n'.join([*lines, '']))
        (self.directory / 'enabled_plugins').write_text('[].\n')
        (self.directory / 'environment.conf').write_text('')

    def environment(self) -> Mapping[str, str]:
        """What RabbitMQ's own scripts find in their environment, to speak of this node."""
        own = {
            'HOME': str(self.directory / 'home'),
            'ERL_EPMD_PORT': str(self.epmd_port),
            'ERL_EPMD_ADDRESS': self.host,
            'RABBITMQ_NODENAME': self.name,
            'RABBITMQ_DIST_PORT': str(self._distribution_port),
            'RABBITMQ_CONFIG_FILE': str(self.directory / 'rabbitmq'),
            'RABBITMQ_CONF_ENV_FILE': str(self.directory / 'environment.conf'),
            'RABBITMQ_ENABLED_PLUGINS_FILE': str(self.directory / 'enabled_plugins'),
            'RABBITMQ_MNESIA_BASE': str(self.directory / 'mnesia'),
            'RABBITMQ_LOG_BASE': str(self.directory / 'log'),
            'RABBITMQ_LOGS': str(self.directory / 'log' / 'node.log'),
            'RABBITMQ_PID_FILE': str(self.directory / 'pid'),
            'RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS': '-start_epmd false +sbwt none +sbwtdcpu none +sbwtdio none',
            'RABBITMQ_CTL_ERL_ARGS': '-start_epmd false',
            'LANG': 'C.UTF-8',
            'PATH': os.environ.get('PATH', '/usr/sbin:/usr/bin:/sbin:/bin'),
        }
        if self._feature_flags is not None:
            own['RABBITMQ_FEATURE_FLAGS'] = self._feature_flags
        return own

    def _spawn(self) -> subprocess.Popen[bytes]:
        with (self.directory / 'log' / 'output').open('wb') as output:
            server = subprocess.Popen(
                [str(_SCRIPTS / 'rabbitmq-server')],
                env=self.environment(),
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        # The server's script has Erlang as a child, so a guard watches over the whole group: when this process ends, in
        # whatever way, the guard's input ends, and it ends the group.
        self._guard = subprocess.Popen(
            ['/bin/sh', '-c', f'read -r _; kill -KILL -{server.pid}'],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        return server

    def _end_server(self, number: signal.Signals) -> None:
        if self._guard is not None:
            _end(self._guard, signal.SIGKILL)
            if self._guard.stdin is not None:
                self._guard.stdin.close()
            self._guard = None
        if self._server is not None:
            _end(self._server, number)
            self._server = None

    def _wait_until_up(self, deadline: float) -> None:
        self._wait_for_port(self.port, deadline)
        while 'completed with' not in self._output():
            self._check_alive(deadline)
            time.sleep(0.05)

    def _wait_for_port(self, port: int, deadline: float) -> None:
        while True:
            try:
                socket.create_connection((self.host, port), 0.5).close()
                return
            except OSError:
                self._check_alive(deadline)
                time.sleep(0.05)

    def _check_alive(self, deadline: float) -> None:
        ended = self._server is not None and self._server.poll() is not None
        if ended or time.monotonic() > deadline:
            state = 'ended while starting' if ended else f'is not up after {_START_SECONDS:g} s'
            raise NodeError(f'the private RabbitMQ node {state}; it printed:\n{self._output()[-3000:]}')

    def _output(self) -> str:
        path = self.directory / 'log' / 'output'
        return path.read_text(errors='replace') if path.exists() else ''


def _end(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """End a process that we started, and its children if it leads a group; ask first unless told to kill."""
    if process.poll() is None:
        _signal(process, number)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            _signal(process, signal.SIGKILL)
            process.wait()
    process.wait()


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    try:
        if os.getpgid(process.pid) == process.pid:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
    except ProcessLookupError:
        return
