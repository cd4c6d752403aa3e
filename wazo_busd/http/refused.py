# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What a guarded session raises."""

from __future__ import annotations

import errno


class Refused(OSError):
    """Raised for a connection that the guard does not allow. The text names the address and what would allow it."""

    def __init__(self, reason: str) -> None:
        super().__init__(errno.EACCES, reason)
