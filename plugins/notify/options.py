# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The options of `notify`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, InstanceOf, ValidationInfo, field_validator

from wazo_busd.api import BaseOptions, ChatText, Destination, Peer, Text

from .service import Service

_WHERE_TO_LOOK = 'the URLs of all services: https://github.com/caronc/apprise/wiki'


def _mistake(text: str, hint: str) -> ValueError:
    error = ValueError(text)
    error.add_note(hint)
    return error


def _urls(value: Any) -> Any:
    """One URL, or several: in a list, or in the lines of a file."""
    return tuple(value.split()) if isinstance(value, str) else value


def _service(value: Any) -> Any:
    """The service behind a URL."""
    if isinstance(value, Service):
        return value
    try:
        return Service(str(value))
    except ValueError as error:
        raise _mistake(str(error), next(iter(getattr(error, '__notes__', ())), _WHERE_TO_LOOK)) from None


class Options(BaseOptions):
    """The options of `notify`.

    Attributes:
        to: where messages go to: the URL of a service as apprise wants it. Several can be in a list, or in the lines of
            a file, as in `${file:/etc/wazo-busd/credentials/chat}`.
        title: the title of a message.
        text: the message.
        severity: how bad it is; services show it in colours or signs.
    """

    to: Annotated[
        tuple[Annotated[InstanceOf[Service], BeforeValidator(_service)], ...],
        BeforeValidator(_urls),
        Field(min_length=1, max_length=20, repr=False),
    ]
    title: ChatText | None = None
    text: ChatText
    severity: Literal['info', 'success', 'warning', 'failure'] = 'info'

    def peers(self) -> Iterable[Peer]:
        """The servers of those services that say where they are."""
        return [each.peer for each in self.to if each.peer is not None]

    @field_validator('text')
    @classmethod
    def _readable(cls, value: Text, info: ValidationInfo) -> Text:
        if not value.source.strip():
            raise _mistake(
                'there is nothing in the text', 'write what is to be said, as in text: "…", then: wazo-busd check'
            )
        for destination in {each.destination for each in info.data.get('to', ())} - {Destination.CHAT}:
            # What is no HTML, for example, is a mistake now, and not when an event comes.
            Text(value.source, destination)
        return value
