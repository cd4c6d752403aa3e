# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The import path of plugins: what is imported from their directories is what its source says, and safe.

Python's own loaders would take code that another user may have written, and compiled code that nobody looks at.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import io
import itertools
import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from importlib.machinery import (
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    ModuleSpec,
    SourceFileLoader,
)
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType

from wazo_busd import units
from wazo_busd.safety import Unsafe, writable_on_the_way
from wazo_busd.units import DROP_IN, Unit, first_word

_OPTIONAL = re.compile(r'(?P<name>[\w.-]+).*;.*\bextra\s*==\s*["\'](?P<extra>[\w.-]+)["\'].*')
"""What a distribution requires for one of its extras."""

_numbers = itertools.count(1)

_running: ContextVar[Unit | None] = ContextVar('running', default=None)
"""The unit whose module is being run by an import."""


class _Source(SourceFileLoader):
    """Takes code from the source and from nothing else, if nobody else can write that."""

    def get_code(self, fullname: str) -> CodeType:
        path = Path(self.path)
        _require_safe(path)
        unit = units.note(path, fullname)
        with io.open_code(self.path) as file:
            tree: ast.Module = ast.parse(file.read(), self.path)
        unit.imports |= set(_imported(tree))
        code: CodeType = self.source_to_code(tree, self.path)
        return code

    def exec_module(self, module: ModuleType) -> None:
        outer = _running.get()
        if outer is not None:
            outer.imports.add(first_word(module.__name__))
        token = _running.set(units.unit_of(Path(self.path)))
        try:
            super().exec_module(module)
        finally:
            _running.reset(token)


class _Extension(ExtensionFileLoader):
    """Takes machine code, if nobody else can write it."""

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        path = Path(self.path)
        _require_safe(path)
        units.note(path, self.name, is_fixed=True)
        return super().create_module(spec)


def watch(directories: Iterable[Path]) -> None:
    """Be responsible for whatever is imported from plugin directories, from now on and for good.

    Args:
        directories: the directories. Those of earlier calls stay, as what runs may still import from them.
    """
    names = {name for each in directories for name in (units.absolute(each), Path(os.path.realpath(each)))}
    if not names <= units.STATE.roots:
        units.STATE.roots |= names
        for entry in list(sys.path_importer_cache):
            if units.root_of(entry) is not None:
                del sys.path_importer_cache[entry]
    if _hook not in sys.path_hooks:
        sys.path_hooks.insert(0, _hook)


def extend(directory: Path) -> None:
    """Let plugins import what lies in `directory`; last, so that it replaces nothing."""
    if str(directory) not in sys.path:
        units.STATE.added.add(str(directory))
        sys.path.append(str(directory))


def drop_in(name: str, file: Path) -> tuple[ModuleType, str]:
    """The module of a drop-in and its version, under a name that no other module has.

    Args:
        name: what the drop-in is called.
        file: the file, or the `__init__.py` of the package.

    Returns:
        The module, and a digest of its source and of all beside it that it imports.

    Raises:
        BaseException: whatever its code raises.
    """
    unit = units.unit_of(file)
    if unit.drop_in is None:
        module = _run(f'{DROP_IN}{"".join(c if c.isalnum() else "_" for c in name)}_{next(_numbers)}', file)
        digest = hashlib.sha256()
        for needed in units.needed_by(unit):
            digest.update(os.fsencode(f'{needed.path.name}:{needed.digest}\n'))
        unit.drop_in = (module, f'sha256:{digest.hexdigest()[:12]}')
    return unit.drop_in


def requirement(module: str, distribution: str) -> str:
    """What to install for a module that is missing: the extra of a distribution that brings it, or the module itself.

    Args:
        module: the name of the module.
        distribution: the name of the distribution that imports it.
    """
    try:
        required = importlib.metadata.requires(distribution) or []
    except importlib.metadata.PackageNotFoundError:
        return module
    for each in required:
        found = _OPTIONAL.fullmatch(each)
        if found and found['name'].replace('-', '_') == module:
            return f"'{distribution}[{found['extra']}]'"
    return module


def _run(name: str, file: Path) -> ModuleType:
    is_package = file.name == '__init__.py'
    spec = spec_from_file_location(
        name,
        file,
        loader=_Source(name, str(file)),
        submodule_search_locations=[str(file.parent)] if is_package else None,
    )
    if spec is None or spec.loader is None:
        raise ImportError(f'{file} is no Python module')
    module = module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        # Half a module is none: the next import begins anew.
        for each in [each for each in list(sys.modules) if first_word(each) == name]:
            del sys.modules[each]
        raise
    return module


def _hook(path: str) -> FileFinder:
    """The finder for a directory at or below a plugin directory. It finds nothing in an archive."""
    if units.root_of(path) is None:
        raise ImportError('not below a plugin directory', path=path)
    return FileFinder(path, (_Extension, EXTENSION_SUFFIXES), (_Source, SOURCE_SUFFIXES))


def _require_safe(file: Path) -> None:
    culprit = writable_on_the_way(*units.placed(file))
    if culprit is not None:
        raise Unsafe(culprit)


def _imported(tree: ast.AST) -> Iterator[str]:
    """The first words of the names that a module imports anywhere in its code; its own package is not among them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (first_word(alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield first_word(node.module)
