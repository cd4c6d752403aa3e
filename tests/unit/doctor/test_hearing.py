# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The hearing: all is counted, some is kept, and what cannot be read is no event."""

from __future__ import annotations

import pytest

from tests.unit.cli.tail import call, cut
from wazo_busd.codec import Limits
from wazo_busd.doctor import hearing


def test_events_are_counted_by_exchange() -> None:
    heard = hearing.Hearing(Limits())
    heard.hear_upstream([call(), cut('x', {}, 'auth.x', exchange='xivo'), call()])
    heard.hear_hub([call()])

    assert (heard.upstream, heard.hub, heard.moved) == ({'wazo-headers': 2, 'xivo': 1}, {'wazo-headers': 1}, 3)


def test_what_cannot_be_read_is_counted_and_no_event() -> None:
    heard = hearing.Hearing(Limits())
    heard.hear_upstream([cut('x', body=b'[1]'), call()])

    assert (heard.moved, [each.name for each in heard.sample]) == (2, ['call_created'])


def test_beyond_what_is_kept_each_event_stands_for_several(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hearing, '_MOST_KEPT', 2)
    heard = hearing.Hearing(Limits())
    for _ in range(3):
        heard.hear_upstream([call()] * 2)
        heard.hear_hub([call()] * 4)

    assert (len(heard.sample), heard.weight, len(heard.hub_sample), heard.hub_weight) == (2, 3.0, 2, 6.0)


def test_of_silence_nothing_is_said() -> None:
    heard = hearing.Hearing(Limits())

    assert (heard.sample, heard.weight, heard.hub_weight) == ([], 0.0, 0.0)
