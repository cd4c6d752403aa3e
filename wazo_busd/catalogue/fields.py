# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The fields of events: whether any of some known events has a field that somebody asks for."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence

from wazo_busd.catalogue.entry import Entry
from wazo_busd.catalogue.publication import ERAS, publication
from wazo_busd.event import Event

_DERIVED = {'call_id': 'a call_id', 'conference_id': 'a conference_id', 'agent_id': 'an agent_id'}
_USUAL_HEADERS = ('name', 'origin_uuid', 'required_acl', 'required_access', 'tenant_uuid', 'timestamp')
_SHOWN = 12


def lack(way: Sequence[str | int], events: Collection[Entry]) -> tuple[str, str] | None:
    """What is to be said of a field that none of some events has.

    Args:
        way: the way to the field, as in `('data', 'call', 'id')`.
        events: the events, all of whose fields are known.

    Returns:
        What they lack and a hint; `None` if one of them has it, or that is not known.
    """
    first, name = way[0], str(way[1]) if len(way) > 1 else ''
    if not events:
        return None
    if first in _DERIVED:
        has_it = any(_has(each, str(first)) for each in events)
        return None if has_it else (f'no event that it matches has {_DERIVED[str(first)]}', 'name a field of data')
    if first == 'data':
        fields = {field for each in events for field in each.fields}
    elif first == 'headers' and not name.startswith('user_uuid:'):
        fields = {*_USUAL_HEADERS, *(header for each in events for header in each.headers)}
    else:
        return None
    if not name or name in fields:
        return None
    near = difflib.get_close_matches(name, fields, 1)
    hint = f'did you mean {first}.{near[0]}?' if near else f'there are: {", ".join(sorted(fields)[:_SHOWN])}'
    return f'no event that it matches has {first}.{name}', hint


def _has(entry: Entry, attribute: str) -> bool:
    """Whether an event, as hosts of some era send it, has what `attribute` of `Event` derives."""
    for era in ERAS:
        made = publication(entry, era=era)
        event = Event(made.headers['name'], made.body['data'], routing_key=made.routing_key, headers=made.headers)
        if getattr(event, attribute) is not None:
            return True
    return False
