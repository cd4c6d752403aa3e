# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The fault: why an expression or a text cannot be used, or cannot be worked out for one event."""

from __future__ import annotations

from wazo_busd.errors import WazoBusdError


class Fault(WazoBusdError):
    """Raised while an expression or a text is worked out. It never repeats what the event says.

    Args:
        text: what is wrong.
        line: the line of the expression or text, from 1; 0 where it is not known.
    """

    def __init__(self, text: str, line: int = 0) -> None:
        super().__init__(text)
        self.text = text
        self.line = line


class Absence(Fault):
    """Raised for a field that a text needs and the event has not."""


def mistake(text: str, hint: str = '') -> ValueError:
    """What is raised for an expression or a text that can never be used.

    Args:
        text: what is wrong and what was expected.
        hint: what to write instead, which becomes a note (PEP 678).
    """
    error = ValueError(text)
    if hint:
        error.add_note(hint)
    return error
