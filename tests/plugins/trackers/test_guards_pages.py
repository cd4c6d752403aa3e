# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The pages about availability and audit: their examples do what they say, with the plugins as the daemon runs them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from plugins.audit import Audit, AuditTracker
from plugins.audit import Options as AuditOptions
from plugins.audit.change import READERS
from plugins.audit.risks import CALLS
from plugins.availability import Availability, AvailabilityTracker
from plugins.availability import Options as AvailabilityOptions
from plugins.availability.installations import ACTIONS
from plugins.availability.report import KINDS
from plugins.notify import Notify
from tests.plugins.trackers.rig import day, runner
from wazo_busd import catalogue
from wazo_busd.catalogue.publication import example
from wazo_busd.event import Event
from wazo_busd.patterns import overlap
from wazo_busd.testing import Outcome, deliver, make_event, preview

DIRECTORY = Path(__file__).parents[3] / 'docs' / 'handlers'
PAGES = {name: (DIRECTORY / f'{name}.md').read_text() for name in ('audit', 'availability')}
EXAMPLES: dict[str, Any] = {
    name: [yaml.safe_load(block)['handlers'] for block in re.findall(r'```yaml\n(.*?)```', page, re.DOTALL)]
    for name, page in PAGES.items()
}
USER = '2e752722-0864-4665-887d-a78a024cf7c7'

every_page = pytest.mark.parametrize('name', sorted(PAGES))


def outlet_of(name: str) -> dict[str, Any]:
    """The handler of the first example that sends something."""
    (outlet,) = [each for each in EXAMPLES[name][0].values() if each['plugin'] != name]
    return dict(outlet)


def rows(page: str, section: str) -> list[str]:
    """The first cells of the table in a section."""
    table = PAGES[page].partition(f'\n## {section}\n')[2].partition('\n## ')[0]
    return re.findall(r'^\| (`.*?) \|', table, re.MULTILINE)


def documented(page: str, section: str) -> set[str]:
    return {word for row in rows(page, section) for word in re.findall(r'`([\w.]+)`', row)}


async def published(plugin: Any, *events: Event, **options: Any) -> list[Any]:
    outcomes = await deliver(plugin, *events, options=options, top={'names': {USER: 'Alice'}, 'region': 'FR'})
    assert set(outcomes) == {Outcome.DONE}
    return [(each.name, each.data['sentence']) for each in outcomes.emitted]


async def test_availability_publishes_what_it_finds_out() -> None:
    trunks = [
        make_event('trunk_status_updated', {'id': 3, 'name': 'carrier', 'registered': each % 2 == 0})
        for each in range(6)
    ]

    assert await published(Availability, *trunks) == [
        ('busd.availability.flapping', 'Trunk carrier is flapping: 5 changes within 600 s')
    ]


async def test_audit_publishes_what_it_finds_out_with_names_and_region() -> None:
    data = {'user_uuid': USER, 'enabled': True, 'destination': '0041446681800'}

    assert await published(Audit, make_event('users_forwards_busy_updated', data)) == [
        ('busd.audit.change', 'Forward on busy of Alice was switched on: to 0041446681800 (before: not known)'),
        ('busd.guard.risky', 'Calls of Alice go to 0041446681800 now, which is in another country'),
    ]


@pytest.mark.parametrize(
    ('plugin', 'names'),
    [(Availability, {*KINDS, *ACTIONS}), (Audit, {*READERS, *CALLS})],
    ids=['availability', 'audit'],
)
async def test_every_event_that_is_read_is_matched_by_any_of_its_names(plugin: Any, names: set[str]) -> None:
    events = [make_event(each, example(entry)) for each in sorted(names) if (entry := catalogue.find(each))]

    assert len(events) == len(names)
    assert await deliver(plugin, *events) == [Outcome.DONE] * len(events)


@every_page
async def test_the_outlet_of_the_example_tells_what_is_derived(name: str) -> None:
    outlet = outlet_of(name)
    options = {**outlet['options'], 'to': 'ntfys://example'}
    derived = [entry for entry in catalogue.entries() if entry.is_derived and overlap(outlet['match'], entry.keys[0])]

    for entry in derived:
        said = await preview(Notify, make_event(entry.name, example(entry)), options=options)
        assert said['messages'][0]['text'] == ' '.join(example(entry)['sentence'].split())
    assert derived != []


@pytest.mark.parametrize(
    ('page', 'file'),
    [('availability', 'busd_availability.yml'), ('audit', 'busd_audit.yml')],
    ids=['availability', 'audit'],
)
def test_all_derived_events_are_on_the_page(page: str, file: str) -> None:
    path = Path(catalogue.__file__).with_name('events') / file
    entries = {each for each in yaml.safe_load(path.read_text()) if not each.startswith('.')}

    assert documented(page, 'Derived events') == entries


@pytest.mark.parametrize(
    ('page', 'tracker'),
    [('availability', AvailabilityTracker(AvailabilityOptions())), ('audit', AuditTracker(AuditOptions()))],
    ids=['availability', 'audit'],
)
def test_all_figures_are_on_the_page(page: str, tracker: Any) -> None:
    assert documented(page, 'Figures') == {figure.name for figure in tracker.figures(0.0)}


def test_a_tracker_of_the_page_takes_the_sample_day() -> None:
    options = AvailabilityOptions.model_validate(EXAMPLES['availability'][1]['availability']['options'])

    assert runner(lambda: AvailabilityTracker(options), day())[0] != []
