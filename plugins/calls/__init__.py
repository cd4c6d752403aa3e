# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The handler `calls`: what became of each call, from the legs that a host tells of."""

from __future__ import annotations

from .plugin import Calls

__all__ = ['Calls']
