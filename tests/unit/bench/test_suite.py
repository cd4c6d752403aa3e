# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from itertools import count
from pathlib import Path

import pytest

from bench import daemon, peer
from bench.broker import Broker
from bench.build import Build
from bench.consumer import ROOT, Consumer
from bench.errors import BenchError
from bench.figures import Delays, Figures, Idle
from bench.lineup import VHOSTS, Lineup
from bench.measure import Measure
from bench.plan import FULL, QUICK, Plan
from bench.report import report
from bench.results import THREE
from bench.suite import STEPS, Suite
from bench.wire import Place
from tests.unit.bench.test_report import MACHINE


class Places(Broker):
    """A broker that nobody connects to."""

    def __init__(self) -> None:
        self.taken = count()

    def take_place(self) -> Place:
        return Place('localhost', 0, f'bench-{next(self.taken)}')


class Guess(Measure):
    """Measures nothing, and knows what it was asked for."""

    def __init__(self, profile: Path) -> None:
        self.asked: list[tuple[str, str, float]] = []
        self._profile = profile

    def full_speed(self, consumer: Consumer, name: str, events: int, **_: object) -> Figures:
        self._profile.write_text(json.dumps({'samples': 1, 'modules': {}, 'functions': {}}))
        return self._guess(consumer, name, events)

    def paced(self, consumer: Consumer, name: str, rate: float, seconds: float) -> Figures:
        return self._guess(consumer, name, rate * seconds)

    def failing(self, consumer: Consumer, name: str, events: int) -> Figures:
        return self._guess(consumer, name, events)

    def idle(self, consumers: Sequence[Consumer], seconds: float) -> dict[str, Idle]:
        return {consumer.name: Idle(seconds, 1.0) for consumer in consumers}

    def clear(self, consumer: Consumer) -> None:
        pass

    def _guess(self, consumer: Consumer, name: str, events: float) -> Figures:
        self.asked.append((consumer.name, name, events))
        return Figures(1.0, 1.0, 1.0, 1.0, Delays(1.0, 1.0, 1.0))


def lineup(directory: Path, *only: str) -> Lineup:
    return Lineup(Places(), directory, peer_python=Path(sys.executable), only=only)


def suite(plan: Plan, directory: Path, told: list[str] | None = None) -> tuple[Suite, Guess]:
    guess = Guess(directory / 'profile.json')
    said: list[str] = [] if told is None else told
    return Suite(plan, guess, lineup(directory), said.append, directory), guess


def test_all_steps_together_measure_every_goal(tmp_path: Path) -> None:
    made, _ = suite(FULL, tmp_path)
    for step in STEPS:
        made.do(step)
    missing = len(made.results.missing)

    # One row of goals is about the consumer in C, which cannot be compiled everywhere.
    assert report(made.results, MACHINE, FULL).count('not measured') == missing


@pytest.mark.parametrize('plan', [FULL, QUICK])
def test_there_are_virtual_hosts_for_all(tmp_path: Path, plan: Plan) -> None:
    places = Places()
    all_of_them = Lineup(places, tmp_path, peer_python=Path(sys.executable))
    told: list[str] = []
    made = Suite(plan, Guess(tmp_path / 'profile.json'), all_of_them, told.append, tmp_path)
    for step in STEPS:
        made.do(step)

    assert next(places.taken) <= VHOSTS


@pytest.mark.parametrize('step', STEPS)
def test_a_step_tells_what_it_does(tmp_path: Path, step: str) -> None:
    told: list[str] = []
    made, _ = suite(QUICK, tmp_path, told)
    made.do(step)

    assert told


def test_each_round_begins_with_another_consumer(tmp_path: Path) -> None:
    made, guess = suite(FULL, tmp_path)
    made.do('calls')

    names = [name for name, _, _ in guess.asked]
    assert names[0] == names[3] == names[4] != names[1]


def test_slow_ones_handle_half_as_many_events(tmp_path: Path) -> None:
    made, guess = suite(FULL, tmp_path)
    made.do('speed')

    wanted = {name: FULL.events // 2 if name in peer.SLOW else FULL.events for name, _, _ in guess.asked}
    assert {name: events for name, _, events in guess.asked} == wanted | {THREE: FULL.events // 3}


def test_large_bodies_are_fewer(tmp_path: Path) -> None:
    made, guess = suite(FULL, tmp_path)
    made.do('sizes')

    assert all(int(size) * events <= 100_000_000 for _, size, events in guess.asked)


def test_a_peer_that_is_not_known_is_told_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"no peer 'nameko'; there are kombu, "):
        lineup(tmp_path, 'nameko')


def test_without_the_libraries_of_the_peers_it_says_how_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match='next: make bench'):
        Lineup(Places(), tmp_path, peer_python=tmp_path / 'python')


def test_the_daemon_is_measured_compiled_and_looked_at_interpreted(tmp_path: Path) -> None:
    made = Lineup(Places(), tmp_path, peer_python=Path(sys.executable), build=Build(tmp_path / 'copy', 'compiled'))
    measured = made.daemon(daemon.plain())
    sampled = made.daemon(daemon.plain('sampled'), profile=tmp_path / 'profile.json')

    assert [dict(each.environment()) for each in (measured, sampled)] == [
        {'PYTHONPATH': str(tmp_path / 'copy')},
        {'PYTHONPATH': str(ROOT)},
    ]


def test_kombu_is_always_there(tmp_path: Path) -> None:
    assert lineup(tmp_path, 'aio-pika').peers == ['kombu', 'aio-pika']
