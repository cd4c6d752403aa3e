# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The scale: everything at its full size with TORTURE=long in the environment, in seconds without."""

from __future__ import annotations

import os
from typing import TypeVar

N = TypeVar('N', int, float)

IS_LONG = os.environ.get('TORTURE') == 'long'


def scaled(brief: N, long: N) -> N:
    """`long` in the long form, else `brief`."""
    return long if IS_LONG else brief
