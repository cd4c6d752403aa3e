# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Telephone numbers as people read them: the filters `phone` and `mask`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from wazo_busd.language.fault import Fault
from wazo_busd.language.values import text_of

if TYPE_CHECKING:
    from phonenumbers import PhoneNumber

_FORMS = {'e164': 0, 'international': 1, 'national': 2}
_LONGEST = 40
_NUMBER = re.compile(r'\+?[0-9 ()./-]+')
_FEWEST_ABROAD = 7
"""The numbers of other countries have so many digits at least, with the country's prefix."""
_FEWEST_SHORT = 5
"""Of fewer digits are extensions, which look like the short numbers of services."""
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
    number = _parsed(text, region)
    if number is None:
        return text
    # Imported when it is needed: it has the rules of every country.
    import phonenumbers

    if not form:
        is_home = phonenumbers.region_code_for_number(number) == region
        form = 'national' if is_home else 'international'
    return str(phonenumbers.format_number(number, _FORMS[form]))


def phone_kind(value: Any, region: str | None = None) -> str:
    """What kind of number it is, as those see it who pay for the call.

    Args:
        value: the number, as it was dialed.
        region: the country that numbers without a prefix are of; `None` for none.

    Returns:
        `emergency`, `premium`, `international`, `national`, or `internal` for what is no number of any country; without
        a region a number of any country is `international`. Behind + or the prefix that a region dials to get abroad
        everything is `international` that is long enough, for those who steal calls like numbers that nobody has yet.
    """
    text = text_of(value)
    if is_emergency(text, region):
        return 'emergency'
    number = _parsed(text, region)
    if number is None:
        if _is_abroad(text, region):
            return 'international'
        return 'premium' if _is_short_premium(text, region) else 'internal'
    import phonenumbers

    if phonenumbers.number_type(number) == phonenumbers.PhoneNumberType.PREMIUM_RATE:
        return 'premium'
    return 'national' if phonenumbers.region_code_for_number(number) == region else 'international'


def is_emergency(value: Any, region: str | None = None) -> bool:
    """Whether a number calls for help in a country.

    Args:
        value: the number, as it was dialed.
        region: the country; `None` knows no such number.
    """
    text = text_of(value)
    if region is None or len(text) > _LONGEST or not _NUMBER.fullmatch(text):
        return False
    from phonenumbers import shortnumberinfo

    return bool(shortnumberinfo.is_emergency_number(text, region))


def _is_abroad(text: str, region: str | None) -> bool:
    """Whether a number that is none of any country begins as those of other countries do."""
    if len(text) > _LONGEST or not _NUMBER.fullmatch(text):
        return False
    digits = ''.join(filter(str.isdecimal, text))
    if text.startswith('+'):
        return len(digits) >= _FEWEST_ABROAD
    if region is None or not is_region(region):
        return False
    import phonenumbers

    rules = phonenumbers.PhoneMetadata.metadata_for_region(region)
    if rules is None or rules.international_prefix is None:
        return False
    found = re.match(rules.international_prefix, digits)
    return found is not None and len(digits) - found.end() >= _FEWEST_ABROAD


def _is_short_premium(text: str, region: str | None) -> bool:
    """Whether a number is a short one of a service that costs more than a call."""
    if region is None or not is_region(region) or not _FEWEST_SHORT <= len(text) <= _LONGEST or not text.isdecimal():
        return False
    import phonenumbers
    from phonenumbers import shortnumberinfo

    number = phonenumbers.PhoneNumber(
        country_code=phonenumbers.country_code_for_region(region), national_number=int(text)
    )
    cost = shortnumberinfo.expected_cost_for_region(number, region)
    return bool(
        cost == shortnumberinfo.ShortNumberCost.PREMIUM_RATE
        and not shortnumberinfo.is_sms_service_for_region(number, region)
    )


def is_region(name: str) -> bool:
    """Whether telephone numbers of a country are known."""
    import phonenumbers

    return name in phonenumbers.SUPPORTED_REGIONS


def _parsed(text: str, region: str | None) -> PhoneNumber | None:
    """The number that a text is; `None` if it is none of any country."""
    if len(text) > _LONGEST or not _NUMBER.fullmatch(text):
        return None
    import phonenumbers

    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    # An extension can look like a number of the region; what begins with + was meant as one.
    is_one = phonenumbers.is_possible_number if text.startswith('+') else phonenumbers.is_valid_number
    return number if is_one(number) else None


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
