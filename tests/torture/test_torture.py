# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Under faults of every kind nothing is lost, everything is accounted for, and only a crash makes anything run twice.
And the daemon tells the truth about itself, all the time.

`make test` runs it briefly, `make torture` at length.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.conftest import Broker
from tests.torture.faults import WITHOUT_CRASH, half_open, kill_daemon
from tests.torture.history import Account
from tests.torture.load import Load
from tests.torture.rig import HANDLERS, PREFETCH, Rig
from tests.torture.scale import scaled

ROUNDS = scaled(1, 9)
"""How often each kind of fault comes."""

EVENTS_A_FAULT = scaled(100, 160)
CRASHES = scaled(2, 8)
FAULTS_BESIDE_CRASHES = scaled(3, len(WITHOUT_CRASH))


@pytest.fixture
def rig(mortal_broker: Broker, way: str, tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(mortal_broker, tmp_path)
    yield rig
    rig.close()


def run(rig: Rig, faults: list[Callable[[Rig], None]], *, apart: bool) -> None:
    """Let faults happen under load, one after the other; then let it all end.

    Args:
        rig: what they happen to.
        faults: the faults.
        apart: whether each one has to be over before the next one happens. What a second one does to the traces of the
            first can make events run twice: of what is in doubt it is better to run one twice than another one never.
    """
    rig.witness.wait_ready()
    first = 0
    for fault in faults:
        load = Load(rig.broker, rig.history, first=first, count=EVENTS_A_FAULT, pause_seconds=0.002)
        load.start()
        time.sleep(0.1)
        if fault is half_open:
            rig.history.detained.update(range(first, first + EVENTS_A_FAULT))
        fault(rig)
        load.wait()
        first += EVENTS_A_FAULT
        if apart:
            rig.wait_quiet()
            rig.witness.wait_ready()
    rig.wait_quiet()
    rig.wait_empty()
    rig.witness.wait_ready()
    rig.stop_daemon()


def test_without_a_crash_nothing_is_lost_and_nothing_runs_twice(rig: Rig) -> None:
    run(rig, [*WITHOUT_CRASH] * ROUNDS, apart=True)

    accounts = rig.accounts()
    report(rig, accounts, len(WITHOUT_CRASH) * ROUNDS)
    assert [(each.handler, sorted(each.lost), each.extra) for each in accounts] == [(each, [], 0) for each in HANDLERS]
    assert [sorted(each.disorder) for each in accounts if each.handler == 'lane'] == [[]]
    assert rig.witness.lies() == []


def test_with_crashes_nothing_is_lost_and_no_more_runs_twice_than_was_in_flight(rig: Rig) -> None:
    faults = [*WITHOUT_CRASH[:FAULTS_BESIDE_CRASHES], *[kill_daemon] * CRASHES]
    run(rig, faults, apart=False)

    accounts = rig.accounts()
    report(rig, accounts, len(faults))
    in_flight = PREFETCH * CRASHES
    assert [(each.handler, sorted(each.lost), each.extra <= in_flight) for each in accounts] == [
        (each, [], True) for each in HANDLERS
    ]
    assert rig.witness.lies() == []


def report(rig: Rig, accounts: Sequence[Account], faults: int) -> None:
    """Print the figures; pytest shows them with -s, and where a test fails."""
    pairs = len(rig.history.confirmed) * len(HANDLERS)
    print(
        f'\n{pairs} pairs, {faults} faults, {len(rig.history.uncertain)} events never confirmed; {rig.witness.summary}'
    )
    for each in accounts:
        print(each)
