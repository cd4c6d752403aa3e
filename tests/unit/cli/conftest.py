# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What the tests of the commands share: a command line without a process, and a configuration."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent, indent

import pytest
from click.testing import CliRunner, Result

from wazo_busd import loader, units
from wazo_busd.cli import main
from wazo_busd.cli.options import with_config


class Shell:
    """A command line.

    Args:
        directory: where its configuration is.
    """

    def __init__(self, directory: Path) -> None:
        self.config = directory / 'config.yml'

    def handlers(self, text: str) -> None:
        """Write a configuration whose line 2 is the first of `text`."""
        self.config.write_text(f'handlers:\n{indent(dedent(text).strip(), "  ")}\n')

    def typed(self, cure: str) -> str:
        """What is to be typed, with this configuration."""
        return with_config(cure, self.config)

    def __call__(self, *arguments: str, stdin: str | bytes | None = None) -> Result:
        """Run `wazo-busd` with these arguments; whatever it raises but its exit is raised here."""
        return CliRunner().invoke(main, arguments, input=stdin, catch_exceptions=False)


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    """A command line whose files are safe, whatever the user who runs the tests is used to."""
    monkeypatch.setattr(sys, 'path', list(sys.path))
    monkeypatch.setattr(sys, 'path_hooks', list(sys.path_hooks))
    monkeypatch.setattr(units, 'STATE', units.State())
    monkeypatch.setattr(loader, '_claims', {})
    umask = os.umask(0o022)
    yield Shell(tmp_path)
    os.umask(umask)
