# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The page about `calls`: its examples do what it says, and the plugin publishes what its tracker finds."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from plugins.calls import Calls
from plugins.calls.options import CallsOptions
from plugins.calls.tracker import CallsTracker
from plugins.exec import Exec
from tests.plugins.trackers.call_history import Course, Leg, told
from wazo_busd import catalogue
from wazo_busd.event import Event
from wazo_busd.testing import Outcome, deliver, make_event

PAGE = (Path(__file__).parents[3] / 'docs' / 'handlers' / 'calls.md').read_text()
EXAMPLES = [yaml.safe_load(block) for block in re.findall(r'```yaml\n(.*?)```', PAGE, re.DOTALL)]
SHOW = '#!/bin/sh\nfor each; do echo "$each"; done > argv\n'


def section(title: str) -> str:
    return PAGE.partition(f'\n## {title}\n')[2].partition('\n## ')[0]


async def shown(directory: Path, handler: dict[str, Any], event: Event) -> list[str]:
    """What the program of an example is given for an event."""
    program = directory / 'program'
    program.write_text(SHOW)
    program.chmod(0o755)
    options = {**handler['options'], 'argv': [str(program), *handler['options']['argv'][1:]]}
    outcomes = await deliver(Exec, event, options=options, match=handler['match'], state_dir=directory)
    assert outcomes == [Outcome.DONE]
    return (directory / 'argv').read_text().splitlines()


async def derived(events: list[Event], example: dict[str, Any], name: str) -> Event:
    """The one event of a name that the handler of an example publishes."""
    later = Leg('2019', 'later', '5', '', '6', True).says('call_created', 3_600)
    options = example['handlers']['calls'].get('options', {})
    outcomes = await deliver(Calls, *events, later, options=options, top={'region': example.get('region')})
    (found,) = [each for each in outcomes.emitted if each.name == name]
    return make_event(found.name, found.data)


async def test_the_first_example_tells_of_a_missed_call(tmp_path: Path) -> None:
    event = await derived(told([Course(0, '+14185550142', ('1001',))], '2019'), EXAMPLES[0], 'busd.call.missed')

    assert await shown(tmp_path, EXAMPLES[0]['handlers']['missed'], event) == ['Name +14185550142 called Name 1001']


async def test_the_example_of_a_call_for_help_says_where_it_is(tmp_path: Path) -> None:
    caller = Leg('2019', '1', '1001', '', '911', True)
    event = await derived([caller.says('call_created', 0)], EXAMPLES[1], 'busd.call.emergency')

    assert await shown(tmp_path, EXAMPLES[1]['handlers']['help'], event) == [
        'Name 1001 dials 911: Second floor, room 214'
    ]


def test_the_table_has_all_that_is_told_and_fields_that_are_there() -> None:
    rows = re.findall(r'^\| `(busd\.\S+)` \|.*\| (.*) \|$', section('What it tells'), re.MULTILINE)
    entries = {each.name: each for each in catalogue.entries() if each.name.startswith('busd.call.')}
    unknown = [word for name, said in rows for word in re.findall(r'`(\w+)`', said) if word not in entries[name].fields]

    assert ({name for name, _ in rows}, unknown) == (set(entries), [])


def test_the_figures_are_those_of_the_code() -> None:
    tracker = CallsTracker(CallsOptions())

    assert re.findall(r'^\| `(\w+)` \| (\w+):.*\| `(\w+)` \|$', section('Figures'), re.MULTILINE) == [
        (each.name, each.kind, *each.labels) for each in tracker.figures(0)
    ]


async def test_a_restart_of_the_handler_keeps_what_it_knows(tmp_path: Path) -> None:
    events = told([Course(0, '+14185550142', ('1001',))], '2019')
    later = Leg('2019', 'later', '5', '', '6', True).says('call_created', 3_600)
    await deliver(Calls, *events[:2], state_dir=tmp_path)
    outcomes = await deliver(Calls, *events[2:], later, state_dir=tmp_path)

    assert [each.data['ring_seconds'] for each in outcomes.emitted if each.name == 'busd.call.missed'] == [10.0]
