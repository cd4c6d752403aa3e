# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The fax: what is remembered of one that is sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from wazo_busd.api import Event

from ..tracking import text_of, uuid_of


@dataclass(slots=True)
class Fax:
    """A fax on its way out, or one that has arrived or failed.

    Attributes:
        id: what the host calls it.
        call_id: the call that sends it.
        extension: where it is sent to.
        context: the context of that extension.
        caller_id: what the recipient sees.
        user_uuid: who sent it; `None` where no user did.
        tenant_uuid: the tenant that it is sent from.
        origin_uuid: the host that sends it.
        started_at: when it began, in Unix seconds; `None` where nothing was seen of that.
        is_stuck: whether it was said that it is stuck.
        is_over: whether its result is known.
    """

    id: str
    call_id: str | None = None
    extension: str | None = None
    context: str | None = None
    caller_id: str | None = None
    user_uuid: str | None = None
    tenant_uuid: str | None = None
    origin_uuid: str | None = None
    started_at: float | None = None
    is_stuck: bool = False
    is_over: bool = False

    @classmethod
    def of(cls, event: Event, data: Mapping[str, Any], id_: str) -> Fax:
        """What an event says of a fax.

        Args:
            event: the event.
            data: its data.
            id_: the fax.
        """
        return cls(
            id_,
            text_of(data.get('call_id')),
            text_of(data.get('extension')),
            text_of(data.get('context')),
            text_of(data.get('caller_id')),
            uuid_of(data.get('user_uuid')),
            uuid_of(event.tenant_uuid),
            uuid_of(event.origin_uuid),
        )

    @property
    def key(self) -> str:
        """What it is known by among those of all hosts."""
        return f'{self.origin_uuid or ""}/{self.id}'

    @property
    def number(self) -> str | None:
        """What faxes to the same number of the same tenant share; `None` where the number is not known."""
        if self.extension is None:
            return None
        return f'{self.origin_uuid or ""}/{self.tenant_uuid or ""}/{self.extension}'

    def dump(self) -> dict[str, Any]:
        """What `Fax(**dump)` makes the same of."""
        return asdict(self)
