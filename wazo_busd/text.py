# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Text that came over the bus, made harmless for people who read it."""

from __future__ import annotations

_JOINERS = '\u200c\u200d'
"""What joins letters of Persian and the parts of an emoji; they change nothing but the look of their neighbours."""

_SHORT = {'\n': '\\n', '\r': '\\r', '\t': '\\t'}


def escape(text: str) -> str:
    """`text` with everything written as an escape that a terminal or a log reader could take for more than a letter.

    Line ends, escape sequences, and the characters that change the direction of writing are among it.
    """
    if text.isprintable():
        return text
    return ''.join(letter if letter.isprintable() else _escaped(letter) for letter in text)


def legible(text: str) -> str:
    """`text` in one line, for people who read it in a mail or a chat room.

    As `escape`, but line ends and spaces of every kind become a plain space, and joined letters stay joined.
    """
    if text.isprintable():
        return text
    spaced = ''.join(' ' if letter.isspace() else letter for letter in text)
    return ''.join(letter if letter.isprintable() or letter in _JOINERS else _escaped(letter) for letter in spaced)


def _escaped(letter: str) -> str:
    code = ord(letter)
    if letter in _SHORT:
        return _SHORT[letter]
    return f'\\x{code:02x}' if code < 0x100 else f'\\u{code:04x}' if code < 0x10000 else f'\\U{code:08x}'
