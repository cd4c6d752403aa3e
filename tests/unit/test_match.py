# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The match: event names and routing-key patterns, and the bindings that follow from them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from wazo_busd import catalogue, patterns
from wazo_busd.catalogue import Entry
from wazo_busd.catalogue.entry import PLACEHOLDER
from wazo_busd.catalogue.publication import Era, publication
from wazo_busd.errors import UnknownEvent
from wazo_busd.event import Event
from wazo_busd.match import Match, as_pattern, bindings_of, is_name
from wazo_busd.patterns import Matcher

ENTRIES = [entry for entry in catalogue.entries() if entry.routing_keys]
PLAIN = [entry for entry in ENTRIES if not entry.is_family]
NAMED = [entry for entry in PLAIN if is_name(entry.name)]
"""Those of services: their names are no patterns, unlike those of the events that wazo-busd derives."""
FAMILIES = [entry for entry in ENTRIES if entry.is_family]
ERAS: tuple[Era, ...] = ('now', '2019')
IDS = ['42', '1547576420.11', '..', '', '2e752722-0864-4665-887d-a78a024cf7c7', 'users', 'created']
"""What stands for a placeholder, the worst included."""

words = st.text(st.characters(exclude_characters='.*#', codec='utf-8'), min_size=1, max_size=12)
ids = st.one_of(words, st.lists(words, min_size=1, max_size=4).map('.'.join), st.sampled_from(IDS))


@cache
def match_of(name: str) -> Match:
    return Match([name])


@cache
def bound(name: str) -> Matcher:
    """What the broker lets through to a handler that matches an event by its name."""
    return Matcher(match_of(name).bindings)


def names_of(entry: Entry) -> tuple[str, ...]:
    return (entry.name, *entry.aliases)


def filled(template: str, values: Iterable[str], era: Era) -> str:
    """A key as hosts of an era fill it: those of 2019 leave dots as they are."""
    left = iter(values)
    return PLACEHOLDER.sub(lambda _: next(left) if era == '2019' else next(left).replace('.', '__DOT__'), template)


def keys_with(entry: Entry, value: str) -> list[str]:
    """Every key of an event with `value` in all places, as hosts of both eras write it."""
    return [filled(template, [value] * 9, era) for template in entry.routing_keys for era in ERAS]


# ---- names


def test_every_name_and_alias_of_the_catalogue_is_bound_like_its_event() -> None:
    wrong = [
        name for entry in ENTRIES for name in names_of(entry) if set(match_of(name).bindings) != set(bindings_of(entry))
    ]
    assert wrong == []


def test_every_name_of_an_event_takes_it_under_all_its_names_on_all_its_keys() -> None:
    wrong = [
        (name, called, key)
        for entry in PLAIN
        for name in names_of(entry)
        for called in names_of(entry)
        for key in keys_with(entry, '42')
        if not match_of(name).takes(Event(called, routing_key=key))
    ]
    assert wrong == []


def test_the_bindings_of_every_event_fit_its_keys_whatever_stands_for_a_placeholder() -> None:
    wrong = [
        (entry.name, key)
        for entry in ENTRIES
        for value in IDS
        for key in keys_with(entry, value)
        if not bound(entry.name).matches(key)
    ]
    assert wrong == []


@pytest.mark.parametrize('era', ERAS)
def test_the_bindings_of_every_event_fit_the_key_that_a_host_sends(era: Era) -> None:
    wrong = [
        (entry.name, key)
        for entry in ENTRIES
        for key in [publication(entry, era=era).routing_key]
        if not bound(entry.name).matches(key)
    ]
    assert wrong == []


@settings(max_examples=examples(100))
@given(st.sampled_from(ENTRIES), st.lists(ids, min_size=9, max_size=9), st.sampled_from(ERAS), st.data())
def test_the_bindings_of_an_event_fit_any_key_that_a_host_would_send(
    entry: Entry, values: list[str], era: Era, data: st.DataObject
) -> None:
    key = filled(data.draw(st.sampled_from(entry.routing_keys)), values, era)
    assert bound(entry.name).matches(key), key


def test_every_binding_can_be_bound() -> None:
    wrong = [binding for entry in ENTRIES for binding in match_of(entry.name).bindings if patterns.mistake(binding)]
    assert wrong == []


def test_an_event_is_taken_by_name_whatever_its_key() -> None:
    wrong = [
        entry.name for entry in NAMED if not match_of(entry.name).takes(Event(entry.name, routing_key='no.such.key'))
    ]
    assert wrong == []


@pytest.mark.parametrize('name', ['', 'x', 'None'])
def test_an_event_with_another_name_is_not_taken_though_its_key_is_right(name: str) -> None:
    wrong = [
        (entry.name, key)
        for entry in NAMED
        for key in keys_with(entry, '42')
        if match_of(entry.name).takes(Event(name, routing_key=key))
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ('taken', 'other', 'key'),
    [
        ('service_registered', 'service_deregistered', 'service.registered.wazo-dird'),
        ('conference_participant_muted', 'conference_participant_unmuted', 'conferences.1.participants.mute'),
        ('relocate_answered', 'relocate_completed', 'calls.relocate.edited'),
        ('call_parked', 'call_unparked', 'parkings.1.calls.updated'),
    ],
)
def test_of_events_that_share_a_key_only_the_one_that_is_named_is_taken(taken: str, other: str, key: str) -> None:
    match = Match([taken])
    assert [match.takes(Event(name, routing_key=key)) for name in (taken, other)] == [True, False]


@pytest.mark.parametrize(
    ('name', 'bindings'),
    [
        ('call_created', ('calls.call.created',)),
        ('fax_outbound_failed', ('faxes.outbound.#.failed', 'faxes.outbound.failed')),
        ('service_deregistered_event', ('service.deregistered.#', 'service.registered.#')),
        (
            'conference_participant_unmuted',
            ('conferences.#.participants.mute', 'conferences.#.particpants.mute'),
        ),
        ('auth_tenant_created', ('auth.tenants.#.created',)),
        ('Hangup', ('ami.Hangup',)),
        ('{ami_event}', ('ami.#',)),
    ],
)
def test_a_name_binds_every_key_of_its_event(name: str, bindings: tuple[str, ...]) -> None:
    assert Match([name]).bindings == bindings


# ---- names that nobody has


@pytest.mark.parametrize(
    ('name', 'meant'),
    [
        ('call_creatd', 'call_created'),
        ('calls_created', 'call_created'),
        ('Call_Created', 'call_created'),
        ('call-created', 'call_created'),
        ('hangup', 'Hangup'),
        ('service_deregistered_evnt', 'service_deregistered_event'),
    ],
)
def test_a_name_that_no_event_has_is_refused_with_the_one_that_was_meant(name: str, meant: str) -> None:
    with pytest.raises(UnknownEvent) as caught:
        Match([name])

    assert (caught.value.name, caught.value.near[0]) == (name, meant)


@pytest.mark.parametrize('name', ['', 'calls', 'zzzzzzzz', 'fields', 'example', 'meaning'])
def test_a_word_that_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(UnknownEvent, match=f'^no event is called {name}$'):
        Match([name])


@pytest.mark.parametrize(
    ('name', 'instead'),
    [
        ('chat_message_event', ('chatd_user_room_message_created',)),
        ('chat_message_received', ('chatd_user_room_message_created',)),
        ('chat_message_sent', ('chatd_user_room_message_created',)),
        ('endpoint_status_update', ('line_status_updated',)),
        ('user_status_update', ('chatd_presence_updated',)),
    ],
)
def test_an_event_that_was_removed_is_refused_with_what_to_use_instead(name: str, instead: tuple[str, ...]) -> None:
    with pytest.raises(UnknownEvent, match=f'^the event {name} is gone since Wazo 19.05$') as caught:
        Match([name])

    assert caught.value.near == instead


def test_one_wrong_name_among_others_is_refused() -> None:
    with pytest.raises(UnknownEvent, match='call_creatd'):
        Match(['calls.#', 'call_ended', 'call_creatd'])


# ---- families


@pytest.mark.parametrize(
    ('family', 'name', 'key', 'found'),
    [
        ('{ami_event}', 'Hangup', 'ami.Hangup', True),
        ('{ami_event}', 'NeverHeardOf', 'ami.NeverHeardOf', True),
        ('{ami_event}', 'Hangup', 'ami.Other', True),
        ('{ami_event}', 'Hangup', 'calls.call.created', False),
        ('{ami_event}', 'Hangup', 'xami.Hangup', False),
        ('{ami_event}', 'Hangup', '', False),
        ('{ami_event}', '', 'ami.Hangup', False),
        ('SERVICES', 'users_services_dnd_updated', 'config.users.1.services.dnd.updated', True),
        ('SERVICES', 'users_services_never_heard_of_updated', 'config.users.1.services.x.updated', True),
        ('SERVICES', 'users_services_dnd_updated', 'config.users.1.2.services.dnd.updated', True),
        ('SERVICES', 'users_services_dnd_updated', 'config.users.1.services.dnd.created', False),
        ('SERVICES', 'users_services_dnd_updated', 'config.users.1.forwards.dnd.updated', False),
        ('SERVICES', 'users_services_dnd_updated', 'x.config.users.1.services.dnd.updated', False),
        ('SERVICES', 'users_services__updated', 'config.users.1.services.dnd.updated', False),
        ('SERVICES', 'users_services_updated', 'config.users.1.services.dnd.updated', False),
        ('SERVICES', 'users_services_dnd_updated_', 'config.users.1.services.dnd.updated', False),
        ('SERVICES', 'xusers_services_dnd_updated', 'config.users.1.services.dnd.updated', False),
        ('SERVICES', 'users_forwards_busy_updated', 'config.users.1.services.dnd.updated', False),
        ('SERVICES', '', 'config.users.1.services.dnd.updated', False),
        ('FORWARDS', 'users_forwards_busy_updated', 'config.users.1.forwards.busy.updated', True),
        ('FORWARDS', 'users_services_dnd_updated', 'config.users.1.forwards.busy.updated', False),
    ],
)
def test_a_family_takes_what_has_its_form_of_name_and_key(family: str, name: str, key: str, found: bool) -> None:
    whole = {'SERVICES': 'users_services_{service_name}_updated', 'FORWARDS': 'users_forwards_{forward_name}_updated'}
    assert Match([whole.get(family, family)]).takes(Event(name, routing_key=key)) is found


@given(st.sampled_from(FAMILIES), words, st.lists(ids, min_size=9, max_size=9), st.sampled_from(ERAS))
def test_a_family_takes_any_event_of_its_form_on_any_key_that_a_host_would_send(
    family: Entry, word: str, values: list[str], era: Era
) -> None:
    name = PLACEHOLDER.sub(word.replace('\n', '_').replace('\\', '_'), family.name)
    key = filled(family.routing_keys[0], values, era)
    assert match_of(family.name).takes(Event(name, routing_key=key)), (name, key)


@pytest.mark.parametrize('family', [entry.name for entry in FAMILIES])
def test_a_family_takes_of_the_known_events_exactly_those_on_its_keys(family: str) -> None:
    wrong = [
        (entry.name, key)
        for entry in PLAIN
        for key in keys_with(entry, '42')
        if match_of(family).takes(Event(entry.name, routing_key=key)) is not bound(family).matches(key)
    ]
    assert wrong == []


# ---- patterns


@pytest.mark.parametrize(
    ('item', 'found'),
    [
        ('call_created', True),
        ('Hangup', True),
        ('{ami_event}', True),
        ('users_services_{service_name}_updated', True),
        ('calls', True),
        ('calls.#', False),
        ('ami.Hangup', False),
        ('#', False),
        ('*', False),
        ('calls.', False),
    ],
)
def test_what_has_no_dot_and_no_wildcard_is_a_name(item: str, found: bool) -> None:
    assert is_name(item) is found


@pytest.mark.parametrize('name', ['', 'call_created', 'faxes'])
@pytest.mark.parametrize(
    ('key', 'found'), [('calls.call.created', True), ('calls', True), ('faxes.outbound.created', False), ('', False)]
)
def test_a_pattern_takes_by_the_key_alone(name: str, key: str, found: bool) -> None:
    assert Match(['calls.#']).takes(Event(name, routing_key=key)) is found


def test_a_pattern_that_no_known_event_fits_is_taken_all_the_same() -> None:
    assert Match(['acme.never.*']).takes(Event('x', routing_key='acme.never.heard'))


@pytest.mark.parametrize(
    ('event', 'found'),
    [
        (Event('call_created', routing_key='calls.call.created'), True),
        (Event('x', routing_key='faxes.outbound.created'), True),
        (Event('Hangup', routing_key='ami.Hangup'), True),
        (Event('x', routing_key='calls.call.created'), False),
        (Event('call_ended', routing_key='calls.call.ended'), False),
    ],
)
def test_names_and_patterns_can_be_mixed(event: Event, found: bool) -> None:
    assert Match(['call_created', 'faxes.#', 'ami.*']).takes(event) is found


def test_bindings_are_those_of_names_and_patterns_each_once() -> None:
    match = Match(['faxes.#', 'call_created', 'calls.call.created', 'faxes.#'])
    assert match.bindings == ('calls.call.created', 'faxes.#')


def test_the_items_of_a_match_stay_in_their_order_each_once() -> None:
    assert Match(['faxes.#', 'call_created', 'faxes.#']).items == ('faxes.#', 'call_created')


def test_bindings_do_not_depend_on_the_order_of_the_items() -> None:
    items = ['service_deregistered', 'fax_outbound_failed', 'calls.#']
    assert Match(items).bindings == Match(items[::-1]).bindings


def test_a_match_of_nothing_takes_nothing_and_binds_nothing() -> None:
    match = Match([])
    assert (match.takes(Event('call_created', routing_key='calls.call.created')), match.bindings) == (False, ())


# ---- from keys to patterns


@pytest.mark.parametrize(
    ('key', 'pattern'),
    [
        ('calls.call.created', 'calls.call.created'),
        ('ami.{name}', 'ami.#'),
        ('faxes.outbound.{id}.failed', 'faxes.outbound.#.failed'),
        ('plugin.install.{uuid}.{status}', 'plugin.install.#'),
        ('{a}.{b}.x.{c}', '#.x.#'),
        ('a.{b}.c.{d}', 'a.#.c.#'),
        ('applications.{application_uuid}.calls.{call[id]}.answered', 'applications.#.calls.#.answered'),
        ('a.{call.id}.b', 'a.#.b'),
        ('a.x{b}y.c', 'a.#.c'),
        ('{a}', '#'),
    ],
)
def test_a_placeholder_stands_for_any_number_of_words(key: str, pattern: str) -> None:
    assert as_pattern(key) == pattern
