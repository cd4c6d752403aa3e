# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Dead letters are shown in groups, sent back when the cause is cured, whatever interrupts that, or dropped."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections import Counter

import pytest

from tests.conftest import Broker
from tests.support import eventually_sync
from tests.torture.conftest import MakeSite
from tests.torture.scale import scaled
from tests.torture.site import PATIENCE_SECONDS, Site
from tests.torture.wire import Wire

LETTERS = scaled(150, 501)
KINDS = ('KeyError', 'RuntimeError', 'ValueError')
IDENTITY_LENGTH = 12

PICKY = """
import asyncio
from pathlib import Path
from wazo_busd.api import handler

ERRORS = [KeyError, RuntimeError, ValueError]

@handler('calls.#')
async def picky(event, context):
    error = ERRORS[event.data % 3]
    home = Path(context.options['home'])
    if context.name == 'picky' and not home.joinpath(error.__name__).exists():
        raise error('it does not fit')
    with home.joinpath(context.name).open('a') as file:
        file.write(f'{event.data} {event.id} {event.attempt}\\n')
"""


@pytest.fixture
def site(broker: Broker, make_site: MakeSite) -> Site:
    """A site with dead letters of three kinds."""
    site = make_site(
        broker,
        plugins={'picky': PICKY},
        handlers="""
            picky: {plugin: picky, retry: {attempts: 1}, options: {HOME}}
            easy: {plugin: picky, options: {HOME}}
        """,
    )
    site.start()
    with Wire(broker) as wire:
        for number in range(LETTERS):
            wire.publish(json.dumps({'name': 'x', 'data': number}).encode())
        wire.flush()
        eventually_sync(lambda: wire.depth('wazo-busd.picky.dead') == LETTERS, PATIENCE_SECONDS)
    site.wait_lines('easy', LETTERS)
    return site


def test_dead_letters_are_shown_sent_back_and_dropped(site: Site) -> None:
    shown = site.run('dead', 'list').stdout
    groups = re.findall(r'^ +(\d+)  picky +(\w+): ', shown, re.MULTILINE)
    assert sorted(groups, key=lambda each: each[1]) == [(str(LETTERS // 3), kind) for kind in KINDS]
    # Who has looked leaves them to whoever looks next.
    assert [len(site.dead('picky')) for _ in range(3)] == [LETTERS] * 3
    ids = {json.loads(each['body'])['data']: each['id'] for each in site.dead('picky')}

    # The cause of one kind is cured. Its replay is stopped half-way and killed, and run again.
    cured = {number for number in range(LETTERS) if number % 3 == KINDS.index('ValueError')}
    (site.home / 'ValueError').touch()
    interrupted = _replay_until(site, len(cured) // 2)
    # One more may be on its way to the handler.
    _wait_given_back(site, LETTERS - len(_runs(site)) - 1)
    again = site.run('dead', 'replay', '--handler', 'picky', '--error', 'ValueError', '--yes')
    eventually_sync(lambda: cured <= _runs(site).keys(), PATIENCE_SECONDS)

    runs = _runs(site)
    extra = sum(runs.values()) - len(cured)
    print(f'\n{LETTERS} letters; of {len(cured)} sent back {interrupted} before the kill; {extra} of them twice')
    assert (again.exit_code, set(runs), extra <= 1) == (0, cured, True)
    assert {tuple(line.split()) for line in site.lines('picky')} == {(str(each), ids[each], '1') for each in cured}
    assert len(site.lines('easy')) == LETTERS
    assert {_number(each) for each in site.dead('picky')} == set(range(LETTERS)) - cured

    # What is not cured comes back.
    site.run('dead', 'replay', ids[0][:IDENTITY_LENGTH], '--yes')
    eventually_sync(lambda: {_number(each) for each in site.dead('picky')} >= {0})
    assert site.run('dead', 'show', ids[0][:IDENTITY_LENGTH]).stdout.splitlines()[0] == f'id             {ids[0]}'

    _drop(site)


def _drop(site: Site) -> None:
    none_older = site.run('dead', 'drop', '--older', '1h', '--yes')
    assert (none_older.exit_code, none_older.stderr) == (
        1,
        f'error: no dead letters older than 1h. next: wazo-busd dead list -c {site.config}\n',
    )
    dropped = site.run('dead', 'drop', '--handler', 'picky', '--error', 'KeyError', '--yes')
    assert dropped.stdout.endswith(f'{LETTERS // 3} dead letters dropped\n')
    assert Counter(each['error'] for each in site.dead('picky')) == {'RuntimeError': LETTERS // 3}
    rest = site.run('dead', 'drop', '--older', '1s', '--yes')
    assert (rest.exit_code, site.dead('picky')) == (0, [])


def _replay_until(site: Site, number: int) -> int:
    """Send letters back until so many were handled, and kill the one who does.

    Returns:
        How many were.
    """
    command = [sys.executable, '-m', 'wazo_busd', 'dead', 'replay', '--error', 'ValueError', '--yes']
    with subprocess.Popen([*command, '-c', str(site.config)], stdout=-1, stderr=subprocess.STDOUT) as replay:
        eventually_sync(lambda: len(site.lines('picky')) >= number, PATIENCE_SECONDS)
        replay.send_signal(signal.SIGSTOP)
        assert replay.poll() is None
        replay.kill()
    return len(site.lines('picky'))


def _wait_given_back(site: Site, least: int) -> None:
    """Wait until the broker has noticed that the one who sent letters back is gone."""
    with Wire(site.broker) as wire:
        eventually_sync(lambda: wire.depth('wazo-busd.picky.dead') >= least, PATIENCE_SECONDS)


def _runs(site: Site) -> Counter[int]:
    return Counter(int(line.split()[0]) for line in site.lines('picky'))


def _number(letter: dict[str, str]) -> int:
    number: int = json.loads(letter['body'])['data']
    return number
