# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The store: entries are found by any of their names, and no file is read that cannot have the answer."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wazo_busd import catalogue
from wazo_busd.catalogue import store
from wazo_busd.config import parse_plain
from wazo_busd.errors import UnknownEvent

NAMES = [name for entry in catalogue.entries() for name in (entry.name, *entry.aliases)]


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that are parsed during a test, which finds nothing remembered and leaves nothing."""
    monkeypatch.setattr(store, '_read', cache(store._read.__wrapped__))
    texts: list[str] = []

    def noted(text: str) -> object:
        texts.append(text)
        return parse_plain(text)

    monkeypatch.setattr(store, 'parse_plain', noted)
    return texts


def file(name: str) -> str:
    return (store.DIRECTORY / name).read_text()


def test_an_event_is_found_in_the_one_file_that_has_it(parsed: list[str]) -> None:
    catalogue.find('fax_outbound_failed')

    assert parsed == [file('faxes.yml')]


def test_a_name_that_no_file_has_reads_none(parsed: list[str]) -> None:
    catalogue.find('no_such_event_at_all')

    assert parsed == []


def test_what_was_found_is_not_read_again(parsed: list[str]) -> None:
    catalogue.find('fax_outbound_failed')
    catalogue.find('fax_outbound_created')

    assert len(parsed) == 1


def test_the_daemon_reads_nothing_before_it_is_asked() -> None:
    code = (
        'import sys, wazo_busd.daemon\n'
        'from wazo_busd.match import Match\n'
        'from wazo_busd.catalogue import store\n'
        "Match(['calls.#', 'ami.*'])\n"
        'print(store._read.cache_info().currsize)'
    )

    assert subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True).stdout == '0\n'


def test_every_name_and_alias_finds_its_entry() -> None:
    found = {name: catalogue.find(name) for name in NAMES}

    assert [name for name, entry in found.items() if entry is None or name not in (entry.name, *entry.aliases)] == []


@pytest.mark.parametrize(
    ('alias', 'name'),
    [
        ('auth_tenant_created', 'auth_tenant_added'),
        ('service_registered_event', 'service_registered'),
        ('service_deregistered_event', 'service_deregistered'),
        ('agent_removed_from_queue', 'queue_member_agent_dissociated'),
        ('voicemail_associated', 'user_voicemail_associated'),
    ],
)
def test_both_eras_names_are_of_one_entry(alias: str, name: str) -> None:
    assert catalogue.find(alias) == catalogue.find(name) is not None


@pytest.mark.parametrize(
    'name', ['', ' ', 'fax_outbound', 'Call_Created', 'call_created ', '.call_fields', 'fields', 'meaning', 'a\0b']
)
def test_what_is_no_name_finds_nothing(name: str) -> None:
    assert catalogue.find(name) is None


@given(st.text(max_size=40))
def test_whatever_is_asked_for_raises_nothing(name: str) -> None:
    found = catalogue.find(name)

    assert found is None or name in (found.name, *found.aliases)


def test_an_unknown_name_is_told_with_near_ones() -> None:
    with pytest.raises(UnknownEvent, match=r'^no event is called fax_outbound_faild$') as raised:
        catalogue.known('fax_outbound_faild')

    assert raised.value.near[0] == 'fax_outbound_failed'


def test_a_removed_event_is_told_with_what_to_use_instead() -> None:
    with pytest.raises(UnknownEvent, match=r'is gone since Wazo 19\.05$') as raised:
        catalogue.known('endpoint_status_update')

    assert raised.value.near == ('line_status_updated',)


@pytest.mark.parametrize(
    ('written', 'meant'),
    [
        ('call_creatd', 'call_created'),
        ('CALL_CREATED', 'call_created'),
        ('call-created', 'call_created'),
        ('call.created', 'call_created'),
        ('queuememberstatus', 'QueueMemberStatus'),
        ('auth_tenant_creatd', 'auth_tenant_created'),
        ('agent_status_updated', 'agent_status_update'),
        ('faxes.outbound.succeeded', 'fax_outbound_succeeded'),
        ('calls.relocate.completed', 'relocate_completed'),
        ('chat_message_receivd', 'chat_message_received'),
        ('call_form_resul', 'call_form_result'),
    ],
)
def test_the_nearest_name_is_what_was_probably_meant(written: str, meant: str) -> None:
    assert catalogue.near(written)[0] == meant


def test_nothing_is_near_to_nonsense() -> None:
    assert catalogue.near('xyzzyqwk') == ()


def test_no_more_names_are_given_than_asked_for() -> None:
    assert len(catalogue.near('fax_outbound_faild', 1)) == 1


def test_a_removed_event_is_proposed_only_where_no_other_is_near() -> None:
    assert 'user_status_update' not in catalogue.near('user_status_updat')


def test_the_order_of_entries_is_that_of_the_files() -> None:
    names = [entry.name for entry in catalogue.entries()]

    assert names == [name for path in sorted(Path(store.DIRECTORY).glob('*.yml')) for name in store._read(path)]
