# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The black box: what is left of a process that ended without a word."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from io import StringIO
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.rig import Settlements, log_lines, make_delivery, make_history
from wazo_busd.blackbox import BlackBox, Recorded, read
from wazo_busd.delivery import Delivery
from wazo_busd.event import identity

SLOT_BYTES = 2048


def delivery_of(body: bytes = b'{}', *, routing_key: str = 'calls.call.created', attempts: int = 0) -> Delivery:
    history = make_history(attempts=attempts) if attempts else None
    return make_delivery(Settlements(), body=body, routing_key=routing_key, history=history)


def open_box(path: Path, slots: int = 4) -> BlackBox:
    return BlackBox(path, slots)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / 'running' / 'bell.box'


# ---- what is read back


async def test_a_box_that_nothing_was_put_into_says_nothing(path: Path) -> None:
    open_box(path)

    assert read(path) == []


@pytest.mark.parametrize(
    'delivery',
    [
        delivery_of(),
        delivery_of(b'{"name": "call_created"}'),
        delivery_of(b''),
        delivery_of(bytes(range(256))),
        delivery_of(b'x' * 2000),
        delivery_of(b'x' * 2001),
        delivery_of(b'x' * 1_000_000),
        delivery_of(routing_key='k' * 255),
        delivery_of(routing_key='faxes.é.\N{SNOWMAN}'),
        delivery_of(routing_key=''),
        delivery_of(attempts=3),
    ],
    ids=['usual', 'named', 'empty', 'bytes', 'large', 'larger', 'huge', 'long key', 'odd key', 'no key', 'copy'],
)
async def test_an_event_that_is_run_is_told_by_what_it_is_recognised_by(path: Path, delivery: Delivery) -> None:
    open_box(path).enter(delivery)

    assert read(path) == [Recorded(delivery.mark, alone=False)]


@given(body=st.binary(max_size=3000), routing_key=st.text(max_size=60), alone=st.booleans())
async def test_whatever_the_event_is_it_is_recognised(
    tmp_path_factory: pytest.TempPathFactory, body: bytes, routing_key: str, alone: bool
) -> None:
    # Given a box in which something else was
    path = tmp_path_factory.mktemp('state') / 'bell.box'
    box = open_box(path, 1)
    box.leave(box.enter(delivery_of(b'\xff' * 2000)))

    # When an event is run
    box.enter(delivery_of(body, routing_key=routing_key), alone=alone)

    # Then it is told
    assert read(path) == [Recorded(identity('wazo-headers', routing_key, body), alone)]


async def test_an_event_that_is_run_no_more_is_not_told(path: Path) -> None:
    # Given a box with two events
    box = open_box(path)
    first = box.enter(delivery_of(b'1'))
    box.enter(delivery_of(b'2'))

    # When one of them ends
    box.leave(first)

    # Then the other one is told
    assert [each.mark for each in read(path)] == [delivery_of(b'2').identity]


async def test_all_that_is_run_is_told(path: Path) -> None:
    box = open_box(path, 3)

    for body in (b'1', b'2', b'3'):
        box.enter(delivery_of(body))

    assert {each.mark for each in read(path)} == {delivery_of(body).identity for body in (b'1', b'2', b'3')}


async def test_of_an_event_that_ran_alone_that_is_told(path: Path) -> None:
    open_box(path).enter(delivery_of(), alone=True)

    assert [each.alone for each in read(path)] == [True]


async def test_an_event_that_no_longer_runs_alone_is_told_as_that(path: Path) -> None:
    box = open_box(path)
    slot = box.enter(delivery_of(), alone=True)

    box.no_longer_alone(slot)

    assert [each.alone for each in read(path)] == [False]


async def test_a_box_has_room_for_as_many_events_as_run_at_a_time_however_many_there_were(path: Path) -> None:
    box = open_box(path, 2)

    for number in range(100):
        slot = box.enter(delivery_of(str(number).encode()))
        assert slot >= 0
        box.leave(slot)

    assert path.stat().st_size == 2 * SLOT_BYTES


async def test_what_there_is_no_room_for_is_not_recorded(path: Path) -> None:
    # Given a box that is full
    box = open_box(path, 1)
    box.enter(delivery_of(b'1'))

    # When one more event is run, and ends
    slot = box.enter(delivery_of(b'2'))
    box.no_longer_alone(slot)
    box.leave(slot)

    # Then the first one is told
    assert (slot, [each.mark for each in read(path)]) == (-1, [delivery_of(b'1').identity])


# ---- a process that ends


ENDS = {
    'exit': 'os._exit(7)',
    'kill': 'os.kill(os.getpid(), signal.SIGKILL)',
    'segfault': 'ctypes.string_at(0)',
    'abort': 'os.abort()',
}


@pytest.mark.parametrize('end', ENDS.values(), ids=ENDS.keys())
def test_however_a_process_ends_the_event_that_it_was_at_is_told(path: Path, end: str) -> None:
    # Given a process that runs an event after another one, and ends in it
    script = f"""
        import ctypes, os, resource, signal, sys
        from pathlib import Path
        from tests.unit.test_blackbox import delivery_of, open_box

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        box = open_box(Path(sys.argv[1]))
        box.leave(box.enter(delivery_of(b'done')))
        box.enter(delivery_of(b'deadly'), alone=True)
        box.enter(delivery_of(b'innocent'))
        {end}
    """
    ended = subprocess.run([sys.executable, '-c', dedent(script), str(path)], timeout=60)
    assert ended.returncode != 1, 'it ended with a mistake of ours'

    # When its box is read
    recorded = read(path)

    # Then what it was at is told, and nothing else
    assert {(each.mark, each.alone) for each in recorded} == {
        (delivery_of(b'deadly').mark, True),
        (delivery_of(b'innocent').mark, False),
    }


def test_a_process_that_another_one_ends_leaves_its_event(path: Path) -> None:
    # Given a process that runs an event
    script = """
        import sys
        from pathlib import Path
        from tests.unit.test_blackbox import delivery_of, open_box

        box = open_box(Path(sys.argv[1]))
        box.enter(delivery_of(b'1'))
        print('inside', flush=True)
        sys.stdin.read()
    """
    with subprocess.Popen(
        [sys.executable, '-c', dedent(script), str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b'inside\n'

        # When the system ends it, as it does with one that needs too much memory
        process.send_signal(signal.SIGKILL)
        process.wait()

    # Then its event is told
    assert [each.mark for each in read(path)] == [delivery_of(b'1').identity]


# ---- the file


async def test_the_directory_is_made(tmp_path: Path) -> None:
    path = tmp_path / 'state' / 'running' / 'bell.box'

    open_box(path)

    assert path.exists()


async def test_nobody_else_reads_what_the_events_were(path: Path) -> None:
    open_box(path)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_the_file_has_its_place_on_the_disk(path: Path) -> None:
    open_box(path, 100)

    assert path.stat().st_blocks * 512 >= 100 * SLOT_BYTES


async def test_a_new_box_forgets_what_an_older_one_said(path: Path) -> None:
    open_box(path).enter(delivery_of())

    open_box(path)

    assert read(path) == []


async def test_a_handler_that_has_ended_as_it_should_leaves_no_box(path: Path) -> None:
    box = open_box(path)
    box.enter(delivery_of())

    box.close()

    assert not path.exists()


async def test_a_call_that_goes_on_after_the_box_was_closed_does_no_harm(path: Path) -> None:
    # Given an event that still runs when its box is closed
    box = open_box(path)
    slot = box.enter(delivery_of(), alone=True)
    box.close()

    # When it ends, and another one begins
    box.no_longer_alone(slot)
    box.leave(slot)
    after = box.enter(delivery_of())
    box.close()

    # Then nothing is recorded
    assert after == -1


async def test_without_a_file_nothing_is_recorded() -> None:
    box = BlackBox(None, 4)

    slot = box.enter(delivery_of())
    box.leave(slot)
    box.close()

    assert slot == -1


async def test_where_the_file_cannot_be_made_events_are_run_all_the_same_and_it_is_said(
    tmp_path: Path, log: StringIO
) -> None:
    # Given a file where a directory is to be
    (tmp_path / 'running').write_text('')

    # When a box is to be made in it
    box = open_box(tmp_path / 'running' / 'bell.box')

    # Then nothing is recorded, and the log says what to do
    (line,) = log_lines(log, 'black_box_not_made')
    assert (box.enter(delivery_of()), line['level'], line['hint']) == (-1, 'ERROR', f'df -h {tmp_path / "running"}')


async def test_where_the_disk_is_full_nothing_is_recorded(
    path: Path, log: StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a disk without room
    def full(*arguments: object) -> None:
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(os, 'posix_fallocate', full)

    # When a box is to be made
    box = open_box(path)

    # Then nothing is recorded, and no file of the wrong size is left to be read
    assert (box.enter(delivery_of()), read(path)) == (-1, [])


async def test_a_box_that_is_not_there_cannot_be_read(path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read(path)


@given(
    content=st.binary(max_size=3 * SLOT_BYTES) | st.binary(min_size=10, max_size=10).map(lambda b: b.ljust(SLOT_BYTES))
)
def test_whatever_is_in_a_box_reading_it_raises_nothing(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.mktemp('state') / 'bell.box'
    path.write_bytes(content)

    assert len(read(path)) <= len(content) // SLOT_BYTES
