# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The loader: finds plugins, imports those that are used, and lets none of them take anything else down."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from traceback import TracebackException
from types import ModuleType
from typing import Any, TypeVar

from stevedore.extension import ExtensionManager

from wazo_busd.config import near
from wazo_busd.errors import PluginError, PluginImportError
from wazo_busd.plugin import Plugin, describe
from wazo_busd.safety import writable_by_others

GROUP = 'wazo_busd.plugins'
"""The group of entry points that distributions announce plugins in."""

T = TypeVar('T')

_extensions: set[str] = set()
"""Directories of drop-ins that were added to Python's path: what is in them never counts as installed."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A plugin that could be loaded.

    Attributes:
        name: what configuration calls it.
        source: where it is, for people.
        path: the drop-in file or directory that must be safe; `None` for what is installed with wazo-busd.
        load: imports it; gives the plugin's code and its version.
    """

    name: str
    source: str
    path: Path | None
    load: Callable[[], tuple[Any, str]]


class Loader:
    """Knows the plugins of the installation and of the drop-in directories, as they are when it is made.

    Nothing is imported before `load` is called for it.

    Args:
        directories: where drop-ins lie; those that do not exist are passed over.
    """

    def __init__(self, directories: Sequence[Path]) -> None:
        self.unreadable: dict[Path, str] = {}
        """The directories that exist and cannot be listed, with the reason."""
        self._candidates: dict[str, list[Candidate]] = {}
        self._broken: list[str] = []
        importlib.invalidate_caches()
        places = {str(each) for each in directories} | _extensions
        for candidate in self._installed([entry for entry in sys.path if entry not in places], None):
            self._add(candidate)
        for directory in dict.fromkeys(directories):
            for candidate in self._found_in(directory):
                self._add(candidate)

    @property
    def names(self) -> list[str]:
        """The names that plugins can be asked for by, sorted."""
        return sorted(self._candidates)

    def load(self, name: str) -> Plugin:
        """Import a plugin and read what it declares.

        Args:
            name: what configuration calls it.

        Raises:
            PluginImportError: its code raised while it was imported.
            PluginError: it is not there, or there twice, or not safe, or no plugin.
        """
        found = self._candidates.get(name, [])
        if not found:
            hint = near(name, self._candidates) or f'known plugins: {", ".join(self.names)}'
            raise PluginError(f'there is no plugin {name!r}', '; '.join([hint, *self._broken]))
        if len(found) > 1:
            raise PluginError(
                f'there is more than one plugin {name!r}: {" and ".join(each.source for each in found)}',
                'rename or remove all but one',
            )
        candidate = found[0]
        if candidate.path is not None:
            unsafe = writable_by_others(candidate.path)
            if unsafe is not None:
                raise PluginError(
                    f'plugin {name!r} is refused: others can write {unsafe}',
                    f'chown root: {unsafe}; chmod go-w {unsafe}',
                )
        target, version = candidate.load()
        return _guarded(
            name, candidate.source, lambda: describe(target, name=name, source=candidate.source, version=version)
        )

    def _found_in(self, directory: Path) -> list[Candidate]:
        try:
            paths = sorted(directory.iterdir())
        except FileNotFoundError:
            return []
        except OSError as error:
            self.unreadable[directory] = error.strerror or str(error)
            return []
        return [*self._installed([str(directory)], directory), *_dropped(directory, paths)]

    def _installed(self, path: Sequence[str], directory: Path | None) -> Iterator[Candidate]:
        """The plugins that distributions on `path` announce; one that is broken announces none."""
        seen: set[str] = set()
        for distribution in importlib.metadata.distributions(path=list(path)):
            name = 'a distribution'
            try:
                name = str(distribution.metadata['Name'])
                if name in seen:
                    continue
                seen.add(name)
                entry_points = distribution.entry_points.select(group=GROUP)
                yield from [_announced(entry_point, distribution, directory) for entry_point in entry_points]
            except Exception as error:  # noqa: BLE001 — what a stranger has left there may be anything
                where = directory or 'the installation'
                self._broken.append(f'{name} in {where} cannot be read: {type(error).__name__}: {error}')

    def _add(self, candidate: Candidate) -> None:
        self._candidates.setdefault(candidate.name, []).append(candidate)


class _EntryPoints(ExtensionManager[Any]):
    """stevedore's manager, given the entry points that we found.

    Its own list comes from a cache on disk that can be older than what is installed, and it lets `AssertionError` and
    `SystemExit` of one plugin end the process.
    """

    def __init__(self, entry_points: Sequence[Any]) -> None:
        self._entry_points = list(entry_points)
        super().__init__(GROUP, on_load_failure_callback=_raise)

    def list_entry_points(self) -> list[Any]:
        return self._entry_points


@dataclass(frozen=True, slots=True)
class _GuardedEntryPoint:
    """An entry point whose import can fail in any way."""

    name: str
    entry_point: importlib.metadata.EntryPoint
    source: str

    def load(self) -> Any:
        return _guarded(self.name, self.source, self.entry_point.load)


def _raise(manager: ExtensionManager[Any], entry_point: Any, error: BaseException) -> None:
    raise error


def _announced(
    entry_point: importlib.metadata.EntryPoint, distribution: importlib.metadata.Distribution, directory: Path | None
) -> Candidate:
    source = f'{distribution.metadata["Name"]} {distribution.version}'

    def load() -> tuple[Any, str]:
        _extend_path(directory)
        manager = _EntryPoints([_GuardedEntryPoint(entry_point.name, entry_point, source)])
        return manager.extensions[0].plugin, distribution.version

    path = None
    if directory is not None:
        top = directory / entry_point.module.partition('.')[0]
        path = top if top.is_dir() else top.with_suffix('.py')
    return Candidate(entry_point.name, source, path, load)


def _dropped(directory: Path, paths: Sequence[Path]) -> Iterator[Candidate]:
    """The loose files and packages in a directory that has these `paths`.

    What `pip install --target` left there belongs to distributions.
    """
    owned = {
        file.parts[0]
        for distribution in importlib.metadata.distributions(path=[str(directory)])
        for file in distribution.files or ()
        if file.parts
    }
    for path in paths:
        if path.name in owned or path.name.startswith(('.', '_')):
            continue
        if path.suffix == '.py' and path.is_file():
            yield _loose(path.stem, path, path, directory)
        elif (path / '__init__.py').is_file():
            yield _loose(path.name, path, path / '__init__.py', directory)


def _loose(name: str, path: Path, file: Path, directory: Path) -> Candidate:
    def load() -> tuple[Any, str]:
        _extend_path(directory)
        return _guarded(name, str(path), lambda: _imported(name, path, file))

    return Candidate(name, str(path), path, load)


def _imported(name: str, path: Path, file: Path) -> tuple[ModuleType, str]:
    """The module of a drop-in and its version, under a name that no other module has and that changes with its content.

    No compiled code is written: what Python would later take for it is told by time and size of the file, which can be
    the same when the content is not.
    """
    digest = _digest(path)
    version = f'sha256:{digest[:12]}'
    module_name = f'wazo_busd_dropin_{"".join(c if c.isalnum() else "_" for c in name)}_{digest[:12]}'
    if module_name in sys.modules:
        return sys.modules[module_name], version
    spec = importlib.util.spec_from_file_location(
        module_name, file, submodule_search_locations=[str(path)] if path.is_dir() else None
    )
    if spec is None or spec.loader is None:
        raise ImportError(f'{file} is no Python module')
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    keeps_compiled, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[module_name]
        raise
    finally:
        sys.dont_write_bytecode = keeps_compiled
    return module, version


def _guarded(name: str, source: str, load: Callable[[], T]) -> T:
    """What `load` gives; whatever it raises becomes a `PluginImportError`, but for the user's own Ctrl-C.

    `SystemExit`, `AssertionError` and the like are no reason for the daemon to end.
    """
    try:
        return load()
    except (KeyboardInterrupt, PluginError):
        raise
    except BaseException as error:
        place = _place(error, source)
        missing = error.name if isinstance(error, ModuleNotFoundError) and source.startswith('/') else None
        hint = f'pip install --target {Path(source).parent} {missing}' if missing else ''
        text = TracebackException.from_exception(error, limit=0)  # never raises, unlike an error that is itself broken
        raise PluginImportError(
            f'plugin {name!r} ({source}) cannot be imported: {type(error).__name__}: {text}{place}', hint
        ) from error


def _place(error: BaseException, source: str) -> str:
    """Where in the plugin's own code it went wrong."""
    if isinstance(error, SyntaxError):
        return ''
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(source)]
    return f' (line {frames[-1].lineno} of {frames[-1].filename})' if frames else ''


def _extend_path(directory: Path | None) -> None:
    """Let drop-ins import what lies beside them; last, so that they replace nothing."""
    if directory is not None and str(directory) not in sys.path:
        _extensions.add(str(directory))
        sys.path.append(str(directory))


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(each for each in path.rglob('*.py') if each.is_file()) if path.is_dir() else [path]:
        digest.update(str(file.relative_to(path.parent)).encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()
