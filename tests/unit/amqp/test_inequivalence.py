# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What RabbitMQ says of a queue that is another than was asked for is read."""

from __future__ import annotations

import pytest

from wazo_busd.amqp.inequivalence import Inequivalence, inequivalence

FOR = "for queue 'wazo-busd.crm' in vhost '/'"


@pytest.mark.parametrize(
    ('refusal', 'wanted'),
    [
        (
            (
                f"inequivalent arg 'x-max-length' {FOR}: received the value '7' of type 'signedint' but current is the "
                "value '250000' of type 'signedint'"
            ),
            Inequivalence('x-max-length', 7, 250_000),
        ),
        (
            f"inequivalent arg 'x-queue-type' {FOR}: received 'quorum' but current is 'classic'",
            Inequivalence('x-queue-type', 'quorum', 'classic'),
        ),
        (
            f"inequivalent arg 'x-expires' {FOR}: received none but current is the value '5' of type 'signedint'",
            Inequivalence('x-expires', None, 5),
        ),
        (
            f"inequivalent arg 'x-overflow' {FOR}: received the value 'none' of type 'longstr' but current is none",
            Inequivalence('x-overflow', 'none', None),
        ),
        (
            f"inequivalent arg 'durable' {FOR}: received 'true' but current is 'false'",
            Inequivalence('durable', True, False),
        ),
    ],
)
def test_the_argument_and_both_values_are_read(refusal: str, wanted: Inequivalence) -> None:
    assert inequivalence(f'PRECONDITION_FAILED - {refusal}') == wanted


def test_another_refusal_is_none() -> None:
    assert inequivalence("ACCESS_REFUSED - access to queue 'x' refused") is None


def test_it_is_told_in_words() -> None:
    assert str(Inequivalence('x-expires', 5, None)) == 'x-expires: it has none, the configuration says 5'
