# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""CloudEvents 1.0 in JSON: a common form of events that many servers understand."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from wazo_busd.api import Event, escape

_UUID = re.compile(r'[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}')
_TYPE = 'org.wazo-platform.'


def cloudevent(event: Event) -> dict[str, Any]:
    """An event as CloudEvents 1.0 has it.

    What comes over the bus is escaped in attributes, as these have no control characters; `data` is as it came.
    """
    origin = event.origin_uuid
    optional = {
        'subject': event.routing_key,
        'tenantuuid': event.tenant_uuid,
        'useruuids': ','.join(event.user_uuids),
    }
    return {
        'specversion': '1.0',
        'id': event.id,
        'source': f'urn:uuid:{origin}' if origin and _UUID.fullmatch(origin) else 'urn:wazo:unknown',
        'type': _TYPE + escape(event.name or 'unnamed'),
        'time': (event.timestamp or datetime.fromtimestamp(event.received_at, UTC)).isoformat(),
        'datacontenttype': 'application/json',
        **{name: escape(value) for name, value in optional.items() if value},
        'data': event.data,
    }
