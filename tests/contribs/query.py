# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""A query of Prometheus, taken apart: what it asks for, by which labels, with which functions."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

FUNCTIONS = frozenset(
    (
        'absent', 'changes', 'count', 'histogram_quantile', 'increase', 'label_values', 'max', 'min', 'min_over_time',
        'rate', 'sort_desc', 'sum', 'topk', 'vector',
    )
)  # fmt: skip
"""Those that the queries of this project may use."""
GROWTH = frozenset(('rate', 'increase'))
"""Those that a counter is asked for by."""

_TOKEN = re.compile(
    r'\s*(?:(?P<string>"(?:[^"\\]|\\.)*")|(?P<range>\[[^\][]+\])|(?P<word>[a-zA-Z_][a-zA-Z0-9_]*)'
    r'|(?P<number>\d+(?:\.\d+)?)|(?P<mark>=~|!~|!=|==|>=|<=|[-+*/<>={}(),]))'
)
_OF_LABELS = frozenset(('by', 'without', 'on', 'ignoring'))
_BETWEEN = frozenset(('and', 'or', 'unless', 'bool', 'offset'))
_PAIRS = {')': '(', '}': '{'}


@dataclass
class Selector:
    """One figure that is asked for.

    Attributes:
        name: the figure.
        within: the function that it is an argument of; `''` for none.
        labels: those that it is chosen by.
        is_range: whether it is asked for over a time.
    """

    name: str
    within: str
    labels: set[str] = field(default_factory=set)
    is_range: bool = False


@dataclass
class Query:
    """What a query says.

    Attributes:
        selectors: the figures.
        groups: the labels behind `by`, `on` and the like.
        functions: the functions and aggregations.
    """

    selectors: list[Selector] = field(default_factory=list)
    groups: set[str] = field(default_factory=set)
    functions: set[str] = field(default_factory=set)


def parsed(text: str) -> Query:
    """A query, taken apart.

    Args:
        text: the query; variables of Grafana stand in texts and times only.

    Raises:
        ValueError: it has something that is not understood, or its brackets are not balanced.
    """
    query, open_, words = Query(), list[tuple[str, str]](), _words(text)
    for number, (kind, word) in enumerate(words):
        follows = words[number + 1][1] if number + 1 < len(words) else ''
        before = words[number - 1][1] if number else ''
        if kind == 'range':
            query.selectors[-1].is_range = True
        elif word in ('(', '{'):
            open_.append((word, _function(words, number)))
        elif word in _PAIRS:
            if not open_ or open_.pop()[0] != _PAIRS[word]:
                raise ValueError(f'{word} closes nothing in {text}')
        elif kind == 'word' and word not in _BETWEEN and word not in _OF_LABELS:
            _take(query, word, follows, before, open_)
    if open_:
        raise ValueError(f'{open_[-1][0]} is not closed in {text}')
    return query


def _take(query: Query, word: str, follows: str, before: str, open_: list[tuple[str, str]]) -> None:
    bracket, function = open_[-1] if open_ else ('', '')
    if bracket == '{':
        query.selectors[-1].labels.add(word)
    elif function in _OF_LABELS:
        query.groups.add(word)
    elif follows in ('(', 'by', 'without'):
        query.functions.add(word)
    elif function == 'label_values' and before == ',':
        query.groups.add(word)
    else:
        query.selectors.append(Selector(word, function))


def _function(words: list[tuple[str, str]], number: int) -> str:
    """What the bracket at a place is of: the word before it, or before the labels that stand there."""
    if words[number][1] == '(' and number and words[number - 1][0] == 'word':
        return words[number - 1][1]
    return ''


def _words(text: str) -> list[tuple[str, str]]:
    found, at = list[tuple[str, str]](), 0
    while at < len(text.rstrip()):
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise ValueError(f'{text[at:]!r} is not understood')
        found.append((match.lastgroup, match[match.lastgroup]))
        at = match.end()
    return found
