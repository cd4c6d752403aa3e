# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What tests of the language are written with: values that came over the bus, and texts."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from wazo_busd.event import Event
from wazo_busd.language import Destination, Expression, Surroundings, Text

any_text = st.text(st.characters(exclude_categories=()), max_size=60)
"""Lone surrogates, control characters and all."""

nasty_text = st.one_of(
    any_text,
    st.sampled_from(
        [
            '"}',
            '\\',
            '\\"',
            '</a><script>alert(1)</script>',
            '" onmouseover="x',
            "' onmouseover='x",
            'javascript:alert(1)',
            ' JaVaScRiPt:alert(1)',
            '-->',
            '&lt;',
            '\r\nBcc: a@example.com',
            '\n\nbody',
            '=?utf-8?q?=0D=0ABcc:_x?=',
            '../../admin',
            '..',
            '?admin=1#x',
            '@evil.example/',
            '//evil.example/',
            '*_`[x](http://evil.example)`',
            '![x](http://evil.example)',
            '<!channel>',
            '@everyone',
            '# title',
            '- item',
            '1. item',
            '---',
            '> quote',
            'http://evil.example',
            'www.evil.example',
            '\x1b[31m',
            '\u202egnp.exe',
            "'; drop table calls; --",
            '$(reboot)`reboot`;reboot|reboot',
            '{{ data }}{% for x in data %}',
            'a' * 65_536,
        ]
    ),
    st.lists(st.sampled_from(list('"\'<>&\\/\r\n`*_[]()!#=?@:;{}% .-a')), max_size=20).map(''.join),
)
"""Texts that were made to break out of what they are put into."""

plain_values = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), nasty_text)
any_value = st.recursive(
    plain_values, lambda each: st.lists(each, max_size=3) | st.dictionaries(any_text, each, max_size=3), max_leaves=6
)


class Here:
    """Stands for the context of a handler."""

    def __init__(self, name: str = 'test', **known: Any) -> None:
        self.name = name
        self.surroundings = Surroundings(**known)


def holds(source: str, data: Any = None, **known: Any) -> bool:
    """Whether an expression is true of an event with this data."""
    return Expression(source).holds(
        Event('call_created', data, routing_key='calls.call.created'), Surroundings(**known)
    )


def rendered(
    source: str, data: Any = None, destination: Destination = Destination.PLAIN, known: Any = None, **more: Any
) -> str:
    """The text for an event with this data."""
    event = Event('call_created', data, routing_key='calls.call.created')
    return Text(source, destination, variables=tuple(more)).render(event, Here(**(known or {})), **more)
