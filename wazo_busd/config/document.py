# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""One YAML file, read with the place of every key, and merged with others as Wazo's administrators know it."""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import yaml

from wazo_busd.errors import Problem

Place = tuple[str | int, ...]
"""The way from the top of the configuration to a value: keys of maps and indexes of lists."""

_SECRET_KEY = re.compile(r'pass|pwd|secret|token|credential|key|url|auth|\bpin\b', re.IGNORECASE)
_NUMBER_LOOKALIKE = re.compile(r'\+[0-9][0-9_]*|[-+]?0[0-9_]+|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?')
_TAG = 'tag:yaml.org,2002:'
_SCALARS = {
    'str': 'text',
    'int': 'a whole number',
    'float': 'a number',
    'bool': 'true or false',
    'null': 'null',
    'timestamp': 'a date',
}
_TAGS: dict[type[yaml.Node], set[str]] = {
    yaml.ScalarNode: {f'{_TAG}{kind}' for kind in _SCALARS},
    yaml.SequenceNode: {f'{_TAG}seq'},
    yaml.MappingNode: {f'{_TAG}map'},
}
_NAMED = re.compile(r"(alias|anchor|tag handle) '.*'(;.*)?")
_SHOWN = 40
_LEAST_SECRET = 4


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value was written.

    Attributes:
        file: the file.
        line: the line in it, from 1.
        text: how it was written, for a plain value; `''` for maps and lists.
    """

    file: str
    line: int
    text: str = ''


@dataclass(slots=True)
class Document:
    """What one or several files say.

    Attributes:
        tree: the maps, lists and plain values.
        origins: the origin of every value in the tree, by its place.
        problems: what could not be read.
        secrets: the secrets in the tree that were not written there; no problem shows one.
        misread: the places whose value YAML takes for something else than was meant, which is told already.
    """

    tree: dict[str, Any] = field(default_factory=dict)
    origins: dict[Place, Origin] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    secrets: set[str] = field(default_factory=set, repr=False)
    misread: set[Place] = field(default_factory=set)

    def origin(self, place: Place) -> Origin:
        """The origin of the value at `place`, or of the nearest value around it."""
        for end in range(len(place), -1, -1):
            found = self.origins.get(place[:end])
            if found is not None:
                return found
        return Origin('', 0)

    def problem(self, place: Place, message: str, hint: str = '') -> Problem:
        """A problem with the value at `place`, told with its path, file and line."""
        origin = self.origin(place)
        name = str(place[1]) if len(place) > 1 and place[0] == 'handlers' else ''
        prefix = f'{dotted(place)}: ' if place else ''
        message, hint = self._concealed(message, place), self._concealed(hint, place)
        return Problem(f'{prefix}{message}', file=origin.file, line=origin.line, handler=name, hint=hint)

    def _concealed(self, text: str, place: Place) -> str:
        """`text` without secrets: a plugin that checks its options may say what it found."""
        secrets = set(self.secrets)
        value: Any = self.tree
        for part in place if is_secret(place) else ():
            value = value.get(part) if isinstance(value, dict) else None
        if isinstance(value, str):
            secrets.add(value)
        for secret in sorted(secrets, key=len, reverse=True):
            if len(secret) >= _LEAST_SECRET:
                text = text.replace(secret, '…')
        return text

    def merge(self, other: Document) -> None:
        """Take over from `other` what this one does not say: maps merge, anything else is whole (Wazo's rule).

        A key with nothing behind it, as is left when all below it is commented out, hides no map of another file. That
        one file has a map where another has something else is a problem.
        """
        self.problems.extend(other.problems)
        self.misread |= other.misread
        self._merge(self.tree, other.tree, (), other)

    def _merge(self, mine: dict[str, Any], theirs: Mapping[str, Any], place: Place, other: Document) -> None:
        for key, value in theirs.items():
            here = (*place, key)
            if key not in mine or (mine[key] is None and isinstance(value, Mapping)):
                mine[key] = value
                self.origins.update({at: o for at, o in other.origins.items() if at[: len(here)] == here})
            elif isinstance(mine[key], dict) and isinstance(value, Mapping):
                self._merge(mine[key], value, here, other)
            elif isinstance(mine[key], dict) and value is not None:
                self.problems.append(other.problem(here, f'expected a map, as in {self.origin(here).file}'))
            elif isinstance(value, Mapping):
                self.problems.append(self.problem(here, f'expected a map, as in {other.origin(here).file}'))


def read(path: Path) -> Document:
    """Read one file. What is wrong with it becomes problems of the document; nothing is raised.

    Beyond YAML's own mistakes these are refused: a key given twice, a key that is no text (`on:` is read as true by
    YAML, `1001:` as a number), and telephone-like numbers without quotes (`0606` is read as 390, `+1555` as 1555).
    """
    document = Document()
    try:
        text = path.read_bytes()
    except OSError as error:
        document.problems.append(_unreadable(path, error))
        return document
    try:
        loader = _Loader(text, document, str(path))
        loader.name = str(path)
        node = loader.get_single_node()
        tree = {} if node is None else loader.convert(node, ())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        message = ', '.join(part for part in (error.context, error.problem) if part)
        document.problems.append(_broken(path, message, mark.line + 1 if mark else 0))
        return document
    except yaml.reader.ReaderError as error:
        document.problems.append(_broken(path, f'{error.reason} (#x{_code(error):02x})', _line(error, text)))
        return document
    except RecursionError:
        document.problems.append(_broken(path, 'nested too deep', 0))
        return document
    if not isinstance(tree, dict):
        if tree is not None:
            document.problems.append(
                Problem('the file is no map of keys to values', str(path), 1, hint='write lines such as bus: {host: …}')
            )
        tree = {}
    document.tree = tree
    return document


def dotted(place: Place) -> str:
    """The path of a value as people write it: `handlers.calls.match[0]`."""
    text = ''
    for part in place:
        text += f'[{part}]' if isinstance(part, int) else f'.{part}' if text else part
    return text


def is_secret(place: Place) -> bool:
    """Whether a value at `place` must not be shown, judged by the name of its key."""
    return any(isinstance(part, str) and _SECRET_KEY.search(part) for part in place)


def _shown(place: Place, text: str) -> str:
    return '…' if is_secret(place) or len(text) > _SHOWN else text


def quoting_hint(place: Place, text: str) -> str:
    """How to write `text` so that YAML reads a text."""
    key = next((part for part in reversed(place) if isinstance(part, str)), 'key')
    shown = _shown(place, text)
    if isinstance(place[-1] if place else key, int):
        return f"put it in quotes: - '{shown}'"
    return f"put it in quotes: {key}: '{shown}'"


_UNREADABLE_SCALAR = (ValueError, OverflowError, LookupError, AttributeError)
"""What PyYAML raises for a plain value that is not of the kind that it looks like or is tagged as."""


class _Loader(yaml.SafeLoader):
    """Turns nodes into plain values and notes where each was written."""

    def __init__(self, text: bytes, document: Document, file: str) -> None:
        super().__init__(text)
        self._document = document
        self._file = file
        self._open: set[int] = set()
        self._flat: set[int] = set()

    def convert(self, node: yaml.Node, place: Place) -> Any:
        self._document.origins[place] = Origin(
            self._file, node.start_mark.line + 1, node.value if isinstance(node, yaml.ScalarNode) else ''
        )
        if node.tag not in _TAGS[type(node)]:
            # A password that begins with an exclamation mark is a tag, too.
            shown = '…' if is_secret(place) else node.tag.replace(_TAG, '!!')
            self._complain(
                node,
                place,
                f'the tag {shown} is not supported here',
                'a secret is written "${file:/path}" or "${credential:NAME}"; programs are never run',
            )
            return None
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, place)
        if id(node) in self._open:
            raise yaml.MarkedYAMLError(problem='an anchor that contains itself', problem_mark=node.start_mark)
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.SequenceNode):
                return [self.convert(child, (*place, index)) for index, child in enumerate(node.value)]
            return self._mapping(cast('yaml.MappingNode', node), place)
        finally:
            self._open.discard(id(node))

    def _mapping(self, node: yaml.MappingNode, place: Place) -> dict[str, Any]:
        if id(node) not in self._flat:
            # What was merged into a map by `<<` may be said again by the map's own keys.
            self._complain_of_repeated_keys(node, place)
        self.flatten_mapping(node)
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node, place)
            if key is not None:
                result[key] = self.convert(value_node, (*place, key))
                self._document.origins[(*place, key)] = Origin(
                    self._file,
                    key_node.start_mark.line + 1,
                    value_node.value if isinstance(value_node, yaml.ScalarNode) else '',
                )
        return result

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        self._flat.add(id(node))
        super().flatten_mapping(node)

    def _complain_of_repeated_keys(self, node: yaml.MappingNode, place: Place) -> None:
        first_lines: dict[str, int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == 'tag:yaml.org,2002:merge':
                continue
            if key.value in first_lines:
                self._complain(
                    key, place, f'the key {key.value!r} is given twice, first on line {first_lines[key.value]}'
                )
            first_lines.setdefault(key.value, key.start_mark.line + 1)

    def _key(self, node: yaml.Node, place: Place) -> str | None:
        if isinstance(node, yaml.ScalarNode):
            hint = f"put it in quotes: '{node.value}':"
            try:
                key = self._constructed(node)
            except _UNREADABLE_SCALAR:
                self._complain(node, place, f'YAML takes the key {node.value} for {_kind(node)}, which it is not', hint)
                return None
            if isinstance(key, str):
                return key
            kind = f'as {str(key).lower()}' if isinstance(key, bool) else f'as {key!r}, which is no text'
            if node.value.lower() == 'on' and place[:1] == ('handlers',) and len(place) == 2:
                hint = 'events are named by match: [calls.#]'
            self._complain(node, place, f'YAML reads the key {node.value} {kind}', hint)
        else:
            self._complain(node, place, 'a key is a text, not a list or a map')
        return None

    def _scalar(self, node: yaml.ScalarNode, place: Place) -> Any:
        shown = _shown(place, node.value) or "''"
        try:
            value = self._constructed(node)
        except _UNREADABLE_SCALAR:
            message = f'YAML takes {shown} for {_kind(node)}, which it is not'
            self._complain(node, place, message, quoting_hint(place, node.value))
            self._document.misread.add(place)
            return node.value
        if node.style is None and not isinstance(value, str) and _NUMBER_LOOKALIKE.fullmatch(node.value):
            message = f'YAML reads {shown} as the number {"…" if shown == "…" else value}'
            self._complain(node, place, message, quoting_hint(place, node.value))
            self._document.misread.add(place)
            return node.value
        return value

    def _constructed(self, node: yaml.ScalarNode) -> Any:
        try:
            return self.construct_object(node)
        finally:
            # Where that failed, PyYAML would take an alias of the node for one that contains itself.
            self.recursive_objects.pop(node, None)

    def _complain(self, node: yaml.Node, place: Place, message: str, hint: str = '') -> None:
        line = node.start_mark.line + 1
        prefix = f'{dotted(place)}: ' if place else ''
        name = str(place[1]) if len(place) > 1 and place[0] == 'handlers' else ''
        self._document.problems.append(Problem(f'{prefix}{message}', self._file, line, handler=name, hint=hint))


def _unreadable(path: Path, error: OSError) -> Problem:
    if isinstance(error, FileNotFoundError):
        return Problem('the file does not exist', str(path), hint='name another with -c FILE')
    if isinstance(error, IsADirectoryError):
        return Problem('this is a directory, not a file', str(path), hint='name a file in it')
    if isinstance(error, PermissionError):
        return Problem('the file cannot be read: permission denied', str(path), hint=f'ls -l {path}; id')
    return Problem(f'the file cannot be read: {error.strerror or error}', str(path))


def _broken(path: Path, message: str, line: int) -> Problem:
    hint = 'indent with spaces' if '\\t' in message else ''
    # What follows a *, & or ! may be a password without its quotes.
    unnamed = _NAMED.sub(r'\1', message)
    if unnamed != message:
        hint = 'a text that begins with *, & or ! is put in quotes'
    return Problem(f'this is not YAML: {unnamed}', str(path), line, hint=hint)


def _line(error: yaml.reader.ReaderError, text: bytes) -> int:
    """The line of a character that YAML does not allow; the error counts characters if there are any, else bytes."""
    position = error.position if isinstance(error.position, int) else 0
    if error.encoding != 'unicode':
        return text[:position].count(b'\n') + 1
    encoding = 'utf-16' if text.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else 'utf-8'
    return text.decode(encoding, 'replace')[:position].count('\n') + 1


def _kind(node: yaml.ScalarNode) -> str:
    return _SCALARS.get(node.tag.removeprefix(_TAG), 'something else')


def _code(error: yaml.reader.ReaderError) -> int:
    return error.character if isinstance(error.character, int) else ord(str(error.character)[:1] or '\0')
