# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The heap: what of a burst is kept, what is only counted, and that the disk says the same."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wazo_busd.gathering import lines_of
from wazo_busd.heap import MOST_SHOWN, MOST_WHOLE, Heap, Piece

ROOM = 100_000


def piece(number: int, size: int = 60) -> Piece:
    record = b'{"id":"%d","received_at":%d.0,"body":"' % (number, number)
    return str(number), record + b'x' * (size - len(record) - 2) + b'"}'


def grown(heap: Heap, batches: list[int], size: int = 60) -> tuple[Heap, bytes]:
    """The heap after batches of so many events, and what is on disk then."""
    disk, number = b'', 0
    for length in batches:
        batch = [piece(number + each, size) for each in range(length)]
        number += length
        while batch:
            fitting = heap.fitting(batch)
            disk += b''.join(heap.lines(batch[:fitting]))
            heap.add(batch[:fitting])
            batch = batch[fitting:]
    return heap, disk


def kept(heap: Heap) -> list[int]:
    return [int(each['id']) for each in json.loads(heap.body)['events']]


def heap_of(*, whole: bool) -> Heap:
    return Heap(whole=whole, most_bytes=ROOM)


def restored(disk: bytes, *, whole: bool) -> Heap:
    heap = heap_of(whole=whole)
    heap.restore(lines_of(disk))
    return heap


batches = st.lists(st.integers(1, 90), min_size=1, max_size=6)


@given(batches)
def test_every_event_is_counted(lengths: list[int]) -> None:
    heap, _ = grown(heap_of(whole=False), lengths)

    assert json.loads(heap.body)['count'] == sum(lengths)


@given(batches)
def test_the_first_events_and_the_last_are_kept(lengths: list[int]) -> None:
    heap, _ = grown(heap_of(whole=False), lengths)
    last = sum(lengths) - 1

    assert kept(heap) == [*range(min(MOST_SHOWN, last)), last]


@given(batches, st.booleans())
def test_the_next_process_finds_the_same(lengths: list[int], whole: bool) -> None:
    heap, disk = grown(heap_of(whole=whole), lengths)

    assert restored(disk, whole=whole).body == heap.body


@given(batches)
def test_where_all_are_kept_none_is_only_counted(lengths: list[int]) -> None:
    heap, _ = grown(heap_of(whole=True), lengths)

    assert kept(heap) == list(range(sum(lengths)))


@given(batches, st.integers(60, ROOM // 2), st.booleans())
def test_a_burst_stays_within_its_bounds(lengths: list[int], size: int, whole: bool) -> None:
    heap = heap_of(whole=whole)
    for length in lengths:
        batch = [piece(number, size) for number in range(length)]
        heap.add(batch[: heap.fitting(batch)])
        if heap.is_full:
            break

    assert len(heap.body) < ROOM + 200 * MOST_SHOWN


def test_where_all_are_kept_it_is_full_at_last() -> None:
    heap, _ = grown(heap_of(whole=True), [MOST_WHOLE - 1], size=40)
    before = heap.is_full
    heap.add([piece(1, 40)])

    assert (before, heap.is_full) == (False, True)


@pytest.mark.parametrize('whole', [True, False])
def test_it_began_with_its_first_event(whole: bool) -> None:
    _, disk = grown(heap_of(whole=whole), [3])

    assert restored(disk, whole=whole).began_at == 0.0


def test_of_nothing_there_is_no_burst() -> None:
    assert restored(b'{"id":"only counted"}\n', whole=False).body == b''
