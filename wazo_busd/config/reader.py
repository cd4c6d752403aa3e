# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The reader: from one YAML file to a document, and from whatever keeps it from that to problems."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

import yaml

from wazo_busd.config import nodes
from wazo_busd.config.document import Document
from wazo_busd.config.regular_file import NoRegularFile, TooLarge, content, opened
from wazo_busd.config.schema import Schema
from wazo_busd.errors import Problem

FILE_LIMIT = 1_048_576
"""The most bytes that a file may have. So much YAML takes seconds to read, and the daemon stands still meanwhile."""

_NAMED = re.compile(r"(alias|anchor|tag handle) '.*'(;.*)?")
_QUOTES = "a text that begins with *, & or ! is put in quotes, as in match: '*.ended'"
_BRACES = 'put it in quotes, as in password: "${file:/path}"'
_HINTS = {
    r'\\t': 'indent with spaces',
    'while parsing a flow': 'close every [ and {; a text with one of them, a comma, or # in front is put in quotes',
    'while scanning an (alias|anchor)': _QUOTES,
    'mapping values are not allowed': 'indent this line like those beside it; a text that holds ": " is put in quotes',
    'quoted scalar': 'close the quotation mark',
    'a single document': 'take the line --- out, and what follows it, or write that into a file of its own',
    'cannot start any token': 'a text that begins with @, ` or % is put in quotes',
    'expected a mapping .*for merging': 'behind << comes an alias of a map, as in <<: *name',
    'contains itself': 'take the alias out',
    'nested too deep': 'nest less',
    r'special characters|surrogates': 'take the character out',
    r'\(#x': 'save it as UTF-8',
}
"""What to do about what YAML complains of: the first whose expression is found."""

_LOOK = 'look at this line and the one above it: indentation, brackets, quotes'


def read(path: Path, schema: Schema | None = None) -> Document:
    """Read one file. What is wrong with it becomes problems of the document; nothing is raised.

    Beyond YAML's own mistakes these are refused: a key given twice, a key that is no text (`on:` is read as true by
    YAML, `1001:` as a number), and telephone-like numbers without quotes (`0606` is read as 390, `+1555` as 1555).

    Args:
        path: the file.
        schema: what is known of its values, for better hints.
    """
    try:
        with opened(path) as descriptor:
            text = content(descriptor, FILE_LIMIT)
    except (OSError, NoRegularFile, TooLarge) as error:
        return Document(problems=[_unreadable(path, error)])
    document = Document()
    try:
        tree = nodes.Loader(text, document, str(path), schema).tree()
    except nodes.TooMuch as error:
        message = f'the file says more than {nodes.VALUES_LIMIT} values, with every alias written out'
        hint = 'write less: an alias (*name) repeats all that its anchor (&name) holds'
        return Document(problems=[Problem(message, str(path), error.line, hint=hint)])
    except yaml.MarkedYAMLError as error:
        document.problems.append(_marked(path, error))
        return document
    except yaml.reader.ReaderError as error:
        document.problems.append(_broken(path, f'{error.reason} (#x{_code(error):02x})', _line(error, text)))
        return document
    except RecursionError:
        document.problems.append(_broken(path, 'nested too deep', 0))
        return document
    if isinstance(tree, dict):
        document.tree = tree
    elif tree is not None:
        document.problems.append(
            Problem('the file is no map of keys to values', str(path), 1, hint='write lines such as bus: {host: …}')
        )
    return document


def _unreadable(path: Path, error: OSError | NoRegularFile | TooLarge) -> Problem:
    hint = f'ls -l {path}'
    if isinstance(error, TooLarge):
        return Problem(f'the file has more than {FILE_LIMIT} bytes, too many for a configuration', str(path), hint=hint)
    if isinstance(error, NoRegularFile):
        if error.is_directory:
            return Problem('this is a directory, not a file', str(path), hint='name a file in it')
        return Problem('this is no regular file', str(path), hint=hint)
    if isinstance(error, FileNotFoundError):
        if path.is_symlink():
            return Problem(f'a broken link: {path.readlink()} does not exist', str(path), hint=hint)
        return Problem('the file does not exist', str(path), hint='name another with -c FILE')
    if isinstance(error, PermissionError):
        return Problem('the file cannot be read: permission denied', str(path), hint=f'{hint}; id')
    return Problem(f'the file cannot be read: {error.strerror or error}', str(path), hint=hint)


def _marked(path: Path, error: yaml.MarkedYAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark
    message = ', '.join(part for part in (error.context, error.problem) if part)
    hint = ''
    if mark is not None and mark.buffer and mark.buffer[max(0, mark.pointer - 1) : mark.pointer + 1] == '${':
        hint = _BRACES
    return _broken(path, message, mark.line + 1 if mark else 0, hint)


def _broken(path: Path, message: str, line: int, hint: str = '') -> Problem:
    # What follows a *, & or ! may be a password without its quotes.
    unnamed = _NAMED.sub(r'\1', message)
    if unnamed != message:
        hint = _QUOTES
    hint = hint or next((hint for found, hint in _HINTS.items() if re.search(found, message)), _LOOK)
    return Problem(f'this is not YAML: {unnamed}', str(path), line, hint=hint)


def _line(error: yaml.reader.ReaderError, text: bytes) -> int:
    """The line of a character that YAML does not allow; the error counts characters if there are any, else bytes."""
    position = error.position if isinstance(error.position, int) else 0
    if error.encoding != 'unicode':
        return text[:position].count(b'\n') + 1
    encoding = 'utf-16' if text.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else 'utf-8'
    return text.decode(encoding, 'replace')[:position].count('\n') + 1


def _code(error: yaml.reader.ReaderError) -> int:
    return error.character if isinstance(error.character, int) else ord(str(error.character)[:1] or '\0')
