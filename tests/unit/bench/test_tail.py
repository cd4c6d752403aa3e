# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The measurement of `wazo-busd tail`: its last words are read, and nothing that is missing is hidden."""

from __future__ import annotations

import pytest

from bench.errors import BenchError
from bench.figures import Delays, Figures
from bench.tail import Seen, table

FIGURES = Figures(5000.0, 30.0, 150.0, 70.0, Delays(6.0, 22.0, 40.0))
LISTENING = 'listening on localhost for all; Ctrl-C ends it\n'


@pytest.mark.parametrize(
    ('said', 'seen'),
    [
        ('15000 events in 3.2 s', Seen(15_000, 0, 0.5)),
        ('1 event in 3.2 s; 14999 skipped', Seen(1, 14_999, 0.5)),
        ('… 7 events skipped: too fast\n… 5 events skipped: too fast\n3 events in 1.0 s; 12 skipped', Seen(3, 12, 0.5)),
    ],
)
def test_what_was_seen_is_read_from_the_last_words(said: str, seen: Seen) -> None:
    assert Seen.read(LISTENING + said, 0.5) == seen


def test_one_that_does_not_say_it_is_an_error() -> None:
    with pytest.raises(BenchError, match='did not say'):
        Seen.read(LISTENING, 0.5)


@pytest.mark.parametrize(
    ('seen', 'last'),
    [
        (Seen(90, 10, 0.001), 'of 100 events each time all are shown, or told as skipped'),
        (Seen(89, 10, 0.001), 'of 100 events each time not all are told by tail --ami'),
    ],
)
def test_events_that_are_neither_shown_nor_told_are_told(seen: Seen, last: str) -> None:
    *_, row, told = table({'alone': [(FIGURES, Seen())], 'tail --ami': [(FIGURES, seen)]}, 100)

    assert (row.split()[:3], told) == (['tail', '--ami', '30.0'], last)
