# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Advice: what will surprise about a handler, with its line and its cure, and nothing where nothing will."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wazo_busd import catalogue
from wazo_busd.advice import Advice
from wazo_busd.config import load
from wazo_busd.errors import Problem
from wazo_busd.handler import Handler
from wazo_busd.language import PlainText
from wazo_busd.loader import Loader
from wazo_busd.options import BaseOptions
from wazo_busd.patterns import Matcher
from wazo_busd.plugin import Plugin, describe, handler

LOG = Loader([]).load('log')
BELL = describe(handler('calls.*')(lambda event: None), name='bell', source='bell.py', version='1')


class Host:
    """A configuration of one handler."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.config = directory / 'config.yml'

    def handler(self, plugin: Plugin = LOG, /, **keys: object) -> tuple[Advice, Handler]:
        """The handler `calls` with these keys, of which the first is on line 5, and what advises on it."""
        lines = [f'    {key}: {json.dumps(value)}' for key, value in {'plugin': plugin.name, **keys}.items()]
        self.config.write_text('\n'.join(['state_dir: state', 'handlers:', '  calls:', *lines]))
        configuration = load(self.config)
        assert configuration.problems == ()
        return Advice(configuration.document), Handler('calls', plugin, configuration.config.handlers['calls'], None)

    def warnings(self, plugin: Plugin = LOG, /, **keys: object) -> list[Problem]:
        advice, handler = self.handler(plugin, **keys)
        return list(advice.warnings(handler))

    def received(self, *match: str) -> set[str]:
        advice, handler = self.handler(match=match)
        return {entry.name for entry in advice.received(handler)}

    def warning(self, line: int, message: str, hint: str) -> Problem:
        return Problem(message, file=str(self.config), line=line, handler='calls', hint=hint)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


# ---- patterns that get too little


def test_the_mistake_of_wazos_page_is_named_with_its_cure(host: Host) -> None:
    assert host.warnings(match=['calls.*']) == [
        host.warning(
            5,
            "handlers.calls.match[0]: 'calls.*' gets user_missed_call and not the other 24 of 'calls.#': * is one word",
            'did you mean calls.#?',
        )
    ]


def test_it_is_named_in_a_match_of_one_text_too(host: Host) -> None:
    (warning,) = host.warnings(match='calls.*')

    assert (warning.line, warning.hint) == (5, 'did you mean calls.#?')


def test_it_is_named_at_the_plugin_that_declares_it(host: Host) -> None:
    (warning,) = host.warnings(BELL)

    assert (warning.line, warning.hint) == (4, 'did you mean calls.#?')


@pytest.mark.parametrize(
    ('pattern', 'hint'), [('*.failed', "did you mean '#.failed'?"), ('*.outbound.*', "did you mean '*.outbound.#'?")]
)
def test_a_pattern_is_recommended_as_yaml_wants_it(host: Host, pattern: str, hint: str) -> None:
    (warning,) = host.warnings(match=[pattern])

    assert warning.hint == hint


def test_the_one_item_at_fault_has_its_own_line(host: Host) -> None:
    host.config.write_text('handlers:\n  calls:\n    plugin: log\n    match:\n      - faxes.#\n      - calls.*\n')
    configuration = load(host.config)
    found = Advice(configuration.document).warnings(Handler('calls', LOG, configuration.config.handlers['calls'], None))

    assert [each.line for each in found] == [6]


@pytest.mark.parametrize(
    ('pattern', 'meant'),
    [
        ('faxes.*', 'faxes.#'),
        ('voicemails.*', 'voicemails.#'),
        ('conferences.*', 'conferences.#'),
        ('config.users.*', 'config.users.#'),
        ('trunks.*', 'trunks.#'),
        ('calls.call', 'calls.call.#'),
        ('service.registered', 'service.registered.#'),
        ('lines.*.updated', 'lines.#.updated'),
        ('Calls.#', 'calls.#'),
        ('call.#', 'calls.#'),
        ('call.created', 'call_created'),
        ('call_created.#', 'call_created'),
        ('fax_outbound_failed.*', 'fax_outbound_failed'),
        ('QueueMemberStatus.#', 'QueueMemberStatus'),
        ('ami.hangup', 'ami.Hangup'),
        ('xivo.calls.call.created', 'calls.call.created'),
        ('faxes.outbound.succeeded', 'fax_outbound_succeeded'),
        ('faxes.outbound.failed', 'fax_outbound_failed'),
        ('calls.relocate.completed', 'relocate_completed'),
        ('calls.relocate.initiated', 'relocate_initiated'),
        ('conferences.*.particpants.joined', 'conferences.*.participants.joined'),
    ],
)
def test_a_pattern_that_no_host_sends_a_key_for_is_told_with_what_was_meant(
    host: Host, pattern: str, meant: str
) -> None:
    (warning,) = host.warnings(match=[pattern])

    assert (warning.message, warning.hint.replace('?', ' ').split(' or ')[0].split()[-1]) == (
        f'handlers.calls.match[0]: no known event comes on a key that {pattern!r} fits',
        meant,
    )


@pytest.mark.parametrize('pattern', ['xyzzy.qwk.#', 'collectd.#', 'chat_message_receivd.#'])
def test_where_nothing_can_have_been_meant_the_list_is_named(host: Host, pattern: str) -> None:
    (warning,) = host.warnings(match=[pattern])

    assert warning.hint == 'wazo-busd events lists them with their keys'


@pytest.mark.parametrize('pattern', ['status.*', 'call_log.*', 'faxes.outbound.*'])
def test_a_star_that_leaves_out_as_many_as_it_gets_is_told(host: Host, pattern: str) -> None:
    (warning,) = host.warnings(match=[pattern])

    assert warning.hint == f'did you mean {pattern[:-1]}#?'


WORDS = ['calls', 'call', 'created', 'faxes', 'outbound', 'lines', '12', '*', '#', 'x', 'ami', 'Hangup', 'conferences']


@given(st.lists(st.sampled_from(WORDS), min_size=2, max_size=5).map('.'.join))
def test_what_is_told_to_have_been_meant_is_itself_received(pattern: str) -> None:
    advice = Advice(load(Path('/nonexistent/config.yml')).document)

    assert [each for each in advice.meant(pattern) if not advice._got(each)] == []


@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=5).map('.'.join), st.data())
def test_an_event_that_a_pattern_fits_is_among_those_that_it_gets(pattern: str, data: st.DataObject) -> None:
    entry = data.draw(st.sampled_from([each for each in catalogue.entries() if each.keys]))
    key = '.'.join('12' if '{' in word else word for word in entry.keys[0].split('.'))

    assert not Matcher([pattern]).matches(key) or entry.comes_on(pattern)


# ---- patterns that only hosts of 2019 send a key for


@pytest.mark.parametrize(
    ('pattern', 'names', 'today', 'hint'),
    [
        (
            'service.deregistered.*',
            'service_deregistered',
            'it on service.registered.{service_name}',
            'write service_deregistered instead',
        ),
        (
            'conferences.*.participants.mute',
            'conference_participant_unmuted',
            'it on conferences.{conference_id}.particpants.mute',
            'add conference_participant_unmuted',
        ),
        (
            'config.queue.#',
            'queue_created, queue_edited, queue_deleted',
            'them on config.queues.created, config.queues.edited, config.queues.deleted',
            'write queue_created, queue_edited, queue_deleted instead',
        ),
    ],
)
def test_a_key_that_only_hosts_of_2019_send_is_told_with_that_of_today(
    host: Host, pattern: str, names: str, today: str, hint: str
) -> None:
    what = f'{pattern!r} gets {names} from hosts of 2019 alone: hosts of today send {today}'

    assert host.warnings(match=[pattern]) == [host.warning(5, f'handlers.calls.match[0]: {what}', hint)]


@pytest.mark.parametrize(
    'other',
    [
        'conference_participant_unmuted',
        'conferences.*.particpants.mute',
        'conferences.*.particpants.#',
    ],
)
def test_where_another_item_brings_it_from_hosts_of_today_nothing_is_told(host: Host, other: str) -> None:
    warnings = host.warnings(match=['conferences.*.participants.mute', other])

    assert [each for each in warnings if '2019' in each.message] == []


def test_a_name_brings_an_event_from_hosts_of_both_eras(host: Host) -> None:
    assert host.warnings(match=['service_deregistered']) == []


# ---- patterns that get too much


@pytest.mark.parametrize('pattern', ['#', '#.#', '#.*', '*.#'])
def test_a_pattern_of_wildcards_alone_is_the_whole_host(host: Host, pattern: str) -> None:
    (warning,) = host.warnings(match=[pattern])

    assert warning == host.warning(
        5,
        f'handlers.calls.match[0]: {pattern!r} is every event of the host, AMI included',
        'name what you need, as in match: [calls.#, user_missed_call, agent_status_update]',
    )


@pytest.mark.parametrize('item', ['ami.#', 'ami.*', '*.*', '{ami_event}'])
def test_all_of_ami_is_a_flood(host: Host, item: str) -> None:
    (warning,) = host.warnings(match=[item])

    assert warning == host.warning(
        5,
        f'handlers.calls.match[0]: {item!r} is every event of AMI, 60 to 240 for one call',
        'name what you need, as in match: [ami.Hangup, QueueCallerAbandon, PeerStatus]',
    )


def test_what_is_proposed_instead_of_a_flood_gives_no_advice(host: Host) -> None:
    proposed = ['calls.#', 'user_missed_call', 'agent_status_update', 'ami.Hangup', 'QueueCallerAbandon', 'PeerStatus']

    # Of these two, one brings the other; they are proposed as a choice.
    assert host.warnings(match=[each for each in proposed if each != 'user_missed_call']) == []


# ---- the same twice


def test_a_name_beside_a_pattern_that_brings_it_is_told(host: Host) -> None:
    assert host.warnings(match=['call_created', 'calls.#']) == [
        host.warning(
            5,
            "handlers.calls.match[0]: 'call_created' brings nothing that 'calls.#' does not bring; "
            'an event comes once all the same',
            'take call_created out',
        )
    ]


@pytest.mark.parametrize(
    ('match', 'hints'),
    [
        (['calls.#', 'calls.call.*'], ['take calls.call.* out']),
        (['calls.call.*', 'calls.#'], ['take calls.call.* out']),
        (['faxes.#', 'fax_outbound_failed'], ['take fax_outbound_failed out']),
        (['service_deregistered', 'service.#'], ['take service_deregistered out']),
        (['faxes.#', 'faxes.outbound.users.#'], ['take faxes.outbound.users.# out']),
        (['service_deregistered', 'service.registered.#'], []),
        (['conference_participant_unmuted', 'conferences.*.participants.#'], []),
        (['call_created', 'call_ended'], []),
        (['calls.call.*', 'calls.*.created'], ['name what you mean, or one wider pattern']),
        (['call_created', 'calls.call.created'], ['take calls.call.created out']),
        (['auth_tenant_created', 'auth_tenant_added'], ['take auth_tenant_added out']),
        (
            ['users_forwards_{forward_name}_updated', 'users_forwards_busy_updated'],
            ['take users_forwards_busy_updated out'],
        ),
    ],
)
def test_an_item_is_told_if_another_brings_all_of_it(host: Host, match: list[str], hints: list[str]) -> None:
    assert [each.hint for each in host.warnings(match=match)] == hints


@pytest.mark.parametrize(
    ('match', 'original', 'copy'),
    [
        (['fax_outbound_created', 'fax_outbound_user_created'], 'fax_outbound_created', 'fax_outbound_user_created'),
        (['fax_outbound_user_failed', 'fax_outbound_failed'], 'fax_outbound_failed', 'fax_outbound_user_failed'),
        (
            ['conferences.*.participants.joined', 'conferences.users.*.participants.joined'],
            'conference_participant_joined',
            'conference_user_participant_joined',
        ),
        (
            ['conference_participant_joined', 'conferences.users.#'],
            'conference_participant_joined',
            'conference_user_participant_joined',
        ),
    ],
)
def test_two_items_that_bring_one_happening_twice_are_told(
    host: Host, match: list[str], original: str, copy: str
) -> None:
    found = [each.message for each in host.warnings(match=match) if each.hint == 'keep one of the two']

    assert len(found) == 1
    assert f'brings {original}, ' in found[0]
    assert found[0].endswith(f'its copy {copy}')


def test_a_plugin_that_declares_both_is_not_told(host: Host) -> None:
    both = handler('fax_outbound_failed', 'fax_outbound_user_failed')(lambda event: None)

    assert host.warnings(describe(both, name='both', source='both.py', version='1')) == []


# ---- order


def order(path: str, *match: str) -> dict[str, object]:
    return {'match': list(match), 'order_by': path}


def test_a_field_that_no_event_has_is_told_with_the_near_one(host: Host) -> None:
    assert host.warnings(**order('data.callid', 'call_created', 'call_ended')) == [
        host.warning(
            6,
            'handlers.calls.order_by: no event that it matches has data.callid, so nothing is kept in order',
            'did you mean data.call_id?',
        )
    ]


def test_where_no_field_is_near_some_are_told(host: Host) -> None:
    (warning,) = host.warnings(**order('data.zzz', 'agent_status_update'))

    assert warning.hint == 'there are: agent_id, status'


@pytest.mark.parametrize(
    'keys',
    [
        order('data.call_id', 'call_created'),
        order('data.uuid', 'call_created', 'user_created'),
        order('data.call_id', 'calls.#'),
        order('data.talking_to.x', 'call_created'),
        order('data.nope', '#'),
        order('data.nope', 'busd.#'),
        order('data.nope', 'busd.#', 'call_created'),
        order('data.nope', 'stasis.app.#', 'call_created'),
        order('data.nope', '{ami_event}'),
        order('data', 'call_created'),
        order('headers.tenant_uuid', 'call_created'),
        order('headers.conference_id', 'conferences.#'),
        order('headers.user_uuid:2e752722', 'call_created'),
        order('call_id', 'call_created'),
        order('conference_id', 'conferences.#'),
    ],
    ids=str,
)
def test_an_order_that_can_be_kept_gives_no_advice(host: Host, keys: dict[str, object]) -> None:
    assert [each for each in host.warnings(**keys) if 'order_by' in each.message] == []


@pytest.mark.parametrize(
    ('path', 'match', 'what'),
    [
        ('headers.conference_id', ['user_created'], 'headers.conference_id'),
        ('conference_id', ['user_created', 'user_edited'], 'a conference_id'),
        ('agent_id', ['call_created'], 'an agent_id'),
    ],
)
def test_what_no_event_has_is_told_wherever_it_would_stand(host: Host, path: str, match: list[str], what: str) -> None:
    (warning,) = host.warnings(**order(path, *match))

    assert warning.message.endswith(f'no event that it matches has {what}, so nothing is kept in order')


def test_a_pattern_that_only_a_removed_event_fits_is_told(host: Host) -> None:
    (warning,) = host.warnings(match=['call_form_result.#'])

    assert 'no known event comes' in warning.message


def test_an_ami_event_that_is_not_known_is_no_reason_to_propose_the_flood(host: Host) -> None:
    (warning,) = host.warnings(match=['ami.Hangap'])

    assert warning.hint == 'did you mean ami.Hangup?'


# ---- nothing to say


@pytest.mark.parametrize(
    'match',
    [
        ['calls.call.*'],
        ['calls.#'],
        ['calls.missed'],
        ['busd.#'],
        ['busd.something.happened'],
        ['stasis.app.#'],
        ['call_created'],
        ['call_created', 'call_ended'],
        ['auth_tenant_created'],
        ['users_forwards_{forward_name}_updated'],
        ['fax_outbound_failed'],
        ['faxes.#'],
        ['conferences.#'],
        ['conferences.*.particpants.mute'],
        ['service.registered.*'],
        ['config.#'],
        ['status.agent'],
        ['ami.Hangup'],
        ['ami.QueueMemberStatus', 'QueueCallerJoin'],
        ['#.created'],
        ['*.call.created'],
        ['config.*.created'],
    ],
    ids=str,
)
def test_what_works_gives_no_advice(host: Host, match: list[str]) -> None:
    assert host.warnings(match=match) == []


@pytest.mark.parametrize('entry', [each for each in catalogue.entries() if each.keys and not each.removed][::7])
def test_the_name_of_an_event_gives_no_advice(host: Host, entry: catalogue.Entry) -> None:
    assert [each for each in host.warnings(match=[entry.name]) if entry.name != '{ami_event}'] == []


def test_an_event_that_no_host_sends_any_more_is_told(host: Host) -> None:
    (warning,) = host.warnings(match=['call_form_result'])

    assert warning.message == "handlers.calls.match[0]: no host sends 'call_form_result' since Wazo 19.04"


# ---- what the keys that filter keep away

TENANT = 'bd72b051-fd14-40be-9c3d-6b5fe65271ca'
USER = '2e752722-0864-4665-887d-a78a024cf7c7'


@pytest.mark.parametrize(
    ('keys', 'place', 'text'),
    [
        (
            {'match': 'call_created', 'acl': 'events.faxes.#'},
            'acl',
            'no event that it matches requires an access that these patterns give',
        ),
        ({'match': 'call_created', 'acl': '!events.faxes.#'}, 'acl', 'no pattern gives anything'),
        (
            {'match': 'call_created', 'acl': 'events.calls.me'},
            'acl[0]',
            "me in 'events.calls.me' is the user of a token",
        ),
        ({'match': 'ami.Hangup', 'users': USER}, 'users', 'no event that it matches names a user'),
        ({'match': 'ami.Hangup', 'tenants': [TENANT]}, 'tenants', 'no event that it matches names a tenant'),
    ],
    ids=str,
)
def test_a_handler_that_its_filter_keeps_everything_from_is_told(
    host: Host, keys: dict[str, object], place: str, text: str
) -> None:
    (warning,) = host.warnings(**keys)
    advice, handler = host.handler(**keys)

    assert (warning.line, warning.message.startswith(f'handlers.calls.{place}: {text}'), advice.received(handler)) == (
        6,
        True,
        [],
    )


@pytest.mark.parametrize(
    'keys',
    [
        {'match': 'calls.#', 'acl': 'events.calls.*'},
        {'match': ['calls.#', 'ami.Hangup'], 'acl': ['events.#', f'!events.calls.{USER}']},
        {'match': 'calls.#', 'users': USER, 'tenants': TENANT},
        {'match': 'faxes.#', 'users': USER},
        {'match': 'busd.#', 'tenants': TENANT},
    ],
    ids=str,
)
def test_a_filter_that_lets_something_through_gives_no_advice(host: Host, keys: dict[str, object]) -> None:
    assert host.warnings(**keys) == []


def test_what_the_filter_keeps_away_is_not_received(host: Host) -> None:
    advice, handler = host.handler(match=['Hangup', 'user_missed_call'], tenants=TENANT)

    assert [entry.name for entry in advice.received(handler)] == ['user_missed_call']


# ---- what a handler receives


@pytest.mark.parametrize(
    ('match', 'names'),
    [
        (['calls.*'], {'user_missed_call'}),
        (['calls.call.created'], {'call_created'}),
        (['call_created', 'calls.call.created'], {'call_created'}),
        (['auth_tenant_created'], {'auth_tenant_added'}),
        (['conferences.*'], set()),
        (['busd.gap'], {'busd.gap'}),
        (
            ['users_services_{service_name}_updated'],
            {'users_services_dnd_updated', 'users_services_incallfilter_updated'},
        ),
        (
            ['calls.relocate.edited', 'user_created'],
            {'relocate_answered', 'relocate_completed', 'user_created'},
        ),
    ],
    ids=lambda each: ' '.join(sorted(each)),
)
def test_a_handler_receives_what_fits_its_match(host: Host, match: list[str], names: set[str]) -> None:
    assert host.received(*match) == names


def test_the_family_of_ami_brings_the_known_events_of_ami(host: Host) -> None:
    assert host.received('{ami_event}') == {
        entry.name for entry in catalogue.entries() if entry.service == 'amid' and not entry.is_family
    }


@pytest.mark.parametrize(
    ('match', 'name', 'gets'),
    [
        (['calls.#'], 'call_created', True),
        (['calls.*'], 'call_created', False),
        (['ami.#'], '{ami_event}', True),
        (['ami.Hangup'], '{ami_event}', True),
        (['Hangup'], '{ami_event}', True),
        (['{ami_event}'], 'Hangup', True),
        (['{ami_event}'], 'call_created', False),
        (['users_forwards_{forward_name}_updated'], 'users_forwards_busy_updated', True),
        (['users_forwards_busy_updated'], 'users_forwards_{forward_name}_updated', True),
        (['users_services_dnd_updated'], 'users_forwards_{forward_name}_updated', False),
        (['#'], 'endpoint_status_update', False),
        (['auth_tenant_created'], 'auth_tenant_added', True),
    ],
)
def test_it_is_known_whether_a_handler_gets_an_event(host: Host, match: list[str], name: str, gets: bool) -> None:
    advice, handler = host.handler(match=match)
    entry = catalogue.find(name)

    assert entry
    assert advice.gets(handler, entry) is gets


@pytest.mark.parametrize(
    ('keys', 'gets'),
    [
        ({'acl': 'events.calls.#'}, True),
        ({'acl': 'events.faxes.#'}, False),
        ({'acl': '!events.faxes.#'}, False),
        ({'acl': 'events.calls.me'}, False),
        ({'users': USER, 'tenants': TENANT}, True),
    ],
    ids=str,
)
def test_a_handler_whose_filter_keeps_an_event_away_does_not_get_it(
    host: Host, keys: dict[str, object], gets: bool
) -> None:
    advice, handler = host.handler(match='calls.#', **keys)

    assert advice.gets(handler, catalogue.known('call_created')) is gets


# ---- fields of conditions and texts


@pytest.mark.parametrize(
    ('keys', 'message', 'hint'),
    [
        (
            {'where': {'data.eror': 'busy'}},
            'handlers.calls.where.data.eror: no event that it matches has data.eror, so nothing is let through',
            'did you mean data.error?',
        ),
        (
            {'when': "data.error == 'busy' and data.extensions is defined"},
            'handlers.calls.when: no event that it matches has data.extensions, so it is never defined',
            'did you mean data.extension?',
        ),
        (
            {'where': {'headers.names': 'x'}},
            'handlers.calls.where.headers.names: no event that it matches has headers.names, so nothing is let through',
            'did you mean headers.name?',
        ),
        (
            {'when': 'agent_id == 5'},
            'handlers.calls.when: no event that it matches has an agent_id, so it is never defined',
            'name a field of data',
        ),
    ],
)
def test_a_condition_with_a_field_that_no_matched_event_has_is_told(
    host: Host, keys: dict[str, object], message: str, hint: str
) -> None:
    assert host.warnings(match='fax_outbound_failed', **keys) == [host.warning(6, message, hint)]


@pytest.mark.parametrize(
    'keys',
    [
        {'where': {'data.error': 'busy', 'headers.tenant_uuid': 'x', 'metadata.x': 1, 'name': 'x', 'user_uuids': 'x'}},
        {'when': "data.error == 'x' or data == 1 or call_id == 'x' or names.x == 'y' or attempt == 1"},
        {'match': 'busd.#', 'where': {'data.whatever': 1}},
        {'match': ['fax_outbound_failed', 'busd.#'], 'when': 'data.whatever == 1'},
    ],
)
def test_fields_that_events_have_or_may_have_are_not_told(host: Host, keys: dict[str, object]) -> None:
    assert host.warnings(**{'match': 'fax_outbound_failed', **keys}) == []


class Speaking(BaseOptions):
    text: PlainText


def test_a_text_with_a_field_that_no_matched_event_has_is_told(host: Host) -> None:
    # Given a plugin with a text
    plugin = describe(handler(options=Speaking)(lambda event: None), name='speak', source='speak.py', version='1')
    options = {'text': '{{ data.extension }}: {{ data.eror }}'}
    advice, bare = host.handler(plugin, match='fax_outbound_failed', options=options)

    # When its options are read
    one = Handler('calls', plugin, bare.config, Speaking.model_validate(options))

    # Then it is told
    assert list(advice.warnings(one)) == [
        host.warning(
            6,
            'handlers.calls.options.text: no event that it matches has data.eror, '
            'so the text can only be made where it has a default',
            'did you mean data.error?',
        )
    ]
