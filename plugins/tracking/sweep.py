# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The sweep: when what is too old is forgotten, all of an hour at once, so that no timer is set anew for each event."""

from __future__ import annotations

import math

_HOUR_SECONDS = 3600.0


def swept_at(expires_at: float | None) -> float | None:
    """When something is forgotten.

    Args:
        expires_at: when it is too old, in Unix seconds; `None` for never.
    """
    return None if expires_at is None else math.ceil(expires_at / _HOUR_SECONDS) * _HOUR_SECONDS


def earliest(one: float | None, other: float | None) -> float | None:
    """The earlier one of two times; `None` is never."""
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)
