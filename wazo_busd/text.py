# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Text that came over the bus, made harmless for people who read it on a terminal or in a log."""

from __future__ import annotations

_SHORT = {'\n': '\\n', '\r': '\\r', '\t': '\\t'}


def escape(text: str) -> str:
    """`text` with everything written as an escape that a terminal or a log reader could take for more than a letter.

    Line ends, escape sequences, and the characters that change the direction of writing are among it.
    """
    if text.isprintable():
        return text
    return ''.join(letter if letter.isprintable() else _escaped(letter) for letter in text)


def _escaped(letter: str) -> str:
    code = ord(letter)
    if letter in _SHORT:
        return _SHORT[letter]
    return f'\\x{code:02x}' if code < 0x100 else f'\\u{code:04x}' if code < 0x10000 else f'\\U{code:08x}'
