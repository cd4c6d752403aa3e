# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`queues`: who waits in which queue, for how long and with what end, and which agents are there for them."""

from __future__ import annotations

from .plugin import Queues

__all__ = ['Queues']
