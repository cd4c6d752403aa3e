# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The verbosity: whether the line that every event would have is wanted, so that one that is not costs nothing."""

from __future__ import annotations

tells_each_event = True
"""Set with the level of the log; read before a line is put together, not after."""
