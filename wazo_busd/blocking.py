# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Blocking calls: what in the code of a plugin would hold up the loop, as far as reading the code can tell."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

_THREAD = 'make the method a plain def, which runs in a thread'
_HTTP = 'await context.http.get(…)'
_PROCESS = 'await asyncio.create_subprocess_exec(…)'

_CURES = {
    'time.sleep': 'await asyncio.sleep(…)',
    'requests': _HTTP,
    'httpx.get': _HTTP,
    'httpx.post': _HTTP,
    'urllib.request.urlopen': _HTTP,
    'urllib3': _HTTP,
    'http.client': _HTTP,
    'subprocess.run': _PROCESS,
    'subprocess.call': _PROCESS,
    'subprocess.check_call': _PROCESS,
    'subprocess.check_output': _PROCESS,
    'subprocess.Popen': _PROCESS,
    'os.system': _PROCESS,
    'os.popen': _PROCESS,
    'socket.create_connection': 'await asyncio.open_connection(…)',
    'socket.gethostbyname': 'await asyncio.get_running_loop().getaddrinfo(…)',
    'socket.getaddrinfo': 'await asyncio.get_running_loop().getaddrinfo(…)',
    'smtplib': 'use the plugin mail, or ' + _THREAD,
    'ftplib': _THREAD,
    'sqlite3.connect': _THREAD,
    'psycopg2': _THREAD,
    'pymysql': _THREAD,
    'MySQLdb': _THREAD,
    'open': _THREAD,
    'input': 'nobody is there to type',
}
"""Functions, and modules all of whose functions block, with what to write instead."""


@dataclass(frozen=True, slots=True)
class BlockingCall:
    """One call in an `async` function.

    Attributes:
        line: where, from 1.
        function: the `async` function that it is in.
        called: what is called, by its full name.
        cure: what to write instead.
    """

    line: int
    function: str
    called: str
    cure: str


def blocking_calls(source: str) -> list[BlockingCall]:
    """The calls in `async` functions that are known to block, in the order of the code.

    Args:
        source: the code of a module.

    Raises:
        SyntaxError: it is none.
        ValueError: the same, for a null byte.
    """
    tree = ast.parse(source)
    names = dict(_names(tree))
    found = [
        BlockingCall(call.lineno, function.name, called, cure)
        for function in ast.walk(tree)
        if isinstance(function, ast.AsyncFunctionDef)
        for call in _calls(function)
        for called in [_full_name(call.func, names)]
        for cure in [_cure(called)]
        if cure
    ]
    return sorted(found, key=lambda each: each.line)


def _names(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """What the names mean that a module imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                first = alias.name.partition('.')[0]
                yield (alias.asname, alias.name) if alias.asname else (first, first)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((alias.asname or alias.name, f'{node.module}.{alias.name}') for alias in node.names)


def _calls(function: ast.AST) -> Iterator[ast.Call]:
    """The calls that run when a function does; those of functions inside of it may run elsewhere."""
    for node in ast.iter_child_nodes(function):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            continue
        if isinstance(node, ast.Call):
            yield node
        yield from _calls(node)


def _full_name(node: ast.expr, names: dict[str, str]) -> str:
    """The name of what is called, from its module on; `''` if it has none."""
    if isinstance(node, ast.Attribute):
        before = _full_name(node.value, names)
        return f'{before}.{node.attr}' if before else ''
    if not isinstance(node, ast.Name):
        return ''
    return names.get(node.id, node.id if node.id in _CURES else '')


def _cure(called: str) -> str:
    words = called.split('.')
    return next((_CURES[name] for end in range(len(words), 0, -1) if (name := '.'.join(words[:end])) in _CURES), '')
