# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
from __future__ import annotations

import re

import pytest

from bench.figures import Delays, Figures, Idle
from bench.machine import Machine
from bench.plan import FULL, QUICK, WARM_SHARE
from bench.report import report
from bench.results import DAEMON, THREE, Results
from bench.rounds import Rounds
from bench.sampler import Profile

MACHINE = Machine(
    processor='a processor',
    cores=2,
    memory_gib=24.0,
    load=0.1,
    system='Linux 6, Python 3.11',
    broker='3.10.8',
    ours={'aio-pika': '10.2.1', 'uvloop': '-'},
    peers={'kombu': '5.7.0'},
    uses_uvloop=False,
    build='compiled with mypyc 2',
)


def rounds(**cpu_us: float) -> Rounds:
    made = Rounds()
    for factor in (1.0, 2.0, 3.0):
        made.begin()
        for name, value in cpu_us.items():
            title = {'daemon': DAEMON, 'three': THREE}.get(name, name)
            made.add(title, figures(value * factor))
    return made


def figures(cpu_us: float) -> Figures:
    return Figures(
        rate=1e6 / cpu_us, cpu_us=cpu_us, broker_us=40.0, memory_mib=50.0, delays=Delays(0.5, 1.0, 2.0), late_ms=0.1
    )


@pytest.fixture
def results() -> Results:
    return Results(
        speed=rounds(kombu=100, daemon=15, three=25),
        classic=rounds(kombu=100, daemon=15),
        calls=rounds(kombu=90, daemon=12),
        paced={1000: rounds(kombu=160, daemon=60), 3000: rounds(kombu=150, daemon=25)},
        waiting=figures(300),
        failing=figures(900),
        sending=figures(1200),
        idle={DAEMON: Idle(0.05, 55.0)},
        handlers=rounds(**{'1': 15, '50': 16}),
        lanes=rounds(**{'1': 15, '100,000': 15}),
        backlog=rounds(**{'0': 15, '1,000,000': 30}),
        sizes={800: rounds(kombu=100, daemon=15)},
        profile=Profile(100, {'wazo_busd.codec': 0.5}, {'wazo_busd.codec.decode': 0.25}),
        missing={'C, librabbitmq': 'there is no gcc'},
    )


def row(page: str, figure: str) -> list[str]:
    (found,) = re.findall(rf'^\| {re.escape(figure)} \|(.*)\|$', page, re.MULTILINE)
    return [cell.strip() for cell in found.split('|')]


@pytest.mark.parametrize(
    ('figure', 'expected'),
    [
        ('CPU per AMI event, case (a), ratio to kombu', ['≤ 0.25', '≤ 0.15', '0.15', 'aim reached']),
        ('CPU per handler run, case (b), ratio to kombu', ['≤ 0.35', '≤ 0.2', '0.25', 'reached']),
        ('the same to FastStream', ['≤ 0.08', '≤ 0.05', '-', 'not measured']),
        ('events/s, case (a), quorum queue, ratio to kombu', ['≥ 2', '-', '6.67', 'reached']),
        ('CPU per event at 3,000 events/s, ratio to kombu', ['≤ 0.3', '≤ 0.15', '0.167', 'reached']),
        ('CPU while idle, of a core', ['≤ 0.3 %', '≤ 0.1 %', '0.05 %', 'aim reached']),
        ('CPU of the most backlog, ratio to the fewest', ['≤ 1.25', '≤ 1.1', '2', '**missed**']),
    ],
)
def test_a_goal_is_a_line_with_its_verdict(results: Results, figure: str, expected: list[str]) -> None:
    assert row(report(results, MACHINE, FULL), figure) == expected


def test_what_was_left_out_is_said_with_the_reason(results: Results) -> None:
    assert 'Left out: C, librabbitmq, because there is no gcc.' in report(results, MACHINE, FULL)


def test_it_says_whether_the_modules_are_compiled_and_that_those_looked_at_are_not(results: Results) -> None:
    page = report(results, MACHINE, FULL)

    assert 'its modules on the way of an event compiled with mypyc 2.\n' in page
    assert 'Here the daemon is interpreted' in page.partition('## Where the time goes')[2]


def test_it_says_how_many_events_there_are_and_which_do_not_count(results: Results) -> None:
    page = report(results, MACHINE, FULL)

    assert f'{FULL.events:,} events, or' in page
    assert f'{FULL.events // 2:,} for\n  kombu, aio-pika, FastStream;' in page
    assert f'the first {100 * WARM_SHARE:.0f} % at full speed do not count' in page


def test_every_table_has_as_many_cells_in_each_row(results: Results) -> None:
    for table in re.findall(r'(?:^\|.*\|\n)+', report(results, MACHINE, FULL), re.MULTILINE):
        assert len({line.count('|') for line in table.splitlines()}) == 1


def test_one_round_is_said_to_say_nothing_about_noise() -> None:
    assert 'one round only' in report(Results(), MACHINE, QUICK)


def test_a_page_about_nothing_is_a_page() -> None:
    assert '## Goals' in report(Results(), MACHINE, FULL)
