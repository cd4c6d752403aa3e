# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The data of the catalogue: complete, right, and without two entries for one event."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from wazo_busd import catalogue
from wazo_busd.catalogue import Entry, Property
from wazo_busd.catalogue.entry import PLACEHOLDER
from wazo_busd.catalogue.publication import Era, example
from wazo_busd.catalogue.store import DIRECTORY
from wazo_busd.patterns import mistake

ENTRIES = catalogue.entries()
HOSTS_2026 = Path(__file__).with_name('hosts_2026.tsv')
ROWS = [line.split('\t') for line in HOSTS_2026.read_text().splitlines() if not line.startswith('#')][1:]

ON_PAGE = re.findall(
    r'\S+',
    """
    auth_user_external_auth_added auth_user_external_auth_authorized auth_user_external_auth_deleted
    auth_tenant_created auth_tenant_deleted auth_tenant_updated
    call_form_result agent_status_update call_created call_updated call_ended call_held call_resumed
    conference_participant_joined conference_participant_left
    conference_participant_muted conference_participant_unmuted
    conference_record_started conference_record_stopped
    conference_participant_talk_started conference_participant_talk_stopped
    favorite_added favorite_deleted
    fax_outbound_created fax_outbound_user_created fax_outbound_succeeded fax_outbound_user_succeeded
    fax_outbound_failed fax_outbound_user_failed
    plugin_install_progress plugin_uninstall_progress
    relocate_initiated relocate_answered relocate_completed relocate_ended
    user_created user_deleted user_edited
    users_forwards_busy_updated users_forwards_noanswer_updated users_forwards_unconditional_updated
    users_services_dnd_updated users_services_incallfilter_updated
    service_registered_event service_deregistered_event
    user_voicemail_message_created user_voicemail_message_updated user_voicemail_message_deleted
    """,
)
"""The events of Wazo's page as it calls them, those of a title with commas, slashes or a variable each for itself."""

AMI_ON_PAGE = ['{ami_event}', 'QueueMemberStatus']

REMOVED_ON_PAGE = [
    'chat_message_event',
    'chat_message_received',
    'chat_message_sent',
    'endpoint_status_update',
    'user_status_update',
]
"""Those that the page says were deleted in 19.05."""

AMI_TO_BE_THERE = re.findall(
    r'\S+',
    """
    Newchannel Newstate Hangup HangupRequest DialBegin DialEnd Hold Unhold VarSet Newexten
    BridgeCreate BridgeDestroy BridgeEnter BridgeLeave BlindTransfer AttendedTransfer
    QueueCallerJoin QueueCallerLeave QueueCallerAbandon QueueMemberAdded QueueMemberRemoved QueueMemberPause
    QueueMemberStatus AgentCalled AgentConnect AgentComplete AgentRingNoAnswer AgentLogin AgentLogoff
    Registry PeerStatus ContactStatus DeviceStateChange ExtensionStatus
    InvalidPassword ChallengeSent SuccessfulAuth FailedACL InvalidAccountID ChallengeResponseFailed
    """,
)


def described() -> list[Entry]:
    return [entry for entry in ENTRIES if entry.on_page and not entry.removed]


def known(name: str) -> Entry:
    entry = catalogue.find(name)
    assert entry, name
    return entry


def texts_of(entry: Entry) -> tuple[str, ...]:
    return (entry.name, *entry.routing_keys, entry.acl or '')


def faults(entry: Entry, era: Era) -> Iterator[str]:
    """What is wrong with the example of an era."""
    said: dict[str, Any] = example(entry, era)
    for name, value in said.items():
        field = entry.fields.get(name)
        if field is None:
            yield f'{name} is not among the fields'
        elif not field.accepts(value):
            yield f'{name} is {value!r}'
        elif field.era not in (None, era):
            yield f'{name} is of another era'
    for name, field in entry.fields.items():
        if name not in said and not field.optional and field.era in (None, era):
            yield f'{name} is missing'


# ---- the files


@pytest.mark.parametrize('path', sorted(DIRECTORY.glob('*.yml')), ids=lambda path: path.name)
def test_every_file_is_yaml_with_its_licence_and_what_it_is_about(path: Path) -> None:
    first, second, third = path.read_text().splitlines()[:3]

    assert (path.suffix, first, second, bool(re.fullmatch('# .+', third))) == (
        '.yml',
        '# SPDX-License-Identifier: GPL-3.0-or-later',
        '# SPDX-FileCopyrightText: The wazo-busd Authors',
        True,
    )


def test_every_name_and_alias_is_of_one_entry() -> None:
    names = Counter(name for entry in ENTRIES for name in (entry.name, *entry.aliases))

    assert [name for name, count in names.items() if count > 1] == []


def test_an_entry_with_a_key_that_it_has_not_is_refused() -> None:
    with pytest.raises(ValidationError, match='Extra inputs'):
        Entry.model_validate({'name': 'x', 'meaning': 'An event of a test.', 'scope': 'user', 'key': 'x.y'})


# ---- each entry


@pytest.mark.parametrize('era', ['now', '2019'])
def test_every_example_fits_its_fields(era: Era) -> None:
    assert [f'{entry.name}: {fault}' for entry in ENTRIES for fault in faults(entry, era)] == []


def test_an_entry_has_a_key_unless_it_was_removed() -> None:
    assert [entry.name for entry in ENTRIES if not (entry.keys or entry.removed)] == []


def test_a_key_is_one_that_can_be_bound() -> None:
    keys = [key for entry in ENTRIES for key in entry.routing_keys]

    assert [key for key in keys if mistake(key) or '#' in key or '*' in key] == []


def test_a_placeholder_names_a_value() -> None:
    placeholders = {each for entry in ENTRIES for text in texts_of(entry) for each in PLACEHOLDER.findall(text)}

    assert [each for each in placeholders if not re.fullmatch(r'[a-z_]+(\[[a-z_]+\])?', each)] == []


def test_a_placeholder_is_a_whole_word_of_a_key() -> None:
    words = {word for entry in ENTRIES for key in entry.routing_keys for word in key.split('.')}

    assert [word for word in words if ('{' in word or '}' in word) and not PLACEHOLDER.fullmatch(word)] == []


def test_every_brace_is_of_a_placeholder() -> None:
    texts = [PLACEHOLDER.sub('', text) for entry in ENTRIES for text in texts_of(entry)]

    assert [text for text in texts if '{' in text or '}' in text] == []


def test_what_an_entry_refers_to_can_come() -> None:
    named = {name for entry in ENTRIES for name in (*entry.instead, entry.copy_of) if name}

    assert [name for name in named if (found := catalogue.find(name)) is None or found.removed] == []


def test_a_copy_is_of_no_copy() -> None:
    assert [entry.name for entry in ENTRIES if entry.copy_of and known(entry.copy_of).copy_of] == []


def test_the_name_of_2019_is_an_alias() -> None:
    assert [entry.name for entry in ENTRIES if entry.name_2019 not in ('', *entry.aliases)] == []


def test_a_meaning_is_a_sentence() -> None:
    parts = [part for entry in ENTRIES for part in (*entry.fields.values(), *entry.headers.values())]
    meanings = {entry.meaning for entry in ENTRIES} | {part.meaning for part in parts}

    assert [text for text in meanings if not re.fullmatch(r'\S.*[^.\s]\.', text, re.DOTALL)] == []


def test_a_key_of_2019_or_of_the_page_is_told_only_where_it_differs() -> None:
    assert [entry.name for entry in ENTRIES if set(entry.keys) & {*entry.keys_2019, *entry.keys_page}] == []


# ---- Wazo's page


def test_the_page_has_48_events_beside_those_of_ami() -> None:
    assert len(set(ON_PAGE)) == 48


def test_the_events_of_the_page_are_all_marked_and_no_other_is() -> None:
    wanted = {known(name).name for name in (*ON_PAGE, *AMI_ON_PAGE, *REMOVED_ON_PAGE)}

    assert {entry.name for entry in ENTRIES if entry.on_page} == wanted


@pytest.mark.parametrize('entry', described(), ids=lambda entry: entry.name)
def test_an_event_of_the_page_is_described_in_full(entry: Entry) -> None:
    has = {
        'keys': entry.routing_keys,
        'fields': entry.fields,
        'example': entry.example,
        'a description of each field': all(field.meaning for field in entry.fields.values()),
    }

    assert [what for what, found in has.items() if not found] == []


@pytest.mark.parametrize('name', REMOVED_ON_PAGE)
def test_an_event_that_the_page_says_was_deleted_is_known_as_removed(name: str) -> None:
    entry = known(name)

    assert (entry.removed, entry.routing_keys, bool(entry.instead)) == ('19.05', (), True)


def test_the_call_form_is_gone_and_its_key_is_known() -> None:
    entry = known('call_form_result')

    assert (bool(entry.removed), entry.keys) == (True, ('call_form_result',))


@pytest.mark.parametrize(
    ('name', 'word'),
    [
        ('auth_tenant_added', 'auth_tenant_created'),
        ('relocate_completed', 'calls.relocate.completed'),
        ('fax_outbound_failed', '1234567.89'),
        ('fax_outbound_succeeded', '__DOT__'),
        ('conference_participant_unmuted', 'particpants'),
        ('conference_participant_joined', 'caller_id_number'),
        ('service_registered', 'service_registered_event'),
        ('service_deregistered', 'service.registered'),
        ('agent_status_update', 'xivo_id'),
        ('favorite_added', 'xivo_uuid'),
        ('users_forwards_busy_updated', 'comma'),
        ('user_voicemail_message_created', 'three names'),
        ('call_created', 'calls.*'),
        ('QueueMemberStatus', 'Interface'),
    ],
)
def test_an_entry_says_where_the_page_is_wrong(name: str, word: str) -> None:
    told = ' '.join(f'{each.page} {each.hosts} {each.daemon}' for each in known(name).differences)

    assert word in told


@pytest.mark.parametrize(
    ('name', 'now', 'in_2019'),
    [
        ('service_deregistered', 'service.registered.{service_name}', 'service.deregistered.{service_name}'),
        (
            'conference_participant_unmuted',
            'conferences.{conference_id}.particpants.mute',
            'conferences.{conference_id}.participants.mute',
        ),
    ],
)
def test_a_key_that_changed_is_known_in_both_forms(name: str, now: str, in_2019: str) -> None:
    assert (known(name).keys, known(name).keys_2019) == ((now,), (in_2019,))


@pytest.mark.parametrize(
    ('name', 'key'),
    [
        ('relocate_initiated', 'calls.relocate.created'),
        ('relocate_answered', 'calls.relocate.edited'),
        ('relocate_completed', 'calls.relocate.edited'),
        ('relocate_ended', 'calls.relocate.deleted'),
        ('fax_outbound_succeeded', 'faxes.outbound.{id}.succeeded'),
        ('fax_outbound_failed', 'faxes.outbound.{id}.failed'),
    ],
)
def test_a_key_that_the_page_has_wrong_is_that_of_the_hosts(name: str, key: str) -> None:
    assert (known(name).keys, known(name).keys_2019) == ((key,), ())


# ---- hosts of today


def test_a_host_of_today_has_385_events() -> None:
    assert len({name for name, *_ in ROWS}) == 385


@pytest.mark.parametrize('row', ROWS, ids=lambda row: row[0])
def test_every_event_of_a_host_of_today_is_known_with_its_key_scope_service_and_access(row: list[str]) -> None:
    entry = known(row[0])

    assert [entry.name, *entry.keys, entry.scope, entry.service, entry.required_acl] == row


# ---- AMI


@pytest.mark.parametrize('name', AMI_TO_BE_THERE)
def test_an_event_of_ami_that_people_want_is_described(name: str) -> None:
    entry = known(name)

    assert (entry.keys, entry.service, entry.scope, bool(entry.fields)) == ((f'ami.{name}',), 'amid', 'service', True)


def test_every_value_of_ami_is_text_but_for_variables() -> None:
    fields = [item for entry in ENTRIES if entry.service == 'amid' for item in entry.fields.items()]

    assert {name for name, field in fields if field.type != 'string'} == {'ChanVariable'}


# ---- a property


@pytest.mark.parametrize(
    ('kind', 'right', 'wrong'),
    [
        ('string', '', 1),
        ('integer', 1, True),
        ('integer', 0, 1.5),
        ('number', 1.5, '1.5'),
        ('number', 1, False),
        ('boolean', False, 0),
        ('object', {}, []),
        ('array', [], {}),
        ('string', 'x', None),
    ],
)
def test_a_field_takes_what_is_of_its_type_alone(kind: Any, right: Any, wrong: Any) -> None:
    field = Property(type=kind, meaning='A field of a test.')

    assert (field.accepts(right), field.accepts(wrong)) == (True, False)


def test_a_field_that_can_be_null_takes_null() -> None:
    assert Property(type='integer', meaning='A field of a test.', nullable=True).accepts(None)


def test_a_field_whose_values_are_known_takes_no_other() -> None:
    field = Property(type='string', meaning='A field of a test.', values=('on', 'off'))

    assert (field.accepts('on'), field.accepts('up')) == (True, False)


# ---- on which patterns an entry comes


@pytest.mark.parametrize(
    ('name', 'pattern', 'comes'),
    [
        ('call_created', 'calls.#', True),
        ('call_created', 'calls.call.*', True),
        ('call_created', 'calls.*', False),
        ('line_status_updated', 'lines.*.status.updated', True),
        ('line_status_updated', 'lines.*.updated', False),
        ('conference_record_started', 'conferences.*', False),
        ('conference_record_started', 'conferences.7.#', True),
        ('conference_participant_joined', 'conferences.users.#', False),
        ('user_created', 'config.user.*', True),
        ('users_forwards_busy_updated', 'config.users.a1223fe6-bff8-4fb6-a982-f9157dea5094.#', True),
        ('users_forwards_busy_updated', 'config.users.forwards.#', False),
        ('fax_outbound_failed', 'faxes.outbound.*.*.failed', True),
        ('fax_outbound_failed', 'faxes.outbound.failed', False),
        ('service_deregistered', 'service.deregistered.*', True),
        ('{ami_event}', 'ami.Anything', True),
        ('{ami_event}', 'ami', False),
        ('endpoint_status_update', '#', False),
    ],
)
def test_an_event_comes_on_a_pattern_if_a_host_sends_a_key_that_fits(name: str, pattern: str, comes: bool) -> None:
    assert known(name).comes_on(pattern) is comes


@pytest.mark.parametrize(
    ('name', 'pattern', 'comes'),
    [
        ('service_deregistered', 'service.deregistered.*', False),
        ('service_deregistered', 'service.registered.*', True),
        ('service_deregistered', 'service.#', True),
        ('call_created', 'calls.call.created', True),
        ('call_created', 'calls.*', False),
    ],
)
def test_an_event_comes_today_on_a_pattern_if_a_key_of_today_fits(name: str, pattern: str, comes: bool) -> None:
    assert known(name).comes_today_on(pattern) is comes


def test_what_stands_for_a_placeholder_of_a_family_has_a_letter() -> None:
    family = known('users_forwards_{forward_name}_updated')

    assert [
        bool(family.names.fullmatch(name)) for name in ('users_forwards_busy_updated', 'users_forwards__updated')
    ] == [
        True,
        False,
    ]
