# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The core dump: what a process that crashes leaves on the disk, which is all that it had in memory. We leave none."""

from __future__ import annotations

import os
import resource

import structlog

_PR_SET_DUMPABLE = 4

log = structlog.stdlib.get_logger(__name__)


def forbid() -> None:
    """See to it that nothing of this process's memory, secrets and events, is written anywhere when it crashes.

    It is made one that is not dumpable (prctl(2)): the kernel writes no core of it, nor hands one to a program that
    `core_pattern` names, and only root can read its memory and environment. Programs that it starts leave no core file
    either. Where that cannot be had it is told in the log, and the process goes on.
    """
    try:
        _be_undumpable()
    except (OSError, ImportError, MemoryError) as error:
        log.warning(
            'core_dump_not_forbidden',
            error=str(error),
            effect='a crash can write secrets, and what events say, to the disk',
            hint='LimitCORE=0 in the unit, and sysctl kernel.core_pattern',
        )
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except OSError as error:
        # The unit forbids the call, and has set the limit itself.
        log.debug('core_limit_not_set', error=str(error))


def _be_undumpable() -> None:
    # Nothing else here needs it, and it is half a megabyte.
    import ctypes

    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
