# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The ledger: nothing that was bound is forgotten, whatever happens to the file."""

from __future__ import annotations

import json
import os
import time
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.rig import log_lines
from wazo_busd.amqp.ledger import Ledger
from wazo_busd.config import BusConfig

BROKER = BusConfig()
OTHER_BROKERS = [BusConfig(host='pbx2'), BusConfig(port=5673), BusConfig(vhost='pbx'), BusConfig(namespace='second')]


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def path(state_dir: Path) -> Path:
    return state_dir / 'bindings.json'


def test_a_new_ledger_knows_no_queue(path: Path) -> None:
    assert Ledger(path.parent, BROKER).queues == []


def test_a_queue_that_was_never_bound_has_no_patterns(path: Path) -> None:
    assert Ledger(path.parent, BROKER).patterns('wazo-busd.fax') == set()


def test_what_was_written_is_known_after_a_restart(path: Path) -> None:
    Ledger(path.parent, BROKER).write('wazo-busd.fax', ['faxes.#', 'calls.#'])

    assert Ledger(path.parent, BROKER).patterns('wazo-busd.fax') == {'faxes.#', 'calls.#'}


def test_a_queue_has_the_patterns_that_were_written_last(path: Path) -> None:
    ledger = Ledger(path.parent, BROKER)
    ledger.write('wazo-busd.fax', ['faxes.#', 'calls.#'])
    ledger.write('wazo-busd.fax', ['calls.#'])

    assert Ledger(path.parent, BROKER).patterns('wazo-busd.fax') == {'calls.#'}


def test_a_queue_without_patterns_is_no_longer_bound(path: Path) -> None:
    ledger = Ledger(path.parent, BROKER)
    ledger.write('wazo-busd.fax', ['faxes.#'])
    ledger.write('wazo-busd.fax', [])

    assert (ledger.queues, Ledger(path.parent, BROKER).queues) == ([], [])


def test_a_queue_that_is_no_longer_bound_is_still_known(path: Path) -> None:
    ledger = Ledger(path.parent, BROKER)
    ledger.write('wazo-busd.fax', ['faxes.#'])
    ledger.write('wazo-busd.fax', [])

    assert (ledger.known, Ledger(path.parent, BROKER).known) == (['wazo-busd.fax'], ['wazo-busd.fax'])


def test_a_queue_that_was_never_bound_is_not_known(path: Path) -> None:
    ledger = Ledger(path.parent, BROKER)
    ledger.write('wazo-busd.fax', [])

    assert ledger.known == []


def test_the_queues_were_last_there_when_that_was_noted(path: Path) -> None:
    ledger = Ledger(path.parent, BROKER)
    ledger.write('wazo-busd.fax', ['faxes.#'])
    os.utime(path, (1_000.0, 1_000.0))
    before = ledger.seen_at
    ledger.touch()

    assert (before, ledger.seen_at > 1_000.0) == (1_000.0, True)


def test_the_queues_of_a_new_ledger_are_there_now(path: Path) -> None:
    before = time.time()

    assert Ledger(path.parent, BROKER).seen_at >= before


def test_what_cannot_be_noted_is_no_error(path: Path) -> None:
    ledger = Ledger(path.parent, BROKER)
    ledger.touch()

    assert not path.exists()


def test_a_queue_that_was_never_known_can_be_forgotten(path: Path) -> None:
    ledger = Ledger(path.parent, BROKER)
    ledger.write('wazo-busd.fax', [])

    assert ledger.queues == []


@pytest.mark.parametrize('other', OTHER_BROKERS, ids=['host', 'port', 'vhost', 'namespace'])
def test_two_brokers_do_not_know_each_other(path: Path, other: BusConfig) -> None:
    Ledger(path.parent, BROKER).write('wazo-busd.fax', ['faxes.#'])

    assert Ledger(path.parent, other).queues == []


def test_writing_for_one_broker_keeps_what_another_one_has(path: Path) -> None:
    Ledger(path.parent, BROKER).write('wazo-busd.fax', ['faxes.#'])
    Ledger(path.parent, OTHER_BROKERS[0]).write('wazo-busd.fax', ['calls.#'])

    assert Ledger(path.parent, BROKER).patterns('wazo-busd.fax') == {'faxes.#'}


def test_what_has_not_changed_is_not_written_again(path: Path) -> None:
    ledger = Ledger(path.parent, BROKER)
    ledger.write('wazo-busd.fax', ['faxes.#', 'calls.#'])
    path.unlink()
    ledger.write('wazo-busd.fax', ['calls.#', 'faxes.#', 'calls.#'])

    assert not path.exists()


def test_a_directory_that_is_missing_is_made(tmp_path: Path) -> None:
    path = tmp_path / 'state' / 'deeper' / 'bindings.json'
    Ledger(path.parent, BROKER).write('wazo-busd.fax', ['faxes.#'])

    assert Ledger(path.parent, BROKER).queues == ['wazo-busd.fax']


def in_the_way(path: Path) -> Path:
    """Put a directory where the ledger writes, as a stand-in for a disk that is full."""
    obstacle = path.with_suffix('.new')
    obstacle.mkdir()
    return obstacle


def test_what_could_not_be_written_is_written_the_next_time(path: Path) -> None:
    ledger = Ledger(path.parent, BROKER)
    obstacle = in_the_way(path)
    ledger.write('wazo-busd.fax', ['faxes.#'])
    obstacle.rmdir()

    ledger.write('wazo-busd.fax', ['faxes.#'])

    assert Ledger(path.parent, BROKER).patterns('wazo-busd.fax') == {'faxes.#'}


def test_what_could_not_be_written_is_not_known(path: Path) -> None:
    ledger = Ledger(path.parent, BROKER)
    ledger.write('wazo-busd.fax', ['faxes.#'])
    in_the_way(path)
    ledger.write('wazo-busd.fax', [])

    assert ledger.patterns('wazo-busd.fax') == {'faxes.#'}


def test_what_could_not_be_written_leaves_the_file_as_it_was(path: Path) -> None:
    ledger = Ledger(path.parent, BROKER)
    ledger.write('wazo-busd.fax', ['faxes.#'])
    in_the_way(path)
    ledger.write('wazo-busd.fax', ['calls.#'])

    assert Ledger(path.parent, BROKER).patterns('wazo-busd.fax') == {'faxes.#'}


def test_what_could_not_be_written_is_told(path: Path, log: StringIO) -> None:
    in_the_way(path)
    Ledger(path.parent, BROKER).write('wazo-busd.fax', ['faxes.#'])

    (line,) = log_lines(log, 'ledger_not_written')
    assert (line['level'], line['path'], line['error']) == ('ERROR', str(path), 'Is a directory')


def test_where_it_could_not_be_written_the_room_can_be_asked_for(path: Path, log: StringIO) -> None:
    in_the_way(path)
    Ledger(path.parent, BROKER).write('wazo-busd.fax', ['faxes.#'])

    assert log_lines(log, 'ledger_not_written')[0]['hint'] == f'df -h {path.parent}'


def test_a_directory_that_cannot_be_made_is_told(tmp_path: Path, log: StringIO) -> None:
    (tmp_path / 'state').write_text('a file')
    Ledger(tmp_path / 'state', BROKER).write('wazo-busd.fax', ['faxes.#'])

    assert len(log_lines(log, 'ledger_not_written')) == 1


def test_what_was_written_is_nothing_to_tell(path: Path, log: StringIO) -> None:
    Ledger(path.parent, BROKER).write('wazo-busd.fax', ['faxes.#'])

    assert log.getvalue() == ''


def test_the_old_file_is_whole_until_the_new_one_is(path: Path) -> None:
    ledger = Ledger(path.parent, BROKER)
    ledger.write('wazo-busd.fax', ['faxes.#'])
    path.with_suffix('.new').write_text('{"localhost')

    assert Ledger(path.parent, BROKER).patterns('wazo-busd.fax') == {'faxes.#'}


UNREADABLE = [
    '',
    'not json',
    '[]',
    'null',
    '7',
    '{"broker": []}',
    '{"broker": {"queue": 5}}',
    '{"broker": {"queue": null}}',
]


@pytest.mark.parametrize('content', UNREADABLE)
def test_a_spoiled_file_is_empty(path: Path, content: str) -> None:
    path.write_text(content)

    assert Ledger(path.parent, BROKER).queues == []


@pytest.mark.parametrize('content', UNREADABLE)
def test_a_spoiled_file_is_told(path: Path, content: str, log: StringIO) -> None:
    path.write_text(content)
    Ledger(path.parent, BROKER)

    assert log_lines(log, 'ledger_unreadable')[0]['path'] == str(path)


@pytest.mark.parametrize('content', UNREADABLE)
def test_a_spoiled_file_can_be_written_again(path: Path, content: str) -> None:
    path.write_text(content)
    Ledger(path.parent, BROKER).write('wazo-busd.fax', ['faxes.#'])

    assert Ledger(path.parent, BROKER).queues == ['wazo-busd.fax']


def test_a_file_that_is_not_utf_8_is_told(path: Path, log: StringIO) -> None:
    path.write_bytes(b'\xff\xfe')
    Ledger(path.parent, BROKER)

    assert len(log_lines(log, 'ledger_unreadable')) == 1


def test_what_is_no_file_is_told(path: Path, log: StringIO) -> None:
    path.mkdir()
    Ledger(path.parent, BROKER)

    assert len(log_lines(log, 'ledger_unreadable')) == 1


def test_a_file_that_is_missing_is_nothing_to_tell(path: Path, log: StringIO) -> None:
    Ledger(path.parent, BROKER)

    assert log.getvalue() == ''


contents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@given(contents)
def test_any_json_is_a_ledger_or_none(tmp_path_factory: pytest.TempPathFactory, content: object) -> None:
    path = tmp_path_factory.mktemp('ledger') / 'bindings.json'
    path.write_text(json.dumps(content))

    ledger = Ledger(path.parent, BROKER)

    assert all(isinstance(pattern, str) for queue in ledger.queues for pattern in ledger.patterns(queue))
