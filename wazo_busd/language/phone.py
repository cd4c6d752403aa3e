# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Telephone numbers as people read them: the filters `phone` and `mask`."""

from __future__ import annotations

import re
from typing import Any

from wazo_busd.language.fault import Fault
from wazo_busd.language.values import text_of

_FORMS = {'e164': 0, 'international': 1, 'national': 2}
_LONGEST = 40
_NUMBER = re.compile(r'\+?[0-9 ()./-]+')
_HIDDEN = 5
_SHOWN = 2


def phone(value: Any, form: Any = '', *, region: str | None = None) -> str:
    """A telephone number as it is written: in its own country without the country's prefix, else with it.

    What is no number of any country, such as an internal extension, stays as it is.

    Args:
        value: the number.
        form: `e164`, `international` or `national`; by default it follows from the region.
        region: the country that numbers without a prefix are of, and that needs none; `None` for none.

    Raises:
        Fault: there is no such form.
    """
    if form and form not in _FORMS:
        raise Fault(f'phone takes {", ".join(_FORMS)}')
    text = text_of(value)
    if len(text) > _LONGEST or not _NUMBER.fullmatch(text):
        return text
    # Imported when it is needed: it has the rules of every country.
    import phonenumbers

    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return text
    # An extension can look like a number of the region; what begins with + was meant as one.
    is_one = phonenumbers.is_possible_number if text.startswith('+') else phonenumbers.is_valid_number
    if not is_one(number):
        return text
    is_home = phonenumbers.region_code_for_number(number) == region
    chosen = _FORMS[form] if form else _FORMS['national' if is_home else 'international']
    return str(phonenumbers.format_number(number, chosen))


def is_region(name: str) -> bool:
    """Whether telephone numbers of a country are known."""
    import phonenumbers

    return name in phonenumbers.SUPPORTED_REGIONS


def mask(value: Any) -> str:
    """A number whose last two digits are shown, and the five before them are not: `+1555•••••42`.

    Of what is no telephone number everything is hidden but the last two letters.
    """
    text = text_of(value)
    is_phone = len(text) <= _LONGEST and _NUMBER.fullmatch(text) is not None
    places = [place for place, letter in enumerate(text) if letter.isdecimal() or not is_phone]
    last = max(0, len(places) - _SHOWN) if len(places) > _SHOWN else len(places)
    hidden = set(places[max(0, last - _HIDDEN) if is_phone else 0 : last])
    return ''.join('•' if place in hidden else letter for place, letter in enumerate(text))
