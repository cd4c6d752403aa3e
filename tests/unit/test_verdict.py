# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The verdict: the same as the daemon's, with words for every no."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.rig import make_handler, started
from wazo_busd import catalogue
from wazo_busd.catalogue.publication import ERAS, Era
from wazo_busd.event import Event
from wazo_busd.patterns import Matcher
from wazo_busd.plugin import handler
from wazo_busd.sample import event_of, of_name
from wazo_busd.verdict import Ruling, verdict
from wazo_busd.work import Call

TENANT = 'bd72b051-fd14-40be-9c3d-6b5fe65271ca'
USER = '2e752722-0864-4665-887d-a78a024cf7c7'


class Several:
    """Takes calls and faxes."""

    @handler('calls.#')
    async def on_call(self, event: Event) -> None: ...

    @handler('faxes.#', 'agents.*')
    async def on_fax(self, event: Event) -> None: ...


KEYS = ['calls.call.created', 'calls', 'faxes.outbound.failed', 'agents.status', 'x', '']
CONFIGS = st.fixed_dictionaries(
    {'match': st.sampled_from(['#', 'calls.*', 'calls.#', 'call_created', ['faxes.#', 'agents.#']])},
    optional={
        'tenants': st.just(TENANT),
        'users': st.just([USER]),
        'acl': st.sampled_from(['events.calls.#', '!events.#', ['#', '!events.faxes']]),
        'where': st.sampled_from([{'data.a': 1}, {'data.a': '~x'}, {'data.b': ['!1', 2]}]),
        'when': st.sampled_from(['data.a == 1', 'data.a / data.b > 0', 'data.a is defined and data.b']),
        'expires_after': st.just('10s'),
    },
)
EVENTS = st.builds(
    lambda name, key, data, headers, age: Event(
        name, data, routing_key=key, headers=headers, received_at=time.time() - age
    ),
    st.sampled_from(['call_created', 'fax_outbound_failed', 'x', '']),
    st.sampled_from(KEYS),
    st.dictionaries(st.sampled_from('ab'), st.sampled_from([0, 1, 2, 'x', None])),
    st.fixed_dictionaries(
        {},
        optional={
            'tenant_uuid': st.sampled_from([TENANT, USER, 7]),
            f'user_uuid:{USER}': st.booleans(),
            'required_acl': st.sampled_from([None, 'events.calls.x', 'events.faxes', 3]),
        },
    ),
    st.sampled_from([0, 1000]),
)


@given(CONFIGS, EVENTS)
def test_a_verdict_is_what_the_daemon_does_and_every_no_has_a_reason(config: dict[str, Any], event: Event) -> None:
    one = make_handler(Several, **config)
    call = asyncio.run(started(Several, **config))
    found = verdict(one, event, now=time.time())
    # What comes on no key that is bound never comes to the daemon's own match.
    comes = Matcher(one.match.bindings).matches(event.routing_key)
    runs = comes and isinstance(call.call_for(event), Call)

    assert ((found.ruling is not Ruling.NOT), bool(found.reasons)) == (runs, found.ruling is not Ruling.RUNS)


def test_an_event_that_cannot_be_judged_is_a_dead_letter() -> None:
    one = make_handler(Several, when='data.a / 0 > 1')

    assert verdict(one, Event('x', {'a': 1}, routing_key='calls.x'), now=0.0).ruling is Ruling.DEAD


def test_every_part_that_says_no_is_told_not_the_first_alone() -> None:
    one = make_handler(Several, tenants=TENANT, where={'data.a': 1}, when='data.b == 1')
    found = verdict(one, Event('x', {}, routing_key='calls.x'), now=0.0)

    assert [each.split(':')[0] for each in found.reasons] == ['tenants', 'where', 'when']


@pytest.mark.parametrize(
    ('match', 'said'),
    [
        ('calls.*', 'in calls.* a * is one word only; calls.# would fit'),
        ('call_created', 'it is called call_created, but comes on none of the keys of that event: calls.x.y'),
    ],
)
def test_a_match_that_just_misses_says_what_would_fit(match: str, said: str) -> None:
    found = verdict(make_handler(Several, match=match), Event('call_created', routing_key='calls.x.y'), now=0.0)

    assert f'match: {said}' in found.reasons


def test_what_came_over_the_bus_cannot_break_out_of_its_line() -> None:
    event = Event('a\nb\x1b[31m', routing_key='x\u202ey', headers={'tenant_uuid': 'c\nd', 'required_acl': '\x1b'})
    reasons = [
        *verdict(make_handler(Several, match='calls.#'), event, now=0.0).reasons,
        *make_handler(Several, tenants=TENANT, users=USER, acl='x').filter.denials(event),
    ]

    assert [each for each in reasons if not each.isprintable()] == []


@pytest.mark.parametrize('era', ERAS)
def test_what_is_matched_by_its_name_comes_from_hosts_of_either_era(era: Era) -> None:
    kept: list[str] = []
    for entry in catalogue.entries():
        if not entry.removed and entry.routing_keys:
            event = event_of(of_name(entry.name, era=era))
            kept += verdict(make_handler(whatever, match=[entry.name]), event, now=event.received_at).reasons

    assert kept == []


@handler
async def whatever(event: Event) -> None: ...
