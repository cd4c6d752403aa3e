# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Voicemails: a message is left, heard, and deleted."""

from __future__ import annotations

from typing import Any

from wazo_busd.demo.day.host import Host, Story
from wazo_busd.demo.day.people import Party, Person, draw_outsider

_INBOX = {'id': 1, 'name': 'inbox', 'type': 'new'}
_OLD = {'id': 2, 'name': 'old', 'type': 'old'}


def voicemail(host: Host) -> Story:
    """Somebody outside dials the voicemail of a user straight away, from the menu of the office."""
    yield from message(host, host.rng.choice(host.people), draw_outsider(host.rng))


def message(host: Host, user: Person, caller: Party) -> Story:
    """A message that was just left for a user.

    Args:
        host: the host.
        user: whose voicemail it is in.
        caller: who left it.
    """
    host.messages += 1
    id_ = f'{host.clock.epoch}-{host.messages:08x}'
    said = {
        'id': id_,
        'caller_id_name': caller.name,
        'caller_id_num': caller.number,
        'duration': host.rng.randrange(4, 90),
        'timestamp': host.clock.epoch,
    }

    def data(folder: dict[str, Any]) -> dict[str, Any]:
        return {
            'user_uuid': user.uuid,
            'voicemail_id': user.id,
            'message_id': id_,
            'message': {**said, 'folder': folder},
        }

    yield host.say('user_voicemail_message_created', data(_INBOX))
    yield 20 + host.rng.expovariate(1 / 600)
    yield host.say('user_voicemail_message_updated', data(_OLD))
    yield 10 + host.rng.expovariate(1 / 300)
    yield host.say('user_voicemail_message_deleted', data(_OLD))
