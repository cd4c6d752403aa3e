# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Events of queues as Asterisk says them through a host of 2019: strings, and no time."""

from __future__ import annotations

from typing import Any

from plugins.queues.options import QueuesOptions
from plugins.queues.tracker import QueueTracker
from tests.plugins.trackers.rig import START, Make
from wazo_busd.event import Event

HOST = 'ca7f87e9-c2c8-5fad-ba1b-c3140ebb9be3'


def maker(since: float | None = None, **options: Any) -> Make:
    """What makes a tracker.

    Args:
        since: how many seconds after the start of the day it has begun to watch; always if `None`.
        options: its options.
    """

    def make() -> QueueTracker:
        tracker = QueueTracker(QueuesOptions(**options))
        if since is not None:
            tracker.since = START.timestamp() + since
        return tracker

    return make


def ami(name: str, at: float, origin: str = HOST, **data: Any) -> Event:
    """An event of Asterisk, so many seconds after the start."""
    return Event(
        name,
        {'Event': name, 'Privilege': 'agent,all', **data},
        routing_key=f'ami.{name}',
        headers={'name': name, 'origin_uuid': origin},
        received_at=START.timestamp() + at,
    )


def wazo(name: str, at: float, origin: str = HOST, **data: Any) -> Event:
    """An event of one of Wazo's services, so many seconds after the start."""
    return Event(name, data, headers={'name': name, 'origin_uuid': origin}, received_at=START.timestamp() + at)


def caller(name: str, at: float, channel: str = '100.1', queue: str = 'support', **more: Any) -> Event:
    """An event of somebody in a queue."""
    said = {
        'Queue': queue,
        'Uniqueid': channel,
        'Linkedid': channel,
        'CallerIDName': 'Bob',
        'CallerIDNum': '+14185550123',
        'Channel': 'PJSIP/carrier-1',
    }
    return ami(name, at, **{**said, **more})


def member(name: str, at: float, number: int = 1, queue: str = 'support', **more: Any) -> Event:
    """An event of somebody who answers the calls of a queue."""
    said = {'Queue': queue, **agent(number), 'Paused': '0', 'PausedReason': '', 'InCall': '0', 'Status': '1'}
    return ami(name, at, **{**said, **more})


def agent(number: int = 1) -> dict[str, str]:
    """What is said of an agent."""
    return {'MemberName': f'Agent/{1000 + number}', 'Interface': f'Local/id-{number}@agentcallback'}
