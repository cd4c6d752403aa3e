# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The redaction: numbers that can be called are hidden, what stands for something is not."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wazo_busd.redaction import Redaction


@pytest.mark.parametrize(
    ('text', 'shown'),
    [
        ('0123456789', '012•••••89'),
        ('+33 1 23 45 67 89', '+33 1 2• •• •• 89'),
        ('no route to <sip:0123456789@pbx>', 'no route to <sip:012•••••89@pbx>'),
        ('01 23 45 67 89', '01 2• •• •• 89'),
        ('01.23.45.67.89', '01.2•.••.••.89'),
        ('"0123456789"', '"012•••••89"'),
        ('PJSIP/0123456789-0000001a', 'PJSIP/012•••••89-0000001a'),
    ],
)
def test_a_number_is_hidden_but_for_its_ends(text: str, shown: str) -> None:
    assert Redaction().redacted(text) == shown


@pytest.mark.parametrize(
    'text',
    [
        '2e752722-0864-4665-887d-a78a024cf7c7',
        '12345678-1234-1234-1234-123456789012',
        '2026-11-26 05:44:59,123',
        '2026-11-26T05:44:59.123456+00:00',
        '1777629422.89',
        'faxes.outbound.1777629422__DOT__89.failed',
        '3f2a91c0d4e5123456789',
        'a1234567890',
        '192.168.100.200:15672',
        'localhost:15672',
        'extension 1001',
        '0x7f8a12345678',
    ],
)
def test_what_stands_for_something_stays(text: str) -> None:
    assert Redaction().redacted(text) == text


@given(st.from_regex(r'[ <:/"\']?\+?[2-9]\d{6,14}[ >@"\']?', fullmatch=True))
def test_of_a_number_five_digits_are_hidden_at_least(text: str) -> None:
    shown = Redaction().redacted(text)
    assert len(shown) == len(text)
    assert shown.count('•') >= 5


@pytest.mark.parametrize(
    'text', ['1' * 50_000 + 'a', '+1' * 50_000, '0 ' * 50_000, '1.' * 50_000, '-'.join('1' * 50_000)]
)
def test_a_hostile_text_takes_no_time(text: str) -> None:
    assert len(Redaction().redacted(text)) == len(text)


def test_a_secret_is_concealed_whatever_it_is_made_of() -> None:
    redaction = Redaction()
    redaction.add(['a.b*c', 'a.b*c[d'])
    assert redaction.concealed('a.b*c[d axb*c a.b*c') == '… axb*c …'


def test_what_is_too_short_for_a_secret_is_none() -> None:
    redaction = Redaction()
    redaction.add(['abc', ''])
    assert redaction.concealed('abc') == 'abc'


def test_numbers_are_found_beside_secrets() -> None:
    redaction = Redaction()
    redaction.add(['hush-hush'])
    assert re.fullmatch('… called 012•+89', redaction.redacted('hush-hush called 0123456789'))
