# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The fact: what a derived event is known by that follows from more than one event."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fact:
    """Says which fact a derived event announces, and whom it concerns.

    With it the event is the same to the byte, and has the same id, whichever of the events that it follows from came
    last, and however often. Data that differ make it another one.

    Attributes:
        key: what the fact is known by among those of its name, as in the call it is about.
        tenant_uuid: the tenant that it concerns; `None` where that is not known.
        user_uuids: the users that it concerns.
        origin_uuid: the host that it happened on; this one if `None`.
    """

    key: str
    tenant_uuid: str | None = None
    user_uuids: tuple[str, ...] = ()
    origin_uuid: str | None = None
