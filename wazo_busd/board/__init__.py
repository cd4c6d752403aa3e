# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The board: one live page of what happens on a telephone host, for a wall or a telephone."""

from __future__ import annotations

from wazo_busd.board.board import Board

__all__ = ['Board']
