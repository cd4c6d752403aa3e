# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The journal, with a daemon that is killed at any moment and full disks: no event missing, none there twice."""

from __future__ import annotations

import contextlib
import json
import random
import resource
import sqlite3
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import pytest

from tests.conftest import Broker
from tests.support import eventually_sync
from tests.torture.conftest import MakeSite
from tests.torture.scale import IS_LONG, scaled
from tests.torture.site import Site
from tests.torture.wire import Wire
from tools.postgresql_node import PostgresqlNode

KILLS = scaled(3, 100)
KILLS_OF_POSTGRESQL = scaled(2, 30)
FULL = scaled(1, 10)
"""How often the disk is full."""

PATIENCE_SECONDS = 120.0
HANDLERS = """
    book: {{plugin: journal, match: calls.#, options: {{format: sqlite, path: {disk}/book.sqlite}}}}
    lines: {{plugin: journal, match: calls.#, options: {{path: {disk}/lines.jsonl, rotate: never, max_size: null}}}}
"""
MOUNT = ['mount', '-t', 'tmpfs', '-o', 'size=64m', 'tmpfs']
MORE = 'x' * 3000
UNLIMITED = resource.RLIM_INFINITY


class Host:
    """A service that publishes all the time, in a thread of its own, each event with a number."""

    def __init__(self, broker: Broker, per_second: int = 200, more: str = '') -> None:
        self.published = 0
        self._broker = broker
        self._more = more
        self._pause_seconds = 1 / per_second
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._publish, name='host')

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _publish(self) -> None:
        with Wire(self._broker) as wire:
            while not self._is_over.wait(self._pause_seconds):
                wire.publish(json.dumps({'name': 'x', 'data': {'number': self.published, 'more': self._more}}).encode())
                self.published += 1
            wire.flush()


def in_book(disk: Path) -> Counter[int]:
    """How often each number is in the database."""
    with closing(sqlite3.connect(disk / 'book.sqlite', timeout=10)) as connection:
        found = connection.execute("SELECT json_extract(data, '$.number') FROM events").fetchall()
    return Counter(number for (number,) in found)


def in_lines(disk: Path) -> Counter[int]:
    """How often each number is in the file of JSON lines."""
    path = disk / 'lines.jsonl'
    content = path.read_bytes() if path.exists() else b''
    return Counter(json.loads(line)['data']['number'] for line in content.split(b'\n')[:-1])


def dead(site: Site) -> set[int]:
    found = [*site.dead('book'), *site.dead('lines')]
    return {json.loads(each['body'])['data']['number'] for each in found}


def wait_all(disk: Path, count: int) -> None:
    """Wait until so many are in both."""

    def is_there() -> bool:
        # To count them takes its time, so not at every look.
        time.sleep(0.2)
        return rows(disk) >= count and len(in_lines(disk)) >= count

    eventually_sync(is_there, PATIENCE_SECONDS)


def rows(disk: Path) -> int:
    path = disk / 'book.sqlite'
    if not path.exists():
        return 0
    with closing(sqlite3.connect(path, timeout=10)) as connection:
        return int(connection.execute('SELECT count(*) FROM events').fetchone()[0])


def check(site: Site, disk: Path, count: int) -> None:
    """Nothing is missing, nothing is there twice, and the database is whole."""
    book, lines = in_book(disk), in_lines(disk)
    twice = sorted(number for number, times in book.items() if times > 1)
    print(
        f'{count} events; SQLite: {count - len(book)} missing, {len(twice)} twice; '
        f'JSON lines: {count - len(lines)} missing, {sum(times > 1 for times in lines.values())} twice'
    )
    assert (sorted(book), twice, sorted(lines), dead(site)) == (list(range(count)), [], list(range(count)), set())
    with closing(sqlite3.connect(disk / 'book.sqlite')) as connection:
        assert connection.execute('PRAGMA integrity_check').fetchall() == [('ok',)]


def make(make_site: MakeSite, broker: Broker, disk: Path) -> Site:
    return make_site(broker, plugins={}, handlers=HANDLERS.format(disk=disk), bus='prefetch: 64')


def test_a_daemon_that_is_killed_at_any_moment_has_each_event_once(
    broker: Broker, make_site: MakeSite, tmp_path: Path
) -> None:
    # Given a daemon that keeps every event
    disk = tmp_path
    site = make(make_site, broker, disk)
    site.start()

    # When it is killed at random moments while events come
    with Host(broker) as host:
        for _ in range(KILLS):
            time.sleep(random.uniform(0.0, 1.0))
            site.daemon.__exit__()
            site.start()
    wait_all(disk, host.published)
    site.stop()

    # Then each of them is there once
    print(f'\n{KILLS} kills: ', end='')
    check(site, disk, host.published)


def test_a_daemon_that_is_killed_at_any_moment_has_each_event_once_in_postgresql(
    broker: Broker, make_site: MakeSite, cluster: PostgresqlNode, database: str
) -> None:
    # Given a daemon that keeps every event on a server
    name = urlsplit(database).path.strip('/')
    options = f'options: {{format: postgresql, url: "{database}"}}'
    site = make_site(broker, plugins={}, handlers=f'archive: {{plugin: journal, match: calls.#, {options}}}')
    site.start()

    # When it is killed at random moments while events come
    with Host(broker) as host:
        for _ in range(KILLS_OF_POSTGRESQL):
            time.sleep(random.uniform(0.0, 1.0))
            site.daemon.__exit__()
            site.start()

    def count(what: str) -> int:
        return int(cluster.ask(name, f'SELECT count({what}) FROM events'))

    eventually_sync(lambda: count("DISTINCT data->'number'") >= host.published, PATIENCE_SECONDS)
    site.stop()

    # Then each of them is there once
    print(f'\n{KILLS_OF_POSTGRESQL} kills: {host.published} events, {count("*")} rows in PostgreSQL')
    assert (count('*'), site.dead('archive')) == (host.published, [])


def can_mount() -> bool:
    """Whether a test may have a small disk of its own; anybody may limit the sizes of files."""
    with tempfile.TemporaryDirectory() as directory:
        if subprocess.run([*MOUNT, directory], capture_output=True).returncode:
            return False
        subprocess.run(['umount', directory], check=True)
        return True


def disks() -> list[str]:
    """The ways to have a full disk; one of them does where there is no time."""
    return (['limit', 'disk'] if IS_LONG else ['disk']) if can_mount() else ['limit']


@pytest.fixture(params=disks())
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """Where the journals are."""
    made = tmp_path / request.param
    made.mkdir()
    if request.param == 'limit':
        yield made
        return
    subprocess.run([*MOUNT, made], check=True)
    try:
        yield made
    finally:
        subprocess.run(['umount', made], check=True)


def full(site: Site, disk: Path) -> AbstractContextManager[None]:
    """Let the disk be full for the daemon."""
    return filled(disk) if disk.is_mount() else limited(site)


@contextmanager
def limited(site: Site) -> Iterator[None]:
    """Let no file of the daemon grow beyond a size: writing fails, as on a full disk.

    The size leaves room for its log; the events are much longer than what it logs of them.
    """
    process = site.daemon.process
    size = len(site.daemon.log) + random.randrange(50_000, 150_000)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (size, UNLIMITED))
    yield
    if process.poll() is None:
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (UNLIMITED, UNLIMITED))


def rests(site: Site) -> dict[str, int]:
    """How often each handler has begun to rest."""
    lines = [line for line in site.daemon.log.splitlines() if ' breaker_open ' in line]
    return {name: sum(f' handler={name} ' in line for line in lines) for name in ('book', 'lines')}


def wait_rest(site: Site, before: dict[str, int]) -> None:
    """Wait until both handlers have begun to rest once more."""

    def are_resting() -> bool:
        time.sleep(0.2)
        return all(count > before[name] for name, count in rests(site).items())

    eventually_sync(are_resting, PATIENCE_SECONDS)


@contextmanager
def filled(disk: Path) -> Iterator[None]:
    """Fill a disk with something else."""
    ballast = disk / 'ballast'
    with ballast.open('wb', buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b'x' * 4096)
    yield
    ballast.unlink()


@pytest.mark.parametrize('is_killed', [False, True], ids=['', 'and killed'])
def test_a_disk_that_is_full_refuses_events_and_when_it_is_not_each_is_there_once(
    disk: Path, broker: Broker, make_site: MakeSite, is_killed: bool
) -> None:
    # Given a daemon that keeps every event
    site = make(make_site, broker, disk)
    site.start()
    with Host(broker, more=MORE) as host:
        for _ in range(FULL):
            wait_all(disk, rows(disk) + 150)

            # When its disk is full until both of them rest
            before = rests(site)
            with full(site, disk):
                wait_rest(site, before)
                if is_killed:
                    site.daemon.__exit__()
            if is_killed:
                site.start()

    # Then it goes on by itself, and each is there once
    wait_all(disk, host.published)
    site.stop()
    print(f'\n{FULL} full disks{" and kills" * is_killed}: ', end='')
    check(site, disk, host.published)
