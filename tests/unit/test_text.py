# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The text: nothing that came over the bus reaches a terminal as more than letters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wazo_busd.text import escape, legible

any_text = st.text(st.characters(exclude_categories=()))


@pytest.mark.parametrize(
    ('text', 'escaped'),
    [
        ('', ''),
        ('call_created', 'call_created'),
        ('Hélène 你好 \U0001f4de', 'Hélène 你好 \U0001f4de'),
        ('one\ntwo', 'one\\ntwo'),
        ('one\r\ntwo', 'one\\r\\ntwo'),
        ('one\ttwo', 'one\\ttwo'),
        ('\x00', '\\x00'),
        ('\x07', '\\x07'),
        ('\x1b[31mred\x1b[0m', '\\x1b[31mred\\x1b[0m'),
        ('\x1b]0;title\x07', '\\x1b]0;title\\x07'),
        ('\x7f', '\\x7f'),
        ('\x85', '\\x85'),
        ('\x9b31m', '\\x9b31m'),
        ('\u200b', '\\u200b'),
        ('\u2028', '\\u2028'),
        ('\u202egnp.exe', '\\u202egnp.exe'),
        ('\u2066', '\\u2066'),
        ('\ufeff', '\\ufeff'),
        ('\ud800', '\\ud800'),
        ('\U000e0041', '\\U000e0041'),
    ],
)
def test_what_is_no_plain_letter_is_written_as_an_escape(text: str, escaped: str) -> None:
    assert escape(text) == escaped


@given(any_text)
def test_an_escaped_text_is_printable(text: str) -> None:
    assert escape(text).isprintable()


@given(any_text)
def test_an_escaped_text_can_be_written_as_utf_8(text: str) -> None:
    assert escape(text).encode().decode() == escape(text)


@given(any_text)
def test_a_printable_text_stays_as_it_is(text: str) -> None:
    assert (escape(text) == text) is text.isprintable()


@given(any_text)
def test_escaping_twice_is_escaping_once(text: str) -> None:
    assert escape(escape(text)) == escape(text)


@given(any_text, any_text)
def test_a_text_is_escaped_letter_by_letter(one: str, other: str) -> None:
    assert escape(one + other) == escape(one) + escape(other)


# ---- for people who read it elsewhere


@pytest.mark.parametrize(
    ('text', 'found'),
    [
        ('Hélène', 'Hélène'),
        ('one\r\ntwo\tthree\u2028four\xa0five', 'one  two three four five'),
        ('\x1b[31m', '\\x1b[31m'),
        ('\u202egnp.exe', '\\u202egnp.exe'),
        ('\u0915\u094d\u200d\u0937', '\u0915\u094d\u200d\u0937'),
        ('\u200b\ufeff\ud800', '\\u200b\\ufeff\\ud800'),
    ],
)
def test_what_people_read_is_one_line_of_letters(text: str, found: str) -> None:
    assert legible(text) == found


@given(any_text)
def test_what_people_read_is_printable_but_for_what_joins_letters(text: str) -> None:
    assert legible(text).replace('\u200c', '').replace('\u200d', '').isprintable()
