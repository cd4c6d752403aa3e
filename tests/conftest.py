# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What all tests share: the private broker, and logs that a test can read."""

from __future__ import annotations

import os
import re
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from typing import NoReturn

import pytest

from tests import examples
from tools.postgresql_node import PostgresqlNode, binaries
from tools.rabbitmq_node import RabbitmqNode, is_installed
from wazo_busd import logs

examples.choose()


@dataclass(frozen=True)
class Broker:
    """A private node and a virtual host of this test's own."""

    node: RabbitmqNode
    vhost: str

    @property
    def host(self) -> str:
        return self.node.host

    @property
    def port(self) -> int:
        return self.node.port

    @property
    def url(self) -> str:
        return f'amqp://guest:guest@{self.host}:{self.port}/{self.vhost}'

    def has_written(self, queue: str) -> bool:
        """Whether the node has written down that a quorum queue is there; killed before, it forgets it."""
        (names,) = self.node.directory.glob('mnesia/*/quorum/*/names.dets')
        return re.search(rf'{self.vhost}_{re.escape(queue)}(?!\.dead)'.encode(), names.read_bytes()) is not None


def require_broker() -> None:
    """Skip a test where RabbitMQ is missing; in CI that is a failure."""
    if not is_installed():
        _missing('RabbitMQ is missing; as root: apt install rabbitmq-server')


def require_postgresql() -> None:
    """Skip a test where PostgreSQL's server is missing; in CI that is a failure."""
    if binaries() is None:
        _missing('PostgreSQL is missing; as root: apt install postgresql')


def require_chromium(program: str | None) -> None:
    """Skip a test where Chromium is missing; in CI that is a failure."""
    if program is None:
        _missing('Chromium is missing; as root: apt install chromium')


def _missing(text: str) -> NoReturn:
    """Skip a test where a server is missing; in CI that is a failure."""
    if os.environ.get('CI'):
        pytest.fail(text)
    pytest.skip(text)


@pytest.fixture(scope='session')
def cluster() -> Iterator[PostgresqlNode]:
    """The private PostgreSQL that tests share."""
    require_postgresql()
    made = PostgresqlNode()
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture
def database(cluster: PostgresqlNode) -> str:
    """The URL of a database of the test's own on the private cluster."""
    name = f'test_{uuid.uuid4().hex[:12]}'
    cluster.create_database(name)
    return cluster.url(name)


@pytest.fixture(scope='session')
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitmqNode]:
    """The private node that most tests of a worker share."""
    require_broker()
    node = RabbitmqNode(tmp_path_factory.mktemp('rabbitmq'))
    node.start()
    yield node
    node.stop()


@pytest.fixture
def broker(node: RabbitmqNode) -> Broker:
    """A virtual host of the test's own on the private node."""
    return new_vhost(node)


@pytest.fixture(scope='module')
def mortal_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitmqNode]:
    """The node that the tests of a file may stop and kill."""
    require_broker()
    node = RabbitmqNode(tmp_path_factory.mktemp('mortal'))
    yield node
    node.stop()


@pytest.fixture
def mortal_broker(mortal_node: RabbitmqNode) -> Broker:
    """A virtual host of the test's own on a node that it may stop and kill."""
    mortal_node.start()
    return new_vhost(mortal_node)


@pytest.fixture(params=['tap', 'fallback'])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each of the ways that deliveries can come by, in turn."""
    way: str = request.param
    if way == 'fallback':
        monkeypatch.setenv('WAZO_BUSD_TAP', 'off')
    return way


@pytest.fixture
def noon(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Be where it is between twelve and one, and no clock is ever put back: no day ends while the test runs."""
    with monkeypatch.context() as place:
        place.setenv('TZ', f'NOON{time.gmtime().tm_hour - 12:+d}')
        time.tzset()
        yield
    time.tzset()


@pytest.fixture(autouse=True)
def log() -> StringIO:
    """What the test logs, from debug on."""
    stream = StringIO()
    logs.configure('debug', stream=stream)
    return stream


def new_vhost(node: RabbitmqNode) -> Broker:
    """A new virtual host on a node."""
    vhost = f'test-{uuid.uuid4().hex[:12]}'
    node.add_vhost(vhost)
    return Broker(node, vhost)
