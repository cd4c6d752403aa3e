# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The sandbox: Jinja without anything that reaches out of the event, or takes longer than the event is worth."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterator
from types import TracebackType
from typing import Any

from jinja2 import Template, Undefined, UndefinedError, nodes
from jinja2.exceptions import SecurityError
from jinja2.nativetypes import NativeCodeGenerator
from jinja2.runtime import LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment

from wazo_busd.language import grammar
from wazo_busd.language.fault import Absence, Fault
from wazo_busd.language.filters import AS_IT_IS, FILTERS, TESTS
from wazo_busd.language.grammar import Way
from wazo_busd.language.missing import Missing, Required
from wazo_busd.language.operations import OPERATIONS, Run, Value
from wazo_busd.language.surroundings import Surroundings
from wazo_busd.language.variables import Variables

_LOOP = frozenset({'first', 'index', 'index0', 'last', 'length', 'revindex', 'revindex0'})


class Sandbox(ImmutableSandboxedEnvironment):
    """Jinja's sandbox, in which there are no objects: maps, lists and plain values, and the filters that we wrote.

    Args:
        undefined: what a missing field is.
        in_json: whether it is for texts that are JSON.
    """

    code_generator_class = NativeCodeGenerator
    context_class = Run

    def __init__(self, undefined: type[Undefined], *, in_json: bool = False) -> None:
        super().__init__(undefined=undefined, optimized=False, trim_blocks=True, lstrip_blocks=True, cache_size=0)
        self.globals.clear()
        self.filters = {**FILTERS, **OPERATIONS, **({'tojson': AS_IT_IS} if in_json else {})}
        self.tests = dict(TESTS)

    def getattr(self, obj: Any, attribute: str) -> Any:
        """What Jinja still asks for: the number of a loop's round."""
        if isinstance(obj, LoopContext) and attribute in _LOOP:
            return getattr(obj, attribute)
        return self.undefined(name=attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Nothing: fields are found by an operation of ours."""
        raise SecurityError('there are no items')

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Nothing: there are no functions."""
        raise SecurityError('there are no functions')


@functools.lru_cache(maxsize=4)
def sandbox(undefined: type[Undefined], *, in_json: bool = False) -> Sandbox:
    """The one sandbox of a kind."""
    return Sandbox(undefined, in_json=in_json)


class Program:
    """An expression or a text that is ready to be run.

    Args:
        environment: the sandbox.
        tree: what it does.
        fields: the fields that it names.
    """

    def __init__(self, environment: Sandbox, tree: nodes.Template, fields: set[Way]) -> None:
        self.fields = sorted(fields, key=lambda way: [str(part) for part in way])
        self.outline = _outline(tree)
        """The parts of a text whatever the event says, with a value in each place; `None` where it has statements."""
        self._environment = environment
        code: Any = environment.compile(tree, filename='<template>')
        self._template = Template.from_code(environment, code, {})
        self._parts: Callable[[Run], Iterator[Any]] = self._template.root_render_func

    @classmethod
    def of_expression(cls, source: str, variables: Collection[str]) -> Program:
        """The program that gives the value of an expression.

        Raises:
            ValueError: it is none.
        """
        environment = sandbox(Missing)
        return cls(environment, *grammar.expression(environment, source, variables))

    @classmethod
    def of_text(cls, source: str, variables: Collection[str], *, in_json: bool) -> Program:
        """The program that gives the parts of a text.

        Raises:
            ValueError: it is none.
        """
        environment = sandbox(Required, in_json=in_json)
        return cls(environment, *grammar.text(environment, source, variables))

    def value(self, variables: Variables, surroundings: Surroundings) -> Any:
        """The value of an expression.

        Raises:
            Fault: it cannot be worked out.
        """
        try:
            return next(self._parts(Run(self._environment, variables, surroundings))).plain
        except Exception as error:  # noqa: BLE001 — a filter may meet anything; it is told as a fault
            raise self._fault(error) from None

    def parts(self, variables: Variables, surroundings: Surroundings) -> Iterator[Any]:
        """The parts of a text: what stands in it as text, what it takes from the event as `Value`.

        Raises:
            Fault: it cannot be worked out.
        """
        try:
            yield from self._parts(Run(self._environment, variables, surroundings))
        except Exception as error:  # noqa: BLE001 — the same
            raise self._fault(error) from None

    def _fault(self, error: Exception) -> Fault:
        line = self._line(error.__traceback__)
        if isinstance(error, Fault):
            return type(error)(error.text, line)
        if isinstance(error, UndefinedError):
            return Absence(str(error), line)
        # What another error says may repeat a value.
        return Fault(f'it cannot be worked out: {type(error).__name__}', line)

    def _line(self, traceback: TracebackType | None) -> int:
        line = 0
        while traceback is not None:
            if traceback.tb_frame.f_globals.get('__jinja_template__') is self._template:
                line = self._template.get_corresponding_lineno(traceback.tb_lineno)
            traceback = traceback.tb_next
        return line


def _outline(tree: nodes.Template) -> list[str | Value] | None:
    if not all(isinstance(node, nodes.Output) for node in tree.body):
        return None
    parts = [part for output in tree.find_all(nodes.Output) for part in output.nodes]
    return [part.data if isinstance(part, nodes.TemplateData) else Value('1') for part in parts]
