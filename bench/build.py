# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The build: which of the two ways to run the daemon's modules is measured, as they stand or compiled."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bench.consumer import ROOT
from bench.errors import BenchError

COMPILED = ROOT / 'build' / 'compiled'
"""Where `make compiled` puts its copy of the tree."""


@dataclass(frozen=True, slots=True)
class Build:
    """A way to run them.

    Attributes:
        tree: the copy of the tree that the modules are taken from.
        way: what it is called in the results.
    """

    tree: Path
    way: str


INTERPRETED = Build(ROOT, 'interpreted')
"""The sources of this tree, as they stand."""


def compiled(tree: Path = COMPILED) -> Build:
    """The modules as the package has them.

    Raises:
        BenchError: they are not compiled, or the sources have changed since.
    """
    said = tree / 'compiled-with'
    if not said.exists():
        raise BenchError(
            'the modules are not compiled; next: make compiled, or --interpreted to measure them as they are'
        )
    if _sources(tree) != _sources(ROOT):
        raise BenchError('the sources have changed since they were compiled; next: make compiled')
    return Build(tree, f'compiled with {said.read_text().splitlines()[0]}')


def _sources(tree: Path) -> dict[Path, bytes]:
    files = (*(tree / 'wazo_busd').rglob('*.py'), tree / 'pyproject.toml', tree / 'setup.py')
    return {path.relative_to(tree): path.read_bytes() for path in files if path.exists()}
