# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`wazo-busd record`, and what is read of what it wrote: nothing but what came, all of it, or counted."""

from __future__ import annotations

import gzip
import json
import math
import re
import struct
import tempfile
from pathlib import Path
from typing import Any

import click.testing
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp.commands import Basic

from tests.unit.cli.conftest import Shell
from tests.unit.cli.tail import Hearsay, call, cut, hangup
from wazo_busd.amqp import Cut
from wazo_busd.cli.record import record
from wazo_busd.cli.recorded import Broken, Head, NoRecording, Recorded, events, read, survey
from wazo_busd.cli.recording import Recording, body_of
from wazo_busd.errors import BusError

RECORD = {
    'received_at': '2026-03-01T09:00:01.000000+00:00',
    'name': 'call_ended',
    'exchange': 'wazo-headers',
    'routing_key': 'calls.call.ended',
    'headers': {'name': 'call_ended', 'tenant_uuid': 'x'},
    'data': {'call_id': '1'},
    'id': 'a',
}
LINE: dict[str, Any] = {
    'at': 1.5,
    'exchange': 'wazo-headers',
    'routing_key': 'calls.call.ended',
    'headers': {'name': 'call_ended'},
    'properties': {'content_type': 'application/json', 'priority': 3},
    'body': {'data': 1},
}
HEAD: dict[str, Any] = {'recording': 1, 'host': 'pbx.example.org', 'since': '2026-03-01T09:00:00+00:00', 'masked': True}


@pytest.fixture
def ear(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Hearsay:
    ear = Hearsay()
    monkeypatch.setattr('wazo_busd.cli.tail_session.Ear', ear)
    shell.config.write_text('bus: {host: rabbit.example.org}\n')
    return ear


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / 'calls.jsonl'


def run(shell: Shell, file: Path, *arguments: str) -> click.testing.Result:
    return shell('record', str(file), *arguments, '--for', '10ms', '-c', str(shell.config))


def written(file: Path, *lines: Any) -> Path:
    """A file of lines, of which what is no text is JSON."""
    text = ''.join(line if isinstance(line, str) else f'{json.dumps(line)}\n' for line in lines)
    file.write_text(text)
    return file


# ---- what is written


@given(body=st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_every_body_comes_back_byte_for_byte(body: bytes) -> None:
    (kept,) = body_of(body)

    assert kept in ('body', 'body_compact', 'body_base64')
    assert _again(body) == body


@pytest.mark.parametrize(
    ('body', 'kept'),
    [
        (b'{"name": "x", "data": {"a": 1}}', 'body'),
        (b'{"name":"x","data":{"a":1}}', 'body_compact'),
        (b'{"a":  1}', 'body_base64'),
        (b'{"a": 1, "a": 2}', 'body_base64'),
        (b'\xff', 'body_base64'),
    ],
)
def test_a_body_is_json_where_that_gives_it_back(body: bytes, kept: str) -> None:
    assert list(body_of(body)) == [kept]


def _again(body: bytes) -> bytes:
    with tempfile.TemporaryDirectory() as directory:
        whole = {key: value for key, value in LINE.items() if key != 'body'} | body_of(body)
        (found,) = events(written(Path(directory) / 'file', HEAD, whole))
        return found.body


def test_what_is_heard_is_recorded_with_ami(shell: Shell, ear: Hearsay, file: Path) -> None:
    ear.hears(call(), hangup())
    done = run(shell, file)

    assert [each.routing_key for each in events(file)] == ['calls.call.created', 'ami.Hangup']
    following = shell.typed(f'wazo-busd replay {file} --handler NAME')
    assert re.fullmatch(rf'2 events in {file}, \S+ K?i?B\. next: {following}\n', done.stdout)


def test_programs_are_told_how_much_was_recorded(shell: Shell, ear: Hearsay, file: Path) -> None:
    ear.hears(call(), hangup())

    assert json.loads(run(shell, file, '-o', 'json').stdout) == {
        'file': str(file),
        'events': 2,
        'bytes': file.stat().st_size,
        'skipped': {},
        'next': shell.typed(f'wazo-busd replay {file} --handler NAME'),
    }


def test_programs_are_told_that_nothing_came_and_no_file_is_left(shell: Shell, ear: Hearsay, file: Path) -> None:
    told = json.loads(run(shell, file, '-o', 'json').stdout)

    assert (told['events'], told['bytes'], file.exists()) == (0, 0, False)


def test_ami_can_be_left_out(shell: Shell, ear: Hearsay, file: Path) -> None:
    ear.hears(call(), hangup())
    run(shell, file, '--no-ami')

    assert [each.routing_key for each in events(file)] == ['calls.call.created']


def test_only_what_is_meant_is_recorded(shell: Shell, ear: Hearsay, file: Path) -> None:
    ear.hears(call('1001'), call('1003'), cut('fax', {}, 'faxes.sent'))
    run(shell, file, 'calls.#', '--when', "data.caller_id_number == '1003'")

    assert [json.loads(each.body)['data']['caller_id_number'] for each in events(file)] == ['1003']


def test_headers_properties_and_the_body_come_back(shell: Shell, ear: Hearsay, file: Path) -> None:
    came = call()
    ear.hears(came)
    run(shell, file)

    (found,) = events(file)
    assert (found.exchange, found.headers['name'], found.properties, found.body) == (
        'wazo-headers',
        'call_created',
        {'content_type': 'application/json'},
        came.body,
    )


def test_the_head_says_where_and_of_what(shell: Shell, ear: Hearsay, file: Path) -> None:
    ear.hears(call())
    run(shell, file, 'calls.#')

    head = json.loads(file.read_text().splitlines()[0])
    assert {key: head[key] for key in ('recording', 'host', 'events', 'masked')} == {
        'recording': 1,
        'host': 'rabbit.example.org',
        'events': ['calls.#'],
        'masked': False,
    }


def test_numbers_and_names_are_hidden_if_it_is_asked_for_and_the_name_of_the_event_stays(
    shell: Shell, ear: Hearsay, file: Path
) -> None:
    ear.hears(call('+15550001234'))
    run(shell, file, '--mask')

    text = file.read_text()
    assert ('5550001' in text, 'Alice' in text, '"name": "call_created"' in text) == (False, False, True)
    assert survey(file).head.masked


def test_what_cannot_be_kept_is_counted_with_the_reason(shell: Shell, ear: Hearsay, file: Path) -> None:
    malformed = call()._replace(properties=b'\x20\x00\xff')
    ear.hears(call(), malformed, Cut(1, False, b'x', b'y', b'\0\0', 9_000_000, b'{'))
    done = run(shell, file)

    assert '1 event in' in done.stdout
    assert '; 1 skipped, with malformed properties; 1 skipped, longer than bus.max_body_size' in done.stdout


def test_what_cannot_be_read_cannot_be_masked_and_is_counted(shell: Shell, ear: Hearsay, file: Path) -> None:
    ear.hears(call(), cut('x', body=b'+15550001234'))
    done = run(shell, file, '--mask')

    assert ('1 skipped, that cannot be read' in done.stdout, '5550001' in file.read_text()) == (True, False)


def test_a_file_that_is_there_is_left_as_it_is(shell: Shell, ear: Hearsay, file: Path) -> None:
    file.write_text('mine')
    done = run(shell, file)

    assert (done.exit_code, done.stderr, file.read_text()) == (
        1,
        f'error: {file} is there already, and stays as it is. next: name another file\n',
        'mine',
    )


def test_only_whoever_records_may_read_it(shell: Shell, ear: Hearsay, file: Path) -> None:
    ear.hears(call())
    run(shell, file)

    assert file.stat().st_mode & 0o777 == 0o600


def test_it_is_compressed_if_its_name_says_so(shell: Shell, ear: Hearsay, tmp_path: Path) -> None:
    ear.hears(call())
    run(shell, tmp_path / 'calls.jsonl.gz')

    assert len(gzip.decompress((tmp_path / 'calls.jsonl.gz').read_bytes()).splitlines()) == 2
    assert survey(tmp_path / 'calls.jsonl.gz').events == 1


def test_a_broker_that_is_away_leaves_no_file(shell: Shell, ear: Hearsay, file: Path) -> None:
    ear.error = BusError('nothing listens on x', 'systemctl status rabbitmq-server')
    done = run(shell, file)

    assert (done.exit_code, done.stderr, file.exists()) == (
        1,
        'error: nothing listens on x. next: systemctl status rabbitmq-server\n',
        False,
    )


def test_a_directory_that_is_not_there_is_told_with_the_next_command(
    shell: Shell, ear: Hearsay, tmp_path: Path
) -> None:
    done = run(shell, tmp_path / 'nowhere' / 'calls.jsonl')

    assert done.stderr.endswith(f'No such file or directory. next: ls -ld {tmp_path}/nowhere\n')


def test_a_full_disk_is_told_with_what_came_before(
    shell: Shell, ear: Hearsay, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ear.hears(call())
    whole = Recording.write

    def write(self: Recording, data: bytes) -> None:
        if b'routing_key' in data:
            raise OSError(28, 'No space left on device')
        whole(self, data)

    monkeypatch.setattr(Recording, 'write', write)
    done = run(shell, file)

    assert (done.exit_code, done.stderr.splitlines()[-1]) == (
        1,
        f'error: {file} cannot be written: No space left on device; 1 event came before. next: df -h {file.parent}',
    )


def examples() -> list[list[str]]:
    return [line.split() for line in re.findall(r'^ +wazo-busd record (.*)$', record.help or '', re.MULTILINE)]


def test_the_help_has_two_examples_that_work(
    shell: Shell, ear: Hearsay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ear.hears(call())
    codes = []
    for arguments in examples():
        plain = [each.strip("'").replace('8h', '10ms') for each in arguments]
        span = [] if '--for' in plain else ['--for', '10ms']
        codes.append(shell('record', *plain, *span, '-c', str(shell.config)).exit_code)

    assert codes == [0, 0]


# ---- what is read


def test_a_line_says_where_and_when_an_event_came(file: Path) -> None:
    head, event = read(written(file, HEAD, LINE))

    assert isinstance(head, Head)
    assert (head.host, head.masked) == ('pbx.example.org', True)
    assert event == Recorded(
        1.5,
        'wazo-headers',
        'calls.call.ended',
        {'name': 'call_ended'},
        {'content_type': 'application/json', 'priority': 3},
        b'{"data": 1}',
    )


@pytest.mark.parametrize(
    ('line', 'reason'),
    [
        ('{\n', 'this is no JSON'),
        ('[' * 100_000 + '\n', 'it is nested deeper than 200 levels'),
        ('[]\n', 'this is no JSON object'),
        ('{"at": 1', 'the file is cut off in this line'),
        ({'at': 1.5}, 'it has no exchange'),
        (LINE | {'at': -1}, 'at is no number of seconds'),
        (LINE | {'at': True}, 'at is no number of seconds'),
        (LINE | {'at': float('nan')}, 'at is no number of seconds'),
        (LINE | {'routing_key': 'x' * 256}, 'routing_key is no text, or is longer than 255 bytes'),
        (LINE | {'headers': []}, 'headers is no JSON object'),
        (LINE | {'properties': {'priority': 300}}, 'priority is no number of 0 to 255'),
        (LINE | {'body_base64': '!'}, 'Only base64 data is allowed'),
    ],
)
def test_a_line_that_is_no_event_is_named_with_its_number(file: Path, line: Any, reason: str) -> None:
    found = survey(written(file, HEAD, LINE, line))

    assert (found.events, found.broken) == (1, [Broken(3, reason)])


def test_a_file_that_is_something_else_is_refused(file: Path) -> None:
    with pytest.raises(NoRecording, match='is no recording of wazo-busd, and no journal of JSON lines'):
        survey(written(file, {'a': 1}))


def test_a_recording_of_a_format_to_come_is_refused(file: Path) -> None:
    with pytest.raises(NoRecording, match='has the format 2, and this wazo-busd reads 1'):
        survey(written(file, {'recording': 2}))


def test_an_empty_file_is_refused(file: Path) -> None:
    with pytest.raises(NoRecording, match='is empty'):
        survey(written(file))


@given(size=st.integers(0, 400))
def test_of_a_compressed_file_that_is_cut_off_what_can_be_read_is_read(size: int) -> None:
    whole = gzip.compress(b''.join(json.dumps(each).encode() + b'\n' for each in (HEAD, *[LINE] * 50)))
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / 'file.gz'
        file.write_bytes(whole[:size])
        try:
            found = survey(file)
        except NoRecording:
            return
        is_whole = size >= len(whole)
        assert (found.events == 50 and not found.broken) if is_whole else found.broken


def test_what_a_killed_recording_has_written_is_there(shell: Shell, ear: Hearsay, tmp_path: Path) -> None:
    ear.hears(*[call()] * 5)
    run(shell, tmp_path / 'calls.jsonl.gz')
    cut_off = tmp_path / 'cut.jsonl.gz'
    # Without the last block and the length, which are written when it ends.
    cut_off.write_bytes((tmp_path / 'calls.jsonl.gz').read_bytes()[:-10])

    assert survey(cut_off).events == 5


def test_the_records_of_a_journal_are_events(file: Path) -> None:
    later = RECORD | {'received_at': '2026-03-01T09:00:03.500000+00:00'}
    found = survey(written(file, RECORD, later))
    first, last = events(file)

    assert (found.head.is_journal, first.at, last.at) == (True, 0.0, 2.5)
    assert json.loads(first.body) == {'name': 'call_ended', 'tenant_uuid': 'x', 'data': {'call_id': '1'}}


def test_derived_events_are_known_by_their_key(file: Path) -> None:
    assert survey(written(file, HEAD, LINE, LINE | {'routing_key': 'busd.call.missed'})).derived == 1


def test_properties_that_would_end_an_event_are_not_kept(shell: Shell, ear: Hearsay, file: Path) -> None:
    properties = Basic.Properties(expiration='5', user_id='guest', app_id='calld').marshal()
    ear.hears(call()._replace(properties=properties))
    run(shell, file)

    assert json.loads(file.read_text().splitlines()[1])['properties'] == {'app_id': 'calld'}


def deep(levels: int) -> str:
    return '[' * levels + ']' * levels


@pytest.mark.parametrize(
    ('key', 'levels'), [('body_compact', 490), ('body', 980), ('body', 970), ('body', 201), ('headers', 980)]
)
def test_a_line_that_is_nested_too_deep_is_named_and_the_others_are_read(tmp_path: Path, key: str, levels: int) -> None:
    kept = json.dumps({name: value for name, value in LINE.items() if name not in ('body', key)})
    bad = f'{kept[:-1]}, "{key}": {{"x": {deep(levels - 1)}}}}}\n'
    found = survey(written(tmp_path / 'x', HEAD, bad, LINE))

    assert (found.events, found.broken) == (1, [Broken(2, 'it is nested deeper than 200 levels')])


@pytest.mark.parametrize('levels', [200, 201, 490, 900, 970])
def test_who_reads_it_from_further_down_finds_the_same(tmp_path: Path, levels: int) -> None:
    kept = json.dumps({key: value for key, value in LINE.items() if key != 'body'})[:-1]
    file = written(tmp_path / 'x', HEAD, f'{kept}, "body": {deep(levels)}}}\n', LINE)

    def read_from(frames: int) -> int:
        return read_from(frames - 1) if frames else len(list(events(file)))

    assert read_from(200) == survey(file).events


@pytest.mark.parametrize('levels', [200, 201, 900])
def test_a_body_that_is_nested_deep_comes_back(levels: int) -> None:
    assert _again(deep(levels).encode()) == deep(levels).encode()


def test_a_header_that_is_no_number_stays_as_it_is(shell: Shell, ear: Hearsay, file: Path) -> None:
    # A double of AMQP, which the encoder has not.
    table = b'\x01xd' + struct.pack('>d', math.nan)
    ear.hears(call()._replace(properties=b'\x20\x00' + struct.pack('>I', len(table)) + table))
    run(shell, file)

    (event,) = events(file)
    assert math.isnan(event.headers['x'])


def test_what_has_recorded_nothing_leaves_no_file(shell: Shell, ear: Hearsay, file: Path) -> None:
    done = run(shell, file, 'nope.nope')

    assert (done.exit_code, done.stdout, file.exists()) == (
        0,
        f'nothing came, and {file} is removed. next: wazo-busd tail -c {shell.config}, which shows what comes\n',
        False,
    )


@pytest.mark.parametrize('span', ['0s', '367d', '999999999999d'])
def test_who_records_for_longer_than_a_year_is_wrong(shell: Shell, ear: Hearsay, file: Path, span: str) -> None:
    done = shell('record', str(file), '--for', span, '-c', str(shell.config))

    assert (done.exit_code, file.exists(), 'at most 366d' in done.stderr) == (2, False, True)
