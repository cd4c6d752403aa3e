# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The log: one fact a line, and nothing that came over the bus gets out of its line."""

from __future__ import annotations

import ast
import json
import logging
import math
import os
import re
import socket
import sys
import time
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.controlled import short_directory
from tests.unit.rig import Settlements
from wazo_busd import journald, logs
from wazo_busd.delivery import Delivery, PlainProperties
from wazo_busd.event import Event
from wazo_busd.work import Call, Work, current_work

log_of_ours = structlog.stdlib.get_logger('wazo_busd.test')

HOSTILE = [
    'one\ntwo',
    'one\r\n2026-01-01 00:00:00,000 INFO     forged=1',
    '\x1b[31mred\x1b[0m',
    '\x1b]0;title\x07',
    '\x9b2J',
    '\u202egnp.exe',
    '\u2066\u2069',
    'one\u2028two',
    'one\x0btwo\x0cthree\x1cfour\x85five',
    '\x00',
    '\ud800',
    '" forged="1',
    '\\" forged="1',
    '\\',
]
SPECIAL = ('event', 'self', 'exc_info', 'exception', 'stack')
"""Names of fields that are none."""
any_text = st.text(st.characters(exclude_categories=()))


@pytest.fixture
def library() -> Iterator[logging.Logger]:
    """The logger of a library that nobody knows."""
    logger = logging.getLogger('some.library')
    yield logger
    logger.setLevel(logging.NOTSET)


@pytest.fixture
def inside_handler() -> Iterator[None]:
    """As in a handler that runs on an event."""
    delivery = Delivery(
        1,
        body=b'{}',
        exchange='xivo',
        routing_key='calls.call.created',
        properties=PlainProperties({}),
        redelivered=False,
        received_at=0.0,
        acknowledger=Settlements(),
    )
    work = Work('calls', Event('call_created\nforged'), Call(lambda event: None, blocking=True), delivery)
    token = current_work.set(work)
    yield
    current_work.reset(token)


def said(log: StringIO) -> str:
    """What follows time and level in the one line of the log."""
    [line] = log.getvalue().splitlines()
    return line[33:]


def test_a_line_has_time_level_fact_and_fields(log: StringIO) -> None:
    log_of_ours.info('handler_started', handler='calls', attempt=2)
    assert re.fullmatch(
        r'\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} INFO     handler_started handler=calls attempt=2\n', log.getvalue()
    )


def test_a_line_has_the_local_time_to_the_millisecond(log: StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('wazo_busd.logs.time.time', lambda: 1_772_000_123.0467)
    log_of_ours.info('x')
    expected = time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(1_772_000_123)) + ',046 '
    assert log.getvalue().startswith(expected)


@pytest.mark.parametrize('level', ['debug', 'info', 'warning', 'error', 'critical'])
def test_a_line_has_its_level_in_a_column_of_its_own(log: StringIO, level: str) -> None:
    getattr(log_of_ours, level)('fact')
    assert log.getvalue()[24:] == f'{level.upper():<8} fact\n'


@pytest.mark.parametrize(
    ('value', 'written'),
    [
        ('plain', 'plain'),
        ('calls.call.created', 'calls.call.created'),
        ('Hélène', 'Hélène'),
        (7, '7'),
        (0.25, '0.25'),
        (True, 'True'),
        ('', '""'),
        ('two words', '"two words"'),
        ('a=b', '"a=b"'),
        ('say "x"', r'"say \"x\""'),
        ('back\\slash', 'back\\slash'),
        ('back\\slash quoted', r'"back\\slash quoted"'),
        (['a', 'b'], "\"['a', 'b']\""),
        (b'\xff', "b'\\xff'"),
        ('one\ntwo', r'"one\ntwo"'),
        ('\x1b[31m', r'"\x1b[31m"'),
        ('\u202e', r'"\u202e"'),
    ],
)
def test_a_value_is_quoted_where_it_could_be_mistaken(log: StringIO, value: Any, written: str) -> None:
    log_of_ours.info('fact', field=value)
    assert said(log) == f'fact field={written}'


def test_a_field_without_a_value_is_left_out(log: StringIO) -> None:
    log_of_ours.info('fact', nothing=None, something=0)
    assert said(log) == 'fact something=0'


@pytest.mark.parametrize('text', HOSTILE)
def test_hostile_text_in_a_field_stays_in_its_line(log: StringIO, text: str) -> None:
    log_of_ours.info('fact', field=text)
    assert log.getvalue().removesuffix('\n').isprintable()


@pytest.mark.parametrize('text', HOSTILE)
def test_hostile_text_stays_in_its_field(log: StringIO, text: str) -> None:
    log_of_ours.info('fact', field=text, last=1)
    assert re.fullmatch(r'fact field=([^" =]+|"([^"\\]|\\.)*") last=1', said(log))


@pytest.mark.parametrize('text', HOSTILE)
def test_hostile_text_in_the_fact_stays_in_its_line(log: StringIO, text: str) -> None:
    log_of_ours.info(text)
    assert log.getvalue().removesuffix('\n').isprintable()


@pytest.mark.parametrize('text', HOSTILE)
def test_hostile_text_in_the_name_of_a_field_stays_in_its_line(log: StringIO, text: str) -> None:
    log_of_ours.info('fact', **{text: 1})
    assert log.getvalue().removesuffix('\n').isprintable()


@pytest.mark.parametrize('text', HOSTILE)
def test_hostile_text_in_an_exception_stays_in_its_indented_lines(log: StringIO, text: str) -> None:
    try:
        raise ValueError(text)
    except ValueError:
        log_of_ours.exception('handler_failed')
    first, *others = log.getvalue().removesuffix('\n').split('\n')
    assert first.endswith('ERROR    handler_failed')
    assert others
    assert all(line.startswith('    ') and line.isprintable() for line in others)


def test_a_stack_is_told_in_indented_lines(log: StringIO) -> None:
    log_of_ours.error('loop_blocked', handler='bell', stack='a.py:1 in f\nb.py:2 in g')

    assert log.getvalue().splitlines()[1:] == ['    a.py:1 in f', '    b.py:2 in g']


def test_an_exception_is_told_with_its_traceback(log: StringIO) -> None:
    try:
        raise ValueError('too many faxes')
    except ValueError as error:
        log_of_ours.error('handler_failed', exc_info=error)
    assert log.getvalue().endswith('    ValueError: too many faxes\n')
    assert 'in test_an_exception_is_told_with_its_traceback' in log.getvalue()


@pytest.mark.parametrize('text', HOSTILE)
def test_hostile_text_in_the_message_of_a_library_stays_in_its_line(
    log: StringIO, library: logging.Logger, text: str
) -> None:
    library.error('%s', text)
    assert log.getvalue().removesuffix('\n').isprintable()


@given(any_text, any_text, any_text.filter(lambda name: name not in SPECIAL))
def test_whatever_is_logged_is_one_printable_line(fact: str, value: str, name: str) -> None:
    stream = StringIO()
    logs.configure('debug', stream=stream)
    log_of_ours.info(fact, **{name: value})
    assert stream.getvalue().endswith('\n')
    assert stream.getvalue()[:-1].isprintable()


def test_text_with_percent_signs_is_not_filled_in(log: StringIO) -> None:
    log_of_ours.info('100%s of %d', field='%s')
    assert said(log) == '100%s of %d field=%s'


@pytest.mark.usefixtures('inside_handler')
def test_a_line_from_inside_a_handler_says_which_and_on_what(log: StringIO) -> None:
    log_of_ours.info('faxed')
    assert said(log) == r'faxed handler=calls event_name="call_created\nforged"'


@pytest.mark.usefixtures('inside_handler')
def test_a_line_that_says_itself_what_it_is_about_is_believed(log: StringIO) -> None:
    log_of_ours.info('faxed', handler='other', event_name='fax_sent')
    assert said(log) == 'faxed handler=other event_name=fax_sent'


@pytest.mark.usefixtures('inside_handler')
def test_a_library_inside_a_handler_is_known_to_be_there(log: StringIO, library: logging.Logger) -> None:
    library.warning('slow')
    assert said(log) == r'library_says logger=some.library text=slow handler=calls event_name="call_created\nforged"'


@pytest.mark.parametrize(
    ('level', 'written'),
    [
        ('debug', ['debug', 'info', 'warning', 'error', 'critical']),
        ('info', ['info', 'warning', 'error', 'critical']),
        ('warning', ['warning', 'error', 'critical']),
        ('error', ['error', 'critical']),
        ('critical', ['critical']),
    ],
)
def test_what_is_below_the_level_is_not_written(level: str, written: list[str]) -> None:
    stream = StringIO()
    logs.configure(level, stream=stream)
    for each in ('debug', 'info', 'warning', 'error', 'critical'):
        getattr(log_of_ours, each)('fact')
    assert [line[24:32].strip().lower() for line in stream.getvalue().splitlines()] == written


def test_configured_again_the_level_is_another(log: StringIO) -> None:
    logs.configure('error', stream=log)
    log_of_ours.info('hidden')
    logs.configure('info', stream=log)
    log_of_ours.info('shown')
    assert said(log) == 'shown'


@pytest.mark.parametrize(('level', 'written'), [('debug', 2), ('info', 1), ('warning', 0)])
def test_a_logger_that_was_given_away_before_heeds_the_new_level(log: StringIO, level: str, written: int) -> None:
    logs.configure('warning', stream=log)
    given_away = structlog.get_logger().bind(handler='crm')

    logs.configure(level, stream=log)
    given_away.info('told')
    given_away.debug('told')

    assert log.getvalue().count('told handler=crm') == written


def test_a_logger_that_was_given_away_before_hears_nothing_of_less_than_the_new_level(log: StringIO) -> None:
    given_away = structlog.get_logger().bind(handler='crm')
    logs.change_level('error')
    for method in ('debug', 'info', 'warning', 'warn', 'error'):
        getattr(given_away, method)(method)
    given_away.log(logging.INFO, 'by number')

    assert (said(log), given_away.is_enabled_for(logging.WARNING)) == ('error handler=crm', False)


def test_debug_writes_everything_whatever_the_level() -> None:
    stream = StringIO()
    logs.configure('critical', debug=True, stream=stream)
    log_of_ours.debug('fact')
    assert 'DEBUG    fact' in stream.getvalue()


def test_the_log_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure('info')
    log_of_ours.info('fact')
    captured = capsys.readouterr()
    assert (captured.out, captured.err[24:]) == ('', 'INFO     fact\n')


@pytest.mark.parametrize(
    'name', ['aio_pika', 'aio_pika.robust_connection', 'aiormq.connection', 'asyncio', 'stevedore']
)
def test_our_libraries_are_quiet(log: StringIO, name: str) -> None:
    logging.getLogger(name).error('Connection lost')
    assert log.getvalue() == ''


@pytest.mark.parametrize('name', ['asyncio', 'stevedore'])
def test_with_debug_our_libraries_say_everything(name: str) -> None:
    stream = StringIO()
    logs.configure('info', debug=True, stream=stream)
    logging.getLogger(name).debug('detail')
    assert stream.getvalue()[24:] == f'DEBUG    library_says logger={name} text=detail\n'


@pytest.mark.parametrize('name', ['aio_pika', 'aio_pika.robust_connection', 'aiormq.connection'])
def test_with_debug_libraries_that_carry_events_say_what_is_not_in_them(name: str) -> None:
    stream = StringIO()
    logs.configure('info', debug=True, stream=stream)
    logging.getLogger(name).debug('frame')
    logging.getLogger(name).info('connected')
    assert stream.getvalue()[24:] == f'INFO     library_says logger={name} text=connected\n'


def test_after_debugging_our_libraries_are_quiet_again(log: StringIO) -> None:
    logs.configure('debug', debug=True, stream=log)
    logs.configure('debug', stream=log)
    logging.getLogger('aiormq').error('Connection lost')
    assert log.getvalue() == ''


def test_with_debug_other_libraries_say_everything(library: logging.Logger) -> None:
    stream = StringIO()
    logs.configure('info', debug=True, stream=stream)
    library.debug('detail')
    assert stream.getvalue()[24:] == 'DEBUG    library_says logger=some.library text=detail\n'


def test_after_debugging_other_libraries_are_heard_from_warning_on_again(
    log: StringIO, library: logging.Logger
) -> None:
    logs.configure('debug', debug=True, stream=log)
    logs.configure('debug', stream=log)
    library.info('detail')
    assert log.getvalue() == ''


def test_what_is_critical_for_our_libraries_is_written(log: StringIO) -> None:
    logging.getLogger('aiormq').critical('broken')
    assert log.getvalue()[24:] == 'CRITICAL library_says logger=aiormq text=broken\n'


@pytest.mark.parametrize(
    ('level', 'written'), [('debug', False), ('info', False), ('warning', True), ('error', True), ('critical', True)]
)
def test_other_libraries_are_heard_from_warning_on(
    log: StringIO, library: logging.Logger, level: str, written: bool
) -> None:
    getattr(library, level)('something')
    assert (f'{level.upper():<8} library_says logger=some.library text=something' in log.getvalue()) is written


def test_other_libraries_are_held_to_the_level_too(library: logging.Logger) -> None:
    stream = StringIO()
    logs.configure('error', stream=stream)
    library.warning('something')
    assert stream.getvalue() == ''


@pytest.mark.parametrize(
    ('level', 'written'), [(1, 'DEBUG'), (15, 'DEBUG'), (25, 'INFO'), (35, 'WARNING'), (45, 'ERROR'), (99, 'CRITICAL')]
)
def test_a_level_of_a_library_s_own_is_written_as_the_next_one_below(
    log: StringIO, library: logging.Logger, level: int, written: str
) -> None:
    library.setLevel(1)
    library.log(level, 'something')
    assert log.getvalue()[24:].split() == [written, 'library_says', 'logger=some.library', 'text=something']


def test_a_library_that_logs_wrongly_does_not_fail_its_caller(log: StringIO, library: logging.Logger) -> None:
    # Anew, so that only our handler is there and pytest's is not, which fails its caller.
    logs.configure('info', stream=log)
    library.error('%d faxes', 'many')
    assert said(log) == 'library_says logger=some.library text="%d faxes"'


def test_an_exception_of_a_library_is_told_indented(log: StringIO, library: logging.Logger) -> None:
    try:
        raise OSError('no\nroute')
    except OSError:
        library.exception('failed')
    assert log.getvalue().splitlines()[-2:] == ['    OSError: no', '    route']


def test_a_library_may_ask_for_an_exception_where_there_is_none(log: StringIO, library: logging.Logger) -> None:
    library.error('failed', exc_info=sys.exc_info())
    assert said(log) == 'library_says logger=some.library text=failed'


def test_configured_twice_a_library_is_heard_once(log: StringIO, library: logging.Logger) -> None:
    logs.configure('info', stream=log)
    logs.configure('info', stream=log)
    library.warning('once')
    assert len(log.getvalue().splitlines()) == 1


class _Gone(StringIO):
    """What nobody reads any more, or a full disk is behind."""

    def write(self, text: str) -> int:
        raise BrokenPipeError

    def flush(self) -> None:
        raise OSError(28, 'No space left on device')


def test_a_log_that_cannot_be_written_stops_nothing() -> None:
    logs.configure('info', stream=_Gone())

    log_of_ours.info('told')


# ---- forms


def formed(form: str, log: StringIO, **fields: Any) -> str:
    logs.configure('debug', form=form, stream=log)
    log_of_ours.warning('handler_failed', **fields)
    return log.getvalue()


def test_in_wazo_s_form_a_line_has_time_process_level_and_who_says_it(log: StringIO) -> None:
    head = rf'\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d,\d{{3}} \[{os.getpid()}\] \(WARNING\) \(wazo_busd\.test\): '
    assert re.fullmatch(head + r'handler_failed handler=crm attempt=2\n', formed('wazo', log, handler='crm', attempt=2))


def test_in_wazo_s_form_a_library_is_who_says_it(log: StringIO, library: logging.Logger) -> None:
    logs.configure('info', form='wazo', stream=log)
    library.warning('slow')
    assert '(WARNING) (some.library): library_says logger=some.library text=slow' in log.getvalue()


def test_in_json_a_line_is_one_object(log: StringIO) -> None:
    told = json.loads(formed('json', log, handler='crm', attempt=2, ok=True, nothing=None))
    assert re.fullmatch(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z', told.pop('timestamp'))
    assert told == {
        'level': 'warning',
        'logger': 'wazo_busd.test',
        'pid': os.getpid(),
        'fact': 'handler_failed',
        'handler': 'crm',
        'attempt': 2,
        'ok': True,
    }


@pytest.mark.parametrize('name', ['level', 'fact', 'timestamp', 'logger', 'trace', 'pid'])
def test_in_json_a_field_hides_nothing_of_what_every_line_has(log: StringIO, name: str) -> None:
    told = json.loads(formed('json', log, **{name: 'mine'}))
    assert (told.get(name) != 'mine', told[f'{name}_']) == (True, 'mine')


@pytest.mark.parametrize('value', [math.nan, math.inf])
def test_in_json_a_number_that_it_has_no_word_for_is_text(log: StringIO, value: float) -> None:
    assert json.loads(formed('json', log, value=value), parse_constant=pytest.fail)['value'] == str(value)


def test_in_json_an_exception_stays_in_its_line(log: StringIO) -> None:
    formed('json', log, exc_info=ValueError('one\ntwo'))
    [line] = log.getvalue().splitlines()
    assert json.loads(line)['trace'].splitlines()[-2:] == ['ValueError: one', 'two']


@pytest.mark.parametrize('form', ['wazo', 'json'])
@given(any_text, any_text, any_text.filter(lambda name: name not in SPECIAL))
def test_in_every_form_whatever_is_logged_is_one_printable_line(form: str, fact: str, value: str, name: str) -> None:
    stream = StringIO()
    logs.configure('debug', form=form, stream=stream)
    log_of_ours.info(fact, **{name: value})
    assert stream.getvalue().endswith('\n')
    assert stream.getvalue()[:-1].isprintable()


# ---- redaction


@pytest.mark.parametrize('form', ['plain', 'wazo', 'json'])
def test_no_line_has_a_secret(log: StringIO, form: str) -> None:
    logs.configure('info', form=form, secrets=['s3cr"et', 's3cr"et-and-more'], stream=log)
    try:
        raise ValueError('the token s3cr"et-and-more')
    except ValueError:
        log_of_ours.exception(
            's3cr"et failed', path='/s3cr"et', handler='s3cr"et', error_text='s3cr"et', told=['s3cr"et']
        )
    assert ('s3cr' in log.getvalue(), 'and-more' in log.getvalue()) == (False, False)


def test_a_secret_of_before_stays_one(log: StringIO) -> None:
    logs.configure('info', secrets=['old-secret'], stream=log)
    logs.configure('info', secrets=['new-secret'], stream=log)
    log_of_ours.info('fact', told='old-secret new-secret')
    assert said(log) == 'fact told="… …"'


@pytest.mark.parametrize('name', ['error_text', 'reason', 'text', 'number', 'routing_key', 'data'])
def test_a_number_in_what_came_over_the_bus_is_hidden(log: StringIO, name: str) -> None:
    log_of_ours.info('fact', **{name: 'no route to 0123456789'})
    assert ('0123456789' in log.getvalue(), '•••••89' in log.getvalue()) == (False, True)


def test_a_number_in_the_fact_or_in_a_traceback_is_hidden(log: StringIO) -> None:
    try:
        raise ValueError('+33123456789 is busy')
    except ValueError:
        log_of_ours.exception('called 0123456789')
    assert re.findall(r'\d{6,}', log.getvalue().partition(' ')[2]) == []


@pytest.mark.parametrize('name', ['event_name', 'handler', 'event_id', 'tenant_uuid', 'path', 'problem', 'queue'])
def test_what_something_is_called_stays(log: StringIO, name: str) -> None:
    log_of_ours.info('fact', **{name: '1234567'})
    assert said(log) == f'fact {name}=1234567'


log_of_plugin = structlog.stdlib.get_logger(f'{logs.PLUGINS}crm')


@pytest.mark.parametrize('name', ['caller_id', 'peer_id', 'user_id', 'number', 'extension'])
@pytest.mark.parametrize('value', ['"Bob" <+33123456789>', 33123456789])
def test_what_a_plugin_names_is_no_reason_to_show_a_number(log: StringIO, name: str, value: object) -> None:
    log_of_plugin.info('fact', **{name: value})
    assert '3123456' not in log.getvalue()


@pytest.mark.parametrize(
    ('name', 'value'), [('event_id', '1234567'), ('call_id', '1234567'), ('took_seconds', 1234567), ('count', 1234567)]
)
def test_what_a_plugin_names_as_everybody_does_stays(log: StringIO, name: str, value: object) -> None:
    log_of_plugin.info('fact', **{name: value})
    assert said(log) == f'fact {name}=1234567'


@pytest.mark.parametrize('value', [3, 2.5, True])
def test_a_small_number_of_a_plugin_stays_one(log: StringIO, value: object) -> None:
    logs.configure('info', form='json', stream=log)
    log_of_plugin.info('fact', found=value)
    assert json.loads(log.getvalue())['found'] == value


# ---- under systemd


@pytest.fixture
def under_systemd(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The socket of a journald that reads standard error."""
    monkeypatch.setattr(journald, 'has_stderr', lambda: True)
    with short_directory() as directory, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(directory / 'socket'))
        listening.settimeout(10)
        monkeypatch.setattr(journald.Journald.__init__, '__defaults__', (directory / 'socket',))
        yield listening
        logs.configure('debug', stream=StringIO())


def test_under_systemd_a_line_goes_to_journald_with_its_fields(
    under_systemd: socket.socket, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure('info', form='wazo')
    log_of_ours.info('event_handled', event_name='call_ended', handler='crm', outcome='done')

    lines = under_systemd.recv(65_536).decode().splitlines()
    assert lines[:3] == [
        'MESSAGE=event_handled event_name=call_ended handler=crm outcome=done',
        'PRIORITY=6',
        'SYSLOG_IDENTIFIER=wazo-busd',
    ]
    assert {'BUSD_HANDLER=crm', 'BUSD_EVENT_NAME=call_ended', 'BUSD_OUTCOME=done', 'BUSD_FACT=event_handled'} < {*lines}
    assert capsys.readouterr().err == ''


def test_under_systemd_json_is_what_journald_shows(under_systemd: socket.socket) -> None:
    logs.configure('info', form='json')
    log_of_ours.info('event_handled', handler='crm')
    shown = under_systemd.recv(65_536).decode().splitlines()[0].removeprefix('MESSAGE=')
    assert json.loads(shown)['handler'] == 'crm'


def test_where_journald_is_away_the_line_goes_to_standard_error(
    under_systemd: socket.socket, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure('info', form='wazo')
    under_systemd.close()
    log_of_ours.info('event_handled', handler='crm')
    assert capsys.readouterr().err.endswith('(INFO) (wazo_busd.test): event_handled handler=crm\n')


def test_no_fact_of_ours_has_a_field_that_every_line_has() -> None:
    package = Path(logs.__file__).parent
    clashes = [
        f'{path.name}:{node.lineno}: {keyword.arg}'
        for path in package.rglob('*.py')
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        if isinstance(node.func.value, ast.Name) and node.func.value.id == 'log'
        for keyword in node.keywords
        if keyword.arg in ('timestamp', 'level', 'pid', 'fact', 'trace', 'event')
    ]

    assert clashes == []
