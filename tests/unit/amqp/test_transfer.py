# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What is moved from one queue to another arrives as it was, and goes nowhere else."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pamqp.commands import Basic

from tests.unit.rig import Settlements
from wazo_busd.amqp.arrival import returned
from wazo_busd.amqp.copy import Copy
from wazo_busd.amqp.frames import KEPT_OF_OVERSIZE, Cut
from wazo_busd.amqp.transfer import carried, wrapped
from wazo_busd.delivery import Delivery

LIMIT = 100_000


def cut(body: bytes = b'{}', properties: bytes = b'\0\0', key: str = 'calls.call.created', **changed: Any) -> Cut:
    return Cut(1, False, b'wazo-headers', key.encode(), properties, len(body), body)._replace(**changed)


def arrived(made: Copy) -> Delivery:
    """What a handler gets of a copy."""
    moved = cut(made.body, made.properties.marshal())
    return returned(moved, Settlements(), 1.0, LIMIT)[0]


@given(body=st.binary(max_size=50), raw=st.binary(max_size=50), key=st.text(max_size=20))
def test_an_event_arrives_as_if_it_came_from_its_publisher_whatever_it_says(body: bytes, raw: bytes, key: str) -> None:
    came = arrived(carried(cut(*_moved(wrapped(cut(body, raw, key), handler='crm', max_body_size=LIMIT)))))

    assert (came.body, came.exchange, came.routing_key, came.history) == (body, 'wazo-headers', key, None)
    assert getattr(came.properties, 'raw', None) == raw


def _moved(made: Copy) -> tuple[bytes, bytes]:
    return made.body, made.properties.marshal()


def test_of_a_body_that_no_handler_gets_the_beginning_goes_along_with_the_true_size() -> None:
    came = arrived(wrapped(cut(b'x' * (LIMIT + 1)), handler='crm', max_body_size=LIMIT))

    assert (len(came.body), came.size) == (KEPT_OF_OVERSIZE, LIMIT + 1)


def test_a_copy_is_not_sent_elsewhere_by_what_its_headers_say() -> None:
    properties = Basic.Properties(headers={'CC': ['other'], 'x-death': [], 'busd-copy': 'a'}, expiration='1').marshal()
    made = carried(cut(properties=properties))

    assert (made.properties.headers, made.properties.expiration, made.properties.delivery_mode) == (
        {'busd-copy': 'a'},
        None,
        2,
    )


def test_of_headers_that_cannot_be_read_the_body_is_left() -> None:
    made = carried(cut(b'junk', b'\x20\x00\xff'))

    assert (made.body, made.properties.headers) == (b'junk', None)
