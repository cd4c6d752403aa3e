# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""An internal call as Asterisk told of it on a real host of 2017: two telephones ring, one answers, two seconds in all.

All events of AMI but `VarSet`, in their order, with what a tracker could look at. The times are those of the channel
event log, in whole seconds. One of the telephones is a member of a queue, which the call has nothing to do with.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tests.plugins.trackers.call_history import Leg
from tests.plugins.trackers.queue_events import ami
from wazo_busd.event import Event

CALLER, ANSWERS, RINGS = '1511987918.22', '1511987918.23', '1511987918.24'
USERS = {
    CALLER: '2e752722-0864-4665-887d-a78a024cf7c7',
    ANSWERS: '3d540bd8-2c92-4887-bed2-f39ecf0db91b',
    RINGS: '3d540bd8-2c92-4887-bed2-f39ecf0db91b',
}
CREATED, ANSWERED, ENDED = 0, 1, 2
"""When things happened, in seconds: the second of its telephones stops as the first one answers."""

_CHANNELS = {
    CALLER: {'Channel': 'SCCP/101-00000004', 'CallerIDNum': '101', 'CallerIDName': 'Alice'},
    ANSWERS: {'Channel': 'SIP/desk-0000000c', 'CallerIDNum': '103', 'CallerIDName': 'Charlie'},
    RINGS: {'Channel': 'SIP/mobile-0000000d', 'CallerIDNum': '103', 'CallerIDName': 'Charlie'},
}
_STATES = {'Down': '0', 'Ring': '4', 'Ringing': '5', 'Up': '6'}

# When, what, of which channel, in which state of it, and one thing more that it says.
_TOLD: list[tuple[int, str, str, str, str]] = [
    (0, 'DeviceStateChange', '', '', 'SCCP/101 INUSE'),
    (0, 'ExtensionStatus', '', '', '101 1'),
    (0, 'ExtensionStatus', '', '', '99101 1'),
    (0, 'Newchannel', CALLER, 'Down', '103'),
    (0, 'Newstate', CALLER, 'Ring', '103'),
    (0, 'UserEvent', CALLER, 'Ring', 'User'),
    (0, 'CEL', CALLER, '', 'CHAN_START'),
    (0, 'ExtensionStatus', '', '', '103 8'),
    (0, 'NewConnectedLine', CALLER, 'Ring', ''),
    (0, 'Newchannel', ANSWERS, 'Down', 's'),
    (0, 'NewConnectedLine', ANSWERS, 'Down', ''),
    (0, 'Newchannel', RINGS, 'Down', 's'),
    (0, 'NewConnectedLine', RINGS, 'Down', ''),
    (0, 'DeviceStateChange', '', '', 'SIP/desk RINGING'),
    (0, 'DeviceStateChange', '', '', 'SIP/mobile RINGING'),
    (0, 'DialBegin', CALLER, 'Ring', ANSWERS),
    (0, 'DialBegin', CALLER, 'Ring', RINGS),
    (0, 'QueueMemberStatus', '', '', '6'),
    (0, 'DeviceStateChange', '', '', 'Queue:everyone_avail INUSE'),
    (0, 'CEL', CALLER, '', 'APP_START'),
    (0, 'CEL', ANSWERS, '', 'CHAN_START'),
    (0, 'CEL', RINGS, '', 'CHAN_START'),
    (0, 'SIPRinging', '', '', ''),
    (0, 'Newstate', RINGS, 'Ringing', 's'),
    (0, 'DialState', CALLER, 'Ring', RINGS),
    (0, 'SIPRinging', '', '', ''),
    (0, 'Newstate', ANSWERS, 'Ringing', 's'),
    (0, 'DialState', CALLER, 'Ring', ANSWERS),
    (1, 'DeviceStateChange', '', '', 'SIP/desk INUSE'),
    (1, 'ExtensionStatus', '', '', '103 9'),
    (1, 'Newstate', ANSWERS, 'Up', 's'),
    (1, 'QueueMemberStatus', '', '', '2'),
    (1, 'DialEnd', CALLER, 'Ring', RINGS),
    (1, 'UserEvent', RINGS, 'Ringing', 'Hangup'),
    (1, 'Hangup', RINGS, 'Ringing', '26'),
    (1, 'ExtensionStatus', '', '', '103 1'),
    (1, 'DeviceStateChange', '', '', 'SIP/mobile NOT_INUSE'),
    (1, 'DialEnd', CALLER, 'Ring', ANSWERS),
    (1, 'CEL', ANSWERS, '', 'ANSWER'),
    (1, 'CEL', RINGS, '', 'HANGUP'),
    (1, 'CEL', RINGS, '', 'CHAN_END'),
    (2, 'HangupRequest', ANSWERS, 'Up', '16'),
    (2, 'Newstate', CALLER, 'Up', 's'),
    (2, 'BridgeCreate', '', '', ''),
    (2, 'BridgeEnter', ANSWERS, 'Up', ''),
    (2, 'BridgeLeave', ANSWERS, 'Up', ''),
    (2, 'UserEvent', ANSWERS, 'Up', 'Hangup'),
    (2, 'Hangup', ANSWERS, 'Up', '16'),
    (2, 'SoftHangupRequest', CALLER, 'Up', '16'),
    (2, 'UserEvent', CALLER, 'Up', 'Hangup'),
    (2, 'BridgeDestroy', '', '', ''),
    (2, 'Newstate', CALLER, 'Down', 's'),
    (2, 'Hangup', CALLER, 'Down', '16'),
    (2, 'DeviceStateChange', '', '', 'SCCP/101 NOT_INUSE'),
    (2, 'DeviceStateChange', '', '', 'SIP/desk NOT_INUSE'),
    (2, 'ExtensionStatus', '', '', '101 0'),
    (2, 'QueueMemberStatus', '', '', '1'),
    (2, 'DeviceStateChange', '', '', 'Queue:everyone_avail NOT_INUSE'),
    (2, 'ExtensionStatus', '', '', '99101 0'),
    (2, 'ExtensionStatus', '', '', '103 0'),
    (2, 'CEL', CALLER, '', 'ANSWER'),
    (2, 'CEL', ANSWERS, '', 'BRIDGE_ENTER'),
    (2, 'CEL', ANSWERS, '', 'BRIDGE_EXIT'),
    (2, 'CEL', ANSWERS, '', 'HANGUP'),
    (2, 'CEL', ANSWERS, '', 'CHAN_END'),
    (2, 'CEL', CALLER, '', 'HANGUP'),
    (2, 'CEL', CALLER, '', 'CHAN_END'),
    (2, 'CEL', CALLER, '', 'LINKEDID_END'),
]


def of_asterisk() -> list[Event]:
    """What Asterisk told of the call."""
    return [ami(name, at, **_said(name, channel, state, more)) for at, name, channel, state, more in _TOLD]


def of_wazo(*callees: str, is_answered: bool = True) -> list[Event]:
    """What a host of the time tells of the legs of the call, each with what Wazo's page has in its example.

    Args:
        callees: the telephones that ring; the first one answers.
        is_answered: whether it does.
    """
    caller, legs = _leg(CALLER), [_leg(each) for each in callees]
    events = [_says(each, 'call_created', CREATED) for each in (caller, *legs)]
    answers = legs[0]
    if is_answered:
        events += [_says(each, 'call_ended', ANSWERED) for each in legs[1:]]
        answers.status, answers.others = 'Up', {CALLER: USERS[CALLER]}
        events.append(_says(answers, 'call_updated', ANSWERED))
        caller.status, caller.others = 'Up', {answers.call_id: USERS[answers.call_id]}
        events.append(_says(caller, 'call_updated', ANSWERED))
        legs = [answers]
    return [*events, *(_says(each, 'call_ended', ENDED) for each in (*legs, caller))]


def in_order(*parts: Iterable[Event]) -> list[Event]:
    """Events of several services, as they come."""
    return sorted((event for part in parts for event in part), key=lambda each: each.received_at)


def _leg(call_id: str) -> Leg:
    is_caller = call_id == CALLER
    number, peer = ('101', '103') if is_caller else ('103', '101')
    return Leg('seed', call_id, number, peer, '103', is_caller, direction='internal')


def _says(leg: Leg, name: str, at: float) -> Event:
    return leg.says(name, at, user_uuid=USERS[leg.call_id], caller_id_name=_CHANNELS[leg.call_id]['CallerIDName'])


def _said(name: str, channel: str, state: str, more: str) -> dict[str, Any]:
    said: dict[str, Any] = {}
    if channel:
        said |= {**_CHANNELS[channel], 'Uniqueid': channel, 'Linkedid': CALLER}
    if state:
        said |= {'ChannelState': _STATES[state], 'ChannelStateDesc': state}
    match name:
        case 'DeviceStateChange':
            said['Device'], said['State'] = more.split()
        case 'ExtensionStatus':
            said['Exten'], said['Status'] = more.split()
        case 'QueueMemberStatus':
            member = {'Queue': 'everyone', 'MemberName': 'SIP/desk', 'Interface': 'SIP/desk', 'Membership': 'static'}
            said |= {**member, 'Status': more, 'Paused': '0', 'PausedReason': '', 'InCall': '0', 'LastPause': '0'}
        case 'DialBegin' | 'DialState' | 'DialEnd':
            said |= {f'Dest{key}': value for key, value in _CHANNELS[more].items()} | {'DestUniqueid': more}
        case 'Newchannel' | 'Newstate':
            said['Exten'] = more
        case 'Hangup' | 'HangupRequest' | 'SoftHangupRequest':
            said['Cause'] = more
        case 'CEL':
            said['EventName'], said['UniqueID'] = more, said.pop('Uniqueid')
        case 'UserEvent':
            said |= {'UserEvent': more, 'WAZO_USERUUID': USERS[channel]}
    return said
