# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The writer: puts a text together for one destination, so that no value can be more than a value in it."""

from __future__ import annotations

from typing import Any

from wazo_busd.language.values import text_of
from wazo_busd.text import legible


class Writer:
    """For people who read plain text: a value is one line, without anything that a terminal or a reader obeys.

    A writer is used for one text. It is given the parts in their order.
    """

    def literal(self, text: str) -> str:
        """What is written for a part of the text that stands in the configuration."""
        return text

    def value(self, value: Any) -> str:
        """What is written for a value of the event.

        Raises:
            Fault: no value can stand here.
        """
        return legible(text_of(value))

    def whole(self, text: str) -> str:
        """The whole text, from what was written for its parts.

        Raises:
            Fault: it is not what the destination takes.
        """
        return text
