# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The obstacle: what `tenants`, `users` and `acl` can never let through, as the filter would decide on it."""

from __future__ import annotations

from typing import Any

import pytest

from wazo_busd import catalogue
from wazo_busd.catalogue.publication import ERAS, TENANT, USER, Era, publication
from wazo_busd.config import HandlerConfig
from wazo_busd.event import Event
from wazo_busd.filter import Filter
from wazo_busd.obstacle import Obstacles, Surprise

ENTRIES = catalogue.entries()
SENT = [entry for entry in ENTRIES if entry.keys and not (entry.removed or entry.is_derived)]


def config(**keys: Any) -> HandlerConfig:
    return HandlerConfig.model_validate({'plugin': 'test', **keys})


def of(name: str, **keys: Any) -> tuple[str, ...]:
    return Obstacles(config(**keys)).of(catalogue.known(name))


def surprises(*names: str, **keys: Any) -> list[Surprise]:
    return list(Obstacles(config(**keys)).surprises({name: [catalogue.known(name)] for name in names}))


@pytest.mark.parametrize(
    ('name', 'keys', 'obstacles'),
    [
        ('Hangup', {}, ()),
        ('Hangup', {'tenants': TENANT}, ('tenants',)),
        ('Hangup', {'users': USER}, ('users',)),
        ('Hangup', {'tenants': TENANT, 'users': USER, 'acl': 'events.calls.#'}, ('tenants', 'users', 'acl')),
        ('Hangup', {'acl': 'events.ami.*'}, ()),
        ('{ami_event}', {'acl': 'events.ami.Hangup'}, ()),
        ('{ami_event}', {'users': USER}, ('users',)),
        ('service_registered', {'tenants': TENANT}, ('tenants',)),
        ('call_created', {'tenants': TENANT, 'users': USER}, ()),
        ('agent_status_update', {'users': USER}, ()),
        ('line_status_updated', {'tenants': TENANT}, ()),
        ('line_status_updated', {'users': USER}, ('users',)),
        ('fax_outbound_failed', {'users': USER}, ()),
        ('call_filter_recipient_users_associated', {'users': USER}, ()),
        ('user_edited', {'users': USER}, ()),
        ('call_created', {'acl': 'events.calls.*'}, ()),
        ('call_created', {'acl': f'events.calls.{USER}'}, ()),
        ('call_created', {'acl': 'event.call_*'}, ()),
        ('call_created', {'acl': 'events.faxes.#'}, ('acl',)),
        ('call_created', {'acl': 'events.calls.call.created'}, ('acl',)),
        ('call_created', {'acl': 'events.calls.me'}, ('acl',)),
        ('call_created', {'acl': '!events.faxes.#'}, ('acl',)),
        ('call_created', {'acl': ['events.#', '!events.calls.#']}, ('acl',)),
        ('call_created', {'acl': ['events.#', f'!events.calls.{USER}']}, ()),
        ('call_created', {'acl': ['events.faxes.#', 'events.calls.#']}, ()),
        ('fax_outbound_failed', {'acl': 'events.faxes.outbound.1234567__DOT__89.failed'}, ()),
        ('fax_outbound_failed', {'acl': 'events.faxes.outbound.1234567.89.failed'}, ()),
        ('fax_outbound_failed', {'acl': 'events.faxes.outbound.failed'}, ('acl',)),
        ('conference_participant_unmuted', {'acl': 'events.conferences.*.participants.#'}, ()),
        ('service_deregistered', {'acl': 'events.service.deregistered.*'}, ('acl',)),
        ('call_form_result', {'acl': 'events.faxes.#'}, ()),
    ],
)
def test_a_key_that_can_let_nothing_of_an_event_through_is_an_obstacle(
    name: str, keys: dict[str, Any], obstacles: tuple[str, ...]
) -> None:
    assert of(name, **keys) == obstacles


@pytest.mark.parametrize('era', ERAS)
@pytest.mark.parametrize(
    'keys',
    [
        {'tenants': TENANT},
        {'users': USER},
        {'acl': '#'},
        {'acl': 'events.*.*'},
        {'acl': 'events.#.created'},
        {'acl': 'event.*_created'},
        {'acl': f'events.#.{USER}'},
        {'acl': ['#', '!events.calls.*', '!events.config.#']},
        {'acl': ['#', '!event.*_deleted']},
        {'acl': 'events.conferences.1.participants.#'},
    ],
    ids=str,
)
def test_what_the_filter_lets_through_has_no_obstacle(era: Era, keys: dict[str, Any]) -> None:
    chosen, obstacles = Filter(config(**keys)), Obstacles(config(**keys))
    made = [(entry, publication(entry, era=era)) for entry in SENT]
    let = [
        entry
        for entry, each in made
        if chosen.lets(
            Event(each.headers['name'], each.body['data'], routing_key=each.routing_key, headers=each.headers)
        )
    ]

    assert [entry.name for entry in let if obstacles.of(entry)] == []


@pytest.mark.parametrize('keys', [{'tenants': TENANT}, {'users': USER}, {'acl': '#'}, {'acl': 'event.*'}], ids=str)
def test_what_has_no_obstacle_the_filter_can_let_through(keys: dict[str, Any]) -> None:
    chosen, obstacles = Filter(config(**keys)), Obstacles(config(**keys))
    kept = []
    for entry in SENT:
        own = 'uuid' if entry.keys[0].startswith('config.user.') else 'user_uuid'
        data: dict[str, Any] = {own: USER} if own in entry.fields else {}
        data |= {'user_uuids': [USER]} if 'user_uuids' in entry.fields else {}
        made = publication(entry, data)
        event = Event(entry.name, made.body['data'], routing_key=made.routing_key, headers=made.headers)
        if not (obstacles.of(entry) or chosen.lets(event)):
            kept.append(entry.name)

    assert kept == []


# ---- what is told


@pytest.mark.parametrize(
    ('names', 'keys', 'told'),
    [
        (['call_created'], {}, []),
        (['call_created'], {'tenants': TENANT, 'users': USER, 'acl': 'events.calls.#'}, []),
        (
            ['Hangup'],
            {'tenants': TENANT},
            [('tenants', 'no event that it matches names a tenant, so none is let through', 'take tenants out')],
        ),
        (
            ['Hangup', 'Cdr', 'call_created'],
            {'tenants': TENANT},
            [
                (
                    'tenants',
                    "no event of 'Hangup', 'Cdr' names a tenant, so none is let through",
                    'match them in a handler without tenants',
                )
            ],
        ),
        (
            ['Hangup'],
            {'users': USER},
            [('users', 'no event that it matches names a user, so none is let through', 'take users out')],
        ),
        (
            ['line_status_updated'],
            {'users': USER},
            [
                (
                    'users',
                    'no event that it matches names a user, so none is let through',
                    'tenants lets through what is for all users of a tenant',
                )
            ],
        ),
        (
            ['call_created', 'fax_outbound_created'],
            {'acl': 'events.faxes.#'},
            [
                (
                    'acl',
                    "no event of 'call_created' requires an access that these patterns give, so none is let through",
                    'call_created requires events.calls.{user_uuid}',
                )
            ],
        ),
    ],
    ids=str,
)
def test_a_key_that_lets_nothing_of_an_item_through_is_told(
    names: list[str], keys: dict[str, Any], told: list[tuple[str, str, str]]
) -> None:
    assert surprises(*names, **keys) == [Surprise((key,), text, hint) for key, text, hint in told]


def test_patterns_that_only_take_away_are_told_and_not_what_follows() -> None:
    assert surprises('call_created', acl=['!events.faxes.#', '!events.chats.#']) == [
        Surprise(
            ('acl',),
            'no pattern gives anything, so nothing comes but what anyone may see',
            'as in acl: ["events.#", "!events.faxes.#"]',
        )
    ]


@pytest.mark.parametrize('pattern', ['events.calls.me', '!events.calls.me', 'events.users.me.#', 'me'])
def test_the_word_that_is_a_user_to_wazo_is_told_at_its_pattern(pattern: str) -> None:
    assert surprises('call_created', acl=['events.#', pattern]) == [
        Surprise(
            ('acl', 1),
            f'me in {pattern!r} is the user of a token to Wazo, and nobody here',
            'write the UUID of the user instead of me',
        )
    ]


@pytest.mark.parametrize('pattern', ['events.calls.*', 'events.media.#', 'events.me*.#', 'events.name'])
def test_a_word_that_only_begins_or_ends_so_is_none(pattern: str) -> None:
    assert surprises('call_created', acl=['events.#', pattern]) == []


def test_an_item_that_brings_no_known_event_is_not_told() -> None:
    assert list(Obstacles(config(tenants=TENANT)).surprises({'busd.#': []})) == []
