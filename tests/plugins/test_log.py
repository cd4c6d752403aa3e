# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`log`: one line an event."""

from __future__ import annotations

import re
from io import StringIO
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from plugins.log import Log
from tests.unit.rig import log_lines
from wazo_busd import logs
from wazo_busd.config import near
from wazo_busd.event import Event
from wazo_busd.plugin import describe
from wazo_busd.testing import Outcome, deliver, make_event

SECRET = {'pin': '4711'}
FORGED = 'a\n2026-01-01 00:00:00,000 INFO     forged\r\x1b[31mred\u2028\u202e'


def event(data: Any = None, **more: Any) -> Event:
    return make_event('call_created', data, routing_key='calls.call.created', **more)


def lines_of(log: StringIO) -> list[dict[str, str]]:
    return log_lines(log, 'event')


# ---- to the log


async def test_an_event_is_one_line_of_the_log(log: StringIO) -> None:
    await deliver(Log, event(headers={'tenant_uuid': 'the-tenant', 'origin_uuid': 'the-host'}), name='calls')

    assert lines_of(log) == [
        {
            'level': 'INFO',
            'handler': 'calls',
            'event_name': 'call_created',
            'routing_key': 'calls.call.created',
            'exchange': 'wazo-headers',
            'tenant_uuid': 'the-tenant',
            'origin_uuid': 'the-host',
        }
    ]


async def test_what_an_event_does_not_have_is_left_out_of_its_line(log: StringIO) -> None:
    await deliver(Log, event())

    (line,) = lines_of(log)
    assert line.keys() & {'tenant_uuid', 'origin_uuid'} == set()


async def test_every_event_has_its_line(log: StringIO) -> None:
    await deliver(Log, event(), event(), event())

    assert len(lines_of(log)) == 3


@pytest.mark.parametrize('level', ['debug', 'info', 'warning', 'error'])
async def test_the_line_has_the_level_that_is_asked_for(log: StringIO, level: str) -> None:
    await deliver(Log, event(), options={'level': level})

    assert [line['level'] for line in lines_of(log)] == [level.upper()]


async def test_a_line_below_the_level_of_the_daemon_is_not_written() -> None:
    # Given a daemon that only logs warnings
    stream = StringIO()
    logs.configure('warning', stream=stream)

    # When events are logged at info and above
    await deliver(Log, event(), options={'level': 'info'})
    await deliver(Log, event(), options={'level': 'error'})

    # Then only those above are written
    assert [line['level'] for line in lines_of(stream)] == ['ERROR']


async def test_what_the_event_says_stays_out_of_the_log(log: StringIO) -> None:
    await deliver(Log, event(SECRET))

    assert '4711' not in log.getvalue()


async def test_what_the_event_says_is_logged_if_asked_for(log: StringIO) -> None:
    await deliver(Log, event(SECRET), options={'data': True})

    assert [line['data'] for line in lines_of(log)] == ['{"pin":"4711"}']


async def test_a_hostile_name_stays_in_its_line_of_the_log(log: StringIO) -> None:
    await deliver(Log, make_event(FORGED, routing_key=FORGED, headers={'tenant_uuid': FORGED}))

    assert log_lines(log, 'forged') == []
    assert len(lines_of(log)) == 1


async def test_hostile_data_stay_in_their_line_of_the_log(log: StringIO) -> None:
    await deliver(Log, event({FORGED: FORGED}), options={'data': True})

    assert log_lines(log, 'forged') == []
    assert len(lines_of(log)) == 1


async def test_data_that_json_cannot_hold_are_logged_all_the_same(log: StringIO) -> None:
    assert await deliver(Log, event(['\ud800', float('nan')]), options={'data': True}) == [Outcome.DONE]

    assert [line['data'] for line in lines_of(log)] == [r'["\ud800",null]']


# ---- to standard output


async def test_an_event_is_one_line_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    await deliver(Log, event(), options={'to': 'stdout'}, name='calls')

    assert re.fullmatch(
        r'\d\d:\d\d:\d\d  calls        call_created {27}calls\.call\.created\n', capsys.readouterr().out
    )


async def test_what_goes_to_standard_output_does_not_go_to_the_log(log: StringIO) -> None:
    await deliver(Log, event(), options={'to': 'stdout'})

    assert lines_of(log) == []


async def test_what_goes_to_the_log_does_not_go_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    await deliver(Log, event())

    assert capsys.readouterr().out == ''


async def test_what_the_event_says_stays_off_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    await deliver(Log, event(SECRET), options={'to': 'stdout'})

    assert '4711' not in capsys.readouterr().out


async def test_what_the_event_says_is_put_out_if_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    await deliver(Log, event(SECRET), options={'to': 'stdout', 'data': True})

    assert capsys.readouterr().out.endswith('calls.call.created  {"pin":"4711"}\n')


async def test_a_hostile_event_stays_in_its_line_of_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    await deliver(Log, make_event(FORGED, {FORGED: FORGED}, routing_key=FORGED), options={'to': 'stdout', 'data': True})

    assert capsys.readouterr().out.rstrip('\n').isprintable()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.text(), routing_key=st.text(), data=st.text() | st.dictionaries(st.text(), st.text()))
async def test_whatever_comes_is_one_printable_line(
    capsys: pytest.CaptureFixture[str], name: str, routing_key: str, data: Any
) -> None:
    await deliver(Log, make_event(name, data, routing_key=routing_key), options={'to': 'stdout', 'data': True})

    out = capsys.readouterr().out
    assert (out[-1], out[:-1].isprintable()) == ('\n', True)


# ---- its options


@pytest.mark.parametrize('options', [{'to': 'syslog'}, {'level': 'loud'}, {'date': True}])
async def test_options_that_it_does_not_know_are_mistakes(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        await deliver(Log, event(), options=options)


async def test_it_takes_any_event_so_the_configuration_says_which() -> None:
    plugin = describe(Log, name='log', source='a test', version='1')

    assert (plugin.match, near('date', plugin.options.model_fields if plugin.options else ())) == (
        (),
        "did you mean 'data'?",
    )
