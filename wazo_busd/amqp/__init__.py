# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The bus on RabbitMQ. It knows handlers' queues and nothing of plugins."""

from wazo_busd.amqp.alarm import Alarm, look_for_alarm
from wazo_busd.amqp.bus import AmqpBus
from wazo_busd.amqp.connection import Unreachable, permissions
from wazo_busd.amqp.dead_letters import ORPHANS, DeadLetter, DeadLetters
from wazo_busd.amqp.ear import Ear, Heard, heard
from wazo_busd.amqp.examination import Depth, Examination
from wazo_busd.amqp.frames import Cut
from wazo_busd.amqp.ledger import Ledger
from wazo_busd.amqp.place import Found, Place, found, places
from wazo_busd.amqp.playback import Playback
from wazo_busd.amqp.properties import WireProperties
from wazo_busd.amqp.publisher import Unsendable
from wazo_busd.amqp.queues import Queues
from wazo_busd.amqp.relocation import Relocation
from wazo_busd.amqp.upstream import publish_upstream

__all__ = [
    'ORPHANS',
    'Alarm',
    'AmqpBus',
    'Cut',
    'DeadLetter',
    'DeadLetters',
    'Depth',
    'Ear',
    'Examination',
    'Found',
    'Heard',
    'Ledger',
    'Place',
    'Playback',
    'Queues',
    'Relocation',
    'Unreachable',
    'Unsendable',
    'WireProperties',
    'found',
    'heard',
    'look_for_alarm',
    'permissions',
    'places',
    'publish_upstream',
]
