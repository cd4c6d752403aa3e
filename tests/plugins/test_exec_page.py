# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The page about `exec`: its examples do what it says."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from plugins.exec import Exec
from wazo_busd import catalogue
from wazo_busd.catalogue.publication import example
from wazo_busd.event import Event
from wazo_busd.testing import Outcome, Outcomes, deliver, make_event

PAGE = (Path(__file__).parents[2] / 'docs' / 'handlers' / 'exec.md').read_text()
EXAMPLES = [
    next(iter(yaml.safe_load(block)['handlers'].values()))
    for block in re.findall(r'```yaml\n(.*?)```', PAGE, re.DOTALL)
]
SHOW = """#!/bin/sh
cat > stdin
tr '\\0' '\\n' < /proc/$$/environ > environ
for each; do echo "$each"; done > argv
"""


def of_catalogue(name: str) -> Event:
    """The catalogue's own example of an event."""
    entry = catalogue.find(name)
    assert entry is not None
    return make_event(name, example(entry))


async def run(directory: Path, handler: dict[str, Any], event: Event, **more: Any) -> Outcomes:
    """Handle an event as an example does, but with a program of the test."""
    program = directory / 'program'
    program.write_text(SHOW)
    program.chmod(0o755)
    options = {**handler['options'], 'argv': [str(program), *handler['options']['argv'][1:]]}
    return await deliver(Exec, event, options=options, match=handler['match'], state_dir=directory, **more)


async def test_the_first_example_gives_a_program_the_number(tmp_path: Path) -> None:
    event = of_catalogue('user_missed_call')

    assert await run(tmp_path, EXAMPLES[0], event) == [Outcome.DONE]
    assert (tmp_path / 'argv').read_text().splitlines() == ['blink', event.data['caller_id_number']]


@pytest.mark.parametrize('handler', EXAMPLES, ids=lambda each: each['options']['argv'][0])
async def test_every_example_runs_with_what_it_matches(tmp_path: Path, handler: dict[str, Any]) -> None:
    assert await run(tmp_path, handler, of_catalogue(handler['match'])) == [Outcome.DONE]


async def test_the_variables_are_those_of_the_code(tmp_path: Path) -> None:
    table = PAGE.partition('\n## Environment\n')[2].partition('\n## ')[0]
    documented = {name for row in re.findall(r'^\| (`.*?) \|', table, re.MULTILINE) for name in re.findall(r'\w+', row)}

    await run(tmp_path, EXAMPLES[0], of_catalogue('user_missed_call'))

    lines = (tmp_path / 'environ').read_text().splitlines()
    assert {line.partition('=')[0] for line in lines} - {'PWD', 'OLDPWD', 'SHLVL', '_'} == documented


async def test_the_fields_are_those_of_the_code(tmp_path: Path) -> None:
    table = PAGE.partition('\n## Standard input\n')[2].partition('\n## ')[0]
    rows = re.findall(r'^\| (`.*?) \|', table, re.MULTILINE)
    documented = [set(re.findall(r'\w+', row)) for row in rows]

    await run(tmp_path, EXAMPLES[0], of_catalogue('user_missed_call'), collapse='30s')

    found = json.loads((tmp_path / 'stdin').read_text())
    assert (set(found), set(found['burst']['events'][0])) == (set().union(*documented), documented[0] | documented[1])


async def test_the_program_reads_an_event_as_the_page_says(tmp_path: Path) -> None:
    (code,) = re.findall(r'```python\n(.*?)```', PAGE, re.DOTALL)
    event = of_catalogue('user_missed_call')
    options = {'argv': [sys.executable, '-c', f'{code}sys.exit(9)']}

    outcomes = await deliver(Exec, event, options=options, state_dir=tmp_path)

    assert outcomes.reasons[0].text == f'{sys.executable} exited with 9\n{event.data["caller_id_name"]}'
