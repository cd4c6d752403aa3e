# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The scale: everything at its full size with TORTURE=long in the environment, in seconds without."""

from __future__ import annotations

import os
from typing import TypeVar

N = TypeVar('N', int, float)

IS_LONG = os.environ.get('TORTURE') == 'long'

IS_ASKED_FOR = bool(os.environ.get('TORTURE'))
"""What takes too long for every day is left out without TORTURE in the environment; with TORTURE=brief it is brief."""


def scaled(brief: N, long: N) -> N:
    """`long` in the long form, else `brief`."""
    return long if IS_LONG else brief
