# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Calls, as programs for customers want them: newCall, answer and hangup of each user's leg.

What hosts announce is one event for each leg of a call. A leg of no user, such as that of a trunk, is left out: the
other party of the call is in the legs of the users.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Literal

from wazo_busd.api import Discard, Event

Preset = Literal['zammad', 'crm']

_KINDS = {'call_created': 'newCall', 'call_answered': 'answer', 'call_updated': 'answer', 'call_ended': 'hangup'}
_BUSY, _NO_ANSWER, _NOT_FOUND, _FORWARDED = (17,), (18, 19, 21), (1, 2, 3, 20, 22, 27, 28), (26,)
_CONGESTION = (34, 38, 41, 42, 44, 58)
_CAUSES = (
    dict.fromkeys(_BUSY, 'busy')
    | dict.fromkeys(_NO_ANSWER, 'noAnswer')
    | dict.fromkeys(_NOT_FOUND, 'notFound')
    | dict.fromkeys(_FORWARDED, 'forwarded')
    | dict.fromkeys(_CONGESTION, 'congestion')
)
"""Zammad's words for what Asterisk has numbers for (Q.850)."""

_REMEMBERED = 4096


class Calls:
    """Translates events of calls.

    Args:
        preset: which program they are for.
        names: what people call users, by their UUIDs.
    """

    def __init__(self, preset: Preset, names: Mapping[str, str]) -> None:
        self._preset = preset
        self._names = names
        self._answered: OrderedDict[str, str] = OrderedDict()
        """The event that said of a call that it was answered: further changes of it say so too."""

    def content(self, event: Event) -> dict[str, Any]:
        """What is told of a call.

        Raises:
            Discard: the event says nothing of a call that the program wants to know.
        """
        data = event.data if isinstance(event.data, Mapping) else {}
        kind = _KINDS.get(event.name)
        call_id, user = _text(data.get('call_id')), _text(data.get('user_uuid'))
        if kind is None or not call_id:
            raise Discard('it is about no call')
        if not user:
            raise Discard('it is a leg of no user')
        if kind == 'answer':
            self._answer(event, call_id, data)
        told = self._leg(kind, call_id, user, data)
        if self._preset == 'crm':
            told |= {
                'id': event.id,
                'time': event.timestamp.isoformat() if event.timestamp else None,
                'conversationId': _text(data.get('conversation_id')) or call_id,
                'internal': data.get('direction') == 'internal' if data.get('direction') else None,
                'userUuid': user,
                'tenantUuid': event.tenant_uuid,
            }
        return told

    def _leg(self, kind: str, call_id: str, user: str, data: Mapping[str, Any]) -> dict[str, Any]:
        is_caller = data.get('is_caller') is True
        own, peer = _text(data.get('caller_id_number')), _text(data.get('peer_caller_id_number'))
        dialed = _text(data.get('dialed_extension'))
        told = {
            'event': kind,
            'callId': call_id[:250],
            'direction': 'out' if is_caller else 'in',
            'from': (own if is_caller else peer) or 'anonymous',
            'to': dialed or (peer if is_caller else own),
            'user': self._names.get(user) or _text(data.get('caller_id_name')) or own,
        }
        was_answered = bool(data.get('answer_time')) or data.get('status') == 'Up'
        if kind == 'hangup':
            reason = data.get('reason_code')
            usual = 'normalClearing' if was_answered else 'cancel'
            told['cause'] = _CAUSES.get(reason, usual) if isinstance(reason, int) else usual
        if own and not is_caller and kind != 'newCall' and was_answered:
            told['answeringNumber'] = own
        return told

    def _answer(self, event: Event, call_id: str, data: Mapping[str, Any]) -> None:
        """See that a call is said to be answered once: hosts of 2019 only say that something has changed, each time."""
        if event.name == 'call_updated' and not (data.get('status') == 'Up' and data.get('talking_to')):
            raise Discard('the call is not answered')
        first = self._answered.setdefault(call_id, event.id)
        if len(self._answered) > _REMEMBERED:
            self._answered.popitem(last=False)
        # Another try of the same event is the same answer.
        if first != event.id:
            raise Discard('it was said before that the call is answered')


def _text(value: Any) -> str:
    """A text that says something; `''` for what is none, or Python's `None` printed by a publisher."""
    return value if isinstance(value, str) and value != 'None' else ''
