# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The loader: finds plugins, imports those that are used, and lets none of them take anything else down."""

from __future__ import annotations

import importlib
import importlib.metadata
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from traceback import TracebackException
from types import ModuleType
from typing import Any

from stevedore.extension import ExtensionManager

from wazo_busd import imports, units
from wazo_busd.candidate import Candidate, Loaded
from wazo_busd.config import near
from wazo_busd.errors import Interrupted, PluginError, PluginImportError
from wazo_busd.plugin import Plugin, describe
from wazo_busd.safety import Unsafe, writable_by_others

GROUP = 'wazo_busd.plugins'
"""The group of entry points that distributions announce plugins in."""

_claims: dict[tuple[str, str], tuple[ModuleType | None, str]] = {}
"""For each distribution and module that a plugin was loaded from: the module, and the version that it was of."""


class Loader:
    """Knows the plugins of the installation and of the drop-in directories, as they are when it is made.

    Nothing is imported before `load` is called for it. What was imported before from files that are others now is
    forgotten; what is installed with wazo-busd stays as it is until the next start.

    Args:
        directories: where drop-ins lie; those that do not exist are passed over.
    """

    def __init__(self, directories: Sequence[Path]) -> None:
        self.unreadable: dict[Path, str] = {}
        """The directories that exist and cannot be listed, with the reason."""
        self.hidden: list[str] = []
        """The distributions with plugins that another one of the same name, which comes before, hides; in sentences."""
        self._candidates: dict[str, list[Candidate]] = {}
        self._refusals: dict[str, PluginError] = {}
        """Why something that could be meant by a name is no plugin."""
        self._remarks: list[str] = []
        """What else may be the reason that a plugin is not found."""
        imports.watch(directories)
        units.refresh()
        importlib.invalidate_caches()
        places = {str(each) for each in directories} | units.STATE.added
        for candidate in self._installed([entry for entry in sys.path if entry not in places], None):
            self._add(candidate)
        for directory in dict.fromkeys(directories):
            for candidate in self._found_in(directory):
                self._add(candidate)

    @property
    def names(self) -> list[str]:
        """The names that plugins can be asked for by, sorted."""
        return sorted(self._candidates)

    @property
    def candidates(self) -> Mapping[str, Sequence[Candidate]]:
        """What was found by each name. Of a name that is there twice none is loaded."""
        return self._candidates

    @property
    def refusals(self) -> Mapping[str, PluginError]:
        """What lies in the directories and is no plugin, by the name that it would have, and why not."""
        return self._refusals

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
            raise self._not_found(name)
        if len(found) > 1:
            raise PluginError(
                f'there is more than one plugin {name!r}: {" and ".join(each.source for each in found)}',
                'rename or remove all but one',
            )
        return _imported(found[0])

    def _not_found(self, name: str) -> PluginError:
        if name in self._refusals:
            return self._refusals[name]
        hint = near(name, self._candidates) or f'known plugins: {", ".join(self.names)}'
        return PluginError(f'there is no plugin {name!r}', '; '.join([hint, *self._remarks]))

    def _found_in(self, directory: Path) -> list[Candidate]:
        try:
            paths = sorted(directory.iterdir())
        except FileNotFoundError:
            self._remarks.append(f'of plugin_dirs, {directory} does not exist')
            return []
        except OSError as error:
            self.unreadable[directory] = error.strerror or str(error)
            return []
        return [*self._installed([str(directory)], directory), *self._dropped(directory, paths)]

    def _installed(self, path: Sequence[str], directory: Path | None) -> Iterator[Candidate]:
        """The plugins that distributions on `path` announce; one that is broken announces none."""
        seen: dict[str, importlib.metadata.Distribution] = {}
        for distribution in importlib.metadata.distributions(path=list(path)):
            name = 'a distribution'
            try:
                name = str(distribution.metadata['Name'])
                first = seen.setdefault(name, distribution)
                entry_points = distribution.entry_points.select(group=GROUP)
                if first is not distribution:
                    self.hidden += [f'{_placed(distribution)} is hidden by {_placed(first)}'] if entry_points else []
                    continue
                yield from [_announced(entry_point, distribution, directory) for entry_point in entry_points]
            except Exception as error:  # noqa: BLE001 — what a stranger has left there may be anything
                self._remark(name, directory, error)

    def _dropped(self, directory: Path, paths: Sequence[Path]) -> Iterator[Candidate]:
        """The loose files and packages in a directory that has these `paths`.

        What `pip install --target` left there belongs to distributions.
        """
        owned = self._owned(directory)
        for path in paths:
            # Tests may lie beside what they test.
            if path.name in owned or path.name.startswith(('.', '_', 'test_')):
                continue
            name = path.stem if path.suffix == '.py' else path.name
            try:
                file = _code_of(path)
                if file is not None:
                    yield _loose(name, path, file, directory)
                elif path.is_dir():
                    text = f'there is no plugin {name!r}: the folder {path} has no __init__.py'
                    self._refusals[name] = PluginError(text, f'touch {path / "__init__.py"}')
            except OSError as error:
                self._refusals[name] = PluginError(
                    f'plugin {name!r} cannot be looked at: {path}: {error.strerror}', f'ls -ld {directory} {path}; id'
                )

    def _owned(self, directory: Path) -> set[str]:
        """The names of what distributions have put into a directory."""
        owned: set[str] = set()
        for distribution in importlib.metadata.distributions(path=[str(directory)]):
            name = 'a distribution'
            try:
                name = str(distribution.metadata['Name'])
                owned.update(file.parts[0] for file in distribution.files or () if file.parts)
            except Exception as error:  # noqa: BLE001 — the same
                self._remark(name, directory, error)
        return owned

    def _remark(self, name: str, directory: Path | None, error: Exception) -> None:
        where = directory or 'the installation'
        self._remarks.append(f'{name} in {where} cannot be read: {type(error).__name__}: {error}')

    def _add(self, candidate: Candidate) -> None:
        self._candidates.setdefault(candidate.name, []).append(candidate)


class _EntryPoints(ExtensionManager[Any]):
    """stevedore's manager, given the entry points that we found.

    Its own list comes from a cache on disk that can be older than what is installed.
    """

    def __init__(self, entry_points: Sequence[Any]) -> None:
        self._entry_points = list(entry_points)
        super().__init__(GROUP, on_load_failure_callback=_raise)

    def list_entry_points(self) -> list[Any]:
        return self._entry_points


def _raise(manager: ExtensionManager[Any], entry_point: Any, error: BaseException) -> None:
    raise error


def _placed(distribution: importlib.metadata.Distribution) -> str:
    return f'{distribution.metadata["Name"]} {distribution.version} in {distribution.locate_file("")}'


def _announced(
    entry_point: importlib.metadata.EntryPoint, distribution: importlib.metadata.Distribution, directory: Path | None
) -> Candidate:
    name, version = distribution.metadata['Name'], distribution.version
    claim = (name, entry_point.module)
    path = None
    if directory is not None:
        top = directory / entry_point.module.partition('.')[0]
        path = top if top.is_dir() else top.with_suffix('.py')

    def load() -> Loaded:
        if directory is not None and path is not None:
            imports.extend(directory)
            if _claims.get(claim, (None, version))[1] != version:
                units.forget(path)
        (extension,) = _EntryPoints([entry_point])
        module = sys.modules.get(entry_point.module)
        if claim not in _claims or _claims[claim][0] is not module:
            _claims[claim] = (module, version)
        # What was imported before it was upgraded is still what it was.
        loaded_version = _claims[claim][1]
        return Loaded(extension.plugin, f'{name} {loaded_version}', loaded_version)

    return Candidate(entry_point.name, f'{name} {version}', directory, path, load)


def _code_of(path: Path) -> Path | None:
    """The file of code of a drop-in; `None` if it is none."""
    if path.suffix == '.py' and path.is_file():
        return path
    file = path / '__init__.py'
    return file if file.is_file() else None


def _loose(name: str, path: Path, file: Path, directory: Path) -> Candidate:
    def load() -> Loaded:
        imports.extend(directory)
        module, version = imports.drop_in(name, file)
        return Loaded(module, str(path), version)

    return Candidate(name, str(path), directory, path, load)


def _imported(candidate: Candidate) -> Plugin:
    """The plugin; whatever its code raises becomes a `PluginImportError`, but for a person's own Ctrl-C.

    `SystemExit`, `AssertionError` and the like are no reason for the daemon to end.
    """
    name = candidate.name
    try:
        culprit = candidate.path and writable_by_others(candidate.path)
        if culprit is not None:
            raise Unsafe(culprit)
        loaded = candidate.load()
        return describe(loaded.target, name=name, source=loaded.source, version=loaded.version)
    except (Interrupted, PluginError):
        raise
    except Unsafe as error:
        raise PluginError(f'plugin {name!r} is refused: {error.text}', error.cure) from error
    except BaseException as error:
        text = TracebackException.from_exception(error, limit=0)  # never raises, unlike an error that is itself broken
        said = f'{type(error).__name__}: {text}{_place(error, candidate.source)}'
        raise PluginImportError(
            f'plugin {name!r} ({candidate.source}) cannot be imported: {said}', _cure(error, candidate)
        ) from error


def _place(error: BaseException, source: str) -> str:
    """Where in the plugin's own code it went wrong."""
    if isinstance(error, SyntaxError):
        return ''
    frames = _frames(error, source)
    return f' (line {frames[-1].lineno} of {frames[-1].filename})' if frames else ''


def _cure(error: BaseException, candidate: Candidate) -> str:
    """What to type or mend."""
    if isinstance(error, ModuleNotFoundError) and error.name and '.' not in error.name:
        target = f'--target {candidate.directory} ' if candidate.directory else ''
        return f'pip install {target}{imports.requirement(error.name, candidate.source.partition(" ")[0])}'
    if isinstance(error, SyntaxError) and error.filename and error.filename.startswith('/'):
        return f'python3 -m py_compile {error.filename}'
    frames = _frames(error, f'{candidate.directory}/')
    return f'mend {frames[-1].filename if frames else candidate.path or candidate.source}'


def _frames(error: BaseException, start: str) -> list[traceback.FrameSummary]:
    return [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(start)]
