# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The operations: what an expression does to values, each of them bounded whatever the values are.

A template has them in the place of Jinja's own operators, under names that nobody can write: see `grammar`.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, Undefined, pass_context, pass_environment
from jinja2.nodes import EvalContext
from jinja2.runtime import Context
from jinja2.utils import missing

from wazo_busd.language.fault import Fault
from wazo_busd.language.missing import Missing, insist
from wazo_busd.language.surroundings import Surroundings
from wazo_busd.language.values import NOTHING, text_of, within

_LETTERS = 4_194_304
_ROUNDS = 2_000
_BITS = 1_024

_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    'eq': operator.eq,
    'ne': operator.ne,
    'gt': operator.gt,
    'gteq': operator.ge,
    'lt': operator.lt,
    'lteq': operator.le,
    'in': lambda value, where: value in where,
    'notin': lambda value, where: value not in where,
}
_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    'add': operator.add,
    'sub': operator.sub,
    'mul': operator.mul,
    'div': operator.truediv,
    'floordiv': operator.floordiv,
    'mod': operator.mod,
}


class Run(Context):
    """One evaluation, which may take only so much.

    The budget is for what the event decides: how long its lists and texts are. It is far above what anybody reads.
    """

    letters = _LETTERS
    rounds = _ROUNDS

    def __init__(self, environment: Environment, variables: Any, surroundings: Surroundings) -> None:
        # What Jinja's own would prepare, for blocks and exports, nothing here can ask for.
        self.environment = environment
        self.parent = variables
        self.surroundings = surroundings
        self.vars: dict[str, Any] = {}
        self.exported_vars: set[str] = set()

    @property
    def eval_ctx(self) -> EvalContext:  # type: ignore[override]
        """The settings, which only some of Jinja's own filters ask for."""
        return _settings(self.environment)

    def resolve_or_missing(self, key: str) -> Any:
        """The value of a name: one that the text has set itself, else one of the event's."""
        return self.vars[key] if key in self.vars else self.parent.get(key, missing)

    def spend(self, *values: Any) -> None:
        """Take the length of some values off the budget.

        Raises:
            Fault: it is spent.
        """
        for value in values:
            if isinstance(value, (str, list, tuple, Mapping)):
                self.letters -= len(value)
        if self.letters < 0:
            raise Fault(f'it has more than {_LETTERS} letters to go through')


@functools.cache
def _settings(environment: Environment) -> EvalContext:
    return EvalContext(environment)


@dataclass(slots=True)
class Value:
    """What a text takes from an event, still without the escapes of its destination.

    It is not frozen: there is one for each event that an expression is asked of, and that takes three times as long.

    Attributes:
        plain: the value.
    """

    plain: Any


@pass_environment
def field(environment: Environment, value: Any, way: tuple[str | int, ...], path: str) -> Any:
    """What a map or list holds at the end of a way; missing where there is nothing."""
    found = within(value, way)
    return environment.undefined(name=path) if found is NOTHING else found


@pass_environment
def item(environment: Environment, value: Any, key: Any, path: str) -> Any:
    """What a map holds by a key, or a list at a place, that is itself worked out."""
    if insist(value, key) is None and isinstance(key, (str, int)):
        return field(environment, value, (key,), path)
    return environment.undefined(name=path)


def present(value: Any) -> Any:
    """A value that becomes a part of a list or a map."""
    insist(value)
    return value


def part(value: Any, start: int | None, stop: int | None, step: int | None) -> Any:
    """A part of a text or a list: `value[start:stop:step]`."""
    if (gone := insist(value, start, stop, step)) is not None:
        return gone
    if not isinstance(value, (str, list, tuple)) or any(type(each) not in (int, type(None)) for each in (start, stop)):
        raise Fault('only a text or a list has parts, which numbers name')
    if step not in (None, 1):
        raise Fault('a part is taken letter by letter: [start:stop]')
    return value[start:stop]


@pass_environment
def compare(environment: Environment, left: Any, *pairs: Any) -> bool:
    """Whether a chain of comparisons holds, as in `1 < data.x < 5`.

    In a condition, one with a missing field is false, whichever it is, and so is one of things that have no order.
    """
    steps = iter(pairs)
    for name, right in zip(steps, steps, strict=True):
        # Nearly always both are there, and this is asked of each event.
        if (isinstance(left, Undefined) or isinstance(right, Undefined)) and insist(left, right) is not None:
            return False
        try:
            if not _COMPARISONS[name](left, right):
                return False
        except TypeError:
            if environment.undefined is Missing:
                return False
            raise Fault(f'{kind_of(left)} cannot be compared with {kind_of(right)}') from None
        left = right
    return True


def calculate(left: Any, name: str, right: Any) -> Any:
    """The sum, difference, product, quotient or rest of two numbers; the sum of two texts or two lists."""
    if (gone := insist(left, right)) is not None:
        return gone
    if name == 'add' and any(isinstance(left, kind) and isinstance(right, kind) for kind in (str, list)):
        return left + right
    if not (is_number(left) and is_number(right)):
        raise Fault(f'{kind_of(left)} and {kind_of(right)} cannot be calculated with; | int and | float make numbers')
    try:
        result = _ARITHMETIC[name](left, right)
    except ZeroDivisionError:
        raise Fault('a division by zero') from None
    except OverflowError:
        raise Fault('a number is too large') from None
    return _small(result)


def negate(value: Any) -> Any:
    """A number with the other sign."""
    if (gone := insist(value)) is not None:
        return gone
    if not is_number(value):
        raise Fault(f'{kind_of(value)} has no sign')
    return -value


def concatenate(*values: Any) -> Any:
    """The texts of some values, one behind the other."""
    gone = insist(*values)
    return ''.join(map(text_of, values)) if gone is None else gone


@pass_context
def each(run: Run, values: Any) -> Iterator[Any]:
    """What a list holds, or the keys of a map, one after the other.

    Raises:
        Fault: it is none, or too long.
    """
    insist(values)
    if not isinstance(values, (list, tuple, Mapping)):
        raise Fault(f'{kind_of(values)} has nothing to go through')
    for value in values:
        run.rounds -= 1
        if run.rounds < 0:
            raise Fault(f'it goes more than {_ROUNDS} rounds')
        yield value


def output(value: Any) -> Value:
    """A value that becomes a part of a text."""
    insist(value)
    if isinstance(value, Undefined):
        raise Fault('a value is missing')
    return Value(value)


def result(value: Any) -> Value:
    """The value of an expression, missing or not. Jinja would make a text of a constant."""
    return Value(value)


def is_number(value: Any) -> bool:
    """Whether a value is a number; true and false are none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def kind_of(value: Any) -> str:
    """What a value is, in words that say nothing of what it holds."""
    if value is None:
        return 'null'
    if isinstance(value, bool):
        return 'true or false'
    if is_number(value):
        return 'a number'
    return 'a text' if isinstance(value, str) else 'a map' if isinstance(value, Mapping) else 'a list'


def _small(number: Any) -> Any:
    if isinstance(number, int) and number.bit_length() > _BITS:
        raise Fault('a number is too large')
    return number


OPERATIONS: dict[str, Callable[..., Any]] = {
    f' {operation.__name__}': operation
    for operation in (field, item, present, part, compare, calculate, negate, concatenate, each, output, result)
}
"""Each by its name, with a space before it: no filter can be written so."""
