# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The grammar: which part of Jinja can be written, and what is put in the place of its operators.

What is not in the lists here is refused when the configuration is read: calls, attributes of objects, macros, imports.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection
from typing import Any

from jinja2 import Environment, TemplateSyntaxError, meta, nodes
from jinja2.parser import Parser
from jinja2.visitor import NodeTransformer

from wazo_busd.language.fault import mistake

Way = tuple[str | int, ...]
"""The way to a field: its variable, and the keys and places behind it."""

_OPERATORS: dict[type[nodes.BinExpr], str] = {
    nodes.Add: 'add',
    nodes.Sub: 'sub',
    nodes.Mul: 'mul',
    nodes.Div: 'div',
    nodes.FloorDiv: 'floordiv',
    nodes.Mod: 'mod',
}
_EXPRESSION: tuple[type[nodes.Node], ...] = (
    *_OPERATORS,
    nodes.And,
    nodes.Compare,
    nodes.Concat,
    nodes.CondExpr,
    nodes.Const,
    nodes.Dict,
    nodes.Filter,
    nodes.Getattr,
    nodes.Getitem,
    nodes.Keyword,
    nodes.List,
    nodes.Name,
    nodes.Neg,
    nodes.Not,
    nodes.Operand,
    nodes.Or,
    nodes.Pair,
    nodes.Pos,
    nodes.Slice,
    nodes.Test,
    nodes.Tuple,
)
_STATEMENTS: tuple[type[nodes.Node], ...] = (nodes.Assign, nodes.For, nodes.If, nodes.Output, nodes.TemplateData)
_WORDS = {
    'call': 'a call',
    'pow': 'a power',
    'callblock': 'call',
    'filterblock': 'filter',
    'assignblock': 'set without =',
    'fromimport': 'from … import',
}
_HINTS = {
    "got '='": 'two equals: data.error == "busy"',
    "unexpected char '&'": 'write and',
    "unexpected char '|'": 'write or',
    "unexpected char '!'": 'write not, or != between two values',
    "got ':'": 'without braces, as in data.error != "busy"',
    "got '}'": 'without braces, as in data.error != "busy"',
}
_SPECIAL = ('loop', 'self')
"""Names that Jinja gives a meaning."""

_EXAMPLE = "as in data.error != 'busy' and data.extension is defined"


def expression(environment: Environment, source: str, variables: Collection[str]) -> tuple[nodes.Template, set[Way]]:
    """A template that gives the value of an expression and nothing else, and the fields that it names.

    Args:
        environment: has the filters and tests.
        source: the expression.
        variables: the names that it can begin with.

    Raises:
        ValueError: it is none; a note says what to write.
    """
    try:
        parser = Parser(environment, source, state='variable')
        found = parser.parse_expression()
        if not parser.stream.eos:
            behind = parser.stream.current
            raise TemplateSyntaxError(f"expected an operator, got '{behind.value}'", behind.lineno)
    except TemplateSyntaxError as error:
        raise _broken(error, source, 'expression', _EXAMPLE) from None
    tree = nodes.Template([nodes.Output([found], lineno=1)], lineno=1)
    tree.set_environment(environment)
    return tree, _settled(tree, environment, variables, (nodes.Template, nodes.Output), wrap=False)


def text(environment: Environment, source: str, variables: Collection[str]) -> tuple[nodes.Template, set[Way]]:
    """A template that gives the parts of a text, and the fields that it names.

    Args:
        environment: has the filters and tests.
        source: the text.
        variables: the names that it can use.

    Raises:
        ValueError: it is none; a note says what to write.
    """
    try:
        tree = environment.parse(source)
    except TemplateSyntaxError as error:
        raise _broken(error, source, 'template', 'as in Fax to {{ data.extension }} failed') from None
    return tree, _settled(tree, environment, variables, (nodes.Template, *_STATEMENTS), wrap=True)


def _settled(
    tree: nodes.Template,
    environment: Environment,
    variables: Collection[str],
    allowed: tuple[type[nodes.Node], ...],
    *,
    wrap: bool,
) -> set[Way]:
    """Check a tree, put our operations into it, and return the fields that it names."""
    for node in tree.find_all(nodes.Node):
        _check(node, environment, (*allowed, *_EXPRESSION))
    # find_undeclared_variables compiles the tree, which must still be Jinja's.
    outer = meta.find_undeclared_variables(tree)
    for name in sorted(outer):
        if name not in variables:
            line = next((each.lineno for each in tree.find_all(nodes.Name) if each.name == name), 0)
            raise mistake(f'{_at(line)}there is no {name!r} in an event', _near(name, variables))
    rewriter = _Rewriter(environment, outer, wrap=wrap)
    rewriter.visit(tree)
    return rewriter.fields


def _check(node: nodes.Node, environment: Environment, allowed: tuple[type[nodes.Node], ...]) -> None:
    at = _at(node.lineno)
    if not isinstance(node, allowed):
        name = type(node).__name__.lower()
        hint = 'a filter makes one value of another, as in data.name | lower' if name == 'call' else ''
        raise mistake(f'{at}{_WORDS.get(name, name)} is not allowed here', hint)
    if isinstance(node, nodes.Filter) and (node.node is None or node.name not in environment.filters):
        raise mistake(f'{at}there is no filter {node.name!r}', _near(node.name, environment.filters))
    if isinstance(node, nodes.Test) and node.name not in environment.tests:
        raise mistake(f'{at}nothing can be asked with is {node.name}', _near(node.name, environment.tests))
    if isinstance(node, (nodes.Filter, nodes.Test)) and (node.dyn_args is not None or node.dyn_kwargs is not None):
        raise mistake(f'{at}* and ** are not allowed before what a filter takes')
    if isinstance(node, nodes.Getattr) and node.attr.startswith('__'):
        raise mistake(f'{at}no field is called {node.attr}')
    if isinstance(node, nodes.CondExpr) and node.expr2 is None:
        raise mistake(f'{at}an if inside an expression needs its else', "as in 'yes' if data.is_video else 'no'")
    if isinstance(node, nodes.For) and node.recursive:
        raise mistake(f'{at}a loop cannot be recursive')


class _Rewriter(NodeTransformer):
    """Puts our operations in the place of Jinja's operators.

    Args:
        environment: what new nodes belong to.
        outer: the variables that come from outside, and are not set by the template itself.
        wrap: whether what is put out is a value in a text.
    """

    def __init__(self, environment: Environment, outer: Collection[str], *, wrap: bool) -> None:
        self.fields: set[Way] = set()
        self._environment = environment
        self._outer = outer
        self._wrap = wrap

    def visit_Output(self, node: nodes.Output) -> nodes.Node:  # noqa: N802 — Jinja's visitors are called so
        self.generic_visit(node)
        operation = 'output' if self._wrap else 'result'
        node.nodes = [
            each if isinstance(each, nodes.TemplateData) else self._operation(operation, each) for each in node.nodes
        ]
        return node

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        node.iter = self._operation('each', node.iter)
        return node

    def visit_Name(self, node: nodes.Name) -> nodes.Node:  # noqa: N802
        if node.ctx == 'load' and node.name in self._outer:
            self.fields.add((node.name,))
        elif node.ctx == 'load' and node.name in _SPECIAL:
            raise mistake(f'{_at(node.lineno)}{node.name} is nothing by itself', 'a loop has loop.index and loop.last')
        return node

    def visit_Getattr(self, node: nodes.Getattr) -> nodes.Node:  # noqa: N802
        if isinstance(node.node, nodes.Name) and node.node.name == 'loop' and 'loop' not in self._outer:
            return node
        return self._field(node)

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:  # noqa: N802
        if isinstance(node.arg, nodes.Slice):
            ends = [each or nodes.Const(None) for each in (node.arg.start, node.arg.stop, node.arg.step)]
            return self._operation('part', self.visit(node.node), *map(self.visit, ends))
        return self._field(node)

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:  # noqa: N802
        rest = [each for operand in node.ops for each in (nodes.Const(operand.op), self.visit(operand.expr))]
        return self._operation('compare', self.visit(node.expr), *rest)

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802
        return self._operation('concatenate', *map(self.visit, node.nodes))

    def visit_List(self, node: nodes.List) -> nodes.Node:  # noqa: N802
        node.items = [self._operation('present', self.visit(each)) for each in node.items]
        return node

    def visit_Pair(self, node: nodes.Pair) -> nodes.Node:  # noqa: N802
        node.key, node.value = (self._operation('present', self.visit(each)) for each in (node.key, node.value))
        return node

    def visit_Neg(self, node: nodes.Neg) -> nodes.Node:  # noqa: N802
        return self._operation('negate', self.visit(node.node))

    def visit_Pos(self, node: nodes.Pos) -> nodes.Node:  # noqa: N802
        return self._operation('negate', self._operation('negate', self.visit(node.node)))

    def generic_visit(self, node: nodes.Node, *args: Any, **kwargs: Any) -> nodes.Node:
        """Go on below a node; a calculation becomes one of ours."""
        super().generic_visit(node, *args, **kwargs)
        if isinstance(node, nodes.BinExpr) and type(node) in _OPERATORS:
            return self._operation('calculate', node.left, nodes.Const(_OPERATORS[type(node)]), node.right)
        return node

    def _field(self, node: nodes.Getattr | nodes.Getitem) -> nodes.Node:
        """One operation for a whole way of keys, as in `data.call.id`."""
        way: list[str | int] = []
        inner: nodes.Expr = node
        while isinstance(inner, (nodes.Getattr, nodes.Getitem)):
            key = inner.attr if isinstance(inner, nodes.Getattr) else _constant(inner.arg)
            if key is None:
                break
            way.insert(0, key)
            inner = inner.node
        root = inner.name if isinstance(inner, nodes.Name) else ''
        if not way and isinstance(inner, nodes.Getitem):
            path = f'{_written(inner.node)}[…]'
            return self._operation('item', self.visit(inner.node), self.visit(inner.arg), nodes.Const(path))
        if root in self._outer:
            self.fields.add((root, *way))
            start: nodes.Node = inner
        else:
            start = self.visit(inner)
        return self._operation('field', start, nodes.Const(tuple(way)), nodes.Const(_written(node)))

    def _operation(self, name: str, value: nodes.Node, *arguments: nodes.Node) -> nodes.Filter:
        made = nodes.Filter(value, f' {name}', list(arguments), [], None, None, lineno=value.lineno)
        made.set_environment(self._environment)
        return made


def _constant(node: nodes.Expr) -> str | int | None:
    return node.value if isinstance(node, nodes.Const) and type(node.value) in (str, int) else None


def _written(node: nodes.Node) -> str:
    """A way as people write it."""
    if isinstance(node, nodes.Name):
        return node.name
    if isinstance(node, nodes.Getattr):
        return f'{_written(node.node)}.{node.attr}'
    if isinstance(node, nodes.Getitem):
        key = _constant(node.arg)
        return f'{_written(node.node)}[{"…" if key is None else repr(key)}]'
    return '…'


def _broken(error: TemplateSyntaxError, source: str, kind: str, example: str) -> ValueError:
    message = str(error.message)
    hint = next((hint for found, hint in _HINTS.items() if found in message), example)
    # What was found instead may be a part of a secret that stands in the text.
    said = message.partition(', got')[0].rstrip('.').replace("unexpected 'end of template'", 'it ends too early')
    line = _at(error.lineno) if '\n' in source else ''
    return mistake(f'{line}this is no {kind}: {said[:1].lower() + said[1:]}', hint)


def _at(line: int | None) -> str:
    return f'line {line} of it: ' if line and line > 1 else ''


def _near(name: str, known: Collection[str]) -> str:
    plain = sorted(each for each in known if not each.startswith(' '))
    found = difflib.get_close_matches(name, plain, n=1, cutoff=0.6)
    return f'did you mean {found[0]!r}?' if found else f'there are: {", ".join(plain)}'
