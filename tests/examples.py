# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""How many examples hypothesis tries of a rule: some while people wait, many in `make thorough`."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

_TIMES = {'quick': 0.25, 'thorough': 20.0}
_LEAST = 3
_PROFILE = os.environ.get('HYPOTHESIS_PROFILE', 'quick')


def choose() -> None:
    """Make all that follows try as many."""
    settings.register_profile(
        _PROFILE,
        max_examples=examples(40),
        # Nothing about time is asserted: a machine that is busy with something else is no mistake.
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
        print_blob=True,
    )
    settings.load_profile(_PROFILE)


def examples(number: int) -> int:
    """How many examples a rule has that needs more or fewer than others.

    Args:
        number: four times as many as while people wait.
    """
    return max(_LEAST, round(number * _TIMES[_PROFILE]))
