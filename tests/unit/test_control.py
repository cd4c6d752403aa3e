# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The control: what pages say and what deeds do."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.controlled import FakeDaemon, daemon_status, handler_status
from wazo_busd.control import Control
from wazo_busd.errors import Problem
from wazo_busd.status import State


@pytest.fixture
def daemon() -> FakeDaemon:
    return FakeDaemon()


async def page(daemon: FakeDaemon, path: str, *, in_full: bool = True) -> tuple[int, Any]:
    made = await Control(daemon).pages(in_full=in_full)[path]()
    return made.status, json.loads(made.body)


async def deed(daemon: FakeDaemon, path: str, name: str = '', body: str = '') -> tuple[int, Any]:
    made = await Control(daemon).deeds()[path](name, body)
    return made.status, json.loads(made.body)


async def test_a_daemon_that_is_ready_says_so(daemon: FakeDaemon) -> None:
    assert await page(daemon, '/ready') == (200, {'ready': True, 'reasons': []})


async def test_one_that_is_not_says_why(daemon: FakeDaemon) -> None:
    daemon.said = daemon_status(handler_status(State.REFUSED, 'no; do this'))

    assert await page(daemon, '/ready') == (503, {'ready': False, 'reasons': ['crm is refused: no; do this']})


async def test_what_a_plugin_says_does_not_go_to_everybody(daemon: FakeDaemon) -> None:
    daemon.said = daemon_status(handler_status(State.BROKEN, 'a secret'))
    said = [await page(daemon, path, in_full=False) for path in ('/ready', '/status', '/1.0/status')]

    assert 'a secret' not in str(said)


async def test_the_status_has_the_handlers(daemon: FakeDaemon) -> None:
    code, said = await page(daemon, '/status')

    assert (code, said['connected'], [each['handler'] for each in said['handlers']]) == (200, True, ['crm'])


@pytest.mark.parametrize(('state', 'word'), [(State.CONSUMING, 'ok'), (State.WAITING, 'fail')])
async def test_as_a_service_of_wazo_it_says_one_word_and_always_200(
    daemon: FakeDaemon, state: State, word: str
) -> None:
    daemon.said = daemon_status(handler_status(state))

    assert await page(daemon, '/1.0/status') == (200, {'bus_consumer': {'status': word}, 'rest_api': {'status': 'ok'}})


@pytest.mark.parametrize('what', ['pause', 'resume'])
async def test_a_handler_can_be_paused_and_resumed(daemon: FakeDaemon, what: str) -> None:
    code, _ = await deed(daemon, f'/handlers/{{name}}/{what}', 'crm')

    assert (code, daemon.wanted) == (200, [(what, 'crm')])


async def test_for_an_unknown_handler_the_nearest_is_told(daemon: FakeDaemon) -> None:
    code, said = await deed(daemon, '/handlers/{name}/pause', 'cmr')

    assert (code, said['hint'], daemon.wanted) == (404, "did you mean 'crm'?", [])


@pytest.mark.parametrize('body', ['debug', ' DEBUG\n'])
async def test_the_level_of_the_log_can_be_changed(daemon: FakeDaemon, body: str) -> None:
    assert await deed(daemon, '/log-level', body=body) == (200, {'log_level': 'debug'})
    assert daemon.wanted == [('log-level', 'debug')]


@pytest.mark.parametrize('body', ['', 'verbose', 'debug info'])
async def test_a_level_that_is_none_is_refused(daemon: FakeDaemon, body: str) -> None:
    code, _ = await deed(daemon, '/log-level', body=body)

    assert (code, daemon.wanted) == (400, [])


async def test_a_reload_says_that_it_was_done(daemon: FakeDaemon) -> None:
    assert await deed(daemon, '/reload') == (200, {'applied': True, 'problems': []})


async def test_a_reload_that_is_refused_says_every_mistake(daemon: FakeDaemon) -> None:
    daemon.problems = [Problem('no', 'config.yml', 3, hint='yes'), Problem('neither')]
    code, said = await deed(daemon, '/reload')

    assert (code, [Problem(**each) for each in said['problems']]) == (409, daemon.problems)
