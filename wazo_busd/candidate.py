# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The candidate: a plugin that was found and is not imported yet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Loaded:
    """The code of a plugin.

    Attributes:
        target: the module, class or function.
        source: where it came from, for people.
        version: its version.
    """

    target: Any
    source: str
    version: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A plugin that could be loaded.

    Attributes:
        name: what configuration calls it.
        source: where it is, for people.
        directory: the plugin directory that it lies in; `None` for what is installed with wazo-busd.
        path: the file or package in that directory.
        load: imports it.
    """

    name: str
    source: str
    directory: Path | None
    path: Path | None
    load: Callable[[], Loaded]
