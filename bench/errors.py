# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What can go wrong with a measurement."""

from __future__ import annotations


class BenchError(Exception):
    """Raised when something could not be measured. The text says what, and what to do next."""
