# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The template: a text with values of the event in it, written for one destination."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from wazo_busd.event import Event
from wazo_busd.language.destination import Destination, assemble
from wazo_busd.language.fault import Fault, mistake
from wazo_busd.language.sandbox import Program
from wazo_busd.language.surroundings import Surroundings
from wazo_busd.language.variables import BURST, NAMES, VARIABLES, Variables


class Template:
    """A text with values of the event in it.

    Args:
        source: the text, as in `Fax to {{ data.extension }} failed`.
        destination: what becomes of it, which decides how values are escaped.
        variables: names of further values that it can use.

    Raises:
        ValueError: it is none; a note says what to write.
    """

    def __init__(self, source: str, destination: Destination, variables: Sequence[str] = ()) -> None:
        self.source = source
        self.destination = destination
        known = (*VARIABLES, NAMES, BURST, *variables)
        self._program = Program.of_text(source, known, in_json=destination is Destination.JSON)
        own = (NAMES, BURST, *variables)
        self.fields = tuple(way for way in self._program.fields if way[0] not in own)
        """The fields of the event that it names."""
        self._try()

    def render(
        self,
        event: Event,
        surroundings: Surroundings,
        more: Mapping[str, Any],
        destination: Destination | None = None,
    ) -> str:
        """The text for one event.

        Args:
            event: the event.
            surroundings: what is known besides.
            more: the further values.
            destination: what becomes of it this time; its own if `None`.

        Raises:
            Fault: it cannot be made, because a field is missing for example. It has the line.
        """
        parts = self._program.parts(Variables(event, surroundings.names, more), surroundings)
        return assemble(destination or self.destination, parts)

    def _try(self) -> None:
        """See that values stand where they can stand, as far as the text can be followed without an event."""
        if self._program.outline is None:
            return
        try:
            assemble(self.destination, self._program.outline)
        except Fault as error:
            raise mistake(error.text) from None
