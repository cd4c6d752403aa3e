# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The conditions: what an event must be, beside what its handler matches, for the handler to want it.

They are `where`, `when`, `schedule` and `expires_after` of a handler.
"""

from wazo_busd.conditions.condition import Condition, Hours, Refusal
from wazo_busd.conditions.field import Field
from wazo_busd.conditions.moment import happened_at
from wazo_busd.conditions.schedule import Schedule, closing_of, days_of, mistaken_days, schedule, span_of
from wazo_busd.conditions.where import Wanted, Where, way_of

__all__ = [
    'Condition',
    'Field',
    'Hours',
    'Refusal',
    'Schedule',
    'Wanted',
    'Where',
    'closing_of',
    'days_of',
    'happened_at',
    'mistaken_days',
    'schedule',
    'span_of',
    'way_of',
]
