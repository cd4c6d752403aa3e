# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What availability and audit have in common: the sample day, events that come twice or not at all, restarts, junk."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.audit import AuditTracker
from plugins.audit import Options as AuditOptions
from plugins.audit.change import READERS
from plugins.audit.risks import CALLS
from plugins.availability import AvailabilityTracker
from plugins.availability import Options as AvailabilityOptions
from plugins.availability.installations import ACTIONS
from plugins.availability.options import Kind
from plugins.availability.report import KINDS
from plugins.tracking import Derivation
from tests.plugins.hostile import names as hostile_names
from tests.plugins.trackers import golden
from tests.plugins.trackers.rig import (
    Found,
    Make,
    day,
    restarted,
    reversed_batches,
    run,
    runner,
    told,
    twice,
    without_some,
)
from wazo_busd import catalogue
from wazo_busd.codec import encode
from wazo_busd.event import Event

YEAR_SECONDS = 366 * 86_400.0
EVERYTHING: tuple[Kind, ...] = ('asterisk', 'service', 'trunk', 'plugin', 'line', 'peer')


def eager_availability() -> AvailabilityTracker:
    """One that has something to tell of services that are restarted."""
    return AvailabilityTracker(AvailabilityOptions(down_after=1.0, watch=EVERYTHING))


def strict_audit() -> AuditTracker:
    """One that takes few calls for many."""
    options = AuditOptions.model_validate(
        {'risky': ['national'], 'outbound_burst': {'calls': 1, 'within': '30m', 'kinds': ['national', 'international']}}
    )
    return AuditTracker(options, {'1004': 'Zoë\nX'}, 'CA')


MAKES: dict[str, Make] = {
    'audit': golden.TRACKERS['audit'],
    'availability': golden.TRACKERS['availability'],
    'eager availability': eager_availability,
    'strict audit': strict_audit,
}
NAMES = {
    'eager availability': sorted({*KINDS, *ACTIONS}),
    'strict audit': sorted({*READERS, *CALLS}),
}

every_tracker = pytest.mark.parametrize('make', [pytest.param(make, id=name) for name, make in MAKES.items()])


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from texts(key)
            yield from texts(each)
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from texts(each)


def numbers(value: Any) -> Iterator[float]:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from numbers(each)


def derivations(found: list[Found]) -> list[Derivation]:
    return [each.derivation for each in found]


# ---- the sample day


@pytest.mark.parametrize('name', ['audit', 'availability'])
def test_the_day_is_told_as_in_the_file(name: str) -> None:
    assert golden.of_day(name) == golden.path_of(name).read_text(), 'python -m tests.plugins.trackers.golden writes it'


@every_tracker
@pytest.mark.parametrize('era', ['now', '2019'])
def test_hosts_of_every_era_have_something_to_tell(make: Make, era: Any) -> None:
    assert run(make, day(era)) != []


@every_tracker
def test_what_comes_twice_is_told_once(make: Make) -> None:
    assert run(make, twice(day())) == run(make, day())


@every_tracker
def test_what_comes_again_when_all_is_over_is_not_told_again(make: Make) -> None:
    found, tracker = runner(make, day())

    assert [told for each in day() for told in tracker.feed(each, each.received_at)] == []
    assert found != []


@every_tracker
def test_the_order_within_a_batch_does_not_matter(make: Make) -> None:
    assert run(make, reversed_batches(day())) == run(make, day())


@every_tracker
@pytest.mark.parametrize('share', [0.01, 0.2, 0.5, 0.9])
def test_a_restart_changes_nothing(make: Make, share: float) -> None:
    assert run(make, day(), restart_after=int(len(day()) * share)) == run(make, day())


@every_tracker
@pytest.mark.parametrize('seed', [1, 2, 3])
def test_without_some_events_most_is_told_nevertheless(make: Make, seed: int) -> None:
    whole, partly = set(told(run(make, day()))), set(told(run(make, without_some(day(), seed=seed))))

    assert len(whole & partly) >= 0.9 * len(whole) - 1


@every_tracker
@pytest.mark.parametrize('seed', [1, 2, 3])
def test_without_some_events_nothing_stays_for_ever(make: Make, seed: int) -> None:
    _, tracker = runner(make, without_some(day(), share=0.2, seed=seed))
    list(tracker.tick(day()[-1].received_at + YEAR_SECONDS))

    assert (len(tracker), tracker.due()) == (0, None)  # type: ignore[arg-type]


@every_tracker
@pytest.mark.parametrize('seed', [1, 2, 3])
def test_without_some_events_no_number_is_negative(make: Make, seed: int) -> None:
    found, tracker = runner(make, without_some(day(), share=0.2, seed=seed))
    said = [number for each in derivations(found) for number in numbers(each.data)]
    figures = [value for figure in tracker.figures(0.0) for value in figure.values.values()]

    assert [each for each in (*said, *figures) if each < 0] == []


@every_tracker
def test_figures_have_low_cardinality_and_the_names_that_prometheus_wants(make: Make) -> None:
    _, tracker = runner(make, day())
    figures = list(tracker.figures(0.0))

    assert all(len(figure.values) < 40 for figure in figures)
    assert all(figure.name.endswith('_total') == (figure.kind == 'counter') for figure in figures)
    assert all(len(labels) == len(figure.labels) for figure in figures for labels in figure.values)


# ---- the catalogue


def unlike_catalogue(derivation: Derivation) -> Iterator[str]:
    """What the catalogue does not say of a derived event."""
    entry = catalogue.find(derivation.name)
    if entry is None:
        yield f'{derivation.name} is unknown'
        return
    for name, value in derivation.data.items():
        if name not in entry.fields or not entry.fields[name].accepts(value):
            yield f'{derivation.name}: {name} is {value!r}'
    yield from (f'{derivation.name}: no {name}' for name in entry.fields if name not in derivation.data)


@every_tracker
def test_all_that_is_told_is_as_in_the_catalogue(make: Make) -> None:
    said = derivations(run(make, day()))

    assert [fault for each in said for fault in unlike_catalogue(each)] == []


# ---- junk

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | hostile_names,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
UUIDS = st.sampled_from(['2e752722-0864-4665-887d-a78a024cf7c7', 'a1223fe6-bff8-4fb6-a982-f9157dea5094'])
WORDS = st.sampled_from(
    ['Reachable', 'Unreachable', 'Registered', 'Rejected', 'starting', 'error', 'outbound', '+33123456789']
)
FIELDS = sorted(
    {field for names in NAMES.values() for name in names if (entry := catalogue.find(name)) for field in entry.fields}
)
DATA = JSON | st.dictionaries(st.sampled_from(FIELDS), UUIDS | WORDS | st.booleans() | JSON, max_size=len(FIELDS))
HEADERS = st.fixed_dictionaries({}, optional={'origin_uuid': JSON, 'tenant_uuid': JSON, 'timestamp': JSON})
PAIRS = [pytest.param(MAKES[tracker], name, id=name) for tracker, names in NAMES.items() for name in names]


@pytest.mark.parametrize(('make', 'name'), PAIRS)
@given(data=st.lists(st.tuples(DATA, HEADERS, st.floats(-100, 100)), max_size=8))
def test_whatever_an_event_says_does_no_harm(make: Make, name: str, data: list[tuple[Any, Any, float]]) -> None:
    tracker, now, said = make(), 1_777_881_600.0, []
    for number, (content, headers, later) in enumerate(data):
        event = Event(name, content, headers=headers, received_at=now + later)
        said += list(tracker.feed(event, now + 10 * number + later))
        said += list(tracker.tick(now + 10 * number))
        tracker = restarted(make, tracker)
    said += list(tracker.tick(now + 86_400.0))

    assert len(encode(tracker.dump())) < 4000 + 10_000 * len(data)
    assert [fault for each in said for fault in unlike_catalogue(each)] == []
    assert [text for each in said for text in texts(dict(each.data)) if not text.isprintable()] == []
    assert all(len(user) == 36 for each in said for user in (*each.user_uuids, each.tenant_uuid or '-' * 36))
    assert all(json.loads(encode(each.dump())) == json.loads(json.dumps(each.dump())) for each in said)


@pytest.mark.parametrize('name', sorted(NAMES))
def test_many_things_take_the_place_of_each_other(name: str) -> None:
    trackers: dict[str, Any] = {
        'eager availability': AvailabilityTracker(AvailabilityOptions(most=10, watch=EVERYTHING)),
        'strict audit': AuditTracker(AuditOptions(most=10), region='CA'),
    }
    tracker = trackers[name]
    for number in range(500):
        who = f'{number:08x}-0864-4665-887d-a78a024cf7c7'
        data: dict[str, Any] = {
            **dict.fromkeys(('uuid', 'user_uuid', 'service_id', 'source_entry_id'), who),
            **dict.fromkeys(('service_name', 'Peer', 'EndpointName', 'Username', 'external_auth_name', 'call_id'), who),
            **dict.fromkeys(('destination', 'dialed_extension'), '+33123456789'),
            **dict.fromkeys(('enabled', 'is_caller'), True),
            'id': number,
            'registered': False,
            'status': 'starting',
            'PeerStatus': 'Unreachable',
            'ContactStatus': 'Reachable',
            'Status': 'Failed',
        }
        for each in NAMES[name]:
            event = Event(each, data, headers={'origin_uuid': who}, received_at=float(number))
            list(tracker.feed(event, float(number)))

    assert len(tracker) < 10 * 6 + 2 * 500
