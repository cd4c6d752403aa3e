# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The witness itself: each lie is found, and no truth is taken for one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from tests.conftest import Broker
from tests.torture.witness import Count, Sight, Witness

AT = 100.0
THERE, LACKING, AWAY = {'one': 1, 'two': 1}, {'one': 1, 'two': 0}, None
READY = {'ready': True, 'reasons': [], 'connected': True, 'summary': 'connected to localhost:5672'}
NOT_READY = {'ready': False, 'reasons': ['no'], 'connected': False, 'summary': 'nothing listens'}


@pytest.fixture
def witness(tmp_path: Path) -> Witness:
    """One that asks nobody."""
    return Witness(cast('Broker', None), tmp_path, ('one', 'two'))


def sight(page: Mapping[str, Any] = READY, *, state: str = 'consuming', **more: Any) -> Sight:
    handlers = [{'handler': name, 'state': state, 'backlog': 3, 'in_hand': 3, **more} for name in ('one', 'two')]
    return Sight(AT, AT + 0.1, page['ready'], {'handlers': handlers, **page})


def count(seconds: float, consumers: Mapping[str, int] | None) -> Count:
    return Count(AT + seconds, AT + seconds + 0.01, consumers)


@pytest.mark.parametrize(
    ('told', 'counts'),
    [
        (sight(), [count(0.0, THERE)]),
        (sight(), [count(-1.0, LACKING), count(1.0, THERE)]),
        (sight(), [count(-3.0, THERE), count(0.0, AWAY)]),
        (sight(), []),
        (sight(state='resting'), [count(0.0, THERE)]),
        (sight(NOT_READY, state='waiting', backlog=None), [count(0.0, AWAY)]),
    ],
)
def test_the_truth_is_no_lie(witness: Witness, told: Sight, counts: list[Count]) -> None:
    witness.sights, witness.counts = [told], counts

    assert witness.lies() == []


@pytest.mark.parametrize(
    ('told', 'counts', 'lie'),
    [
        (sight(), [count(-1.0, LACKING), count(1.0, LACKING)], "the broker has no consumer for ['two']"),
        (sight(), [count(-9.0, THERE), count(0.0, AWAY), count(9.0, THERE)], 'there is no broker'),
        (sight(state='waiting'), [], "ready, and ['waiting', 'waiting']"),
        (sight(NOT_READY), [], "not connected, and ['consuming', 'consuming']"),
        (sight({**READY, 'reasons': ['no']}), [], "the reasons are ['no']"),
        (sight({**READY, 'summary': 'nothing listens'}), [], "the summary is 'nothing listens'"),
        (sight(handler='one'), [], "only ['one', 'one'] are told"),
        (sight(backlog=2), [], 'less than what is in hand'),
        (Sight(AT, AT, fault='it does not answer'), [], 'it does not answer'),
    ],
)
def test_a_lie_is_found(witness: Witness, told: Sight, counts: list[Count], lie: str) -> None:
    witness.sights, witness.counts = [told], counts

    assert [lie in each for each in witness.lies()] == [True]


@pytest.mark.parametrize(('seconds', 'is_lie'), [(3.0, False), (4.0, True)])
def test_to_be_ready_long_after_the_connections_froze_is_a_lie(witness: Witness, seconds: float, is_lie: bool) -> None:
    witness.sights = [sight()]
    witness.silent(AT - seconds, AT + 1.0)

    assert bool(witness.lies()) is is_lie
