# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The measures: what is counted of which event."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_MEETING = (60.0, 300.0, 900.0, 1800.0, 3600.0, 7200.0, 14400.0)
_FAX = (10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)
UNKNOWN = 'unknown'

_NAMES = ('queue',)
"""Fields that say what an administrator has named."""
_WORD = re.compile(r'[a-z][a-z_-]{0,29}')


@dataclass(frozen=True, slots=True)
class Measure:
    """What one kind of event adds to one figure.

    Attributes:
        name: the figure.
        meaning: what it says.
        fields: labels, with the field of the event's data that each has as its value.
        fixed: labels whose value is the same for all events of the kind.
        seconds: the field whose size is observed; `''` counts the events.
        bounds: up to which sizes; those of durations in telephony if there are none.
    """

    name: str
    meaning: str
    fields: tuple[tuple[str, str], ...] = ()
    fixed: tuple[tuple[str, str], ...] = ()
    seconds: str = ''
    bounds: tuple[float, ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of its labels, in the order of `values`."""
        return tuple(label for label, _ in (*self.fields, *self.fixed))

    def values(self, data: Mapping[str, Any]) -> tuple[str, ...]:
        """The values of its labels for an event.

        Args:
            data: what the event says.
        """
        return (*(_label(field, data.get(field)) for _, field in self.fields), *(value for _, value in self.fixed))


def _label(field: str, value: Any) -> str:
    """What a field says as a label: words and switches, for whoever can publish could make any number of others."""
    if isinstance(value, bool):
        return 'yes' if value else 'no'
    if not isinstance(value, str):
        return UNKNOWN
    return value if (field in _NAMES and value) or _WORD.fullmatch(value) else UNKNOWN


def _of_calls(field: str, meaning: str) -> Measure:
    name = f'wazo_busd_telephony_call_{field}'
    return Measure(name, meaning, (('direction', 'direction'), ('answered', 'answered')), seconds=field)


def _wait(result: str) -> Measure:
    return Measure(
        'wazo_busd_telephony_queue_wait_seconds',
        'How long callers waited in a queue, by how it ended.',
        (('queue', 'queue'),),
        (('result', result),),
        seconds='waited_seconds',
    )


def _count(name: str, meaning: str, *fields: str, **fixed: str) -> Measure:
    return Measure(
        f'wazo_busd_telephony_{name}_total', meaning, tuple((each, each) for each in fields), tuple(fixed.items())
    )


def _family(name: str, meaning: str, label: str, events: Mapping[str, str]) -> dict[str, tuple[Measure, ...]]:
    return {event: (_count(name, meaning, **{label: value}),) for event, value in events.items()}


MEASURES: Mapping[str, tuple[Measure, ...]] = {
    'busd.call.record': (
        _count('calls', 'Conversations that are over, by how they ended.', 'direction', 'answered', 'reason'),
        _of_calls('ring_seconds', 'For how long telephones rang.'),
        _of_calls('talk_seconds', 'For how long people talked.'),
    ),
    'busd.call.missed': (_count('missed_calls', 'Calls that nobody answered.', 'direction', 'reason'),),
    'busd.call.returned': (
        Measure(
            'wazo_busd_telephony_return_seconds',
            'How long it took until a caller whose call was missed was called back.',
            seconds='returned_after_seconds',
            bounds=(60.0, 300.0, 900.0, 1800.0, 3600.0, 14400.0, 28800.0, 86400.0),
        ),
    ),
    'busd.call.emergency': (_count('emergency_calls', 'Calls for help.'),),
    'busd.call.long_hold': (_count('long_holds', 'Calls that were on hold for long.'),),
    'busd.queue.answered': (_wait('answered'),),
    'busd.queue.abandoned': (_wait('abandoned'),),
    'busd.queue.sla_missed': (_count('sla_missed', 'Callers who waited for longer than they should.', 'queue'),),
    'busd.queue.nobody_logged_in': (
        _count('queue_staff_changes', 'How often a queue lost its last agent, or got one again.', 'queue', 'state'),
    ),
    **_family(
        'agent_changes',
        'What agents did.',
        'change',
        {f'busd.agent.{each}': each for each in ('logged_in', 'logged_out', 'paused', 'unpaused')},
    ),
    **{
        f'busd.fax.{result}': (
            _count('faxes', 'Faxes, by what became of them.', result=result),
            *(
                (
                    Measure(
                        'wazo_busd_telephony_fax_seconds',
                        'How long a fax took.',
                        fixed=(('result', result),),
                        seconds='seconds',
                        bounds=_FAX,
                    ),
                )
                if result in ('sent', 'failed')
                else ()
            ),
        )
        for result in ('sent', 'failed', 'stuck', 'received')
    },
    **_family(
        'voicemails',
        'Voicemail messages, by what happened to them.',
        'what',
        {f'busd.voicemail.{each}': each for each in ('left', 'read', 'unread', 'deleted', 'transcribed')},
    ),
    'busd.conference.opened': (_count('conferences', 'Rooms that somebody came into first.', 'kind'),),
    'busd.conference.closed': (
        Measure(
            'wazo_busd_telephony_conference_seconds',
            'How long somebody was in a room.',
            (('kind', 'kind'),),
            seconds='seconds',
            bounds=_MEETING,
        ),
    ),
    **{
        f'busd.availability.{state}': (
            _count('availability_changes', 'What went down, came up or flaps.', 'kind', state=state),
        )
        for state in ('down', 'up', 'flapping')
    },
    **_family(
        'plugin_changes',
        'What became of installations of plugins of Wazo.',
        'what',
        {f'busd.plugin.{each}': each for each in ('installed', 'removed', 'failed', 'stuck')},
    ),
    'busd.audit.change': (_count('audit_changes', 'What people changed.', 'what', 'action'),),
    'busd.guard.risky': (_count('risks', 'What can cost money or give somebody access.', 'kind'),),
}
"""What is counted of derived events, by their names."""
