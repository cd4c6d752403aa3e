# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The pieces of the benchmark, on a few events: that it counts, and never how fast anything is."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench import daemon, peer
from bench.broker import Broker
from bench.consumer import Consumer, Process
from bench.daemon import Case, Daemon
from bench.errors import BenchError
from bench.figures import Figures
from bench.lineup import Lineup
from bench.measure import Measure
from bench.plan import WARM_SHARE
from bench.receiver import Receiver
from bench.sampler import Profile
from bench.wire import Wire
from bench.workload import workload
from tests.conftest import require_broker
from tools.rabbitmq_node import RabbitmqNode

EVENTS = 200


@pytest.fixture(scope='module')
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker with virtual hosts for all tests of this file."""
    require_broker()
    node = RabbitmqNode(tmp_path_factory.mktemp('bench'))
    node.start()
    yield Broker(node, 18)
    node.stop()


@pytest.fixture
def measure(shared: Broker, tmp_path: Path) -> Measure:
    return Measure(shared, tmp_path)


@pytest.fixture
def lineup(shared: Broker, tmp_path: Path) -> Lineup:
    """kombu and aio-pika, which the tests have installed, and the daemon."""
    return Lineup(shared, tmp_path, peer_python=Path(sys.executable), only=(peer.BATCH, peer.AIO_PIKA))


def is_sound(figures: Figures) -> bool:
    return min(figures.rate, figures.cpu_us, figures.memory_mib) > 0 and figures.broker_us >= 0


@pytest.mark.parametrize('kind', ['quorum', 'classic'])
@pytest.mark.parametrize('name', [peer.KOMBU, peer.BATCH, peer.AIO_PIKA])
def test_a_peer_handles_every_event(measure: Measure, lineup: Lineup, name: str, kind: str) -> None:
    assert is_sound(measure.full_speed(lineup.peer(name, kind), 'ami', EVENTS))


def test_the_same_share_of_the_events_warms_up_whoever_takes_them(
    measure: Measure, shared: Broker, lineup: Lineup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shares: list[float] = []

    def noted(consumer: Consumer, directory: Path, *, target: int, warm: int, **others: Any) -> Process:
        shares.append(warm / target)
        return Process(consumer, directory, target=target, warm=warm, **others)

    monkeypatch.setattr('bench.measure.Process', noted)
    for consumer in (lineup.peer(peer.KOMBU), Daemon(daemon.plain(), shared.take_place(), tmp_path / 'daemon')):
        measure.full_speed(consumer, 'ami', EVENTS)

    assert shares == [WARM_SHARE, WARM_SHARE]


def test_what_a_paced_peer_takes_has_delays(measure: Measure, lineup: Lineup) -> None:
    found = measure.paced(lineup.peer(peer.KOMBU), 'calls', 1000, 0.1)

    assert found.delays is not None
    assert 0 < found.delays.p50 <= found.delays.max


@pytest.mark.parametrize(
    'case', [daemon.plain(), daemon.full('b', workload('ami').order_by), daemon.gathering('g', 'data.Linkedid', 500)]
)
def test_a_daemon_runs_each_handler_on_each_event_and_leaves_nothing(
    measure: Measure, shared: Broker, tmp_path: Path, case: Case
) -> None:
    ours = Daemon(case, shared.take_place(), tmp_path / 'daemon', uvloop=False)

    assert is_sound(measure.full_speed(ours, 'ami', EVENTS))


def test_what_lies_behind_stays_for_the_next_time(measure: Measure, shared: Broker, tmp_path: Path) -> None:
    ours = Daemon(daemon.plain(), shared.take_place(), tmp_path / 'daemon')
    for _ in range(2):
        measure.full_speed(ours, 'calls', 50, backlog=20_000)
    with Wire(ours.place) as wire:
        left = wire.depth(ours.queues[0]).events
        measure.clear(ours)
        cleared = wire.depth(ours.queues[0]).events

    assert (0 < left <= 20_000, cleared) == (True, 0)


def test_a_handler_that_fails_makes_dead_letters_of_all(measure: Measure, shared: Broker, tmp_path: Path) -> None:
    ours = Daemon(daemon.failing('d'), shared.take_place(), tmp_path / 'daemon')

    assert is_sound(measure.failing(ours, 'ami', 20))


def test_a_webhook_sends_a_request_for_each_event(measure: Measure, shared: Broker, tmp_path: Path) -> None:
    with Receiver() as receiver:
        ours = Daemon(daemon.sending('e', receiver.url), shared.take_place(), tmp_path / 'daemon')
        measure.full_speed(ours, 'calls', EVENTS)

        assert receiver.accepted == EVENTS


def test_a_consumer_that_does_not_come_to_the_end_is_an_error(measure: Measure, lineup: Lineup) -> None:
    broken = lineup.peer(peer.KOMBU)
    broken.command()[:] = [sys.executable, '-c', 'print("I do not feel like it")']

    with pytest.raises(BenchError, match=r'kombu ended with code 0; it printed:\nI do not feel like it'):
        measure.full_speed(broken, 'ami', EVENTS)


@pytest.mark.interpreted
def test_the_sampler_says_where_the_time_went(measure: Measure, shared: Broker, tmp_path: Path) -> None:
    path = tmp_path / 'profile.json'
    ours = Daemon(daemon.plain(), shared.take_place(), tmp_path / 'daemon', profile=path)
    measure.full_speed(ours, 'ami', 10_000)
    profile = Profile.read(path)

    assert sum(profile.modules.values()) == pytest.approx(1)
    assert 'wazo_busd.codec' in profile.modules
