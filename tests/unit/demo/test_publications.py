# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The events of the sample day, each for itself: what a host of its era would send."""

from __future__ import annotations

import json

import pytest

from tests.unit.demo.told import ERAS, SEEDS, Told, known, whole_day
from wazo_busd.codec import encode
from wazo_busd.event import Event
from wazo_busd.match import bindings_of
from wazo_busd.patterns import Matcher

pytestmark = pytest.mark.parametrize('seed', SEEDS)


def test_every_event_is_in_the_catalogue(seed: int) -> None:
    assert {each.name for each in whole_day(seed)} <= set(known())


def test_no_event_has_a_field_that_its_era_does_not_know(seed: int) -> None:
    for each in whole_day(seed):
        assert set(each.data) <= {name for name, field in each.entry.fields.items() if field.era in (None, each.era)}


def test_every_event_has_all_fields_that_its_era_always_sends(seed: int) -> None:
    for each in whole_day(seed):
        always = {
            name for name, field in each.entry.fields.items() if field.era in (None, each.era) and not field.optional
        }
        assert always <= set(each.data)


def test_every_field_is_of_its_type(seed: int) -> None:
    for each in whole_day(seed):
        wrong = {name: value for name, value in each.data.items() if not each.entry.fields[name].accepts(value)}
        assert (each.name, wrong) == (each.name, {})


def test_every_event_of_today_has_the_headers_of_its_own_and_none_of_2019_has(seed: int) -> None:
    for each in whole_day(seed):
        own = {name: field for name, field in each.entry.headers.items() if field.era in (None, each.era)}
        assert all(field.accepts(each.publication.headers[name]) for name, field in own.items())
        assert own or not set(each.entry.headers) & set(each.publication.headers)


def test_every_key_fits_the_bindings_of_its_event(seed: int) -> None:
    for each in whole_day(seed):
        assert Matcher(bindings_of(each.entry)).matches(each.publication.routing_key)


def test_every_name_is_that_of_its_era(seed: int) -> None:
    for each in whole_day(seed):
        assert each.name == ((each.era == '2019' and each.entry.name_2019) or each.entry.name)


def test_every_body_can_be_sent(seed: int) -> None:
    for each in whole_day(seed):
        assert json.loads(encode(each.publication.body)) == each.publication.body


def test_hosts_of_2019_publish_on_xivo_alone(seed: int) -> None:
    assert {each.publication.exchange for each in whole_day(seed, '2019')} == {'xivo'}


def test_of_todays_services_only_the_one_for_accounts_publishes_on_xivo(seed: int) -> None:
    for each in whole_day(seed, 'now'):
        assert each.publication.exchange == ('xivo' if each.entry.service == 'auth' else 'wazo-headers')


def test_hosts_of_2019_send_nothing_of_today_in_headers_and_body(seed: int) -> None:
    for each in whole_day(seed, '2019'):
        assert not {'timestamp', 'tenant_uuid', 'required_access'} & {*each.publication.headers, *each.publication.body}


def test_what_is_for_a_whole_tenant_is_for_all_users_today(seed: int) -> None:
    for each in whole_day(seed):
        of_all = each.era == 'now' and each.entry.scope == 'tenant'
        assert ('user_uuid:*' in each.publication.headers, 'user_uuid:*' in each.publication.body) == (of_all, of_all)


def test_the_time_of_an_event_is_that_of_the_day(seed: int) -> None:
    told = [Event(each.name, headers=each.publication.headers).timestamp for each in whole_day(seed, 'now')]
    first = told[0]
    assert first is not None
    begins_at = whole_day(seed, 'now')[0].at_seconds
    for time, each in zip(told, whole_day(seed, 'now'), strict=True):
        assert time is not None
        # Not aware: the clocks of the machine that tests may go back within the day.
        passed = (time.replace(tzinfo=None) - first.replace(tzinfo=None)).total_seconds()
        assert passed == pytest.approx(each.at_seconds - begins_at, abs=0.001)


@pytest.mark.parametrize('era', ERAS)
def test_every_event_of_wazos_page_that_hosts_still_send_occurs(seed: int, era: str) -> None:
    wanted = {entry.name for entry in known().values() if entry.on_page and not entry.removed and not entry.is_family}

    assert wanted <= {each.entry.name for each in whole_day(seed) if each.era == era}


@pytest.mark.parametrize('era', ERAS)
def test_events_of_asterisk_occur(seed: int, era: str) -> None:
    found = {each.name for each in whole_day(seed) if each.era == era and each.publication.routing_key[:4] == 'ami.'}

    assert found >= {
        'QueueCallerJoin',
        'QueueCallerLeave',
        'QueueCallerAbandon',
        'AgentCalled',
        'AgentConnect',
        'AgentComplete',
        'AgentRingNoAnswer',
        'QueueMemberAdded',
        'QueueMemberPause',
        'QueueMemberStatus',
        'QueueMemberRemoved',
    }


def test_an_event_of_asterisk_says_its_name_once_more(seed: int) -> None:
    for each in whole_day(seed):
        assert each.data.get('Event', each.name) == each.name


def test_no_event_that_was_removed_occurs(seed: int) -> None:
    assert not [each.name for each in whole_day(seed) if each.entry.removed]


def test_what_came_after_2019_does_not_occur_on_a_host_of_2019(seed: int) -> None:
    later = {'call_answered', 'user_missed_call', 'user_agent_queue_logged_in', 'agent_paused'}

    assert not later & {each.name for each in whole_day(seed, '2019')}


def test_the_keys_of_ids_are_written_as_in_their_era(seed: int) -> None:
    keys = {(each.era, '__DOT__' in each.publication.routing_key) for each in _sent_faxes(seed)}

    assert keys == {('now', True), ('2019', False)}


def test_today_a_participant_is_unmuted_on_the_misspelt_key(seed: int) -> None:
    words = {
        (each.era, each.publication.routing_key.split('.')[2])
        for each in whole_day(seed)
        if each.name == 'conference_participant_unmuted'
    }

    assert words == {('now', 'particpants'), ('2019', 'participants')}


def _sent_faxes(seed: int) -> list[Told]:
    return [each for each in whole_day(seed) if each.name == 'fax_outbound_succeeded']
