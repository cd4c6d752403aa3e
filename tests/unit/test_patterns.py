# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The patterns: topic matching as a broker does it, and what is wrong with a pattern."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from wazo_busd.patterns import KEY_LIMIT, Matcher, mistake, overlap


def words(text: str) -> list[str]:
    return text.split('.') if text else []


def fits(pattern: list[str], key: list[str]) -> bool:
    """The rule, word by word, as slow as it is plain."""
    if not pattern:
        return not key
    first, rest = pattern[0], pattern[1:]
    if first == '#':
        return any(fits(rest, key[taken:]) for taken in range(len(key) + 1))
    return bool(key) and first in ('*', key[0]) and fits(rest, key[1:])


some_words = st.sampled_from(['a', 'b', 'ab', 'aa', 'call', 'calls', '', 'a\n', 'A', '+', '(', '\ud800'])
keys = st.lists(some_words, max_size=7).map('.'.join)
some_patterns = st.lists(some_words | st.sampled_from(['*', '#', '#', '*']), max_size=6).map('.'.join)


@pytest.mark.parametrize(
    ('pattern', 'key', 'found'),
    [
        ('calls.#', 'calls.call.created', True),
        ('calls.#', 'calls', True),
        ('calls.#', 'callsigns.new', False),
        ('calls.*', 'calls.call.created', False),
        ('calls.*', 'calls.hangup', True),
        ('calls.*', 'calls', False),
        ('calls.*', 'calls.', True),
        ('calls.call.created', 'calls.call.created', True),
        ('calls.call.created', 'calls-call-created', False),
        ('calls.call.created', 'Calls.call.created', False),
        ('ami.QueueMemberStatus', 'ami.queuememberstatus', False),
        ('*.*', 'a', False),
        ('*.*', 'a.', True),
        ('*.*', '.', True),
        ('*.#', '', False),
        ('#.*', 'a', True),
        ('#.*', '', False),
        ('*', '', False),
        ('*', 'a', True),
        ('#', '', True),
        ('#', 'a.b.c', True),
        ('#.#', '', True),
        ('#.created', 'created', True),
        ('#.created', 'calls.call.created', True),
        ('#.created', 'calls.call.created.x', False),
        ('calls.#.created', 'calls.created', True),
        ('calls.#.created', 'calls.a.b.c.created', True),
        ('calls.#.*.created', 'calls.created', False),
        ('calls.#.*.created', 'calls.a.created', True),
        ('faxes.outbound.*.succeeded', 'faxes.outbound.7.succeeded', True),
        ('a.', 'a', False),
        ('a.', 'a.', True),
        ('a..b', 'a..b', True),
        ('a', 'a\n', False),
        ('a.#', 'a.\n', True),
        ('a+', 'aa', False),
        ('#.a.#', 'ab.a', True),
        ('#.a.#', 'ab', False),
        ('#..#', 'a.', True),
    ],
)
def test_a_pattern_matches_as_on_a_topic_exchange(pattern: str, key: str, found: bool) -> None:
    assert Matcher([pattern]).matches(key) is found


def test_a_bare_hash_matches_the_empty_key() -> None:
    assert Matcher(['#']).matches('')


@given(some_patterns, keys)
def test_matching_agrees_with_the_rule_read_word_by_word(pattern: str, key: str) -> None:
    assert Matcher([pattern]).matches(key) is fits(words(pattern), words(key))


def test_matching_agrees_with_the_rule_on_every_short_pattern_and_key() -> None:
    short_keys = ['.'.join(key) for size in range(5) for key in itertools.product('ab', repeat=size)]
    short_patterns = ['.'.join(each) for size in range(5) for each in itertools.product('ab*#', repeat=size)]
    wrong = [
        (pattern, key)
        for pattern in short_patterns
        for matcher in [Matcher([pattern])]
        for key in short_keys
        if matcher.matches(key) is not fits(words(pattern), words(key))
    ]
    assert wrong == []


@given(st.lists(some_patterns, max_size=4), keys)
def test_several_patterns_match_what_one_of_them_matches(several: list[str], key: str) -> None:
    assert Matcher(several).matches(key) is any(Matcher([each]).matches(key) for each in several)


@given(st.lists(some_patterns, max_size=4), keys)
def test_a_remembered_answer_is_the_same_answer(several: list[str], key: str) -> None:
    matcher = Matcher(several)
    assert matcher.matches(key) is matcher.matches(key)


@given(keys)
def test_without_patterns_nothing_matches(key: str) -> None:
    assert not Matcher([]).matches(key)


def test_a_pattern_given_twice_is_one() -> None:
    assert Matcher(['b', 'a', 'b']).patterns == ('b', 'a')


def test_what_is_remembered_is_bounded() -> None:
    matcher = Matcher(['a.#'])
    for number in range(10_000):
        matcher.matches(f'a.{number}')
    assert len(matcher._remembered) <= 4096


def test_answers_stay_right_when_what_was_remembered_is_forgotten() -> None:
    matcher = Matcher(['a.#'])
    assert all(matcher.matches(f'a.{number}') and not matcher.matches(f'b.{number}') for number in range(5000))


@pytest.mark.parametrize('pattern', ['.'.join(['#.a'] * 60) + '.b', '.'.join(['#', '*'] * 60) + '.b'])
def test_no_key_can_make_a_pattern_last_for_minutes(pattern: str) -> None:
    assert not Matcher([pattern]).matches('.'.join(['a'] * 127))


@pytest.mark.parametrize(
    'pattern', ['#', '*', 'calls.#', 'calls.*.created', '*.#.*', 'a..b', 'a.', 'calls.__STAR__.x', 'é' * 127, 'a' * 255]
)
def test_a_pattern_that_can_be_bound_is_no_mistake(pattern: str) -> None:
    assert mistake(pattern) is None


@pytest.mark.parametrize(
    ('pattern', 'said'),
    [
        ('', 'at least one word'),
        ('calls*', "'calls*' is no wildcard: * and # stand for whole words, as in calls.#"),
        ('calls.call_*', "'call_*' is no wildcard"),
        ('calls.##', "'##' is no wildcard"),
        ('#calls', "'#calls' is no wildcard"),
        ('a' * 256, 'at most 255 bytes, this one has 256'),
        ('é' * 128, 'at most 255 bytes, this one has 256'),
        ('a.' * 200 + '#', 'at most 255 bytes, this one has 401'),
        ('calls.\ud800', 'half a surrogate pair'),
    ],
)
def test_a_pattern_that_cannot_be_meant_is_explained(pattern: str, said: str) -> None:
    assert said in str(mistake(pattern))


@given(st.text(st.sampled_from('ab.*#é'), max_size=300))
def test_a_pattern_without_a_mistake_fits_a_short_string(pattern: str) -> None:
    assert mistake(pattern) is not None or 0 < len(pattern.encode()) <= KEY_LIMIT


# ---- two patterns


@st.composite
def pattern_and_key(draw: st.DrawFn) -> tuple[str, str]:
    """A pattern, and a key that was made of it."""
    pattern = draw(some_patterns)
    key: list[str] = []
    for word in words(pattern):
        if word == '#':
            key += draw(st.lists(some_words, max_size=3))
        else:
            key.append(draw(some_words) if word == '*' else word)
    # No key has one word that is empty: the empty key has none.
    assume(key != [''])
    return pattern, '.'.join(key)


@st.composite
def patterns_of_a_key(draw: st.DrawFn) -> tuple[str, str]:
    """Two patterns that were made of one key."""
    key = draw(st.lists(some_words, max_size=6).filter(lambda key: key != ['']))

    def loosened() -> str:
        pattern: list[str] = []
        for word in key:
            pattern += draw(st.sampled_from([[word], [word], ['*'], ['#'], ['#', word], ['*', '#']]))
        return '.'.join(pattern)

    return loosened(), loosened()


@pytest.mark.parametrize(
    ('one', 'other', 'found'),
    [
        ('calls.*', 'calls.call.created', False),
        ('calls.*', 'calls.missed', True),
        ('calls.#', 'calls.call.created', True),
        ('calls.#', 'calls', True),
        ('calls.#', 'faxes.#', False),
        ('calls.#', '#.created', True),
        ('calls.*.created', 'calls.call.*', True),
        ('calls.*.created', '*.call.ended', False),
        ('ami.Hangup', 'ami.hangup', False),
        ('faxes.outbound.#.failed', 'faxes.outbound.failed', True),
        ('faxes.outbound.#.failed', 'faxes.*.*.failed', True),
        ('faxes.outbound.#.failed', 'faxes.*', False),
        ('config.users.#.forwards.#.updated', 'config.users.*.services.*.updated', True),
        ('#', '#', True),
        ('#', '', True),
        ('#.#', '', True),
        ('*', '', False),
        ('', '', True),
        ('a.#.b', 'a.b', True),
        ('a.#.b', '*.*.*', True),
        ('a.#.b', 'a', False),
        ('#.a.#', '#.b.#', True),
        ('#.a.#.b', '#.b.#.a', False),
        ('*.*', '#.a.#.b.#.c', False),
        ('a..b', 'a.*.b', True),
        ('a.', 'a', False),
    ],
)
def test_two_patterns_overlap_if_one_key_can_fit_both(one: str, other: str, found: bool) -> None:
    assert overlap(one, other) is found


def test_patterns_overlap_exactly_if_one_of_all_keys_that_are_long_enough_fits_both() -> None:
    # Given all patterns of up to four words; for two of them a key of eight words is long enough
    short_keys = ['.'.join(key) for size in range(9) for key in itertools.product('ab', repeat=size)]
    short_patterns = ['.'.join(each) for size in range(5) for each in itertools.product('ab*#', repeat=size)]
    fitting = {
        pattern: {number for number, key in enumerate(short_keys) if matcher.matches(key)}
        for pattern in short_patterns
        for matcher in [Matcher([pattern])]
    }

    # When each two are compared
    wrong = [
        (one, other)
        for one, other in itertools.product(short_patterns, repeat=2)
        if overlap(one, other) is fitting[one].isdisjoint(fitting[other])
    ]

    # Then they overlap where both take a key
    assert wrong == []


@given(pattern_and_key())
def test_a_pattern_overlaps_every_key_that_is_made_of_it(made: tuple[str, str]) -> None:
    pattern, key = made
    assert (Matcher([pattern]).matches(key), overlap(pattern, key)) == (True, True)


@given(patterns_of_a_key())
def test_patterns_that_are_made_of_one_key_overlap(made: tuple[str, str]) -> None:
    assert overlap(*made)


@given(some_patterns, keys)
def test_a_pattern_overlaps_exactly_the_keys_that_fit_it(pattern: str, key: str) -> None:
    assert overlap(pattern, key) is Matcher([pattern]).matches(key)


@given(some_patterns, some_patterns)
def test_overlapping_is_mutual(one: str, other: str) -> None:
    assert overlap(one, other) is overlap(other, one)


@given(some_patterns)
def test_every_pattern_overlaps_itself_and_the_one_that_everything_fits(pattern: str) -> None:
    assert (overlap(pattern, pattern), overlap(pattern, '#')) == (True, True)


def test_no_two_patterns_last_for_minutes() -> None:
    assert not overlap('.'.join(['#', '*'] * 60 + ['a']), '.'.join(['#', 'b', '*'] * 40 + ['c']))
