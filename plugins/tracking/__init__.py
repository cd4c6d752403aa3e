# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What trackers are made of: plugins that watch a family of events, remember a little, and derive events from it."""

from __future__ import annotations

from .alarms import Alarms
from .derivation import Derivation
from .moment import iso, moment_of, seconds_between
from .shelf import Shelf
from .tracker import Tracker, TrackerOptions
from .value import e164_of, mapping_of, number_of, text_of, uuid_of, uuids_of, whole_of
from .watcher import Watcher

__all__ = [
    'Alarms',
    'Derivation',
    'Shelf',
    'Tracker',
    'TrackerOptions',
    'Watcher',
    'e164_of',
    'iso',
    'mapping_of',
    'moment_of',
    'number_of',
    'seconds_between',
    'text_of',
    'uuid_of',
    'uuids_of',
    'whole_of',
]
