# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The tracker of faxes: one result a fax, whatever the order in which faxes end, and a word on those that never do."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from plugins.faxes import Faxes, FaxTracker
from plugins.faxes.reason import reason_of
from plugins.log import Log
from tests.plugins.trackers.rig import Found, event, names, run
from wazo_busd.event import Event
from wazo_busd.testing import Outcome, deliver, make_event

PAGE = (Path(__file__).parents[3] / 'docs' / 'handlers' / 'faxes.md').read_text()
SEED = {
    'id': '1234567.89',
    'call_id': '1234567.89',
    'context': 'ctx-example-internal',
    'extension': '1234',
    'caller_id': 'fax sender <5551234>',
    'user_uuid': '3c616e3a-611b-4703-bea8-9be4fc4c9fe4',
    'tenant_uuid': 'bd72b051-fd14-40be-9c3d-6b5fe65271ca',
}
"""What Wazo's page shows."""
HOSTS = ('00000000-0000-4000-8000-00000000000a', '00000000-0000-4000-8000-00000000000b')
HALF_HOUR = 1800


def fax(what: str, at: float, *, era: Any = '2019', host: str = HOSTS[0], **more: Any) -> Event:
    return event(f'fax_outbound_{what}', {**SEED, **more}, at, era=era, origin_uuid=host)


def made() -> FaxTracker:
    return FaxTracker(region='CA')


def data_of(found: list[Found], number: int = -1) -> dict[str, Any]:
    return dict(found[number].derivation.data)


# ---- what a host of 2019 sends, as on Wazo's page


def test_what_the_page_shows_suffices_for_a_fax_that_arrives() -> None:
    found = run(made, [fax('created', 0), fax('succeeded', 42)])

    assert names(found) == ['busd.fax.sent']
    assert data_of(found) == {
        'id': '1234567.89',
        'call_id': '1234567.89',
        'extension': '1234',
        'extension_e164': None,
        'context': 'ctx-example-internal',
        'caller_id': 'fax sender <5551234>',
        'user_uuid': '3c616e3a-611b-4703-bea8-9be4fc4c9fe4',
        'started_at': '2026-05-04T08:00:00.000+00:00',
        'ended_at': '2026-05-04T08:00:42.000+00:00',
        'seconds': 42.0,
        'failed_in_a_row': 0,
    }


def test_what_the_page_shows_suffices_for_a_fax_that_fails() -> None:
    found = run(made, [fax('created', 0), fax('failed', 42, error='recipient did not answer')])

    assert names(found) == ['busd.fax.failed']
    assert (data_of(found)['reason'], data_of(found)['error']) == ('recipient did not answer',) * 2


def test_the_two_events_of_a_fax_of_a_user_are_one() -> None:
    events = [fax(what, at) for what, at in (('created', 0), ('user_created', 0), ('failed', 9), ('user_failed', 9))]

    assert names(run(made, events)) == ['busd.fax.failed']


def test_the_event_for_the_user_alone_suffices() -> None:
    found = run(made, [fax('user_succeeded', 9)])

    assert (names(found), found[0].derivation.user_uuids) == (['busd.fax.sent'], (SEED['user_uuid'],))


def test_a_result_without_a_beginning_is_told_without_how_long_it_took() -> None:
    found = run(made, [fax('failed', 9)])

    assert (data_of(found)['started_at'], data_of(found)['seconds']) == (None, None)


def test_a_fax_without_a_result_is_stuck_once_and_its_result_is_told_all_the_same() -> None:
    found = run(made, [fax('created', 0), fax('created', 1), fax('succeeded', 4000)])

    assert [(each.derivation.name, each.derivation.data['seconds']) for each in found] == [
        ('busd.fax.stuck', 1800.0),
        ('busd.fax.sent', 4000.0),
    ]


def test_what_is_said_to_have_begun_after_its_result_is_not_stuck() -> None:
    assert names(run(made, [fax('succeeded', 9), fax('created', 1)])) == ['busd.fax.sent']


def test_failures_are_counted_for_each_number_until_one_arrives() -> None:
    ends = [('failed', '1'), ('failed', '2'), ('failed', '1'), ('succeeded', '1'), ('failed', '1')]
    found = run(made, [fax(what, at, id=f'{at}', extension=to) for at, (what, to) in enumerate(ends)])

    assert [each.derivation.data['failed_in_a_row'] for each in found] == [1, 1, 2, 2, 1]


def test_an_extension_is_told_as_all_the_world_dials_it() -> None:
    assert data_of(run(made, [fax('failed', 0, extension='418-555-0142')]))['extension_e164'] == '+14185550142'


def test_a_fax_that_comes_in_is_told_once() -> None:
    said = {'Uniqueid': '7.1', 'PagesTransferred': '2', 'CallerIDNum': '5145550100', 'CallerIDName': '<unknown>'}
    found = run(made, [event('ReceiveFAX', said, at) for at in (0, 1)])

    assert names(found) == ['busd.fax.received']
    assert [data_of(found)[key] for key in ('pages', 'caller_id_name', 'caller_id_number_e164')] == [
        2,
        None,
        '+15145550100',
    ]


def test_a_fax_that_comes_in_without_a_page_is_none() -> None:
    assert run(made, [event('ReceiveFAX', {'Uniqueid': '7.1', 'PagesTransferred': '0'}, 0)]) == []


@pytest.mark.parametrize(
    ('error', 'reason'),
    [
        ('recipient is busy', 'recipient is busy'),
        ('The call dropped prematurely', 'the call broke off'),
        ('T38_NEG_ERROR', 'both sides could not agree on T.38'),
        ('SOME_NEW_ERROR', 'some new error'),
        (None, 'for a reason that the host does not tell'),
        (' . ', 'for a reason that the host does not tell'),
    ],
)
def test_a_reason_is_in_words(error: str | None, reason: str) -> None:
    assert reason_of(error) == reason


# ---- any history

faxes = st.lists(
    st.tuples(
        st.sampled_from(HOSTS),
        st.sampled_from(['1', '2', '5145550100']),
        st.integers(0, 20_000),
        st.none() | st.integers(1, 9000),
        st.booleans(),
        st.booleans(),
    ),
    max_size=20,
)
"""The host, the number, when it began, how long it took, whether it arrived, and whether a user sent it."""


def history(sent: list[tuple[Any, ...]], era: str) -> list[tuple[float, int, Event]]:
    events = []
    for number, (host, to, begins, took, arrives, of_user) in enumerate(sent):
        more = {'id': f'{number}', 'extension': to, 'host': host, 'era': era}
        begins += number / 1000
        whats = [('created', begins)]
        if took is not None:
            whats.append(('succeeded' if arrives else 'failed', begins + took))
        for what, at in whats:
            events.append((at, number, fax(what, at, **more)))
            if of_user:
                events.append((at + 0.0001, number, fax(f'user_{what}', at + 0.0001, **more)))
    return sorted(events, key=lambda each: each[0])


@pytest.mark.parametrize('era', ['now', '2019'])
@given(sent=faxes)
def test_each_fax_has_one_result_and_is_stuck_iff_that_took_too_long(era: str, sent: list[tuple[Any, ...]]) -> None:
    found = run(made, [one for _, _, one in history(sent, era)])
    told = sorted((each.derivation.name, each.derivation.data['id']) for each in found)
    results = [
        ('busd.fax.sent' if arrives else 'busd.fax.failed', f'{number}')
        for number, (_, _, _, took, arrives, _) in enumerate(sent)
        if took is not None
    ]
    stuck = [('busd.fax.stuck', f'{n}') for n, each in enumerate(sent) if each[3] is None or each[3] >= HALF_HOUR]

    assert told == sorted(results + stuck)


@given(sent=faxes)
def test_how_long_each_took_and_how_many_failed_before_is_the_truth(sent: list[tuple[Any, ...]]) -> None:
    failed: dict[tuple[str, str], int] = {}
    expected = []
    ends = sorted(
        (begins + n / 1000 + took, n) for n, (_, _, begins, took, _, _) in enumerate(sent) if took is not None
    )
    for _, number in ends:
        host, to, _, took, arrives, _ = sent[number]
        before = failed.get((host, to), 0)
        failed[host, to] = 0 if arrives else before + 1
        expected.append((f'{number}', float(took), before if arrives else before + 1))
    found = [each.derivation.data for each in run(made, [one for _, _, one in history(sent, 'now')])]

    assert [(each['id'], each['seconds'], each['failed_in_a_row']) for each in found if 'ended_at' in each] == expected


@given(sent=faxes, part=st.floats(0, 1))
def test_a_restart_at_any_moment_of_any_history_changes_nothing(sent: list[tuple[Any, ...]], part: float) -> None:
    events = [one for _, _, one in history(sent, 'now')]

    assert run(made, events, restart_after=int(part * len(events))) == run(made, events)


# ---- the page


def handlers(number: int) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(re.findall(r'```yaml\n(.*?)```', PAGE, re.DOTALL)[number])['handlers']
    return found


async def test_the_first_example_tells_of_a_fax_that_failed() -> None:
    match = handlers(0)['fax-log']['match']
    outcomes = await deliver(Faxes, make_event('fax_outbound_failed', SEED), top={'region': 'CA'})

    assert [each.name for each in outcomes.emitted] == [match]
    assert await deliver(Log, make_event(match, outcomes.emitted[0].data), match=match) == [Outcome.DONE]


async def test_the_plugin_takes_the_events_and_options_of_the_page() -> None:
    events = [make_event(f'fax_outbound_{what}', SEED) for what in ('created', 'user_created', 'user_succeeded')]
    outcomes = await deliver(Faxes, *events, options=handlers(1)['fax-watch']['options'])

    assert [each.name for each in outcomes.emitted] == ['busd.fax.sent']
