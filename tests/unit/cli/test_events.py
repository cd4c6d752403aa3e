# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`wazo-busd events`: lists, searches, and one event in full."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.cli.conftest import Shell
from wazo_busd import catalogue

ENTRIES = catalogue.entries()


def printed(shell: Shell, *arguments: str) -> Any:
    """What it prints for programs."""
    return json.loads(shell('events', *arguments, '-o', 'json').stdout)


def names(shell: Shell, *arguments: str) -> list[str]:
    return [each['name'] for each in printed(shell, *arguments)]


# ---- lists


def test_without_a_word_all_are_listed(shell: Shell) -> None:
    lines = shell('events').stdout.splitlines()

    assert ([line.split()[0] for line in lines[:-2]], lines[-1]) == (
        [entry.name for entry in ENTRIES],
        f'{len(ENTRIES)} events. next: wazo-busd events NAME shows one in full',
    )


def test_a_line_has_name_key_and_meaning(shell: Shell) -> None:
    (line,) = [line for line in shell('events').stdout.splitlines() if line.startswith('user_missed_call ')]

    assert line.split(None, 2) == ['user_missed_call', 'calls.missed', known('user_missed_call').meaning]


def test_a_removed_event_is_listed_as_such(shell: Shell) -> None:
    (line,) = [line for line in shell('events').stdout.splitlines() if line.startswith('user_status_update ')]

    assert line.endswith('(gone since 19.05)')


@pytest.mark.parametrize(
    ('pattern', 'found'),
    [
        ('calls.*', ['user_missed_call']),
        ('calls.relocate.edited', ['relocate_answered', 'relocate_completed']),
        ('service.registered.*', ['service_registered', 'service_deregistered']),
        ('service.deregistered.*', ['service_deregistered']),
        ('faxes.outbound.*.failed', ['fax_outbound_failed']),
        ('status.agent', ['agent_status_update']),
        ('*', ['call_form_result']),
    ],
)
def test_a_pattern_lists_what_comes_on_a_key_that_fits(shell: Shell, pattern: str, found: list[str]) -> None:
    assert names(shell, pattern) == found


def test_a_word_is_searched_for_in_names_meanings_and_keys(shell: Shell) -> None:
    found = names(shell, 'voicemail')
    wanted = [
        entry.name
        for entry in ENTRIES
        if any('voicemail' in text.lower() for text in (entry.name, *entry.aliases, entry.meaning, *entry.routing_keys))
    ]

    assert (len(found) > 10, found) == (True, wanted)


def test_letters_may_be_large_or_small(shell: Shell) -> None:
    assert names(shell, 'VOICEMAIL') == names(shell, 'voicemail')


def test_a_list_of_one_is_one_event(shell: Shell) -> None:
    assert shell('events', 'calls.*').stdout.splitlines()[-1].startswith('1 event. ')


@pytest.mark.parametrize(
    ('wanted', 'meant'),
    [
        ('fax_outbound_faild', 'did you mean fax_outbound_failed or fax_outbound_user_failed or fax_outbound_created?'),
        ('xyzzyqwk', 'wazo-busd events lists all'),
        ('no.such.key', 'wazo-busd events lists all'),
    ],
)
def test_what_is_not_found_is_an_error_with_near_names(shell: Shell, wanted: str, meant: str) -> None:
    said = shell('events', wanted)

    assert (said.exit_code, said.stdout, said.stderr) == (
        1,
        '',
        f"error: no event has '{wanted}' in its name, meaning or key; {meant}\n",
    )


@pytest.mark.parametrize(
    ('key', 'events', 'name'),
    [
        (
            'faxes.outbound.failed',
            'fax_outbound_failed comes on faxes.outbound.{id}.failed',
            'fax_outbound_failed',
        ),
        ('calls.relocate.completed', 'relocate_completed comes on calls.relocate.edited', 'relocate_completed'),
        (
            'faxes.*.succeeded',
            'fax_outbound_succeeded comes on faxes.outbound.{id}.succeeded',
            'fax_outbound_succeeded',
        ),
    ],
)
def test_a_key_that_only_wazos_page_gives_is_told_with_the_real_one(
    shell: Shell, key: str, events: str, name: str
) -> None:
    said = shell('events', key)
    what = f"only Wazo's page has a key that {key!r} fits, no host sends it"

    assert (said.exit_code, said.stdout, said.stderr) == (
        1,
        '',
        f'error: {what}: {events}; next: wazo-busd events {name}\n',
    )


@pytest.mark.parametrize('wanted', ['\x1b[31m', 'a\nb', '\u202e', '.' * 300, '#' * 300, '\udcff', '('])
def test_whatever_is_asked_for_ends_without_a_traceback(shell: Shell, wanted: str) -> None:
    said = shell('events', wanted)

    assert (said.exit_code in (0, 1), '\x1b' in said.stderr, '\u202e' in said.stderr) == (True, False, False)


# ---- for programs


def test_programs_get_every_event_with_the_keys_that_they_rely_on(shell: Shell) -> None:
    kinds: dict[str, Any] = {
        'name': str,
        'aliases': list,
        'routing_keys': list,
        'required_acl': (str, type(None)),
        'scope': str,
        'service': str,
        'fields': dict,
        'example': dict,
        'in_seed': bool,
    }
    found = printed(shell)

    assert (
        len(found),
        [each['name'] for each in found for key, kind in kinds.items() if not isinstance(each[key], kind)],
    ) == (
        len(ENTRIES),
        [],
    )


def test_programs_get_all_of_one_event(shell: Shell) -> None:
    (event,) = printed(shell, 'service_deregistered')
    wanted = {
        'name': 'service_deregistered',
        'aliases': ['service_deregistered_event'],
        'routing_keys': ['service.registered.{service_name}', 'service.deregistered.{service_name}'],
        'routing_keys_now': ['service.registered.{service_name}'],
        'routing_keys_2019': ['service.deregistered.{service_name}'],
        'required_acl': 'events.service.registered.{service_name}',
        'scope': 'service',
        'service': '',
        'in_seed': True,
        'removed': None,
    }

    assert {key: event[key] for key in wanted} == wanted


def test_a_field_has_its_type_and_its_meaning(shell: Shell) -> None:
    (event,) = printed(shell, 'agent_status_update')

    assert event['fields'] == {
        'agent_id': {'type': 'integer', 'meaning': 'The agent whose status has changed.'},
        'status': {'type': 'string', 'meaning': 'The new status.', 'values': ['logged_in', 'logged_out']},
    }


def test_an_alias_finds_the_event_under_its_name(shell: Shell) -> None:
    assert names(shell, 'auth_tenant_created') == ['auth_tenant_added']


def test_one_event_is_a_list_too(shell: Shell) -> None:
    assert isinstance(printed(shell, 'call_created'), list)


def test_the_events_of_wazos_page_are_marked(shell: Shell) -> None:
    marked = [each['name'] for each in printed(shell) if each['in_seed']]

    assert marked == [entry.name for entry in ENTRIES if entry.on_page]


# ---- one in full


def known(name: str) -> catalogue.Entry:
    entry = catalogue.find(name)
    assert entry
    return entry


def in_full(shell: Shell, name: str) -> str:
    return shell('events', name, '-c', str(shell.config)).stdout


def test_one_in_full_has_all_that_is_known(shell: Shell) -> None:
    said = in_full(shell, 'service_deregistered')
    wanted = [
        'A service of Wazo stopped and took itself off the list.',
        'also called    service_deregistered_event',
        'key            service.registered.{service_name}',
        'key in 2019    service.deregistered.{service_name}',
        'required ACL   events.service.registered.{service_name}',
        'sent by        several services, scope service',
        '  tags                   array            The tags that it is listed with in Consul.',
        "Wazo's page: The key is service.deregistered.SERVICE_NAME.",
    ]

    assert [line for line in wanted if line not in said.splitlines()] == []


def test_its_example_can_be_taken_as_it_is(shell: Shell) -> None:
    said = in_full(shell, 'call_held').split('example of data:\n')[1]

    assert json.JSONDecoder().raw_decode(said)[0] == known('call_held').example


def test_the_example_of_2019_is_shown_where_it_differs(shell: Shell) -> None:
    said = in_full(shell, 'call_created').split('example of data in 2019:\n')[1]

    assert json.JSONDecoder().raw_decode(said)[0] == known('call_created').example_2019


def test_the_values_of_a_field_are_shown(shell: Shell) -> None:
    assert '  status                 string           The new status. (logged_in, logged_out)' in in_full(
        shell, 'agent_status_update'
    )


def test_a_key_that_only_wazos_page_has_is_shown_as_such(shell: Shell) -> None:
    assert 'on the page    faxes.outbound.failed' in in_full(shell, 'fax_outbound_failed').splitlines()


def test_a_removed_event_tells_what_to_use_instead(shell: Shell) -> None:
    assert 'gone since     19.05; instead: line_status_updated' in in_full(shell, 'endpoint_status_update').splitlines()


# ---- the handlers that would get it


def getting(shell: Shell, name: str) -> str:
    return in_full(shell, name).splitlines()[-1]


def test_the_configured_handlers_that_would_get_it_are_named(shell: Shell) -> None:
    shell.handlers(
        """
        by-name: {plugin: log, match: call_created}
        by-pattern: {plugin: log, match: calls.#}
        mistaken: {plugin: log, match: calls.*}
        other: {plugin: log, match: faxes.#}
        resting: {plugin: log, match: calls.#, enabled: false}
        """
    )

    assert getting(shell, 'call_created') == f'handlers of {shell.config} that would get it: by-name, by-pattern'


def test_a_handler_that_its_filter_keeps_the_event_from_is_not_named(shell: Shell) -> None:
    shell.handlers(
        """
        faxes-alone: {plugin: log, match: call_created, acl: events.faxes.#}
        nothing: {plugin: log, match: call_created, acl: "!events.faxes.#"}
        reserved: {plugin: log, match: call_created, acl: events.calls.me}
        calls: {plugin: log, match: call_created, acl: events.calls.*}
        """
    )

    assert getting(shell, 'call_created').endswith(' would get it: calls')


def test_an_alias_in_the_configuration_counts(shell: Shell) -> None:
    shell.handlers('tenants: {plugin: log, match: auth_tenant_created}')

    assert getting(shell, 'auth_tenant_added').endswith(': tenants')


@pytest.mark.parametrize('match', ['ami.#', 'Hangup', '"{ami_event}"'])
def test_of_a_family_a_handler_that_gets_one_of_it_counts(shell: Shell, match: str) -> None:
    shell.handlers(f'calls: {{plugin: log, match: {match}}}')

    assert getting(shell, '{ami_event}').endswith(': calls')


def test_where_no_handler_would_get_it_that_is_told(shell: Shell) -> None:
    shell.handlers('faxes: {plugin: log, match: faxes.#}')

    assert getting(shell, 'call_created').endswith(': none')


def test_a_configuration_with_errors_is_told(shell: Shell) -> None:
    shell.handlers('faxes: {plugin: lgo, match: faxes.#}\ncalls: {plugin: log, match: calls.#}')

    assert getting(shell, 'call_created').endswith(f': calls (it has errors: wazo-busd check -c {shell.config})')


def test_without_a_configuration_the_event_is_shown_all_the_same(shell: Shell) -> None:
    said = shell('events', 'call_created', '-c', str(shell.config))

    assert (said.exit_code, said.stdout.splitlines()[-1]) == (
        0,
        f'no configuration at {shell.config}: -c FILE names one, to see which handlers would get it',
    )
