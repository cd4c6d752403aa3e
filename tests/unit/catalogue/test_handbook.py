# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The page of events: every event is on it, its links lead somewhere, and it says where Wazo's page is wrong."""

from __future__ import annotations

import json
import re

import pytest

from wazo_busd import catalogue
from wazo_busd.catalogue import Difference, Entry
from wazo_busd.catalogue.handbook import handbook

ENTRIES = catalogue.entries()
PAGE = handbook(ENTRIES)
ERRORS = PAGE.split("\n## Where Wazo's page is wrong\n")[1].split('\n## ')[0]
ROWS = [line.strip('|').split(' | ') for line in ERRORS.splitlines() if line.startswith('| ')][1:]


def section(name: str) -> str:
    return PAGE.split(f'\n### {name}\n')[1].split('\n### ')[0].split('\n## ')[0]


def anchor(heading: str) -> str:
    """How a heading is linked to on the pages where Markdown is shown."""
    return re.sub(r'[^\w\- ]', '', heading.strip().lower()).replace(' ', '-')


@pytest.mark.parametrize(
    ('event', 'page', 'hosts'),
    [
        ('the bus', r'`calls\.\*`', 'three words'),
        ('the bus', 'exchange xivo', 'wazo-headers'),
        ('the bus', 'not persistent', 'They are'),
        ('the bus', r'127\.0\.0\.1', 'all addresses'),
        ('auth_tenant_added', 'auth_tenant_created', 'auth_tenant_added, in 2019 as today'),
        ('relocate_completed', r'calls\.relocate\.completed', r'calls\.relocate\.edited'),
        ('fax_outbound_failed', r'faxes\.outbound\.failed', r'__DOT__.*1234567\.89\.failed'),
        ('fax_outbound_succeeded', r'faxes\.outbound\.succeeded', r'__DOT__.*1234567\.89\.succeeded'),
        ('conference_participant_unmuted', 'participants', 'particpants'),
        ('service_registered', 'service_registered_event', 'August 2022'),
        ('service_deregistered', 'service_deregistered_event', 'August 2022'),
        ('service_deregistered', r'service\.deregistered', r'service\.registered'),
        ('conference_participant_joined', 'caller_id_num', 'caller_id_number'),
        ('users_forwards_busy_updated', 'no JSON', 'valid JSON'),
        ('agent_status_update', 'xivo_id', 'origin_uuid'),
        (r'\{ami_event\}', 'QueueMemberStatus', r'ami\.QueueMemberStatus'),
        ('user_voicemail_message_created', 'one name', 'three names'),
    ],
)
def test_the_table_of_errors_has_it(event: str, page: str, hosts: str) -> None:
    found = [row for row in ROWS if all(map(re.search, (event, page, hosts), row[:3]))]

    assert len(found) == 1


def test_every_row_says_what_page_hosts_and_daemon_do() -> None:
    assert [row for row in ROWS if len(row) != 4 or not all(cell.strip() for cell in row)] == []


def test_every_difference_of_every_entry_is_told_once() -> None:
    differences = {difference for entry in ENTRIES for difference in entry.differences}

    assert len([row for row in ROWS if row[0].strip() != 'the bus']) == len(differences)


def test_every_event_is_on_the_page() -> None:
    assert [
        entry.name for entry in ENTRIES if f'\n### {entry.name}\n' not in PAGE and f'| `{entry.name}` |' not in PAGE
    ] == ([])


def test_every_event_of_wazos_page_has_a_section() -> None:
    headings = re.findall(r'^### (.*)$', PAGE, re.MULTILINE)

    assert headings == sorted(entry.name for entry in ENTRIES if entry.on_page)


def test_every_link_leads_to_a_heading() -> None:
    anchors = {anchor(heading) for heading in re.findall(r'^#+ (.*)$', PAGE, re.MULTILINE)}
    links = set(re.findall(r'\]\(#([^)]*)\)', PAGE))

    assert (len(links) > 50, links - anchors) == (True, set())


def test_every_example_is_json() -> None:
    examples = re.findall(r'```json\n(.*?)\n```', PAGE, re.DOTALL)

    assert (len(examples) >= 49, [each for each in examples if not isinstance(json.loads(each), dict)]) == (True, [])


def test_a_section_has_keys_access_scope_and_fields() -> None:
    said = section('service_deregistered')
    wanted = [
        '- also called `service_deregistered_event`',
        '- routing key: `service.registered.{service_name}`',
        '- routing key in 2019: `service.deregistered.{service_name}`',
        '- required ACL: `events.service.registered.{service_name}`',
        '- scope: service',
        '| `service_name` | string | The service. |',
    ]

    assert [line for line in wanted if line not in said.splitlines()] == []


def test_a_section_says_which_era_a_field_is_of() -> None:
    assert '| `sip_call_id` | string or null, not in 2019 |' in section('call_created')


def test_a_removed_event_says_what_to_use_instead() -> None:
    assert '- gone since Wazo 19.05; instead: `line_status_updated`' in section('endpoint_status_update')


def test_a_row_says_which_service_sends_the_event() -> None:
    rows = {
        entry.name: f'| {f"wazo-{entry.service}" if entry.service else "several"} |'
        for entry in ENTRIES
        if not entry.on_page
    }
    lines = {name: line for line in PAGE.splitlines() for name in rows if line.startswith(f'| `{name}` |')}

    assert [name for name, cell in rows.items() if cell not in lines[name]] == []


def test_a_table_is_not_broken_by_what_a_cell_says() -> None:
    told = Difference(page='a|b <c>', hosts='x', daemon='y')
    page = handbook([Entry(name='x', meaning='An event of a test.', scope='user', on_page=True, differences=(told,))])

    assert '| [x](#x) | a\\|b &lt;c> | x | y |' in page


def test_the_page_is_the_same_in_whatever_order_it_is_made() -> None:
    assert handbook(reversed(ENTRIES)) == PAGE
