# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Calls: answered, answered elsewhere, held, moved to another device, missed."""

from __future__ import annotations

from wazo_busd.demo.day.host import Host, Story
from wazo_busd.demo.day.legs import ANSWERED_ELSEWHERE, NO_ANSWER, NORMAL, Leg, connect
from wazo_busd.demo.day.people import Party, Person, draw_outsider, draw_uuid
from wazo_busd.demo.day.voicemails import message

_COURSES = ('talk', 'outbound', 'hold', 'elsewhere', 'talk', 'relocation', 'missed', 'outbound', 'talk', 'voicemail')


def call(host: Host) -> Story:
    """A call between users, or of a user with somebody outside."""
    course = host.deal('call', _COURSES)
    user = host.free_person(lambda person: not (person.dnd or host.is_agent(person)))
    if user is None:
        return
    if course == 'outbound':
        yield from _outbound(host, user)
        return
    caller = (host.rng.random() < 0.5 and host.free_person()) or draw_outsider(host.rng)
    direction = 'inbound' if caller.user_uuid is None else 'internal'
    first = Leg(host, caller, None, user.number, direction=direction)
    yield first.created()
    yield host.rng.uniform(0.2, 1)
    desk = Leg(host, user, caller, user.number, conversation=first, direction=direction)
    yield desk.created()
    if course in ('missed', 'voicemail'):
        yield from _unanswered(host, first, desk, user, leaves_message=course == 'voicemail')
    elif course == 'elsewhere':
        mobile = Leg(host, user, caller, user.number, conversation=first, direction=direction)
        yield mobile.created()
        yield host.rng.uniform(3, 12)
        yield from _answered(first, mobile)
        yield desk.ended(ANSWERED_ELSEWHERE)
        # One leg of the user has ended, the other goes on.
        user.is_busy = True
        yield from _talk(host)
        yield from _over(host, first, mobile)
    else:
        yield host.rng.uniform(2, 15)
        yield from _answered(first, desk)
        yield from _talk(host)
        if course == 'hold':
            yield from _hold(host, first, desk, user)
        last = desk
        if course == 'relocation':
            last = Leg(host, user, caller, user.number, conversation=first, direction=direction)
            yield from _relocation(host, first, desk, last, user)
        yield from _over(host, first, last)


def _outbound(host: Host, user: Person) -> Story:
    callee = draw_outsider(host.rng)
    first = Leg(host, user, callee, callee.number, direction='outbound')
    yield first.created()
    yield host.rng.uniform(0.5, 2)
    trunk = Leg(host, callee, user, callee.number, conversation=first, direction='outbound')
    yield trunk.created()
    yield host.rng.uniform(3, 20)
    if host.rng.random() < 0.2:
        yield trunk.ended(NO_ANSWER)
        yield first.ended(NO_ANSWER)
        return
    yield from _answered(first, trunk)
    yield from _talk(host)
    yield from _over(host, first, trunk)


def _answered(caller: Leg, callee: Leg) -> Story:
    connect(caller, callee)
    yield from callee.picked_up()
    yield callee.updated()
    yield caller.updated()


def _talk(host: Host) -> Story:
    yield 10 + host.rng.expovariate(1 / 90)


def _hold(host: Host, caller: Leg, callee: Leg, user: Person) -> Story:
    said = {'call_id': callee.call_id, 'user_uuid': user.uuid}
    yield host.say('call_held', said)
    callee.on_hold = True
    yield callee.updated()
    yield host.rng.uniform(5, 60)
    yield host.say('call_resumed', said)
    callee.on_hold = False
    yield callee.updated()
    yield from _talk(host)


def _relocation(host: Host, caller: Leg, before: Leg, after: Leg, user: Person) -> Story:
    """A user takes a call along to another device: that rings, is answered, has the other party, and the first ends."""
    said = {
        'uuid': draw_uuid(host.rng),
        'relocated_call': caller.call_id,
        'initiator_call': before.call_id,
        'recipient_call': after.call_id,
        'completions': ['answer'],
        'initiator': user.uuid,
        'timeout': 30,
        'auto_answer': False,
    }
    yield host.say('relocate_initiated', said)
    yield after.created()
    yield host.rng.uniform(2, 8)
    after.up()
    yield host.say('relocate_answered', said)
    yield 0.2
    connect(caller, after)
    yield after.updated()
    yield caller.updated()
    yield host.say('relocate_completed', said)
    yield before.ended(NORMAL)
    user.is_busy = True
    yield host.say('relocate_ended', said)
    yield from _talk(host)


def _over(host: Host, caller: Leg, callee: Leg) -> Story:
    first, second = host.rng.sample((caller, callee), 2)
    yield first.ended()
    yield 0.05
    yield second.ended()


def _unanswered(host: Host, first: Leg, desk: Leg, user: Person, *, leaves_message: bool) -> Story:
    caller: Party = first.party
    yield host.rng.uniform(15, 25)
    yield desk.ended(NO_ANSWER)
    if leaves_message:
        first.up()
        yield first.updated()
        yield host.rng.uniform(8, 40)
    yield first.ended(NORMAL if leaves_message else NO_ANSWER)
    if host.is_today:
        yield host.say(
            'user_missed_call',
            {
                'user_uuid': user.uuid,
                'caller_user_uuid': caller.user_uuid,
                'caller_id_name': caller.name,
                'caller_id_number': caller.number,
                'dialed_extension': user.number,
                'conversation_id': first.conversation_id,
                'reason': 'no-answer',
            },
        )
    if leaves_message:
        yield 0.5
        yield from message(host, user, caller)
