# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What a plugin may import: everything it needs, and nothing else of wazo-busd.

from wazo_busd.api import Event, handler

@handler('calls.call.ended')
async def ring_the_bell(event: Event, context) -> None:
    await context.http.post('http://10.0.0.5/bell', json=event.data)
"""

from wazo_busd.burst import Burst
from wazo_busd.catalogue import event_names
from wazo_busd.codec import encode as encode_json
from wazo_busd.conditions import Field
from wazo_busd.config import Duration, Size
from wazo_busd.context import Context
from wazo_busd.errors import Discard, Permanent, Retry, Stop
from wazo_busd.event import Event
from wazo_busd.fact import Fact
from wazo_busd.figure import Figure
from wazo_busd.guard import Guard, Network
from wazo_busd.language import (
    ChatText,
    Destination,
    HeaderText,
    HtmlText,
    JsonText,
    MarkdownText,
    PlainText,
    Text,
    TextOption,
    UrlText,
    is_emergency,
    phone,
    phone_kind,
)
from wazo_busd.meter import Counter, Histogram, Meter
from wazo_busd.options import BaseOptions
from wazo_busd.outcome import Outcome
from wazo_busd.panel import Panel, Row, Tone, Total
from wazo_busd.panels import Panels
from wazo_busd.peer import Peer
from wazo_busd.plugin import Preview, handler
from wazo_busd.retry import retry_after
from wazo_busd.text import escape

__all__ = [
    'BaseOptions',
    'Burst',
    'ChatText',
    'Context',
    'Counter',
    'Destination',
    'Discard',
    'Duration',
    'Event',
    'Fact',
    'Field',
    'Figure',
    'Guard',
    'HeaderText',
    'Histogram',
    'HtmlText',
    'JsonText',
    'MarkdownText',
    'Meter',
    'Network',
    'Outcome',
    'Panel',
    'Panels',
    'Peer',
    'Permanent',
    'PlainText',
    'Preview',
    'Retry',
    'Row',
    'Size',
    'Stop',
    'Text',
    'TextOption',
    'Tone',
    'Total',
    'UrlText',
    'encode_json',
    'escape',
    'event_names',
    'handler',
    'is_emergency',
    'phone',
    'phone_kind',
    'retry_after',
]
