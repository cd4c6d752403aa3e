# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The text: an option of a plugin that is a template, and the types that plugins declare such options with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Protocol

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from wazo_busd.errors import TemplateError
from wazo_busd.event import Event
from wazo_busd.language.destination import Destination
from wazo_busd.language.fault import Absence, Fault
from wazo_busd.language.surroundings import Placement, Surroundings
from wazo_busd.language.template import Template

_ABSENT = "write {{ … | default('-') }} for events without it; see what they have: wazo-busd events"
_WRONG = 'mend the text, then: wazo-busd check'


class Surrounded(Protocol):
    """What a text asks of a context."""

    @property
    def name(self) -> str:
        """The name of the handler."""

    @property
    def surroundings(self) -> Surroundings:
        """What is known besides the event."""


class Text:
    """A text with values of the event in it, as it was written in the configuration.

    Args:
        source: the text, as in `Fax to {{ data.extension }} failed`.
        destination: what becomes of it, which decides how values are escaped.
        variables: names of further values, which `render` is given.

    Raises:
        ValueError: it is no template; a note says what to write.
    """

    def __init__(
        self, source: str, destination: Destination = Destination.PLAIN, *, variables: Sequence[str] = ()
    ) -> None:
        self.source = source
        self._template = Template(source, destination, variables)

    def __repr__(self) -> str:
        return f'<Text for {self.destination.value}>'

    @property
    def destination(self) -> Destination:
        """What becomes of it."""
        return self._template.destination

    @property
    def fields(self) -> tuple[tuple[str | int, ...], ...]:
        """The ways to the fields of the event that it names."""
        return self._template.fields

    def render(
        self, event: Event, context: Surrounded, *, destination: Destination | None = None, **variables: Any
    ) -> str:
        """The text for one event.

        Args:
            event: the event.
            context: what the plugin got with it.
            destination: what becomes of it this time, where that is another than usual.
            variables: the values of the further variables.

        Raises:
            TemplateError: it cannot be made, because a field is missing for example. The text names handler, option and
                line; the event is dead at once.
        """
        try:
            return self._template.render(event, context.surroundings, variables, destination)
        except Fault as error:
            placement = context.surroundings.placements.get(id(self), Placement('a text of its plugin'))
            at = f'line {error.line} of it: ' if '\n' in self.source.strip('\n') and error.line else ''
            cure = _ABSENT if isinstance(error, Absence) else _WRONG
            raise TemplateError(f'handler {context.name}, {placement}: {at}{error.text}; {cure}') from None


@dataclass(frozen=True, slots=True)
class TextOption:
    """Marks an option as a text: `Annotated[Text, TextOption(Destination.PLAIN, variables=('count',))]`.

    Attributes:
        destination: what becomes of it.
        variables: names of further values that it can use.
    """

    destination: Destination
    variables: tuple[str, ...] = ()

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """A text in the configuration becomes a `Text`, or a mistake with file and line."""
        written = core_schema.chain_schema(
            [core_schema.str_schema(), core_schema.no_info_plain_validator_function(self._text)]
        )
        return core_schema.no_info_wrap_validator_function(_unless_made, written)

    def _text(self, source: str) -> Text:
        return Text(source, self.destination, variables=self.variables)


def _unless_made(value: Any, make: Callable[[Any], Any]) -> Any:
    return value if isinstance(value, Text) else make(value)


PlainText = Annotated[Text, TextOption(Destination.PLAIN)]
"""A text that people read as it is."""

HeaderText = Annotated[Text, TextOption(Destination.HEADER)]
"""A header of a mail that is one phrase, such as its subject, or one of HTTP."""

HtmlText = Annotated[Text, TextOption(Destination.HTML)]
"""Markup of HTML."""

JsonText = Annotated[Text, TextOption(Destination.JSON)]
"""A whole document in JSON."""

ChatText = Annotated[Text, TextOption(Destination.CHAT)]
"""A text that people read in a chat room that takes no markup."""

MarkdownText = Annotated[Text, TextOption(Destination.MARKDOWN)]
"""A text in Markdown, as chat services take it."""

UrlText = Annotated[Text, TextOption(Destination.URL)]
"""A URL whose host the configuration names."""
