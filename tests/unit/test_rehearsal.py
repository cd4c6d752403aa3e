# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The rehearsal: what plugins say that they would send, whatever their code does."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent, indent
from typing import Any

import pytest

from wazo_busd import roster
from wazo_busd.config import load
from wazo_busd.errors import PluginError
from wazo_busd.event import Event
from wazo_busd.plugin import describe, handler
from wazo_busd.rehearsal import Rehearsal
from wazo_busd.verdict import Ruling, Verdict

PLUGIN = """
from wazo_busd.api import Discard, Permanent, handler

class Teller:
    def __init__(self, context):
        self.count = 0

    @handler
    async def on_event(self, event): ...

{preview}
"""


class Stage:
    """A configuration with one plugin, `teller`, in a directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def rehearsal(self, preview: str, handler_: str = '{plugin: teller, match: "#"}') -> Rehearsal:
        plugins = self._directory / 'plugins.d'
        plugins.mkdir(mode=0o755, exist_ok=True)
        (plugins / 'teller.py').write_text(PLUGIN.format(preview=indent(dedent(preview).strip(), '    ')))
        (self._directory / 'secret').write_text('s3cr3t-w0rd')
        (self._directory / 'secret').chmod(0o600)
        path = self._directory / 'config.yml'
        path.write_text(f'plugin_dirs: [{plugins}]\nhandlers:\n  teller: {handler_}\n')
        configuration = load(path)
        names = roster.call(configuration)
        assert ([*configuration.problems], names.problems) == ([], [])
        return Rehearsal(configuration, names)

    async def tell(self, preview: str, *events: Event, **more: Any) -> list[Verdict]:
        with self.rehearsal(preview, **more) as rehearsal:
            return [(await rehearsal.verdicts(event))[0] for event in events or (Event('x', {'a': 1}),)]


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


@pytest.mark.parametrize(
    'preview',
    [
        "def preview(self, event): return {'data': event.data}",
        "async def preview(self, event): return {'data': event.data}",
        "def preview(self, event, context): return {'data': event.data if context.name == 'teller' else 0}",
    ],
)
async def test_a_preview_is_told_in_whatever_form_it_is_written(preview: str, stage: Stage) -> None:
    assert [each.sends for each in await stage.tell(preview)] == [{'data': {'a': 1}}]


async def test_a_plugin_without_a_preview_tells_nothing(stage: Stage) -> None:
    assert [(each.ruling, each.sends) for each in await stage.tell('')] == [(Ruling.RUNS, None)]


async def test_values_become_those_of_json(stage: Stage) -> None:
    (told,) = await stage.tell("def preview(self, event): return {'body': b'x', 'many': (1, 2)}")

    assert told.sends == {'body': 'x', 'many': [1, 2]}


async def test_what_a_plugin_remembers_it_remembers_from_one_event_to_the_next(stage: Stage) -> None:
    preview = """
    def preview(self, event):
        self.count += 1
        return {'count': self.count}
    """
    told = await stage.tell(preview, Event('x'), Event('x'))

    assert [each.sends for each in told] == [{'count': 1}, {'count': 2}]


async def test_secrets_of_files_are_shown_nowhere(stage: Stage, tmp_path: Path) -> None:
    handler_ = f'{{plugin: teller, match: "#", options: {{word: "${{file:{tmp_path}/secret}}"}}}}'
    preview = """
    def preview(self, event, context):
        word = context.options.word
        return {'in': [f'a {word} b'], 'key': {word: 1}}
    """
    (told,) = await stage.tell(preview, handler_=handler_)

    assert told.sends == {'in': ['a … b'], 'key': {'…': 1}}


@pytest.mark.parametrize(
    ('does', 'ruling', 'said'),
    [
        ("raise Discard('of no use')", Ruling.NOT, 'plugin: it has no use for the event: of no use'),
        ("raise Permanent('no text')", Ruling.DEAD, 'no text'),
        ('return 1 / 0', Ruling.UNKNOWN, 'ZeroDivisionError'),
        ("raise SystemExit('bye')", Ruling.UNKNOWN, 'SystemExit: bye'),
        ("return ['x']", Ruling.UNKNOWN, 'preview returned list, and a map'),
        ("context.http.post('http://127.0.0.1')", Ruling.UNKNOWN, 'a preview sends nothing'),
        ('context.guarded_http()', Ruling.UNKNOWN, 'a preview sends nothing'),
        ("await context.emit('busd.x', 1)", Ruling.UNKNOWN, 'a preview sends nothing'),
        ('await __import__("asyncio").sleep(3600)', Ruling.UNKNOWN, 'TimeoutError'),
    ],
)
async def test_whatever_a_preview_raises_is_told(does: str, ruling: Ruling, said: str, stage: Stage) -> None:
    handler_ = '{plugin: teller, match: "#", timeout: 50ms}'
    (told,) = await stage.tell(f'async def preview(self, event, context): {does}', handler_=handler_)

    assert (told.ruling, [said in each for each in told.reasons]) == (ruling, [True])


async def test_an_event_is_let_through_once_within_its_time(stage: Stage) -> None:
    handler_ = '{plugin: teller, match: "#", throttle: {once_within: 10m, per: data.a}}'
    with stage.rehearsal('', handler_) as rehearsal:
        events = [(Event('x', {'a': a}), at) for a, at in ((1, 0.0), (1, 300.0), (2, 300.0), (1, 601.0))]
        told = [(await rehearsal.verdicts(event, now=1e9 + at))[0].runs for event, at in events]

    assert told == [True, False, True, True]


async def test_a_burst_so_far_is_what_would_be_sent(stage: Stage) -> None:
    preview = "def preview(self, event): return {'count': event.burst.count}"
    with stage.rehearsal(preview, '{plugin: teller, match: "#", collapse: 30s}') as rehearsal:
        told = [(await rehearsal.verdicts(Event('x'), now=1e9 + at))[0].sends for at in (0.0, 10.0, 29.0, 31.0)]

    assert told == [{'count': count} for count in (1, 2, 3, 1)]


async def test_a_throttle_that_cannot_be_read_is_told(stage: Stage, tmp_path: Path) -> None:
    await stage.tell('', handler_='{plugin: teller, match: "#", throttle: {once_within: 10m}}')
    configuration = load(tmp_path / 'config.yml')
    (tmp_path / 'throttled' / 'teller.jsonl').mkdir(parents=True)
    with Rehearsal(configuration, roster.call(configuration), state_dir=tmp_path) as rehearsal:
        await rehearsal.verdicts(Event('x'))

    assert ['teller.jsonl: Is a directory' in each for each in rehearsal.lacks] == [True]


def test_a_preview_that_takes_no_event_is_refused() -> None:
    class Wrong:
        @handler
        async def on_event(self, event: Event) -> None: ...

        def preview(self) -> dict[str, Any]:
            return {}

    with pytest.raises(PluginError, match='preview cannot be called with an event'):
        describe(Wrong, name='wrong', source='a test', version='1')
