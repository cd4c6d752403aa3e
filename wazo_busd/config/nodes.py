# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""From the nodes of a YAML file to plain values, with the place of each and everything that YAML misreads."""

from __future__ import annotations

import re
from typing import Any, cast

import yaml

from wazo_busd.config.document import Document, Origin, Place, dotted, is_secret, quoting_hint, shown
from wazo_busd.config.schema import Schema
from wazo_busd.errors import Problem

VALUES_LIMIT = 100_000
"""The most values that a file may have, every alias written out: aliases of aliases grow without end."""

_NUMBER_LOOKALIKE = re.compile(r'\+[0-9][0-9_]*|[-+]?0[0-9_]+|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?')
_DIGITS_LIMIT = 4300
"""Of numbers with more digits Python makes none; of those with colons PyYAML would, in minutes."""

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

_UNREADABLE_SCALAR = (ValueError, OverflowError, LookupError, AttributeError)
"""What PyYAML raises for a plain value that is not of the kind that it looks like or is tagged as."""


class TooMuch(Exception):
    """Raised for a file that has more than `VALUES_LIMIT` values.

    Args:
        line: the line whose value was too much.
    """

    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


class Loader(yaml.SafeLoader):
    """Turns the nodes of a file into plain values and notes where each was written.

    Args:
        text: what the file holds.
        document: where origins and problems are noted.
        file: its name.
        schema: what is known of the values; `None` where anything may stand anywhere.
    """

    def __init__(self, text: bytes, document: Document, file: str, schema: Schema | None) -> None:
        super().__init__(text)
        self.name = file
        self._document = document
        self._file = file
        self._schema = schema
        self._open: set[int] = set()
        self._flat: set[int] = set()
        self._values = 0
        self._place: Place = ()

    def tree(self) -> Any:
        """What the file says; an empty map if that is nothing.

        Raises:
            yaml.YAMLError: it is no YAML.
            TooMuch: it has too many values.
            RecursionError: it is nested too deep.
        """
        node = self.get_single_node()
        return {} if node is None else self._convert(node, (), node.start_mark.line + 1)

    def _convert(self, node: yaml.Node, place: Place, line: int) -> Any:
        self._place = place
        text = node.value if isinstance(node, yaml.ScalarNode) else ''
        self._document.origins[place] = Origin(self._file, line, text)
        self._count(1)
        if node.tag not in _TAGS[type(node)]:
            self._complain_of_the_tag(node, place)
            return None
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, place)
        if id(node) in self._open:
            raise yaml.MarkedYAMLError(problem='an anchor that contains itself', problem_mark=node.start_mark)
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.SequenceNode):
                return [
                    self._convert(child, (*place, index), child.start_mark.line + 1)
                    for index, child in enumerate(node.value)
                ]
            return self._mapping(cast('yaml.MappingNode', node), place)
        finally:
            self._open.discard(id(node))

    def _count(self, number: int) -> None:
        self._values += number
        if self._values > VALUES_LIMIT:
            # An alias leads back to an earlier line: the last line on the way is the one that has the alias.
            around = [self._place[:end] for end in range(len(self._place) + 1)]
            raise TooMuch(max(self._document.origins[each].line for each in around))

    def _mapping(self, node: yaml.MappingNode, place: Place) -> dict[str, Any]:
        if id(node) not in self._flat:
            # What was merged into a map by `<<` may be said again by the map's own keys.
            self._complain_of_repeated_keys(node, place)
        self._flat.add(id(node))
        super().flatten_mapping(node)
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node, place)
            if key is not None:
                result[key] = self._convert(value_node, (*place, key), key_node.start_mark.line + 1)
        return result

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Merge into a map what its `<<` say. PyYAML calls this for each map that is about to be merged."""
        self._flat.add(id(node))
        super().flatten_mapping(node)
        self._count(len(node.value))

    def _complain_of_repeated_keys(self, node: yaml.MappingNode, place: Place) -> None:
        first_lines: dict[str, int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == f'{_TAG}merge':
                continue
            if key.value in first_lines:
                message = f'the key {key.value!r} is given twice, first on line {first_lines[key.value]}'
                self._complain(key, place, message, 'keep one of them')
            first_lines.setdefault(key.value, key.start_mark.line + 1)

    def _complain_of_the_tag(self, node: yaml.Node, place: Place) -> None:
        # A password that begins with an exclamation mark is a tag, too.
        tag = '…' if is_secret(place) else node.tag.replace(_TAG, '!!')
        self._complain(
            node,
            place,
            f'the tag {tag} is not supported here',
            'a secret is written "${file:/path}" or "${credential:NAME}"; programs are never run',
        )
        self._document.misread.add(place)

    def _key(self, node: yaml.Node, place: Place) -> str | None:
        if not isinstance(node, yaml.ScalarNode):
            hint = 'write one word before the colon, as in host: localhost; a text that begins with { or [ needs quotes'
            self._complain(node, place, 'a key is a text, not a list or a map', hint)
            return None
        try:
            key = self._constructed(node)
        except _UNREADABLE_SCALAR:
            message = f'YAML takes the key {node.value} for {_kind(node)}, which it is not'
            self._complain(node, place, message, self._key_hint(node.value, place))
            self._document.misread.add((*place, node.value))
            return None
        if isinstance(key, str):
            return key
        self._document.misread.add((*place, node.value))
        kind = f'as {str(key).lower()}' if isinstance(key, bool) else f'as {key!r}, which is no text'
        self._complain(node, place, f'YAML reads the key {node.value} {kind}', self._key_hint(node.value, place))
        return None

    def _key_hint(self, text: str, place: Place) -> str:
        known = self._schema.keys(place) if self._schema else []
        if self._schema and known and text not in known:
            # With quotes around it, it would be an unknown key.
            return self._schema.hint((*place, text))
        return f"put it in quotes: '{text}':"

    def _scalar(self, node: yaml.ScalarNode, place: Place) -> Any:
        written = shown(place, node.value) or "''"
        try:
            value = self._constructed(node)
        except _UNREADABLE_SCALAR:
            message = f'YAML takes {written} for {_kind(node)}, which it is not'
            self._complain(node, place, message, quoting_hint(place, node.value))
            self._document.misread.add(place)
            return node.value
        if node.style is None and not isinstance(value, str) and _NUMBER_LOOKALIKE.fullmatch(node.value):
            message = f'YAML reads {written} as the number {"…" if written == "…" else value}'
            self._complain(node, place, message, self._number_hint(node.value, value, place))
            self._document.misread.add(place)
            return node.value
        return value

    def _number_hint(self, text: str, value: Any, place: Place) -> str:
        if self._schema is None or not self._schema.is_number(place):
            return quoting_hint(place, text)
        if shown(place, text) != text:
            return 'write a plain number, without zeros before it'
        return f'write {value if ":" in text else int(text.replace("_", ""))}'

    def _constructed(self, node: yaml.ScalarNode) -> Any:
        if node.tag in (f'{_TAG}int', f'{_TAG}float') and len(node.value) > _DIGITS_LIMIT:
            raise ValueError('a number with too many digits')
        try:
            return self.construct_object(node)
        finally:
            # Where that failed, PyYAML would take an alias of the node for one that contains itself.
            self.recursive_objects.pop(node, None)

    def _complain(self, node: yaml.Node, place: Place, message: str, hint: str) -> None:
        line = node.start_mark.line + 1
        prefix = f'{dotted(place)}: ' if place else ''
        name = str(place[1]) if len(place) > 1 and place[0] == 'handlers' else ''
        self._document.problems.append(Problem(f'{prefix}{message}', self._file, line, handler=name, hint=hint))


def _kind(node: yaml.ScalarNode) -> str:
    return _SCALARS.get(node.tag.removeprefix(_TAG), 'something else')
