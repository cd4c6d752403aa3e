# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The destination: what becomes of a text, and therefore how the values in it are escaped."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from wazo_busd.language.chat_text import ChatWriter
from wazo_busd.language.dialect_text import DialectWriter
from wazo_busd.language.fault import Fault
from wazo_busd.language.header_text import HeaderWriter
from wazo_busd.language.html_text import HtmlWriter
from wazo_busd.language.json_text import JsonWriter
from wazo_busd.language.markdown_text import MarkdownWriter
from wazo_busd.language.operations import Value
from wazo_busd.language.url_text import UrlWriter
from wazo_busd.language.writer import Writer

_LONGEST = 4_194_304

Part = str | Value
"""A part of a text: what stands in the configuration, or a value of the event."""


class Destination(Enum):
    """What becomes of a text. A shell is none: programs get their arguments in a list."""

    PLAIN = 'plain'
    CHAT = 'chat'
    DIALECT = 'dialect'
    HEADER = 'header'
    HTML = 'html'
    JSON = 'json'
    MARKDOWN = 'markdown'
    URL = 'url'


_WRITERS: dict[Destination, type[Writer]] = {
    Destination.PLAIN: Writer,
    Destination.CHAT: ChatWriter,
    Destination.DIALECT: DialectWriter,
    Destination.HEADER: HeaderWriter,
    Destination.HTML: HtmlWriter,
    Destination.JSON: JsonWriter,
    Destination.MARKDOWN: MarkdownWriter,
    Destination.URL: UrlWriter,
}


def assemble(destination: Destination, parts: Iterable[Part]) -> str:
    """The text that some parts make.

    Args:
        destination: what becomes of it.
        parts: the parts, in their order.

    Raises:
        Fault: a value stands where none can stand, or the text is not what the destination takes.
    """
    writer = _WRITERS[destination]()
    written: list[str] = []
    length = 0
    for part in parts:
        written.append(writer.literal(part) if isinstance(part, str) else writer.value(part.plain))
        length += len(written[-1])
        if length > _LONGEST:
            raise Fault(f'it has more than {_LONGEST} letters')
    return writer.whole(''.join(written))
