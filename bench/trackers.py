# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What an event costs a tracker while ten thousand calls are live, and how much memory these take.

python -m bench.trackers

CPU of the whole plugin for each event, with its identity and what follows put together, but without publishing that.
The machine is not quiet, so each figure is the best of some rounds.
"""

from __future__ import annotations

import asyncio
import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from plugins.availability import Availability
from plugins.calls import Calls
from plugins.queues import Queues
from plugins.tracking import Watcher
from tests.unit.rig import make_context
from wazo_busd.codec import encode
from wazo_busd.event import Event

_HOST = 'ca7f87e9-c2c8-5fad-ba1b-c3140ebb9be3'
_LIVE = 10_000
_QUEUES = 20
_MEASURED = 2_000
"""So many calls come and go in a round."""
_ROUNDS = 5
_FILLING = 'x' * 300
"""An AMI event has about 800 bytes (recorded call)."""


@dataclass(frozen=True)
class Workload:
    """What a tracker is measured with.

    Attributes:
        name: what it is.
        plugin: the plugin.
        begin: the events after which one more call is live, by its number and a time.
        go_on: those of a call from then to its end.
    """

    name: str
    plugin: type[Watcher]
    begin: Callable[[int, float], Iterator[Event]]
    go_on: Callable[[int, float], Iterator[Event]]


def _event(name: str, key: str, data: dict[str, Any], at: float) -> Event:
    body = {'name': name, 'origin_uuid': _HOST, 'data': data}
    headers = {'name': name, 'origin_uuid': _HOST, 'timestamp': datetime.fromtimestamp(at).isoformat()}  # noqa: DTZ006
    return Event(name, data, routing_key=key, headers=headers, metadata=body, body=encode(body), received_at=at)


def _ami(name: str, number: int, at: float, **more: str) -> Event:
    data = {
        'Event': name,
        'Queue': f'queue{number % _QUEUES}',
        'Uniqueid': f'{number}.1',
        'Linkedid': f'{number}.1',
        'CallerIDNum': f'+1418555{number % 10_000:04}',
        'CallerIDName': 'Alice Roy',
        'Channel': f'PJSIP/carrier-{number:08x}',
        'ChanVariable': {'XIVO_BASE_EXTEN': _FILLING},
        **more,
    }
    return _event(name, f'ami.{name}', data, at)


def _joins(number: int, at: float) -> Iterator[Event]:
    yield _ami('QueueCallerJoin', number, at, Position='1', Count='1')


def _is_answered(number: int, at: float) -> Iterator[Event]:
    agent = {'Interface': f'Local/id-{number % 50}@agentcallback', 'MemberName': f'Agent/{1000 + number % 50}'}
    yield _ami('AgentCalled', number, at, **agent)
    yield _ami('QueueMemberStatus', number, at, **agent, Status='6', Paused='0')
    yield _ami('AgentConnect', number, at + 0.01, **agent, HoldTime='12', RingTime='3')
    yield _ami('QueueCallerLeave', number, at + 0.01, Position='1', Count='500')
    yield _ami('QueueMemberStatus', number, at + 0.02, **agent, Status='2', Paused='0')
    yield _ami('AgentComplete', number, at + 0.03, **agent, HoldTime='12', TalkTime='60', Reason='agent')
    yield _ami('QueueMemberStatus', number, at + 0.03, **agent, Status='1', Paused='0')


def _leg(name: str, number: int, side: int, at: float, **more: Any) -> Event:
    data = {
        'call_id': f'{number}.{side}',
        'conversation_id': f'{number}.1',
        'user_uuid': f'00000000-0000-4000-8000-{number % 5000:012}' if side == 2 else None,
        'caller_id_name': 'Alice Roy',
        'caller_id_number': f'+1418555{number % 10_000:04}',
        'peer_caller_id_name': 'Bob Ito',
        'peer_caller_id_number': f'{1000 + number % 5000}',
        'dialed_extension': f'{1000 + number % 5000}',
        'direction': 'inbound',
        'is_caller': side == 1,
        'status': 'Ring',
        'on_hold': False,
        'talking_to': {},
        'bridges': [],
        'filling': _FILLING,
        **more,
    }
    return _event(name, f'calls.call.{name.partition("_")[2]}', data, at)


def _rings(number: int, at: float) -> Iterator[Event]:
    yield _leg('call_created', number, 1, at)
    yield _leg('call_created', number, 2, at)


def _talks(number: int, at: float) -> Iterator[Event]:
    up = {'status': 'Up', 'answer_time': '2026-05-04T08:00:00+00:00'}
    yield _leg('call_answered', number, 2, at, **up)
    yield _leg('call_updated', number, 2, at, **up, talking_to={f'{number}.1': None}, bridges=['x'])
    yield _leg('call_updated', number, 1, at, **up, talking_to={f'{number}.2': None}, bridges=['x'])
    yield _leg('call_ended', number, 2, at + 0.02, **up, reason_code=16)
    yield _leg('call_ended', number, 1, at + 0.03, **up, reason_code=16)


def _peer(number: int, at: float) -> Iterator[Event]:
    yield _ami('PeerStatus', number, at, Peer=f'PJSIP/{number:08x}', PeerStatus='Reachable', ChannelType='PJSIP')


def _states(number: int, at: float) -> Iterator[Event]:
    peer = f'PJSIP/{number % _LIVE:08x}'
    yield _ami('PeerStatus', number, at, Peer=peer, PeerStatus='Reachable', ChannelType='PJSIP')
    yield _ami('PeerStatus', number, at + 0.01, Peer=peer, PeerStatus='Reachable', ChannelType='PJSIP')


WORKLOADS = (
    Workload('queues: AMI of a call that is answered', Queues, _joins, _is_answered),
    Workload('calls: the legs of a call that is answered', Calls, _rings, _talks),
    Workload('availability: AMI of peers', Availability, _peer, _states),
)


async def measure(workload: Workload, directory: Path) -> tuple[float, float]:
    """Measure a tracker.

    Args:
        workload: with what.
        directory: where its memory may lie.

    Returns:
        CPU of an event in microseconds, and the memory of all live calls in bytes.
    """

    async def nowhere(*_: Any) -> None:
        """Publish nothing."""

    options = workload.plugin.Options.model_validate(
        {'watch': ['peer', 'line', 'trunk', 'asterisk', 'service', 'plugin']} if workload.plugin is Availability else {}
    )
    watcher = workload.plugin(make_context(options=options, emit=nowhere, state_dir=directory))
    await watcher.start()
    at = time.time() - 60.0
    tracemalloc.start()
    for number in range(_LIVE):
        for event in workload.begin(number, at):
            await watcher.take(event)
        at += 0.0001
    bytes_live = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    best = float('inf')
    for turn in range(_ROUNDS):
        first = turn * _MEASURED
        events: list[Event] = []
        for number in range(first, first + _MEASURED):
            events += workload.go_on(number, at)
            # Another one takes its place.
            events += workload.begin(number + _LIVE, at)
            at += 0.001
        began = time.process_time()
        for event in events:
            await watcher.take(event)
        best = min(best, (time.process_time() - began) / len(events))
    await watcher.stop()
    return best * 1e6, bytes_live


@click.command()
def main() -> None:
    """Measure the trackers that take the most events."""
    for workload in WORKLOADS:
        with TemporaryDirectory() as directory:
            microseconds, size = asyncio.run(measure(workload, Path(directory)))
        print(f'{workload.name:<45} {microseconds:5.1f} µs an event   {size / 2**20:6.1f} MiB for {_LIVE:,} live')


if __name__ == '__main__':
    main()
