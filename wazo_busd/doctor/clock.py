# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Whether the clock here and those of the services agree, by what events say of when they happened."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from statistics import median

from wazo_busd.doctor.finding import Finding, ok, problem, warning
from wazo_busd.doctor.identity import UUID
from wazo_busd.event import Event

CHECK = 'clock'
_WARNING_SECONDS, _PROBLEM_SECONDS = 2.0, 60.0
_ZONE_SECONDS = 900.0
"""Zones differ by whole quarters of an hour."""
_NEAR_SECONDS = 30.0


def skews(events: Iterable[Event]) -> dict[str, list[float]]:
    """By how many seconds events arrived after they say that they happened, by the host that they come from.

    They say it in local time without a zone (Wazo fact), which is taken for the zone here.

    Args:
        events: events that were heard as they were published.
    """
    found: dict[str, list[float]] = {}
    for event in events:
        at = event.timestamp
        if at is not None:
            found.setdefault(event.origin_uuid or '', []).append(event.received_at - at.timestamp())
    return found


def judge(found: Mapping[str, list[float]]) -> Iterator[Finding]:
    """Whether the clocks agree.

    Args:
        found: the seconds, by host.
    """
    wrong = []
    for origin, seconds in found.items():
        skew = median(seconds)
        if abs(skew) < _WARNING_SECONDS:
            continue
        whose = f'the host {origin}' if UUID.fullmatch(origin) else 'the services'
        way = 'behind' if skew > 0 else 'ahead of'
        number = '1 event' if len(seconds) == 1 else f'{len(seconds)} events'
        zones = round(skew / _ZONE_SECONDS) * _ZONE_SECONDS
        if zones and abs(skew - zones) < _NEAR_SECONDS:
            text = (
                f'the clock of {whose} is {abs(zones) / 3600:g} h {way} the one here, by {number}: another time '
                'zone, as events tell local time without one; expires_after and schedules go wrong by that'
            )
            wrong.append(problem(CHECK, text, 'timedatectl; cat /etc/timezone; systemctl restart wazo-busd'))
            continue
        told = problem if abs(skew) >= _PROBLEM_SECONDS else warning
        text = f'the clock of {whose} is {abs(skew):.1f} s {way} the one here, by {number}'
        wrong.append(told(CHECK, text, 'timedatectl timesync-status; systemctl restart systemd-timesyncd'))
    yield from wrong
    if wrong:
        return
    if not found:
        yield ok(
            CHECK, 'no event that was heard says when it happened, as on hosts of 2019: there is nothing to compare'
        )
        return
    worst = max(abs(median(seconds)) for seconds in found.values())
    yield ok(CHECK, f'it agrees with what events say, within {worst:.1f} s')
