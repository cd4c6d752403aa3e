# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The processors: a consumer has one of its own, and the broker has all of them again afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from bench.processors import apart, confine, split

ALL = os.sched_getaffinity(0)


@pytest.fixture
def processes() -> Iterator[tuple[int, int]]:
    """Two processes that wait until they are told to end."""
    command = [sys.executable, '-c', 'import sys; sys.stdin.read()']
    with (
        subprocess.Popen(command, stdin=subprocess.PIPE) as consumer,
        subprocess.Popen(command, stdin=subprocess.PIPE) as broker,
    ):
        yield consumer.pid, broker.pid
        for process in (consumer, broker):
            process.communicate()


@pytest.mark.parametrize(
    ('processors', 'found'),
    [({0, 1}, ({1}, {0})), ({2, 5, 7}, ({7}, {2, 5})), ({3}, ({3}, {3}))],
)
def test_one_processor_is_the_consumers_and_the_others_are_the_brokers(
    processors: set[int], found: tuple[set[int], set[int]]
) -> None:
    assert split(processors) == found


def test_they_run_apart(processes: tuple[int, int]) -> None:
    with apart(*processes):
        assert tuple(map(os.sched_getaffinity, processes)) == split(ALL)


def test_the_broker_has_all_processors_afterwards(processes: tuple[int, int]) -> None:
    with apart(*processes):
        pass

    assert os.sched_getaffinity(processes[1]) == ALL


def test_all_threads_of_a_process_are_confined() -> None:
    # Given a thread beside the first one of a process
    told = threading.Event()
    thread = threading.Thread(target=told.wait)
    thread.start()

    # When the process is confined to one processor
    try:
        confine(os.getpid(), {min(ALL)})
        found = os.sched_getaffinity(thread.native_id or 0)
    finally:
        confine(os.getpid(), ALL)
        told.set()
        thread.join()

    # Then the thread is, too
    assert found == {min(ALL)}
