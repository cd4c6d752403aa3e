# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The units: what was imported from the plugin directories, and whether its files are still what they were."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

from wazo_busd.safety import walk

DROP_IN = 'wazo_busd_dropin_'
"""How the names of the modules of drop-ins begin."""


def absolute(path: Path | str) -> Path:
    """The path from the root, with links as they are."""
    return Path(os.path.normpath(Path(path).absolute()))


INTERPRETER = (absolute(sys.prefix), absolute(sys.base_prefix), absolute(__file__).parents[1])
"""Where modules of the interpreter lie, and wazo-busd's own."""


@dataclass(slots=True, eq=False)
class Unit:
    """What changes as a whole: a file or package in a plugin directory, something of which was imported.

    Attributes:
        path: the file or package.
        digest: of its source when it was first imported.
        names: the modules that were imported from it.
        imports: what they import themselves, whether now or later: the first words of the names.
        is_fixed: whether machine code is among them, which cannot be imported a second time.
        drop_in: its module and its version, if it was loaded as a drop-in.
    """

    path: Path
    digest: str
    names: set[str] = field(default_factory=set)
    imports: set[str] = field(default_factory=set)
    is_fixed: bool = False
    drop_in: tuple[ModuleType, str] | None = None


@dataclass(slots=True)
class State:
    """What is known of the plugin directories, as the process has but one import path.

    Attributes:
        roots: the directories, by every name that they have.
        added: those that were added to Python's path.
        units: what was imported from them.
    """

    roots: set[Path] = field(default_factory=set)
    added: set[str] = field(default_factory=set)
    units: dict[Path, Unit] = field(default_factory=dict)


STATE = State()


def root_of(path: Path | str) -> Path | None:
    """The plugin directory that `path` is at or below; none if the interpreter lies nearer."""
    above = [each for each in (*STATE.roots, *INTERPRETER) if absolute(path).is_relative_to(each)]
    nearest = max(above, key=lambda each: len(each.parts), default=None)
    return nearest if nearest in STATE.roots else None


def placed(file: Path) -> tuple[Path, Path]:
    """The plugin directory of a file, and the way to the file from there.

    Raises:
        ImportError: it is in none.
    """
    root = root_of(file)
    if root is None:
        raise ImportError(f'{file} is not below a plugin directory')
    return root, absolute(file).relative_to(root)


def unit_of(file: Path) -> Unit:
    """The unit that a file in a plugin directory belongs to; from now on it is known."""
    root, way = placed(file)
    path = root / way.parts[0]
    if path not in STATE.units:
        STATE.units[path] = Unit(path, _digest(path))
    return STATE.units[path]


def note(file: Path, name: str, *, is_fixed: bool = False) -> Unit:
    """Remember that a module is imported from a file in a plugin directory.

    Args:
        file: the file.
        name: the module.
        is_fixed: whether it cannot be imported a second time.
    """
    unit = unit_of(file)
    unit.names.add(name)
    # A drop-in has another name each time, and its machine code with it.
    unit.is_fixed |= is_fixed and not name.startswith(DROP_IN)
    return unit


def needed_by(unit: Unit) -> list[Unit]:
    """The unit, what it imports, what that imports, and so on, in an order that is always the same."""
    others, needed = list(STATE.units.values()), {unit}
    while more := {each for each in others if each not in needed and any(_imports(one, each) for one in needed)}:
        needed |= more
    return sorted(needed, key=lambda each: each.path)


def refresh() -> None:
    """Forget what was imported from files that are others now, so that the next import takes those.

    Whatever runs keeps what it has.
    """
    _forget({unit for unit in list(STATE.units.values()) if unit.digest != _digest(unit.path)})


def forget(path: Path) -> None:
    """Forget what was imported from a file or package in a plugin directory.

    Args:
        path: the file or package.
    """
    _forget({unit for unit in list(STATE.units.values()) if unit.path == absolute(path)})


def first_word(name: str) -> str:
    """The outermost package of a module."""
    return name.partition('.')[0]


def _forget(stale: set[Unit]) -> None:
    """Forget the units, what imports them, what imports that, and so on."""
    free = {unit for unit in list(STATE.units.values()) if not unit.is_fixed}
    stale = stale & free
    while more := {each for each in free - stale if any(_imports(each, one) for one in stale)}:
        stale |= more
    for unit in stale:
        del STATE.units[unit.path]
        for name in unit.names:
            # A drop-in that still runs may import its own modules late.
            if not name.startswith(DROP_IN):
                _remove(name)


def _remove(name: str) -> None:
    """Take a module out of what Python has imported, also from the package that it is an attribute of."""
    module = sys.modules.pop(name, None)
    package, _, attribute = name.rpartition('.')
    parent = sys.modules.get(package)
    if isinstance(parent, ModuleType) and vars(parent).get(attribute) is module:
        delattr(parent, attribute)


def _imports(one: Unit, other: Unit) -> bool:
    return any(first_word(name) in one.imports for name in list(other.names))


def _digest(path: Path) -> str:
    """A digest of the source at `path`; what cannot be read counts as what it is: not to be read."""
    digest = hashlib.sha256()
    for file in sorted(_sources(path)):
        try:
            content = hashlib.sha256(file.read_bytes()).hexdigest()
        except OSError as error:
            content = str(error)
        digest.update(os.fsencode(f'{file.relative_to(path.parent)}:{content}\n'))
    return digest.hexdigest()


def _sources(path: Path) -> Iterator[Path]:
    if path.suffix == '.py':
        yield path
    for directory, _, names in walk(path):
        yield from (directory / name for name in names if name.endswith('.py'))
