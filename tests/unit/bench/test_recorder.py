# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
from __future__ import annotations

import json
import os
import time
from array import array
from pathlib import Path

from bench.recorder import BROKER, RESULT, STAMPED, TARGET, WARM, Recorder, delays_path


def recorder(result: Path, target: int, warm: int = 0, *, stamped: bool = False) -> Recorder:
    said = {TARGET: str(target), WARM: str(warm), STAMPED: str(int(stamped)), BROKER: str(os.getpid())}
    return Recorder(said | {RESULT: str(result)})


def test_a_tally_is_written_with_the_last_event_and_not_before(tmp_path: Path) -> None:
    result = tmp_path / 'tally.json'
    counting = recorder(result, 3)
    counting.take('')
    counting.take('')
    before = result.exists()
    counting.take('')

    assert (before, result.exists(), counting.is_complete) == (False, True, True)


def test_events_that_warm_up_do_not_count(tmp_path: Path) -> None:
    result = tmp_path / 'tally.json'
    counting = recorder(result, 10, 4)
    for _ in range(10):
        counting.take('')

    assert json.loads(result.read_text())['events'] == 5


def test_only_events_between_the_first_that_counts_and_the_last_are_looked_at(tmp_path: Path) -> None:
    counting = recorder(tmp_path / 'tally.json', 4, 1)
    found = []
    for _ in range(4):
        counting.take('')
        found.append(counting.counts)

    assert found == [False, True, True, False]


def test_a_process_that_works_uses_cpu_time_and_so_does_the_broker_that_it_is_itself(tmp_path: Path) -> None:
    result = tmp_path / 'tally.json'
    counting = recorder(result, 2)
    counting.take('')
    until = time.process_time() + 0.02
    while time.process_time() < until:
        pass
    counting.take('')
    tally = json.loads(result.read_text())

    assert min(tally['cpu_seconds'], tally['broker_seconds'], tally['seconds']) > 0


def test_each_stamped_event_has_a_delay(tmp_path: Path) -> None:
    result = tmp_path / 'tally.json'
    counting = recorder(result, 3, stamped=True)
    for ago in (30, 20, 10):
        counting.take(f'{time.time() - ago:017.6f}')
    delays = array('d')
    delays.frombytes(delays_path(result).read_bytes())

    assert [round(delay, -1) for delay in delays] == [30, 20, 10]
