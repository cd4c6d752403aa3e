# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The language of conditions and texts: Jinja's expressions and templates, on plain data, in a sandbox.

Whoever writes the configuration is trusted with what it asks for; what comes over the bus is hostile. So nothing here
reads an attribute of an object, calls a function, or takes longer than a set amount of work, and a text is escaped for
where it goes to.
"""

from wazo_busd.language.destination import Destination
from wazo_busd.language.expression import Expression, described, field_of, shown
from wazo_busd.language.fault import Fault, mistake
from wazo_busd.language.moment import time_zone
from wazo_busd.language.phone import is_emergency, is_region, mask, phone, phone_kind
from wazo_busd.language.surroundings import Placement, Surroundings
from wazo_busd.language.text import (
    ChatText,
    HeaderText,
    HtmlText,
    JsonText,
    MarkdownText,
    PlainText,
    Text,
    TextOption,
    UrlText,
)
from wazo_busd.language.values import NOTHING, text_of
from wazo_busd.language.variables import BURST, VARIABLES

__all__ = [
    'BURST',
    'NOTHING',
    'VARIABLES',
    'ChatText',
    'Destination',
    'Expression',
    'Fault',
    'HeaderText',
    'HtmlText',
    'JsonText',
    'MarkdownText',
    'Placement',
    'PlainText',
    'Surroundings',
    'Text',
    'TextOption',
    'UrlText',
    'described',
    'field_of',
    'is_emergency',
    'is_region',
    'mask',
    'mistake',
    'phone',
    'phone_kind',
    'shown',
    'text_of',
    'time_zone',
]
