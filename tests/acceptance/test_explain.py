# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`wazo-busd explain` and `wazo-busd test` on a configuration of thirty handlers: every no names its reason."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from wazo_busd.config import ThrottleConfig
from wazo_busd.event import Event
from wazo_busd.throttle import Throttle, file_of

TENANT = 'bd72b051-fd14-40be-9c3d-6b5fe65271ca'
OTHER = '8e58d2a7-cfed-4c2e-ac72-14e0b5c26dc2'
USER = '2e752722-0864-4665-887d-a78a024cf7c7'

PLUGINS = {
    'teller.py': """
        from wazo_busd.api import BaseOptions, Discard, PlainText, handler

        class Teller:
            class Options(BaseOptions):
                text: PlainText = ''
                leaves_out: bool = False
                breaks: bool = False

            def __init__(self, context):
                self.context = context

            async def start(self):
                raise RuntimeError('a plugin is not started here')

            @handler
            async def on_event(self, event):
                raise RuntimeError('nothing is sent here')

            def preview(self, event):
                if self.context.options.leaves_out:
                    raise Discard('it is about no call')
                if self.context.options.breaks:
                    raise ZeroDivisionError('a mistake')
                return {'text': self.context.options.text.render(event, self.context)}
    """,
    'quiet.py': """
        from wazo_busd.api import handler

        class Quiet:
            @handler('calls.#')
            async def on_call(self, event): ...

            @handler('queues.#')
            async def on_queue(self, event): ...
    """,
    'broken.py': "raise OSError('no such device')",
}

FAX = 'plugin: teller, match: fax_outbound_failed'


@dataclass(frozen=True)
class Row:
    """A handler, and what is said of it: its ruling, and how the one reason begins."""

    config: str
    ruling: str = 'runs'
    reason: str = ''


HANDLERS = {
    'by-name': Row(FAX),
    'by-pattern': Row('plugin: teller, match: faxes.#'),
    'all': Row('plugin: teller, match: "#"'),
    'texts': Row(f'{FAX}, options: {{text: "Fax to {{{{ data.extension }}}} failed"}}'),
    'when-true': Row(f'{FAX}, when: data.error == "busy"'),
    'in-hours': Row(f'{FAX}, schedule: always'),
    'gathers': Row(f'{FAX}, collapse: 30s, options: {{text: "{{{{ burst.count }}}} faxes"}}'),
    'other-key': Row('plugin: teller, match: calls.#', 'not', 'match: the key faxes.outbound.1.failed and the name'),
    'other-name': Row('plugin: teller, match: call_created', 'not', 'match: the key'),
    'one-word': Row('plugin: teller, match: "faxes.*"', 'not', 'match: in faxes.* a * is one word only; faxes.# would'),
    'no-method': Row('plugin: quiet, match: faxes.#', 'not', 'plugin: quiet takes calls.#, queues.#'),
    'tenants': Row(f'{FAX}, tenants: {OTHER}', 'not', f'tenants: it is of the tenant {TENANT}'),
    'users': Row(f'{FAX}, users: {OTHER}', 'not', f'users: it names the user {USER}'),
    'acl': Row(f'{FAX}, acl: events.calls.#', 'not', 'acl: it requires events.faxes.outbound'),
    'acl-taken': Row(f'{FAX}, acl: ["events.#", "!events.faxes.#"]', 'not', 'acl: it requires events.faxes.outbound'),
    'where': Row(f'{FAX}, where: {{data.error: no-answer}}', 'not', "where: data.error is 'busy'"),
    'where-missing': Row(f'{FAX}, where: {{data.pages: 3}}', 'not', 'where: data.pages is not in the event'),
    'where-regex': Row(f'{FAX}, where: {{data.extension: "~^06"}}', 'not', "where: data.extension is '1002'"),
    'where-unlike': Row(f'{FAX}, where: {{data.error: ["!busy", "!no"]}}', 'not', 'where: data.error is'),
    'when': Row(f'{FAX}, when: data.error != "busy"', 'not', 'when: data.error != "busy" is false'),
    'when-missing': Row(f'{FAX}, when: data.pages > 3', 'not', 'when: data.pages > 3 is false: data.pages is not'),
    'when-part': Row(f'{FAX}, when: attempt == 1 and data.error == "x"', 'not', 'when: data.error == "x" is false'),
    'out-of-hours': Row(f'{FAX}, schedule: never', 'not', 'schedule: never is closed at'),
    'not-outside': Row(f'{FAX}, schedule: "!always"', 'not', 'schedule: always is open at'),
    'expired': Row(f'{FAX}, expires_after: 5m', 'not', 'expires_after: it is 36'),
    'throttled': Row(f'{FAX}, throttle: {{once_within: 1d, per: data.extension}}', 'not', 'throttle: one with this'),
    'switched-off': Row(f'{FAX}, enabled: false', 'not', 'enabled: it is switched off'),
    'no-import': Row('plugin: broken, match: faxes.#', 'not', 'no such device'),
    'no-use': Row(f'{FAX}, options: {{leaves_out: true}}', 'not', 'plugin: it has no use for the event: it is about'),
    'no-sum': Row(f'{FAX}, when: data.pages_left / 0 > 1', 'dead', 'handler no-sum: it cannot be said whether'),
    'no-text': Row(f'{FAX}, options: {{text: "{{{{ data.nothing }}}}"}}', 'dead', 'handler no-text, options.text'),
    'no-preview': Row(f'{FAX}, options: {{breaks: true}}', 'unknown', 'plugin: teller could not say'),
}


@dataclass(frozen=True)
class Site:
    """A configuration, and the command line beside it."""

    directory: Path

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, '-m', 'wazo_busd', *arguments, '-c', str(self.directory / 'config.yml')]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def write(self, name: str, content: Any) -> str:
        (self.directory / name).write_text(json.dumps(content))
        return str(self.directory / name)


@pytest.fixture(scope='module')
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    directory = tmp_path_factory.mktemp('site')
    plugins = directory / 'plugins.d'
    plugins.mkdir(mode=0o755)
    for name, text in PLUGINS.items():
        (plugins / name).write_text('\n'.join(line[8:] if line[:8].isspace() else line for line in text.splitlines()))
    handlers = '\n'.join(f'  {name}: {{{row.config}}}' for name, row in HANDLERS.items())
    (directory / 'config.yml').write_text(
        f'plugin_dirs: [{plugins}]\nstate_dir: {directory}\n'
        'schedules:\n'
        '  always: {hours: {mon-sun: "00:00-24:00"}}\n'
        '  never: {hours: {mon-sun: "00:00-24:00"}, closed: "01-01..12-31"}\n'
        f'handlers:\n{handlers}\n'
    )
    return Site(directory)


def fax(**headers: Any) -> dict[str, Any]:
    """A fax that failed an hour ago."""
    data = {'id': 1, 'error': 'busy', 'extension': '1002', 'pages_left': 2, 'user_uuid': USER}
    said = {
        'name': 'fax_outbound_failed',
        'timestamp': datetime.fromtimestamp(time.time() - 3600).isoformat(),  # noqa: DTZ006 — as services send it
        'tenant_uuid': TENANT,
        'required_acl': 'events.faxes.outbound.failed',
        f'user_uuid:{USER}': True,
        **headers,
    }
    key = 'faxes.outbound.1.failed'
    return {'exchange': 'wazo-headers', 'routing_key': key, 'headers': said, 'body': {**said, 'data': data}}


@pytest.fixture(scope='module')
def explained(site: Site) -> dict[str, Any]:
    """What explain says of each handler."""
    config = ThrottleConfig(once_within=86_400.0, per='data.extension')
    throttle = Throttle('throttled', config, file_of(site.directory, 'throttled'))
    throttle.open()
    throttle.lets(Event('fax_outbound_failed', {'extension': '1002'}))
    throttle.close()
    done = site.run('explain', site.write('fax.json', fax()), '--render', '-o', 'json')
    assert done.returncode == 0, done.stderr
    return {each['handler']: each for each in json.loads(done.stdout)['handlers']}


def test_there_are_thirty_handlers_and_some(explained: dict[str, Any]) -> None:
    assert (len(explained) >= 30, list(explained)) == (True, list(HANDLERS))


@pytest.mark.parametrize('name', HANDLERS)
def test_of_each_handler_it_is_said_whether_it_runs(name: str, explained: dict[str, Any]) -> None:
    assert explained[name]['ruling'] == HANDLERS[name].ruling


@pytest.mark.parametrize('name', [name for name, row in HANDLERS.items() if row.ruling != 'runs'])
def test_every_no_names_its_reason(name: str, explained: dict[str, Any]) -> None:
    assert [each for each in explained[name]['reasons'] if HANDLERS[name].reason in each], explained[name]


@pytest.mark.parametrize('name', [name for name, row in HANDLERS.items() if row.ruling == 'runs'])
def test_a_yes_has_no_reasons(name: str, explained: dict[str, Any]) -> None:
    assert explained[name]['reasons'] == []


def test_what_runs_shows_what_it_would_send(explained: dict[str, Any]) -> None:
    sends = [explained[name]['sends'] for name in ('texts', 'gathers')]

    assert sends == [{'text': 'Fax to 1002 failed'}, {'text': '1 faxes'}]


def test_a_person_reads_the_same(site: Site, explained: dict[str, Any]) -> None:
    said = site.run('explain', site.write('fax.json', fax()), '--render').stdout

    # Asked twice, at two moments.
    reasons = [
        re.sub(r'it is .* s old.*|was let through .*|\w+ \d{4}-\d\d-\d\d \d\d:\d\d', '', reason)
        for each in explained.values()
        for reason in each['reasons']
    ]
    assert [reason for reason in reasons if f'\n  {reason}' not in said] == []


# ---- the same in cases


def late_fax() -> dict[str, Any]:
    return {'event': fax(timestamp='2026-11-25T09:00:00'), 'at': '2026-11-25 10:00'}


def test_a_case_that_expects_all_of_them_says_of_every_no_why(site: Site) -> None:
    path = site.write('all.yml', {'all run': {**late_fax(), 'sent': list(HANDLERS)}})
    (case,) = json.loads(site.run('test', path, '-o', 'json').stdout)['cases']
    told = {each['handler']: each['reasons'] for each in case['differences']}
    # In a case nothing came before.
    wanted = {name: row.reason for name, row in HANDLERS.items() if row.ruling != 'runs' and name != 'throttled'}

    assert {name: any(wanted[name] in each for each in told[name]) for name in told} == dict.fromkeys(wanted, True)


def test_cases_that_say_what_is_so_pass(site: Site) -> None:
    runs = [name for name, row in HANDLERS.items() if row.ruling == 'runs']
    asked = [name for name, row in HANDLERS.items() if row.ruling != 'unknown']
    sent = {**dict.fromkeys([*runs, 'throttled']), 'texts': {'text': 'Fax to 1002 failed'}}
    once = {**late_fax(), 'handlers': asked, 'sent': sent, 'dead': ['no-sum', 'no-text']}
    again = {'event': fax(timestamp='2026-11-25T11:00:00'), 'after': '2h', 'handlers': 'throttled', 'sent': []}
    later = {
        'event': fax(timestamp='2026-11-26T10:00:00'),
        'after': '22h',
        'handlers': 'throttled',
        'sent': 'throttled',
    }
    done = site.run('test', site.write('right.yml', {'as it is': [once, again, later]}))

    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, '1 passed, 0 failed'), done.stdout


def test_a_case_that_fails_shows_what_is_sent_instead(site: Site) -> None:
    path = site.write('wrong.yml', {'a text': {**late_fax(), 'handlers': 'texts', 'sent': {'texts': {'text': 'Fax'}}}})
    done = site.run('test', path)

    assert (done.returncode, done.stdout.splitlines()[-3:]) == (
        1,
        ['        - "Fax"', '        + "Fax to 1002 failed"', '0 passed, 1 failed'],
    )
