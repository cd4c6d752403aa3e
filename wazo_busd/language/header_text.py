# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Texts for headers of mails and of HTTP."""

from __future__ import annotations

from wazo_busd.language.writer import Writer

MOST_LETTERS = 500
"""The most letters of a header; what is more is cut off."""


class HeaderWriter(Writer):
    """One line without control characters, and not endless.

    `=?` begins what a mail program decodes (RFC 2047), so there is none in it.
    """

    def whole(self, text: str) -> str:
        """One line, cut to what a header can have."""
        line = ' '.join(text.split()).replace('=?', '= ?')
        return line if len(line) <= MOST_LETTERS else f'{line[: MOST_LETTERS - 1]}…'
