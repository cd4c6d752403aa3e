# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Access: whether a set of Wazo's access patterns lets somebody see an event."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wazo_busd.acl import ANY_ID, Access, mistake

USER = '2e752722-0864-4665-887d-a78a024cf7c7'


def fits(pattern: str, required: str) -> bool:
    """The rule, letter by letter, as slow as it is plain."""
    if not pattern:
        return not required
    first, rest = pattern[0], pattern[1:]
    if first in ('*', '#'):
        # It stands for nothing, or for one letter and then for itself again.
        goes_on = bool(required) and (first == '#' or required[0] not in '.#')
        return fits(rest, required) or (goes_on and fits(pattern, required[1:]))
    return bool(required) and first == required[0] and fits(rest, required[1:])


def lets(patterns: list[str], required: list[str]) -> bool:
    """What a set of patterns lets through, by the rule for one of them."""
    taken = [pattern[1:] for pattern in patterns if pattern.startswith('!')]
    given_ = [pattern for pattern in patterns if not pattern.startswith('!')]
    if any(fits(pattern, each) for pattern in taken for each in required):
        return False
    return any(fits(pattern, each) for pattern in given_ for each in required)


some_patterns = st.lists(st.text(st.sampled_from('ab.*#!\n[+'), max_size=7), max_size=4)
accesses = st.text(st.sampled_from('ab.!\n[+*#'), max_size=8)


@pytest.mark.parametrize(
    ('pattern', 'required', 'found'),
    [
        ('events.calls.me', 'events.calls.me', True),
        ('events.calls.me', 'events.calls.me.too', False),
        ('events.calls.me', 'xevents.calls.me', False),
        ('events.calls.me', 'events-calls-me', False),
        ('events.calls.me', 'Events.calls.me', False),
        ('events.calls.me', 'events.calls.me\n', False),
        ('events.calls.*', f'events.calls.{USER}', True),
        ('events.calls.*', 'events.calls', False),
        ('events.calls.*', 'events.calls.a.b', False),
        ('events.*.created', 'events.users.created', True),
        ('events.*.created', 'events.created', False),
        ('events.call*', 'events.calls', True),
        ('events.call*', 'events.calls.me', False),
        ('*', 'events', True),
        ('*', 'events.calls', False),
        ('events.#', 'events.calls.me', True),
        ('events.#', 'events', False),
        ('events.#.created', 'events.users.lines.created', True),
        ('events.#.created', 'events.users.lines.created.not', False),
        ('events.#.created', 'events.created', False),
        ('events#', 'events', True),
        ('#', '', True),
        ('#', 'anything.at.all\nthere.is', True),
        ('##', 'events.calls', True),
        ('events.[a-z]+', 'events.calls', False),
        ('events.a|events.b', 'events.b', False),
        ('ev!ents', 'ev!ents', True),
    ],
)
def test_a_pattern_gives_what_fits_it(pattern: str, required: str, found: bool) -> None:
    assert Access([pattern]).allows(required) is found


@pytest.mark.parametrize(
    ('patterns', 'required', 'found'),
    [
        (['events.#', '!events.calls.#'], ['events.calls.me'], False),
        (['events.#', '!events.calls.#'], ['events.faxes.me'], True),
        (['!events.calls.#', 'events.#'], ['events.calls.me'], False),
        (['!events.calls.#', 'events.calls.me'], ['events.calls.me'], False),
        (['!events.calls.#'], ['events.faxes'], False),
        (['events.calls', 'events.faxes'], ['events.faxes'], True),
        (['events.calls'], ['event.call_created', 'events.calls'], True),
        (['event.call_created'], ['events.calls', 'event.call_created'], True),
        (['events.#', '!event.call_created'], ['events.calls', 'event.call_created'], False),
        (['#', '!events.calls'], ['events.calls', 'event.call_created'], False),
        (['#'], [], False),
        ([], ['events.calls'], False),
        ([], [''], False),
    ],
)
def test_what_is_taken_away_is_taken_whatever_is_given(patterns: list[str], required: list[str], found: bool) -> None:
    assert Access(patterns).allows(*required) is found


@given(some_patterns, st.lists(accesses, max_size=3))
def test_access_agrees_with_the_rule_read_letter_by_letter(patterns: list[str], required: list[str]) -> None:
    assert Access(patterns).allows(*required) is lets(patterns, required)


@given(some_patterns, accesses)
def test_the_order_of_the_patterns_does_not_matter(patterns: list[str], required: str) -> None:
    assert Access(patterns).allows(required) is Access(reversed(patterns)).allows(required)


@given(some_patterns, accesses)
def test_one_more_that_is_taken_away_never_gives_more(patterns: list[str], required: str) -> None:
    assert Access(patterns).allows(required) or not Access([*patterns, '!a.*']).allows(required)


def test_an_access_keeps_its_patterns() -> None:
    assert Access(['events.#', '!events.calls.#']).patterns == ('events.#', '!events.calls.#')


@pytest.mark.parametrize(
    ('pattern', 'required'),
    [
        ('********!', 'a' * 44),
        ('#.a.#.a.#.a.#.b', 'a.' * 300),
        ('*a*a*a*a*b', 'a' * 200),
    ],
)
def test_no_access_can_make_a_pattern_last_for_minutes(pattern: str, required: str) -> None:
    assert not Access([pattern]).allows(required)


@pytest.mark.parametrize('pattern', ['events.calls.*', '#', '*', '!#', '!events.calls.me', 'events.é', 'a!b'])
def test_a_pattern_of_access_that_can_be_meant_is_no_mistake(pattern: str) -> None:
    assert mistake(pattern) is None


@pytest.mark.parametrize(
    ('pattern', 'said'),
    [
        ('', 'an access is a text such as events.calls.*'),
        ('!', 'an access is a text such as events.calls.*'),
        (' ', "an access has no spaces, ' ' has"),
        ('events. calls', "an access has no spaces, 'events. calls' has"),
        ('events.calls\n', "an access has no spaces, 'events.calls\\n' has"),
        ('! events', "an access has no spaces, '! events' has"),
    ],
)
def test_a_pattern_of_access_that_cannot_be_meant_is_explained(pattern: str, said: str) -> None:
    assert mistake(pattern) == said


# ---- what can be let through, by the form of an access


@pytest.mark.parametrize(
    ('patterns', 'forms', 'found'),
    [
        (['events.calls.*'], [f'events.calls.{ANY_ID}'], True),
        (['events.calls.#'], [f'events.calls.{ANY_ID}'], True),
        (['events.call*'], [f'events.calls.{ANY_ID}'], False),
        ([f'events.calls.{USER}'], [f'events.calls.{ANY_ID}'], True),
        (['events.calls.2e7*'], [f'events.calls.{ANY_ID}'], True),
        (['events.calls.None'], [f'events.calls.{ANY_ID}'], True),
        (['events.calls.me'], [f'events.calls.{ANY_ID}'], False),
        (['events.calls.created'], [f'events.calls.{ANY_ID}'], False),
        (['events.calls.call.created'], [f'events.calls.{ANY_ID}'], False),
        (['events.calls'], [f'events.calls.{ANY_ID}'], False),
        (['events.faxes.#'], [f'events.calls.{ANY_ID}'], False),
        (['events.faxes.outbound.*.failed'], ['events.faxes.outbound.#.failed'], True),
        (['events.faxes.outbound.*.*.failed'], ['events.faxes.outbound.#.failed'], True),
        (['events.faxes.outbound.failed'], ['events.faxes.outbound.#.failed'], False),
        (['event.call_*'], [f'events.calls.{ANY_ID}', 'event.call_created'], True),
        (['events.faxes.#', 'events.calls.#'], [f'events.calls.{ANY_ID}'], True),
        (['events.calls.#', '!events.calls.#'], [f'events.calls.{ANY_ID}'], False),
        (['events.calls.#', '!events.calls.*'], [f'events.calls.{ANY_ID}'], False),
        (['events.calls.#', f'!events.calls.{USER}'], [f'events.calls.{ANY_ID}'], True),
        (['events.#', '!event.call_*'], [f'events.calls.{ANY_ID}', 'event.call_created'], False),
        (['events.#', '!events.faxes.outbound.*.failed'], ['events.faxes.outbound.#.failed'], True),
        (['!events.calls.#'], ['events.faxes'], False),
        (['#'], [], False),
    ],
)
def test_of_a_form_it_is_known_whether_some_access_can_be_let_through(
    patterns: list[str], forms: list[str], found: bool
) -> None:
    assert Access(patterns).can_allow(*forms) is found


@given(some_patterns, st.lists(st.text(st.sampled_from(f'ab.{ANY_ID}#'), max_size=6), max_size=2), st.data())
def test_what_is_let_through_is_of_a_form_that_can_be(
    patterns: list[str], forms: list[str], data: st.DataObject
) -> None:
    ids, texts = st.text(st.sampled_from('ab'), max_size=2), st.text(st.sampled_from('ab.'), max_size=3)
    required = [
        ''.join(data.draw({ANY_ID: ids, '#': texts}[letter]) if letter in (ANY_ID, '#') else letter for letter in form)
        for form in forms
    ]

    assert not Access(patterns).allows(*required) or Access(patterns).can_allow(*forms)


@pytest.mark.parametrize(
    ('patterns', 'found'),
    [(['!events.calls.#'], True), (['!a', '!b'], True), (['!a', 'b'], False), (['b'], False)],
)
def test_it_is_known_whether_patterns_only_take_away(patterns: list[str], found: bool) -> None:
    assert Access(patterns).only_takes is found
