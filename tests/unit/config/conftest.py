# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What the tests of the configuration share: files that a test writes, and the problems found in them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from wazo_busd.config import Configuration, load
from wazo_busd.config.document import Place
from wazo_busd.errors import Problem


class Files:
    """A configuration directory of a test.

    Args:
        directory: where it is.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def write(self, name: str, text: str | bytes, *, mode: int = 0o640) -> Path:
        """Write a file, with its directory."""
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else dedent(text).encode())
        path.chmod(mode)
        return path

    def load(self, text: str | bytes | None = None, *, name: str = 'config.yml') -> Configuration:
        """Load the configuration, with `text` as its main file if it is given."""
        if text is not None:
            self.write(name, text)
        return load(self.directory / name)

    def places(self, problems: Iterable[Problem]) -> list[tuple[str, int]]:
        """File and line of each problem, in the order they are told."""
        return [(str(Path(each.file).relative_to(self.directory)), each.line) for each in problems]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """An empty configuration directory."""
    return Files(tmp_path)


def only(problems: Iterable[Problem]) -> Problem:
    """The one problem there is."""
    found = list(problems)
    assert len(found) == 1, '\n'.join(map(str, found)) or 'there is none'
    return found[0]


def leaves(tree: dict[str, Any], place: Place = ()) -> dict[Place, Any]:
    """The values of a tree that are no maps, by their places."""
    found: dict[Place, Any] = {}
    for key, value in tree.items():
        found |= leaves(value, (*place, key)) if isinstance(value, dict) else {(*place, key): value}
    return found
