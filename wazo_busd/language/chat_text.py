# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Texts for chat rooms that take no markup."""

from __future__ import annotations

import re
from typing import Any

from wazo_busd.language.writer import Writer

_CALL = re.compile(r'[@<](?=\S)')
"""How `@here`, `@room` and `<!channel>` begin."""

_NOTHING_SEEN = '\u200b'


class ChatWriter(Writer):
    """A value is one line, and calls nobody: behind each `@` and `<` of it is a space that has no width."""

    def value(self, value: Any) -> str:
        """The value, in which nobody is mentioned."""
        return _CALL.sub(lambda found: f'{found[0]}{_NOTHING_SEEN}', super().value(value))
