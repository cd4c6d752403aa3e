# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The commands by their names. The code of each is imported when it is asked for: a Tab must not wait for all of it."""

from __future__ import annotations

import errno
import importlib
import os
import sys
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

_MODULES = {
    'check': 'check',
    'completion': 'completion',
    'dead': 'dead',
    'demo': 'demo',
    'docs': 'docs',
    'doctor': 'doctor',
    'emit': 'emit',
    'events': 'events',
    'explain': 'explain',
    'handlers': 'handlers',
    'journal': 'journal',
    'log-level': 'control:log_level',
    'pause': 'control:pause',
    'plugin': 'plugin',
    'plugins': 'plugins',
    'queue': 'queue',
    'record': 'record',
    'reload': 'control:reload_command',
    'replay': 'replay',
    'resume': 'control:resume',
    'run': 'run',
    'setup-broker': 'setup_broker',
    'status': 'status',
    'tail': 'tail',
    'test': 'test',
    'top': 'top',
}
"""In which module each is, and what it is called there if not as that."""


class Commands(MutableMapping[str, click.Command]):
    """The commands; a map whose values are imported when they are asked for."""

    def __init__(self) -> None:
        self._added: dict[str, click.Command] = {}

    def __getitem__(self, name: str) -> click.Command:
        if name in self._added:
            return self._added[name]
        module, _, attribute = _MODULES[name].partition(':')
        command: click.Command = getattr(importlib.import_module(f'wazo_busd.cli.{module}'), attribute or module)
        return command

    def __setitem__(self, name: str, command: click.Command) -> None:
        self._added[name] = command

    def __delitem__(self, name: str) -> None:
        del self._added[name]

    def __iter__(self) -> Iterator[str]:
        return iter({**_MODULES, **self._added})

    def __len__(self) -> int:
        return len({**_MODULES, **self._added})


FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What the system says where nothing more can be written; that nobody reads any more is click's affair."""


def _open_what_is_closed() -> None:
    """Of a stream that the shell has closed Python makes None, on which every command would fail in its own way."""
    for name, mode in (('stdin', 'r'), ('stdout', 'w'), ('stderr', 'w')):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115 — for as long as the process lives


class Group(click.Group):
    """The group of the commands, which completes their names without importing them."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run what was typed; if what it prints cannot be written, say so and end.

        Args:
            args: as of click.
            kwargs: as of click.
        """
        _open_what_is_closed()
        try:
            return super().main(*args, **kwargs)
        except OSError as error:
            # What a command writes elsewhere has a name, and is the command's own.
            if error.errno not in FULL or error.filename is not None:
                raise
            from wazo_busd.cli.options import failure

            click.echo(failure(f'standard output cannot be written: {error.strerror}', 'df -h'), err=True)
            sys.exit(1)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The names and options that begin so.

        Args:
            ctx: what was typed before.
            incomplete: the beginning.
        """
        if incomplete and not incomplete[0].isalnum():
            return click.Command.shell_complete(self, ctx, incomplete)
        return [CompletionItem(name) for name in sorted(self.commands) if name.startswith(incomplete)]
