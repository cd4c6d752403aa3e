# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Audit: each change is told once, with what was before; so is what can cost money."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from pydantic import ValidationError

from plugins.audit import Options
from tests.plugins.hostile import names as hostile_names
from tests.plugins.trackers.changes import (
    ABROAD,
    ALICE,
    BOB,
    HOME,
    PREMIUM,
    TENANT,
    account,
    call,
    favorite,
    forward,
    risks,
    said,
    sentences,
    service,
    what,
)
from tests.plugins.trackers.rig import START, event, names
from wazo_busd.event import Event

WHO, USER = f'user {ALICE}', f'User {ALICE}'


# ---- sentences


def test_a_forward_is_told_in_sentences() -> None:
    events = [
        forward(False, None, 0),
        forward(True, '1004', 1),
        forward(True, '1005', 2),
        forward(False, '1005', 3),
        forward(False, '1006', 4),
        forward(True, None, 5),
    ]

    assert sentences(what(events, {ALICE: 'Alice', '1005': 'Bob'})) == [
        'Forward on no answer of Alice was switched off (before: not known)',
        'Forward on no answer of Alice was switched on: to 1004 (before: off)',
        'Forward on no answer of Alice was changed: to 1005 (Bob) (before: to 1004)',
        'Forward on no answer of Alice was switched off (before: to 1005 (Bob))',
        'Forward on no answer of Alice was changed while it is off: to 1006 (before: to 1005 (Bob))',
        'Forward on no answer of Alice was switched on: to nowhere (before: off)',
    ]


@pytest.mark.parametrize(
    ('changes', 'sentence'),
    [
        ([service(True, 0)], f'Do not disturb of user {ALICE} was switched on (before: not known)'),
        ([service(True, 0), service(False, 1)], f'Do not disturb of user {ALICE} was switched off (before: on)'),
        ([service(True, 0, 'incallfilter')], f'Filter of incoming calls of {WHO} was switched on (before: not known)'),
        ([forward(True, '1', 0, 'busy')], f'Forward on busy of user {ALICE} was switched on: to 1 (before: not known)'),
        (
            [forward(True, '1', 0, 'unconditional')],
            f'Unconditional forward of {WHO} was switched on: to 1 (before: not known)',
        ),
        ([favorite('added', 0)], f'Contact 42 of internal became a favorite of user {ALICE}'),
        ([favorite('deleted', 0)], f'Contact 42 of internal is no longer a favorite of user {ALICE}'),
        ([account('authorized', 0)], f'External account google of user {ALICE} was authorized'),
        ([account('updated', 0)], f'External account google of user {ALICE} was changed'),
        ([account('deleted', 0)], f'External account google of user {ALICE} was unlinked'),
        ([event('user_created', {'id': 42, 'uuid': ALICE}, 0)], f'User {ALICE} was created'),
        ([event('user_edited', {'id': 42, 'uuid': ALICE}, 0)], f'{USER} was edited, the event does not say what of it'),
        ([event('user_deleted', {'id': 42, 'uuid': ALICE}, 0)], f'User {ALICE} was deleted'),
        ([event('auth_tenant_created', {'uuid': TENANT, 'name': 'Acme'}, 0)], f'Tenant Acme ({TENANT}) was created'),
        ([event('auth_tenant_updated', {'uuid': TENANT, 'name': 'Acme'}, 0)], f'Tenant Acme ({TENANT}) was edited'),
        ([event('auth_tenant_deleted', {'uuid': TENANT}, 0)], f'Tenant {TENANT} was deleted'),
    ],
)  # fmt: skip
def test_every_change_has_a_sentence(changes: list[Event], sentence: str) -> None:
    assert [each for each in sentences(what(changes)) if 'linked an' not in each and 'granted' not in each][
        -1
    ] == sentence


def test_a_tenant_that_is_renamed_is_told_with_both_names() -> None:
    events = [event('auth_tenant_added', {'uuid': TENANT, 'name': 'Acme'}, 0)]
    events += [event('auth_tenant_updated', {'uuid': TENANT, 'name': 'Acme Ltd'}, at) for at in (1, 2)]

    assert sentences(what(events)) == [
        f'Tenant Acme ({TENANT}) was created',
        f'Tenant Acme Ltd ({TENANT}) was edited (before: Acme)',
    ]


@given(hostile_names, hostile_names)
def test_whatever_names_and_numbers_are_a_sentence_is_one_line_of_printable_letters(name: str, number: str) -> None:
    events = [
        forward(True, number, 0),
        event('favorite_added', {'user_uuid': ALICE, 'source': name, 'source_entry_id': number}, 1),
        event('auth_user_external_auth_added', {'user_uuid': ALICE, 'external_auth_name': name}, 2),
        event('auth_tenant_added', {'uuid': TENANT, 'name': name}, 3),
    ]
    found = sentences(what(events, {ALICE: name, number: name}))

    assert [each for each in found if not each.isprintable() or len(each) > 1000] == []


# ---- before and after


def test_an_update_after_which_all_is_as_it_was_is_no_change() -> None:
    events = [forward(True, '1004', 0), forward(True, '1004', 60), service(True, 61), service(True, 62)]

    assert len(what(events)) == 2


def test_what_was_not_seen_is_not_known() -> None:
    (found,) = what([forward(False, '1004', 0)])

    assert said(found, 'before', 'after', 'action') == (None, {'enabled': False, 'destination': '1004'}, 'switched_off')


def test_an_event_that_does_not_say_what_was_changed_is_told_each_time() -> None:
    events = [event('user_edited', {'id': 42, 'uuid': ALICE}, at) for at in (0, 60, 60)]

    assert len(what(events)) == 2


def test_what_comes_late_changes_nothing() -> None:
    late = event('users_services_dnd_updated', {'user_uuid': ALICE, 'enabled': True}, 0)

    assert len(what([service(True, 5), service(False, 10), late])) == 2


def test_a_change_concerns_its_user_and_tenant() -> None:
    derivation = what([forward(True, '1004', 0)])[0].derivation

    assert (derivation.user_uuids, derivation.tenant_uuid) == ((ALICE,), derivation.data['tenant_uuid'])


@pytest.mark.parametrize('user', ['', 'None', None, 7, 'me', f'{ALICE}{ALICE}', [ALICE]])
def test_what_names_no_user_is_no_change(user: Any) -> None:
    data = {'user_uuid': user, 'enabled': True, 'destination': '1'}

    assert what([Event('users_forwards_busy_updated', data, received_at=START.timestamp())]) == []


# ---- risks


@pytest.mark.parametrize(
    ('number', 'kinds'),
    [
        (ABROAD, ['international']),
        (PREMIUM, ['premium']),
        ('19005551234', ['premium']),
        (HOME, []),
        ('1004', []),
        ('911', []),
    ],
)
def test_a_forward_to_a_number_that_costs_is_risky(number: str, kinds: list[str]) -> None:
    found = risks(what([forward(True, number, 0)]))

    assert [said(each, 'kind', 'destination_kind') for each in found] == [('forward_outside', kind) for kind in kinds]


def test_which_kinds_are_risky_is_an_option() -> None:
    assert [said(each, 'destination_kind') for each in risks(what([forward(True, HOME, 0)], risky=['national']))] == [
        ('national',)
    ]


def test_a_risky_forward_is_told_once_until_it_is_switched_on_again() -> None:
    events = [
        forward(*each, at) for at, each in enumerate([(True, ABROAD)] * 2 + [(False, ABROAD)] * 2 + [(True, ABROAD)])
    ]

    assert len(risks(what(events))) == 2


def test_a_risk_is_told_in_a_sentence() -> None:
    (found,) = risks(what([forward(True, ABROAD, 0)], {ALICE: 'Alice'}))

    assert sentences([found]) == [f'Calls of Alice go to {ABROAD} now, which is in another country']


@pytest.mark.parametrize(
    ('words', 'count'),
    [
        (['added', 'authorized'], 1),
        (['authorized'], 1),
        (['updated'], 0),
        (['updated', 'authorized'], 0),
        (['deleted'], 0),
        (['added', 'deleted', 'added'], 2),
        (['added', 'added'], 1),
    ],
)
def test_an_external_account_is_risky_when_it_is_linked(words: list[str], count: int) -> None:
    found = risks(what([account(word, at) for at, word in enumerate(words)]))

    assert [said(each, 'kind', 'user_uuid', 'name') for each in found] == [
        ('external_account', ALICE, 'google')
    ] * count


# ---- many calls


def test_many_calls_abroad_are_told_once() -> None:
    (found,) = what([call(each) for each in range(40)])

    assert said(found, 'kind', 'user_uuid', 'destination', 'destination_kind', 'count', 'seconds') == (
        'outbound_burst', ALICE, ABROAD, 'international', 21, 20.0,
    )  # fmt: skip


def test_when_the_time_is_over_more_are_told_again() -> None:
    assert len(what([call(20 * each) for each in range(61)])) == 2


def test_no_more_than_allowed_are_nothing() -> None:
    assert what([call(each) for each in range(20)]) == []


@pytest.mark.parametrize(
    'more',
    [
        {'number': HOME},
        {'number': '1004'},
        {'is_caller': False},
        {'direction': 'inbound'},
        {'direction': 'internal', 'number': '1004'},
        {'direction': 'internal', 'number': '911'},
        {'direction': 'inbound', 'name': 'call_updated'},
        {'name': 'call_ended'},
        {'user': None, 'line_id': None},
        {'call_id': 'always the same'},
    ],
)
def test_other_calls_do_not_count(more: dict[str, Any]) -> None:
    assert what([call(each, **more) for each in range(40)]) == []


@pytest.mark.parametrize('count', [20, 21])
def test_a_call_that_becomes_outbound_counts_once(count: int) -> None:
    # Today's hosts say so only when the dialplan has found it out.
    events = [
        call(at + 0.1 * later, call_id=f'{at}', direction=direction, name=name)
        for at in range(count)
        for later, (name, direction) in enumerate(
            (('call_created', 'internal'), ('call_updated', 'outbound'), ('call_updated', 'outbound'))
        )
    ]

    assert [said(each, 'kind', 'count') for each in what(events)] == [('outbound_burst', 21)] * (count - 20)


@pytest.mark.parametrize(('name', 'direction'), [('call_created', 'internal'), ('call_updated', 'outbound')])
def test_one_event_of_a_call_is_enough(name: str, direction: str) -> None:
    (found,) = what([call(each, name=name, direction=direction) for each in range(21)])

    assert said(found, 'count') == (21,)


def test_calls_that_are_long_are_not_made_anew_by_each_update() -> None:
    began = '2026-05-04T08:00:00.000+0000'
    events = [
        call(3600 * hours + at, call_id=f'{at}', name=name, creation_time=began)
        for hours, name in enumerate(('call_created', 'call_updated'))
        for at in range(20)
    ]
    events += [call(3700, call_id='another')]

    assert what(events) == []


def test_users_are_counted_each_for_themselves() -> None:
    assert what([call(each, user=(ALICE, BOB)[each % 2]) for each in range(40)]) == []


def test_a_line_without_a_user_is_counted_too() -> None:
    (found,) = what([call(each, user=None, line_id=12) for each in range(30)])

    assert said(found, 'user_uuid') == (None,)
    assert sentences([found])[0].startswith('Line 12 has made 21 outbound calls within 600 s')


def test_lines_of_several_hosts_are_not_the_same() -> None:
    data = {'is_caller': True, 'dialed_extension': ABROAD, 'line_id': 12}
    events = [
        event('call_created', {**data, 'call_id': str(at)}, at, origin_uuid=(ALICE, BOB)[at % 2]) for at in range(40)
    ]

    assert what(events) == []


def test_without_that_option_calls_are_not_counted() -> None:
    assert what([call(each) for each in range(40)], outbound_burst=None) == []


@pytest.mark.parametrize('options', [{'risky': ['internal']}, {'outbound_burst': {'calls': 0}}, {'risk': []}])
def test_options_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Options.model_validate(options)


# ---- what hosts of 2019 send


def test_the_events_of_wazos_page_suffice() -> None:
    of_user = {'user_uuid': ALICE, 'external_auth_name': 'zoho'}
    of_page: list[tuple[str, dict[str, Any]]] = [
        ('auth_tenant_created', {'uuid': TENANT, 'name': 'Acme'}),
        ('auth_tenant_updated', {'uuid': TENANT, 'name': 'Acme Ltd'}),
        ('user_created', {'id': 42, 'uuid': ALICE}),
        ('auth_user_external_auth_added', of_user),
        ('auth_user_external_auth_authorized', of_user),
        ('auth_user_external_auth_deleted', of_user),
        ('users_forwards_noanswer_updated', {'user_uuid': ALICE, 'enabled': True, 'destination': '1234'}),
        ('users_services_dnd_updated', {'user_uuid': ALICE, 'enabled': True}),
        ('favorite_added', {'xivo_uuid': BOB, 'user_uuid': ALICE, 'source': 'internal', 'source_entry_id': 42}),
        ('user_edited', {'id': 42, 'uuid': ALICE}),
        ('user_deleted', {'id': 42, 'uuid': ALICE}),
        ('auth_tenant_deleted', {'uuid': TENANT}),
    ]
    events = [event(name, data, at, era='2019') for at, (name, data) in enumerate(of_page)]

    assert [each.name for each in events if each.timestamp] == []
    assert names(what(events)).count('busd.audit.change') == len(of_page)


def test_calls_of_2019_have_no_direction_and_are_counted_by_what_was_dialed() -> None:
    data = {'user_uuid': ALICE, 'is_caller': True, 'dialed_extension': ABROAD, 'status': 'Ring'}
    events = [event('call_created', {**data, 'call_id': str(at)}, at, era='2019') for at in range(21)]

    assert [said(each, 'kind', 'count') for each in what(events)] == [('outbound_burst', 21)]
