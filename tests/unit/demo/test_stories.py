# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The stories of the sample day: causes come before their effects, and everything that begins ends."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import pytest

from tests.unit.demo.told import SEEDS, Told, named, whole_day

pytestmark = pytest.mark.parametrize('seed', SEEDS)


def grouped(told: Iterable[Told], key: str) -> dict[tuple[str, str], list[Told]]:
    """By host and by what `data` has as `key`."""
    groups: dict[tuple[str, str], list[Told]] = defaultdict(list)
    for each in told:
        groups[each.host, str(each.data[key])].append(each)
    return groups


def legs(seed: int) -> Iterable[list[Told]]:
    calls = ('call_created', 'call_answered', 'call_updated', 'call_held', 'call_resumed', 'call_ended')
    return grouped(named(whole_day(seed), *calls), 'call_id').values()


def test_a_leg_begins_once_and_ends_once_and_nothing_is_outside(seed: int) -> None:
    for leg in legs(seed):
        names = [each.name for each in leg]
        assert (names[0], names[-1]) == ('call_created', 'call_ended')
        assert names.count('call_created') == names.count('call_ended') == 1


def test_a_leg_rings_when_it_is_created(seed: int) -> None:
    assert {leg[0].data['status'] for leg in legs(seed)} == {'Ring', 'Ringing'}


def test_a_leg_that_is_up_does_not_ring_again(seed: int) -> None:
    for leg in legs(seed):
        statuses = [each.data['status'] for each in leg if 'status' in each.data]
        assert statuses == sorted(statuses, key=lambda status: status == 'Up')


def test_a_leg_is_answered_before_it_is_first_up(seed: int) -> None:
    for leg in legs(seed):
        names = [each.name for each in leg]
        if 'call_answered' in names:
            assert names.index('call_answered') == 1


def test_hold_and_resume_take_turns_on_a_leg_that_is_up(seed: int) -> None:
    for leg in legs(seed):
        status, is_held = '', False
        for each in leg:
            status = each.data.get('status', status)
            if each.name in ('call_held', 'call_resumed'):
                assert (status, is_held) == ('Up', each.name == 'call_resumed')
                is_held = not is_held
        assert not is_held


def test_whom_a_leg_talks_to_has_begun_and_not_ended(seed: int) -> None:
    open_legs: set[str] = set()
    for each in named(whole_day(seed), 'call_created', 'call_updated', 'call_ended'):
        open_legs.add(each.data['call_id'])
        if each.name == 'call_ended':
            open_legs.remove(each.data['call_id'])
        assert set(each.data['talking_to']) <= open_legs


def test_a_leg_that_talks_to_another_shows_its_number(seed: int) -> None:
    numbers = {each.data['call_id']: each.data['caller_id_number'] for each in named(whole_day(seed), 'call_created')}
    for each in named(whole_day(seed), 'call_updated', 'call_answered'):
        for other in each.data['talking_to']:
            assert each.data['peer_caller_id_number'] == numbers[other]


def test_only_today_it_is_said_why_a_leg_ended(seed: int) -> None:
    assert {(each.era, 'reason_code' in each.data) for each in named(whole_day(seed), 'call_ended')} == {
        ('now', True),
        ('2019', False),
    }


def test_a_call_is_answered_elsewhere_on_another_device_of_the_same_user(seed: int) -> None:
    answered = {(each.data['conversation_id'], each.data['user_uuid']) for each in _of(seed, 'call_answered')}
    elsewhere = [each.data for each in _of(seed, 'call_ended') if each.data['reason_code'] == 26]

    assert elsewhere
    assert {(each['conversation_id'], each['user_uuid']) for each in elsewhere} <= answered


def test_a_missed_call_was_never_answered_by_the_user_who_missed_it(seed: int) -> None:
    answered = {(each.data['conversation_id'], each.data['user_uuid']) for each in _of(seed, 'call_answered')}
    missed = {(each.data['conversation_id'], each.data['user_uuid']) for each in _of(seed, 'user_missed_call')}

    assert missed
    assert not missed & answered


def test_a_missed_call_rang_for_the_user_who_missed_it(seed: int) -> None:
    rang = {(each.data['conversation_id'], each.data['user_uuid']) for each in _of(seed, 'call_created')}

    assert {(each.data['conversation_id'], each.data['user_uuid']) for each in _of(seed, 'user_missed_call')} <= rang


def test_a_relocation_has_four_steps_and_the_first_call_ends_before_the_last(seed: int) -> None:
    steps = ('relocate_initiated', 'relocate_answered', 'relocate_completed', 'relocate_ended')
    ends = {each.data['call_id']: each for each in named(whole_day(seed), 'call_ended')}
    groups = grouped(named(whole_day(seed), *steps), 'uuid').values()

    assert groups
    for group in groups:
        assert tuple(each.name for each in group) == steps
        last = group[-1]
        order = list(map(id, whole_day(seed)))
        assert order.index(id(ends[last.data['initiator_call']])) < order.index(id(last))


def test_the_calls_of_a_relocation_are_calls_of_the_day(seed: int) -> None:
    created = {each.data['call_id'] for each in named(whole_day(seed), 'call_created')}
    for each in named(whole_day(seed), 'relocate_ended'):
        assert {each.data[f'{role}_call'] for role in ('relocated', 'initiator', 'recipient')} <= created


def test_nobody_is_in_two_conversations_at_once(seed: int) -> None:
    conversations: dict[str, dict[str, str]] = defaultdict(dict)
    for each in named(whole_day(seed, 'now'), 'call_created', 'call_ended'):
        user = each.data['user_uuid']
        if user is None:
            continue
        if each.name == 'call_ended':
            del conversations[user][each.data['call_id']]
        else:
            conversations[user][each.data['call_id']] = each.data['conversation_id']
            assert len(set(conversations[user].values())) == 1


def test_a_queue_counts_those_who_wait(seed: int) -> None:
    waiting: dict[tuple[str, str], list[str]] = defaultdict(list)
    for each in named(whole_day(seed), 'QueueCallerJoin', 'QueueCallerLeave'):
        line = waiting[each.host, each.data['Queue']]
        if each.name == 'QueueCallerJoin':
            line.append(each.data['Uniqueid'])
            assert (each.data['Position'], each.data['Count']) == (str(len(line)), str(len(line)))
        else:
            assert each.data['Position'] == str(line.index(each.data['Uniqueid']) + 1)
            line.remove(each.data['Uniqueid'])
            assert each.data['Count'] == str(len(line))
    assert not any(waiting.values())


def test_callers_queue_up_behind_each_other(seed: int) -> None:
    assert max(int(each.data['Position']) for each in named(whole_day(seed), 'QueueCallerJoin')) >= 2


def test_a_caller_of_a_queue_gives_up_or_is_answered(seed: int) -> None:
    for told in _callers(seed):
        names = [each.name for each in told]
        assert names.count('QueueCallerLeave') == 1
        assert names.count('QueueCallerAbandon') + names.count('AgentConnect') == 1
        assert names.count('AgentConnect') == names.count('AgentComplete')


def test_a_caller_of_a_queue_is_joined_called_for_connected_and_done_with_in_this_order(seed: int) -> None:
    steps = ('QueueCallerJoin', 'AgentCalled', 'AgentConnect', 'AgentComplete')
    for told in _callers(seed):
        # Of several calls of agents, only the last is answered.
        last = {each.name: each.at_seconds for each in told}
        times = [last[step] for step in steps if step in last]
        assert times == sorted(times)


def test_some_batches_of_asterisk_come_last_one_first(seed: int) -> None:
    orders = {tuple(names) for names in _batches(seed) if set(names) == {'QueueCallerLeave', 'AgentConnect'}}

    assert orders == {('QueueCallerLeave', 'AgentConnect'), ('AgentConnect', 'QueueCallerLeave')}


def test_an_agent_who_is_called_is_logged_in_and_not_paused(seed: int) -> None:
    members: dict[tuple[str, str], set[str]] = defaultdict(set)
    paused: set[tuple[str, str]] = set()
    for each in whole_day(seed):
        agent = each.host, each.data.get('MemberName', '')
        if each.name == 'QueueMemberAdded':
            members[agent].add(each.data['Queue'])
        elif each.name == 'QueueMemberRemoved':
            members[agent].remove(each.data['Queue'])
        elif each.name == 'QueueMemberPause':
            (paused.add if each.data['Paused'] == '1' else paused.discard)(agent)
        elif each.name == 'AgentCalled':
            assert each.data['Queue'] in members[agent]
            assert agent not in paused
    assert not any(members.values())


def test_agents_log_in_and_out_in_turn(seed: int) -> None:
    for told in grouped(named(whole_day(seed), 'agent_status_update'), 'agent_id').values():
        statuses = [each.data['status'] for each in told]
        assert statuses == ['logged_in', 'logged_out'] * (len(statuses) // 2)


def test_today_every_pause_of_an_agent_ends_in_the_same_queue(seed: int) -> None:
    paused: set[tuple[int, str]] = set()
    for each in _of(seed, 'agent_paused', 'agent_unpaused'):
        place = each.data['agent_id'], each.data['queue']
        assert (place in paused) == (each.name == 'agent_unpaused')
        assert each.data['paused'] == (each.name == 'agent_paused')
        paused ^= {place}
    assert not paused


def test_a_fax_is_created_and_then_arrives_or_fails(seed: int) -> None:
    told = named(whole_day(seed), 'fax_outbound_created', 'fax_outbound_succeeded', 'fax_outbound_failed')
    ends = set()
    for fax in grouped(told, 'id').values():
        first, last = fax
        assert first.name == 'fax_outbound_created'
        ends.add(last.name)
    assert ends == {'fax_outbound_succeeded', 'fax_outbound_failed'}


def test_a_user_is_told_of_their_fax_whatever_becomes_of_it(seed: int) -> None:
    for what in ('created', 'succeeded', 'failed'):
        wanted = [each.data['id'] for each in _named(seed, f'fax_outbound_{what}') if each.data['user_uuid']]
        assert wanted == [each.data['id'] for each in _named(seed, f'fax_outbound_user_{what}')]


def test_a_message_is_left_heard_and_deleted(seed: int) -> None:
    steps = ['created', 'updated', 'deleted']
    told = named(whole_day(seed), *(f'user_voicemail_message_{step}' for step in steps))
    for message in grouped(told, 'message_id').values():
        assert [each.name.rpartition('_')[2] for each in message] == steps
        assert [each.data['message']['folder']['name'] for each in message] == ['inbox', 'old', 'old']


def test_some_messages_are_left_by_those_whose_call_was_missed(seed: int) -> None:
    missed = {(each.data['user_uuid'], each.data['caller_id_number']) for each in _of(seed, 'user_missed_call')}
    left = {
        (each.data['user_uuid'], each.data['message']['caller_id_num'])
        for each in _of(seed, 'user_voicemail_message_created')
    }

    assert missed & left


def test_only_those_in_a_conference_talk_and_are_muted_and_all_leave(seed: int) -> None:
    inside: set[str] = set()
    for each in whole_day(seed):
        if not each.name.startswith('conference_participant_'):
            continue
        if each.name.endswith('_joined'):
            inside.add(each.data['id'])
        assert each.data['id'] in inside
        if each.name.endswith('_left'):
            inside.remove(each.data['id'])
    assert not inside


def test_nobody_who_is_muted_talks(seed: int) -> None:
    for each in named(whole_day(seed), 'conference_participant_talk_started', 'conference_participant_talk_stopped'):
        assert each.data['muted'] is False


def test_those_in_the_room_are_told_who_talks(seed: int) -> None:
    for each in _of(seed, 'conference_participant_talk_started'):
        if each.data['user_uuid'] is not None:
            assert each.publication.headers[f'user_uuid:{each.data["user_uuid"]}'] is True


def test_a_recording_stops_in_the_room_where_it_started(seed: int) -> None:
    recorded: set[tuple[str, int]] = set()
    for each in named(whole_day(seed), 'conference_record_started', 'conference_record_stopped'):
        room = each.host, each.data['id']
        assert (room in recorded) == (each.name == 'conference_record_stopped')
        recorded ^= {room}
    assert not recorded


def test_a_service_that_stops_is_one_that_started(seed: int) -> None:
    running: set[str] = set()
    for each in whole_day(seed):
        if each.name.startswith('service_registered'):
            running.add(each.data['service_id'])
        elif each.name.startswith('service_deregistered'):
            running.remove(each.data['service_id'])
    assert len(running) == 10


@pytest.mark.parametrize(
    'steps',
    [
        ('user_created', 'user_edited', 'user_deleted'),
        ('auth_tenant_added', 'auth_tenant_updated', 'auth_tenant_deleted'),
    ],
)
def test_what_is_created_is_changed_and_deleted(seed: int, steps: tuple[str, ...]) -> None:
    for group in grouped(named(whole_day(seed), *steps), 'uuid').values():
        assert tuple(each.name for each in group) == steps


def test_what_a_user_switches_on_is_switched_off_later(seed: int) -> None:
    balance: dict[tuple[str, str], int] = defaultdict(int)
    for each in whole_day(seed):
        if each.name.startswith(('users_forwards_', 'users_services_')):
            balance[each.name, each.data['user_uuid']] += 1 if each.data['enabled'] else -1
            assert balance[each.name, each.data['user_uuid']] >= 0
    assert not any(balance.values())


def test_nobody_calls_a_user_who_is_not_to_be_disturbed(seed: int) -> None:
    disturbed: set[str] = set()
    undisturbed: set[str] = set()
    for each in whole_day(seed):
        if each.name == 'users_services_dnd_updated':
            (undisturbed.add if each.data['enabled'] else undisturbed.discard)(each.data['user_uuid'])
        elif each.name == 'call_created' and not each.data['is_caller']:
            disturbed |= {each.data['user_uuid']} & undisturbed
    assert not disturbed


def test_a_header_says_which_forward_it_is(seed: int) -> None:
    for each in whole_day(seed, 'now'):
        if each.name.startswith('users_forwards_'):
            assert each.publication.headers['forward_name'] == each.name.split('_')[2]


def test_an_account_is_linked_authorized_and_unlinked(seed: int) -> None:
    steps = ['added', 'authorized', 'deleted']
    found = [[each.name for each in _named(seed, f'auth_user_external_auth_{step}')] for step in steps]

    assert len({len(names) for names in found}) == 1
    assert found[0]


def test_a_plugin_is_installed_step_by_step(seed: int) -> None:
    order = (
        'starting', 'downloading', 'extracting', 'validating', 'building', 'packaging', 'updating', 'installing',
        'completed',
    )  # fmt: skip
    ends = set()
    for task in grouped(named(whole_day(seed), 'plugin_install_progress'), 'uuid').values():
        *steps, last = (each.data['status'] for each in task)
        assert tuple(steps) == order[: len(steps)]
        ends.add(last)
        assert last in (order[len(steps)], 'error')
    assert ends == {'completed', 'error'}


def test_a_plugin_is_removed_step_by_step(seed: int) -> None:
    for task in grouped(named(whole_day(seed), 'plugin_uninstall_progress'), 'uuid').values():
        assert [each.data['status'] for each in task] == ['starting', 'removing', 'completed']


def _callers(seed: int) -> list[list[Told]]:
    names = (
        'QueueCallerJoin', 'QueueCallerLeave', 'QueueCallerAbandon', 'AgentCalled', 'AgentConnect', 'AgentComplete',
    )  # fmt: skip
    return list(grouped(named(whole_day(seed), *names), 'Uniqueid').values())


def _batches(seed: int) -> Iterable[list[str]]:
    batches: dict[tuple[str, float], list[str]] = defaultdict(list)
    for each in named(whole_day(seed), 'QueueCallerLeave', 'AgentConnect'):
        batches[each.data['Uniqueid'], each.at_seconds].append(each.name)
    return batches.values()


def _named(seed: int, *names: str) -> list[Told]:
    return list(named(whole_day(seed), *names))


def _of(seed: int, *names: str) -> list[Told]:
    """Those of a host of today, whose events say more."""
    return list(named(whole_day(seed, 'now'), *names))
