# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The sample: an event that a person has at hand to try handlers with, by its name or written down."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from wazo_busd import catalogue
from wazo_busd.burst import EXCHANGE
from wazo_busd.catalogue import Entry
from wazo_busd.catalogue.publication import Era, Publication, example, publication
from wazo_busd.codec import Limits, decode, deeper_than, encode
from wazo_busd.errors import Undecodable
from wazo_busd.event import Event
from wazo_busd.patterns import KEY_LIMIT

Changes = Iterable[tuple[str, Any]]
"""Dotted fields of an event's data, with what they become."""

_AROUND = ('headers', 'routing_key', 'exchange', 'properties')
"""What stands beside the body where an event is written down; anything else is of the body."""


def of_name(name: str, changes: Changes = (), *, era: Era = 'now', at: float | None = None) -> Publication:
    """The example of an event, as a host of an era sends it.

    Args:
        name: the event, by any of its names.
        changes: what its data says instead.
        era: which hosts.
        at: when it happens, Unix seconds; now if `None`.

    Raises:
        UnknownEvent: no event is called so.
        ValueError: a change is none.
    """
    entry = catalogue.known(name)
    data = example(entry, era)
    change(data, changes)
    return publication(entry, data, name=called(name, entry, era), era=era, at=_local(at))


def of_content(said: Any, changes: Changes = (), *, era: Era = 'now', at: float | None = None) -> Publication:
    """An event that is written down.

    Args:
        said: a map with `exchange`, `routing_key`, `headers` and `body`, as `wazo-busd emit --dry-run` shows it; or of
            `wazo-busd dead show -o json`; or the body alone, with `name` and `data`. What is not given is as a host of
            the era sends it, if the event is known.
        changes: what its data says instead.
        era: which hosts.
        at: when it happened, Unix seconds, whatever it says itself; if `None`, what it says, else now.

    Raises:
        ValueError: it is no event; the text says what was expected.
    """
    if isinstance(said, list) and len(said) == 1:
        said = said[0]
    if not isinstance(said, Mapping):
        raise _mistake('an event is a map, with name and data, or with routing_key, headers and body')
    made = _whole(said, era) if 'body' in said else _completed(said, era)
    data = made.body.setdefault('data', {})
    if isinstance(data, dict):
        change(data, changes)
    elif any(True for _ in changes):
        raise _mistake('the data of the event is no map, so that it has no fields to change')
    if at is not None and (era == 'now' or 'timestamp' in made.headers):
        moment = {'timestamp': _local(at).isoformat()}  # type: ignore[union-attr]
        made = replace(made, headers={**made.headers, **moment}, body={**made.body, **moment})
    return made


def event_of(made: Publication, *, at: float | None = None, limits: Limits | None = None) -> Event:
    """The event, as the daemon gets it.

    Args:
        made: what a host sends.
        at: when it arrives, Unix seconds; now if `None`.
        limits: what a body may be at most.

    Raises:
        Undecodable: the daemon takes it for no event.
    """
    most = limits or Limits()
    if deeper_than(made.body, most.depth):
        raise Undecodable(f'the body is nested deeper than {most.depth} levels (bus.max_depth)')
    return decode(
        encode(made.body),
        headers=made.headers,
        routing_key=made.routing_key,
        exchange=made.exchange,
        received_at=time.time() if at is None else at,
        redelivered=False,
        limits=most,
    )


def change(data: dict[str, Any], changes: Changes) -> None:
    """Put values into the data of an event. A dot goes into a map, which is made if it is not there.

    Raises:
        ValueError: a field is none, or goes into what is no map.
    """
    for name, value in changes:
        *parents, last = name.split('.')
        if not (last and all(parents)):
            raise _mistake(f'{name!r} is no field, as in extension or message.folder.name')
        target: Any = data
        for part in parents:
            target = target.setdefault(part, {})
            if not isinstance(target, dict):
                raise _mistake(f'{part!r} in {name!r} is no map')
        target[last] = value


def called(name: str, entry: Entry, era: Era) -> str:
    """The name to publish with: an alias that was asked for; `''` for what that era calls the event."""
    return name if name in entry.aliases and not (era == '2019' and entry.name_2019) else ''


def _whole(said: Mapping[str, Any], era: Era) -> Publication:
    body = said['body']
    if isinstance(body, str):
        body = _parsed(body)
    if not isinstance(body, Mapping):
        raise _mistake('the body of an event is a map, with name and data')
    more = said['properties'] if isinstance(said.get('properties'), Mapping) else {}
    around = {'headers': more.get('headers'), **{key: said[key] for key in _AROUND if said.get(key) is not None}}
    return _completed({**body, **{key: value for key, value in around.items() if value is not None}}, era)


def _completed(said: Mapping[str, Any], era: Era) -> Publication:
    """The event with what a host sends beside what is said of it."""
    headers = said.get('headers') or {}
    if not isinstance(headers, Mapping):
        raise _mistake('headers is a map')
    name = headers.get('name', said.get('name'))
    key, exchange = said.get('routing_key'), said.get('exchange')
    if any(each is not None and not isinstance(each, str) for each in (name, key, exchange)):
        raise _mistake('name, routing_key and exchange are texts')
    if not all(map(_is_sendable, (key or '', exchange or ''))):
        raise _mistake(f'routing_key and exchange have {KEY_LIMIT} bytes at most, in UTF-8')
    if exchange == EXCHANGE:
        raise _mistake('it is a burst of several events; take one of them, out of events in its body')
    own = {each: value for each, value in said.items() if each not in (*_AROUND, 'data')}
    data = said.get('data', {})
    entry = catalogue.find(name) if name and key is None else None
    if entry is None or not entry.routing_keys:
        if not (name or key):
            raise _mistake('an event has a name, or a routing_key')
        return Publication(exchange or 'wazo-headers', key or name or '', {**own, **headers}, {**own, 'data': data})
    made = publication(
        entry,
        data if isinstance(data, Mapping) else {},
        name=called(str(name), entry, era),
        era=era,
        exchange=exchange,
        users=Event(str(name), headers=headers).user_uuids or None,
        tenant=Event(str(name), headers={**own, **headers}).tenant_uuid,
    )
    return replace(made, headers={**made.headers, **own, **headers}, body={**made.body, **own, 'data': data})


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise _mistake('the body of an event is JSON') from None


def _local(at: float | None) -> datetime | None:
    """Local time without a zone, as services send it."""
    return None if at is None else datetime.fromtimestamp(at)  # noqa: DTZ006


def _is_sendable(text: str) -> bool:
    try:
        return len(text.encode()) <= KEY_LIMIT
    except UnicodeEncodeError:
        return False


def _mistake(text: str) -> ValueError:
    return ValueError(text)
