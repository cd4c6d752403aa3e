# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The catalogue: every event that a Wazo host announces, from 2019 to today, as data that people can edit.

The files are in `events/`, one a family; `wazo_busd.catalogue.entry.Entry` says what stands in them. They are read when
something is asked, and only those that can have the answer: a daemon that matches by patterns alone reads none.
"""

from __future__ import annotations

from wazo_busd.catalogue.entry import Difference, Entry, Property
from wazo_busd.catalogue.store import entries, event_names, find, known, near

__all__ = ['Difference', 'Entry', 'Property', 'entries', 'event_names', 'find', 'known', 'near']
