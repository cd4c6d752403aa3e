# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Processes that must not be left behind."""

from __future__ import annotations

import ctypes
import signal


def end_with_parent() -> None:
    """In the child, before it becomes what it is to run: be killed when the one who started it ends in any way.

    It is prctl(2) with PR_SET_PDEATHSIG, for `preexec_fn` of `subprocess.Popen`.
    """
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
