# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Telephone numbers, as people read them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.language.values import rendered
from wazo_busd.language.fault import Fault
from wazo_busd.language.phone import is_emergency, is_region, mask, phone, phone_kind


@pytest.mark.parametrize(
    ('value', 'region', 'found'),
    [
        ('+33123456789', 'FR', '01 23 45 67 89'),
        ('0123456789', 'FR', '01 23 45 67 89'),
        ('01.23.45.67.89', 'FR', '01 23 45 67 89'),
        ('+33123456789', 'US', '+33 1 23 45 67 89'),
        ('+33123456789', None, '+33 1 23 45 67 89'),
        ('+15551234542', 'US', '+1 555-123-4542'),
        ('2015550123', 'US', '(201) 555-0123'),
        (2_015_550_123, 'US', '(201) 555-0123'),
        ('0123456789', None, '0123456789'),
        ('1001', 'FR', '1001'),
        ('*98', 'FR', '*98'),
        ('anonymous', 'FR', 'anonymous'),
        ('Anna <+33123456789>', 'FR', 'Anna <+33123456789>'),
        ('', 'FR', ''),
        ('+' * 39, 'FR', '+' * 39),
        ('0' * 60_000, 'FR', '0' * 60_000),
    ],
)
def test_a_number_is_written_as_in_its_country_and_anything_else_as_it_is(
    value: Any, region: str | None, found: str
) -> None:
    assert phone(value, region=region) == found


@pytest.mark.parametrize(
    ('form', 'found'),
    [('e164', '+33123456789'), ('international', '+33 1 23 45 67 89'), ('national', '01 23 45 67 89')],
)
def test_it_can_be_written_in_another_form(form: str, found: str) -> None:
    assert phone('0123456789', form, region='FR') == found


def test_a_form_that_is_none_is_a_fault() -> None:
    with pytest.raises(Fault, match='phone takes e164, international, national'):
        phone('1001', 'short')


def test_a_text_takes_the_region_of_the_configuration() -> None:
    assert rendered('{{ data.x | phone }}', {'x': '0123456789'}, known={'region': 'FR'}) == '01 23 45 67 89'


@pytest.mark.parametrize(('name', 'found'), [('FR', True), ('US', True), ('fr', False), ('XX', False), ('', False)])
def test_a_region_is_known_or_not(name: str, found: bool) -> None:
    assert is_region(name) is found


@pytest.mark.parametrize(
    ('value', 'found'),
    [
        ('+15551234542', '+1555•••••42'),
        ('0123456789', '012•••••89'),
        ('01 23 45 67 89', '01 2• •• •• 89'),
        ('1001', '••01'),
        ('42', '••'),
        (1001, '••01'),
        ('', ''),
        ('Anna Martin', '•••••••••in'),
        ('sip:1001@h', '••••••••@h'),
    ],
)
def test_a_masked_number_shows_its_last_two_digits_and_hides_the_five_before(value: Any, found: str) -> None:
    assert mask(value) == found


@given(st.text(st.sampled_from('0123456789'), max_size=39))
def test_of_a_number_five_digits_are_hidden_or_all_but_two(value: str) -> None:
    assert mask(value).count('•') == (len(value) if len(value) <= 2 else min(5, len(value) - 2))


@given(st.text())
def test_a_masked_value_is_as_long_as_it_was_and_has_no_other_letters(value: str) -> None:
    found = mask(value)

    assert all(one in ('•', other) for one, other in zip(found, value, strict=True))


# ---- kinds


@pytest.mark.parametrize(
    ('number', 'region', 'kind'),
    [
        ('1001', 'FR', 'internal'),
        ('*98', 'FR', 'internal'),
        ('', 'FR', 'internal'),
        ('not a number', 'FR', 'internal'),
        ('0123456789', 'FR', 'national'),
        ('+33123456789', 'FR', 'national'),
        ('+14185550123', 'FR', 'international'),
        ('00 1 418 555 0123', 'FR', 'international'),
        ('0067712345', 'FR', 'international'),
        ('00 677 12345', 'FR', 'international'),
        ('+67712345', 'FR', 'international'),
        ('003706123456789', 'FR', 'international'),
        ('+3706123456789', 'FR', 'international'),
        ('+9991234567', 'FR', 'international'),
        ('009991234567', 'FR', 'international'),
        ('01167712345', 'CA', 'international'),
        ('0119991234567', 'CA', 'international'),
        ('+9991234567', None, 'international'),
        ('009991234567', None, 'internal'),
        ('0033123456789', 'FR', 'national'),
        ('0033899123456', 'FR', 'premium'),
        ('0012', 'FR', 'internal'),
        ('001234', 'FR', 'internal'),
        ('+12', 'FR', 'internal'),
        ('118218', 'FR', 'premium'),
        ('3699', 'FR', 'internal'),
        ('36665', 'FR', 'internal'),
        ('118218', None, 'internal'),
        ('2018', 'FR', 'internal'),
        ('1001', 'CA', 'internal'),
        ('2018', 'CA', 'internal'),
        ('0899123456', 'FR', 'premium'),
        ('19005550123', 'CA', 'premium'),
        ('112', 'FR', 'emergency'),
        ('15', 'FR', 'emergency'),
        ('911', 'CA', 'emergency'),
        ('911', 'FR', 'internal'),
        ('+33123456789', None, 'international'),
        ('0123456789', None, 'internal'),
        ('112', None, 'internal'),
        ('1' * 100, 'FR', 'internal'),
        (None, 'FR', 'internal'),
    ],
)
def test_the_kind_of_a_number(number: object, region: str | None, kind: str) -> None:
    assert phone_kind(number, region) == kind


@given(st.text('0123456789', min_size=7, max_size=30), st.sampled_from([('FR', '00'), ('CA', '011'), ('DE', '00')]))
def test_whatever_stands_behind_the_prefix_of_other_countries_is_no_extension(rest: str, home: tuple[str, str]) -> None:
    region, prefix = home

    assert phone_kind(prefix + rest, region) != 'internal'


@given(st.text() | st.integers() | st.none(), st.sampled_from([None, 'FR', 'CA', 'ZZ', 'nowhere']))
def test_whatever_is_dialed_has_a_kind(number: object, region: str | None) -> None:
    assert phone_kind(number, region) in {'emergency', 'premium', 'international', 'national', 'internal'}


def test_without_a_region_nobody_calls_for_help() -> None:
    assert not is_emergency('112')
