# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The shelf: bounded in number and in age."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from plugins.tracking import Shelf

STEPS = st.lists(st.tuples(st.sampled_from(['put', 'touch', 'pop', 'expire']), st.integers(0, 9), st.floats(0, 50)))


def test_what_is_one_too_many_replaces_what_was_touched_first() -> None:
    shelf: Shelf[str, int] = Shelf(2, 100.0)
    shelf.put('a', 1, 0.0)
    shelf.put('b', 2, 1.0)
    shelf.touch('a', 2.0)

    gone = shelf.put('c', 3, 3.0)

    assert (gone, list(shelf), shelf.dropped) == (2, ['a', 'c'], 1)


def test_to_put_what_is_there_replaces_it_alone() -> None:
    shelf: Shelf[str, int] = Shelf(2, 100.0)
    shelf.put('a', 1, 0.0)
    shelf.put('b', 2, 1.0)

    assert (shelf.put('a', 3, 2.0), list(shelf.items())) == (None, [('b', 2), ('a', 3)])


def test_what_nobody_touches_expires() -> None:
    shelf: Shelf[str, int] = Shelf(10, 100.0)
    shelf.put('a', 1, 0.0)
    shelf.put('b', 2, 50.0)

    assert (shelf.oldest_at(), list(shelf.expired(100.0)), list(shelf)) == (100.0, [('a', 1)], ['b'])


def test_to_look_is_not_to_touch() -> None:
    shelf: Shelf[str, int] = Shelf(10, 100.0)
    shelf.put('a', 1, 0.0)
    shelf.get('a')

    assert list(shelf.expired(100.0)) == [('a', 1)]


def test_an_empty_one_never_expires() -> None:
    assert Shelf(10, 100.0).oldest_at() is None


@given(STEPS, st.integers(1, 5))
def test_there_are_never_more_than_there_may_be(steps: list[tuple[str, int, float]], most: int) -> None:
    shelf: Shelf[int, int] = Shelf(most, 10.0)
    now = 0.0
    for step, key, later in steps:
        now += later
        match step:
            case 'put':
                shelf.put(key, key, now)
            case 'touch':
                shelf.touch(key, now)
            case 'pop':
                shelf.pop(key)
            case 'expire':
                list(shelf.expired(now))
        assert len(shelf) <= most


@given(STEPS)
def test_after_the_old_ones_are_gone_all_were_touched_lately(steps: list[tuple[str, int, float]]) -> None:
    shelf: Shelf[int, int] = Shelf(100, 10.0)
    now = 0.0
    for step, key, later in steps:
        now += later
        if step == 'put':
            shelf.put(key, key, now)
        elif step == 'touch':
            shelf.touch(key, now)
    list(shelf.expired(now))

    assert all(now - at < 10.0 for at, _, _ in shelf.dump())
