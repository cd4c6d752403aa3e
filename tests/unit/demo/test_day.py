# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The sample day as a whole: the same for the same seed, in order, busy and quiet like an office."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from itertools import islice, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.unit.demo.told import SEEDS, whole_day
from wazo_busd.demo.day import Day

HOUR_SECONDS = 3600


@given(st.integers(0, 2**32), st.sampled_from(['now', '2019', 'both']))
@settings(max_examples=examples(10))
def test_the_same_seed_gives_the_same_day(seed: int, era: str) -> None:
    day = Day(seed, era, hours=1)  # type: ignore[arg-type]

    assert list(day) == list(day) == list(Day(seed, era, hours=1))  # type: ignore[arg-type]


def test_other_seeds_give_other_days() -> None:
    days = [list(Day(seed, hours=0.2)) for seed in range(5)]

    assert all(day not in days[:number] for number, day in enumerate(days))


@given(st.integers(0, 2**32))
@settings(max_examples=examples(10))
def test_time_never_goes_back(seed: int) -> None:
    times = [each.at_seconds for each in Day(seed, hours=2)]

    assert times == sorted(times)


def test_a_day_of_some_hours_begins_like_the_endless_one() -> None:
    short = [each for each in Day(3, hours=2) if each.at_seconds < 2 * HOUR_SECONDS]

    assert list(islice(Day(3), len(short))) == short


def test_a_day_goes_on_with_the_next() -> None:
    begins = [each.at_seconds // (24 * HOUR_SECONDS) for each in Day(0, 'now', hours=72)]

    assert set(begins) >= {0, 1, 2}


@pytest.mark.parametrize('day', [0, 1, 2])
def test_every_day_at_noon_agents_are_logged_in_on_each_host(day: int) -> None:
    status = {
        (each.publication.headers['origin_uuid'], each.publication.body['data']['agent_id']): each
        for each in Day(0, hours=72)
        if each.publication.routing_key == 'status.agent' and each.at_seconds < (day * 24 + 4) * HOUR_SECONDS
    }
    logged_in = Counter(
        host for (host, _), each in status.items() if each.publication.body['data']['status'] == 'logged_in'
    )

    assert len(logged_in) == 2
    assert min(logged_in.values()) >= 2


@pytest.mark.parametrize('seed', SEEDS)
def test_it_is_busiest_at_10_and_at_15_and_quiet_at_night(seed: int) -> None:
    calls = Counter(
        int(8 + each.at_seconds // HOUR_SECONDS) % 24 for each in whole_day(seed) if each.name == 'call_created'
    )

    assert max(calls[hour] for hour in (22, 23, 0, 1, 2, 3, 4, 5)) * 5 < min(calls[hour] for hour in (10, 15))
    assert calls[10] + calls[15] > max(calls[hour] for hour in range(24) if hour not in (10, 15)) * 1.5


@pytest.mark.parametrize('start', ['2026-05-04T00:00:00', '2026-05-04T13:37:11'])
def test_it_can_begin_at_any_hour_and_is_busy_when_an_office_is(start: str) -> None:
    begin = datetime.fromisoformat(start)
    seconds = begin.hour * HOUR_SECONDS + begin.minute * 60 + begin.second
    calls = Counter(
        int((seconds + each.at_seconds) // HOUR_SECONDS) % 24
        for each in Day(0, hours=24, start=begin)
        if each.publication.headers['name'] == 'call_created'
    )

    assert calls[10] > 20 * max(1, calls[3])


def test_the_eras_take_turns() -> None:
    eras = Counter(each.era for each in whole_day(0))

    assert 0.5 < eras['now'] / eras['2019'] < 2


@pytest.mark.parametrize('key', ['call_id', 'uuid', 'message_id', 'service_id', 'Uniqueid'])
def test_a_story_stays_in_its_era(key: str) -> None:
    eras = {(each.data[key], each.era) for each in whole_day(0) if key in each.data}

    assert len(eras) == len({identity for identity, _ in eras})


@pytest.mark.parametrize('seed', [*SEEDS, 12, 2026])
def test_whoever_watches_sees_all_families_within_240_events(seed: int) -> None:
    first_words = {each.publication.routing_key.partition('.')[0] for each in islice(Day(seed), 240)}

    assert first_words >= {
        'ami',
        'auth',
        'calls',
        'conferences',
        'config',
        'directory',
        'faxes',
        'plugin',
        'service',
        'status',
        'voicemails',
    }


def test_it_can_be_told_twice_at_once() -> None:
    day = Day(0)

    assert all(one == other for one, other in islice(zip(day, day, strict=True), 500))


def test_stories_that_have_begun_are_told_to_their_end() -> None:
    names = Counter(each.publication.headers['name'] for each in Day(0, hours=0.5))

    assert names['call_created'] == names['call_ended'] > 0


def test_events_do_not_all_come_at_once() -> None:
    pauses = [later.at_seconds - sooner.at_seconds for sooner, later in pairwise(islice(Day(0), 500))]

    assert sum(pause > 0 for pause in pauses) > len(pauses) / 3
