# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Room on disk: too little is told before the broker stops for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.doctor.made import only
from wazo_busd.doctor.disk import Room, judge, rooms
from wazo_busd.doctor.finding import Severity

MIB = 1024**2


def room(free: int, files: int | None = 1_000_000) -> Room:
    return Room(Path('/var/lib/wazo-busd'), free, 20_000 * MIB, files, 1)


@pytest.mark.parametrize(
    ('found', 'severity'),
    [
        (room(5_000 * MIB), Severity.OK),
        (room(5_000 * MIB, None), Severity.OK),
        (room(1_023 * MIB), Severity.WARNING),
        (room(199 * MIB), Severity.PROBLEM),
        (room(0), Severity.PROBLEM),
        (room(5_000 * MIB, 1_999), Severity.PROBLEM),
    ],
)
def test_little_room_is_a_warning_and_next_to_none_a_problem(found: Room, severity: Severity) -> None:
    assert only(judge([found])).severity is severity


def test_the_cure_shows_the_file_system() -> None:
    assert only(judge([room(0)])).cure.startswith('df -h /var/lib/wazo-busd')


def test_of_a_directory_that_is_not_there_the_one_above_counts(tmp_path: Path) -> None:
    (found,) = rooms([tmp_path / 'not' / 'there'])

    assert (found.device, found.size_bytes > 0) == (tmp_path.stat().st_dev, True)


def test_a_file_system_is_told_once(tmp_path: Path) -> None:
    assert len(rooms([tmp_path, tmp_path])) == 1
