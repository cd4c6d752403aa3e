# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What each tracker finds out on the sample day, kept as files that a person can read and check.

`python -m tests.plugins.trackers.golden` writes them anew; read the difference before you keep it.
"""

from __future__ import annotations

from pathlib import Path

from plugins.audit import AuditTracker
from plugins.audit import Options as AuditOptions
from plugins.availability import AvailabilityTracker
from plugins.availability import Options as AvailabilityOptions
from plugins.calls.options import CallsOptions
from plugins.calls.tracker import CallsTracker
from plugins.conferences import ConferenceTracker
from plugins.faxes import FaxTracker
from plugins.queues.options import QueuesOptions
from plugins.queues.tracker import QueueTracker
from plugins.voicemails import VoicemailTracker
from tests.plugins.trackers.rig import Make, day, run, told

DIRECTORY = Path(__file__).with_name('golden')

TRACKERS: dict[str, Make] = {
    'audit': lambda: AuditTracker(AuditOptions(), region='CA'),
    'availability': lambda: AvailabilityTracker(AvailabilityOptions()),
    'calls': lambda: CallsTracker(CallsOptions(), 'CA'),
    'conferences': ConferenceTracker,
    'faxes': lambda: FaxTracker(region='CA'),
    'queues': lambda: QueueTracker(QueuesOptions()),
    'voicemails': lambda: VoicemailTracker(region='CA'),
}
"""The trackers with their default options, by the names of their plugins."""


def path_of(name: str) -> Path:
    """The file of a tracker."""
    return DIRECTORY / f'{name}.txt'


def of_day(name: str) -> str:
    """What a tracker finds out on the sample day."""
    return ''.join(f'{line}\n' for line in told(run(TRACKERS[name], day())))


if __name__ == '__main__':
    for each in TRACKERS:
        DIRECTORY.mkdir(exist_ok=True)
        path_of(each).write_text(of_day(each))
