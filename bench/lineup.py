# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The line-up: every consumer that is measured, each made once and with a virtual host of its own."""

from __future__ import annotations

import re
from pathlib import Path

from bench import peer
from bench.broker import Broker
from bench.build import INTERPRETED, Build
from bench.daemon import Case, Daemon
from bench.errors import BenchError
from bench.peer import Peer, compile_c

VHOSTS = 27
"""As many as all steps together need."""


class Lineup:
    """Makes consumers.

    Args:
        broker: where their virtual hosts are.
        directory: where what they need is put.
        peer_python: the Python that has the libraries of the peers.
        uvloop: whether the daemon may use uvloop if that is installed.
        build: the way the modules of the daemon are run.
        only: the names of the peers that are measured; all if there are none. The daemon always is, and kombu, which
            all is compared with.

    Raises:
        BenchError: there is no such Python, or no peer of one of those names.
    """

    def __init__(
        self,
        broker: Broker,
        directory: Path,
        *,
        peer_python: Path,
        uvloop: bool = True,
        build: Build = INTERPRETED,
        only: tuple[str, ...] = (),
    ) -> None:
        if not peer_python.exists():
            raise BenchError('the libraries of the peers are not installed; next: make bench')
        self._broker = broker
        self._directory = directory
        self._uvloop = uvloop
        self._build = build
        self._commands = {
            name: [str(peer_python), '-m', f'bench.peers.{program}'] for name, program in peer.PROGRAMS.items()
        }
        self.missing: dict[str, str] = {}
        """Peers that cannot be measured here, and why."""
        program, why = compile_c(directory)
        if program is None:
            self.missing[peer.C] = why
        else:
            self._commands[peer.C] = [str(program)]
        unknown = set(only) - {*peer.PROGRAMS, peer.C}
        if unknown:
            raise BenchError(f'there is no peer {min(unknown)!r}; there are {", ".join(self._commands)}')
        self.peers = [name for name in self._commands if not only or name in {*only, peer.KOMBU}]
        """The names of those that can be measured, kombu first."""
        self._made: dict[tuple[str, str], Peer | Daemon] = {}

    def peer(self, name: str, kind: str = 'quorum') -> Peer:
        """A peer on a kind of queue."""
        made = self._made.get((name, kind))
        if not isinstance(made, Peer):
            made = self._made[name, kind] = Peer(name, self._broker.take_place(), self._commands[name], kind)
        return made

    def daemon(self, case: Case, *, key: str = '', profile: Path | None = None) -> Daemon:
        """A daemon with a configuration.

        Args:
            case: the configuration.
            key: what tells it from another one of that name.
            profile: where it writes a profile, if it is to; then it is interpreted, as what is compiled leaves no
                frames to look at.
        """
        made = self._made.get((case.name, key))
        if not isinstance(made, Daemon):
            directory = self._directory / re.sub(r'\W+', '-', f'{case.name}-{key}')
            made = self._made[case.name, key] = Daemon(
                case,
                self._broker.take_place(),
                directory,
                uvloop=self._uvloop,
                profile=profile,
                build=self._build if profile is None else INTERPRETED,
            )
        return made
