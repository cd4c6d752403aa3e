# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The thread: mails that programs show together, because they are about the same call or fax."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from wazo_busd.api import Event, Field, encode_json


def message_id(event: Event, handler: str, domain: str) -> str:
    """The identity of the mail of a handler about an event: the same at every try.

    Args:
        event: the event.
        handler: the name of the handler.
        domain: where the mail is from.
    """
    return f'<{_digest("mail", handler, event.id)}@{domain}>'


def root(event: Event, field: Field | None, domain: str) -> str | None:
    """The identity of what all mails of a thread answer to: a mail that nobody sends.

    Args:
        event: the event.
        field: what the mails of a thread have in common; the call or the fax if `None`.
        domain: where the mail is from.

    Returns:
        The identity; `None` if the event has nothing of it, or stands for a burst of more than one thread.
    """
    events = event.burst.events if event.burst is not None else (event,)
    topics = {_topic(each, field) for each in events}
    topic = topics.pop() if len(topics) == 1 else None
    return f'<{_digest("thread", event.origin_uuid or "", *topic)}@{domain}>' if topic else None


def _topic(event: Event, field: Field | None) -> tuple[str, str] | None:
    """What an event is about. The legs of one call are one conversation."""
    if field is not None:
        value = field.of(event)
        return None if value is None else (field.name, encode_json(value).decode())
    data = event.data if isinstance(event.data, Mapping) else {}
    if event.name.startswith('fax_'):
        fax = _known(data.get('id')) or event.call_id
        return ('fax', fax) if fax else None
    call = _known(data.get('conversation_id')) or event.call_id
    return ('call', call) if call else None


def _known(value: Any) -> str:
    """A text that says something; Python's `None`, printed by a publisher, does not."""
    return value if isinstance(value, str) and value != 'None' else ''


def _digest(*parts: str) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        encoded = part.encode('utf-8', 'surrogatepass')
        digest.update(len(encoded).to_bytes(8, 'big') + encoded)
    return digest.hexdigest()
