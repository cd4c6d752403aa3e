# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The checker finds what it is there to find."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.torture.history import Account, History, account


def checked(directory: Path, lines: str, *, confirmed: set[int], dead: Counter[int] | None = None) -> Account:
    (directory / 'quick.history').write_text('\n'.join(line.strip() for line in lines.split(',')))
    return account(History(directory, confirmed=confirmed), 'quick', dead or Counter())


def test_an_event_that_is_neither_done_nor_dead_is_lost(tmp_path: Path) -> None:
    assert checked(tmp_path, 'run 1 1 0, done 1 1 0, run 2 1 0', confirmed={1, 2, 3}).lost == {2, 3}


@pytest.mark.parametrize(
    'lines',
    [
        'run 1 1 0, done 1 1 0, run 1 1 0',
        'run 1 1 0, done 1 1 0, run 1 1 0, done 1 1 0',
        'run 1 1 0, run 1 1 0, done 1 1 0, done 1 1 0',
        'run 1 1 0, discarded 1 1 0, run 1 1 0, done 1 1 0',
    ],
)
def test_a_run_after_the_end_is_extra(tmp_path: Path, lines: str) -> None:
    assert checked(tmp_path, lines, confirmed={1}).extra == 1


def test_a_try_that_follows_one_that_failed_is_not_extra(tmp_path: Path) -> None:
    assert checked(tmp_path, 'run 1 1 0, run 1 2 0, done 1 2 0', confirmed={1}).extra == 0


def test_a_second_dead_letter_is_extra(tmp_path: Path) -> None:
    assert checked(tmp_path, 'run 1 1 0', confirmed={1}, dead=Counter({1: 3})).extra == 2


def test_what_is_done_and_dead_is_extra(tmp_path: Path) -> None:
    assert checked(tmp_path, 'run 1 1 0, done 1 1 0', confirmed={1}, dead=Counter({1: 1})).extra == 1


def test_an_earlier_event_of_a_key_that_ends_later_is_disorder(tmp_path: Path) -> None:
    lines = 'run 2 1 7, done 2 1 7, run 1 1 7, done 1 1 7'

    assert checked(tmp_path, lines, confirmed={1, 2}).disorder == {7}
