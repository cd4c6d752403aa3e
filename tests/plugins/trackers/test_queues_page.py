# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The page about `queues`: its examples do what it says."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from plugins.log import Log
from plugins.queues import Queues
from plugins.queues.options import QueuesOptions
from plugins.queues.tracker import QueueTracker
from tests.plugins.trackers.queue_events import caller
from tests.plugins.trackers.rig import run
from wazo_busd import catalogue
from wazo_busd.testing import Outcome, deliver, make_event

PAGE = (Path(__file__).parents[3] / 'docs' / 'handlers' / 'queues.md').read_text()
EXAMPLES = [yaml.safe_load(block)['handlers'] for block in re.findall(r'```yaml\n(.*?)```', PAGE, re.DOTALL)]
DERIVED = [entry.name for entry in catalogue.entries() if re.match(r'busd\.(queue|agent)\.', entry.name)]
GIVEN_UP = [caller('QueueCallerJoin', 0), caller('QueueCallerAbandon', 42, HoldTime='42')]


@pytest.mark.parametrize('handlers', EXAMPLES, ids=len)
def test_every_example_matches_what_its_tracker_derives(handlers: dict[str, Any]) -> None:
    options = QueuesOptions(**handlers['queues'].get('options', {}))
    found = run(lambda: QueueTracker(options), GIVEN_UP)

    assert handlers['given-up']['match'] in [each.derivation.name for each in found]


async def test_the_first_example_takes_a_caller_who_gave_up() -> None:
    given_up = run(lambda: QueueTracker(QueuesOptions()), GIVEN_UP)[-1].derivation
    event = make_event(given_up.name, dict(given_up.data), routing_key=given_up.name)

    assert await deliver(Log, event, match=[EXAMPLES[0]['given-up']['match']]) == [Outcome.DONE]


async def test_the_plugin_publishes_who_gave_up(tmp_path: Path) -> None:
    # So long ago that all of it is over, as if the events had waited in the queue.
    begins = datetime.now().astimezone() - timedelta(hours=1)
    events = [
        make_event(each.name, each.data, headers={'timestamp': (begins + timedelta(seconds=at)).isoformat()})
        for at, each in zip((0, 42, 60), [*GIVEN_UP, caller('QueueCallerJoin', 60, '100.2')], strict=True)
    ]
    outcomes = await deliver(Queues, *events, state_dir=tmp_path)

    assert outcomes == [Outcome.DONE] * 3
    assert [each.name for each in outcomes.emitted] == ['busd.queue.sla_missed', 'busd.queue.abandoned']


@pytest.mark.parametrize('name', DERIVED)
def test_every_derived_event_is_on_the_page(name: str) -> None:
    assert f'`{name}`' in PAGE.partition('\n## Derived events\n')[2].partition('\n## ')[0]


@pytest.mark.parametrize('row', re.findall(r'^\| (`busd\..*?) \| .*? \| (.*?) \|$', PAGE, re.MULTILINE), ids=str)
def test_every_field_of_the_table_is_one_of_the_event(row: tuple[str, str]) -> None:
    entries = [entry for name in re.findall(r'`(.*?)`', row[0]) if (entry := catalogue.find(name))]
    fields = {field for entry in entries for field in entry.fields}

    assert set(re.findall(r'`(\w+)`', row[1])) <= fields


def test_every_figure_is_on_the_page() -> None:
    table = PAGE.partition('\n## Figures\n')[2].partition('\n## ')[0]
    names = [each.name.removeprefix('wazo_busd_queues_') for each in QueueTracker(QueuesOptions()).figures(0)]

    assert [name for name in names if name not in table] == []


@pytest.mark.parametrize(
    'options',
    [
        {'waiting_at': 2, 'waiting_until': 2},
        {'queues': {'support': {'waiting_at': 3, 'waiting_until': 4}}},
        {'queues': {'support': {'waiting_until': 7}}},
    ],
    ids=str,
)
def test_a_threshold_that_would_never_be_over_is_a_mistake(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match='has to be below waiting_at'):
        QueuesOptions(**options)


def test_a_queue_with_a_lower_threshold_needs_no_other() -> None:
    own: dict[str, Any] = {'support': {'waiting_at': 1}}

    assert QueuesOptions(queues=own).limits('support').waiting_until == 0
