# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The fields of events, as the catalogue knows them."""

from __future__ import annotations

import pytest

from wazo_busd import catalogue
from wazo_busd.catalogue.fields import lack

FAX = [entry for entry in catalogue.entries() if entry.name == 'fax_outbound_failed']


@pytest.mark.parametrize(
    ('way', 'found'),
    [
        (('data', 'error'), None),
        (('data', 'error', 'deeper'), None),
        (('data',), None),
        (('data', 'eror'), ('no event that it matches has data.eror', 'did you mean data.error?')),
        (('headers', 'tenant_uuid'), None),
        (('headers', 'user_uuid:x'), None),
        (('call_id',), None),
        (('agent_id',), ('no event that it matches has an agent_id', 'name a field of data')),
        (('metadata', 'x'), None),
        (('name',), None),
    ],
)
def test_it_is_known_which_field_no_event_has(way: tuple[str, ...], found: tuple[str, str] | None) -> None:
    assert lack(way, FAX) == found


def test_a_field_that_is_like_no_other_is_told_with_those_that_there_are() -> None:
    lacking = lack(('data', 'xyzzy'), FAX)

    assert lacking is not None
    assert lacking[1].startswith('there are: call_id, caller_id, context, error')


def test_of_no_events_nothing_is_known() -> None:
    assert lack(('data', 'eror'), []) is None
