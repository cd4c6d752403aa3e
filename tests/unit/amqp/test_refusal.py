# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The refusal: an operator is told what differs, and the command that helps."""

from __future__ import annotations

import aiormq.exceptions
import pytest

from wazo_busd.amqp.refusal import explained
from wazo_busd.config import BusConfig


@pytest.mark.parametrize(
    ('received', 'current', 'told'),
    [
        ("the value '7' of type 'signedint'", 'none', 'it has none, the configuration says 7'),
        ('none', "the value 'drop-head' of type 'longstr'", 'it has drop-head, the configuration says none'),
        (
            "the value '7' of type 'signedint'",
            "the value '7' of type 'longstr'",
            "it has the value '7' of type 'longstr', the configuration says the value '7' of type 'signedint'",
        ),
    ],
)
def test_what_differs_is_told_in_plain_words(received: str, current: str, told: str) -> None:
    refusal = aiormq.exceptions.ChannelPreconditionFailed(
        f"PRECONDITION_FAILED - inequivalent arg 'x' for queue 'q' in vhost '/': received {received} but current is "
        f'{current}'
    )

    error = explained(refusal, 'the queue wazo-busd.fax', BusConfig())

    assert error.text == f'the queue wazo-busd.fax exists with another x: {told}'


def test_a_queue_that_is_no_handlers_is_deleted_by_hand() -> None:
    refusal = aiormq.exceptions.ChannelPreconditionFailed(
        "PRECONDITION_FAILED - inequivalent arg 'x-max-length' for queue 'wazo-busd.retry.2s' in vhost '/': "
        "received '6' but current is '5'"
    )

    error = explained(refusal, 'the queue wazo-busd.retry.2s', BusConfig())

    assert error.cure.endswith("rabbitmqctl delete_queue -p '/' wazo-busd.retry.2s (with what is in it)")


def test_the_command_for_permissions_is_for_our_namespace_and_vhost() -> None:
    refusal = aiormq.exceptions.ChannelAccessRefused('ACCESS_REFUSED - refused')
    config = BusConfig(username='wazo', vhost='pbx', namespace='wazo-busd')

    error = explained(refusal, 'the queue wazo-busd.fax', config)

    assert error.cure.startswith("rabbitmqctl set_permissions -p 'pbx' 'wazo' ")
