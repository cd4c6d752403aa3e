# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`journal`: keeps every event, as JSON lines, in SQLite or in PostgreSQL, on disk before it is acknowledged."""

from .journal import Journal

__all__ = ['Journal']
