# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Two daemons share a cluster of three nodes: whichever of these is killed, nothing is lost and the order is kept.

Three nodes take a while to start, so `make test` leaves it out: `make torture` runs it at length, and
`TORTURE=brief .venv/bin/pytest tests/torture/test_cluster.py` in half a minute.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.conftest import require_broker
from tests.torture.hosts import DAEMONS, PREFETCH, Hosts
from tests.torture.rig import HANDLERS
from tests.torture.scale import IS_ASKED_FOR, IS_LONG, scaled
from tools.rabbitmq_cluster import RabbitmqCluster

pytestmark = pytest.mark.skipif(not IS_ASKED_FOR, reason='three nodes take a while: TORTURE=brief, or make torture')

NODES = 3
ROUNDS = scaled(1, 4)
EVENTS_A_FAULT = scaled(150, 400)


@pytest.fixture(scope='module')
def three_nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitmqCluster]:
    require_broker()
    cluster = RabbitmqCluster(tmp_path_factory.mktemp('cluster'), NODES)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture
def hosts(three_nodes: RabbitmqCluster, tmp_path: Path) -> Iterator[Hosts]:
    hosts = Hosts(three_nodes, tmp_path)
    yield hosts
    hosts.close()


def faults(hosts: Hosts) -> list[Callable[[], None]]:
    """What happens, in its order: each daemon is one that takes the ordered events, sooner or later."""
    daemons = range(DAEMONS)
    nodes = [partial(hosts.kill_node, each) for each in range(NODES)] if IS_LONG else []
    killed = [partial(hosts.kill_daemon, each) for each in daemons]
    stopped = [partial(hosts.stop_daemon, each) for each in daemons]
    return [partial(hosts.kill_leader, 'lane'), *killed, *nodes, *stopped] * ROUNDS


def test_whoever_is_killed_nothing_is_lost_and_the_order_of_each_key_is_kept(hosts: Hosts) -> None:
    members = hosts.members()
    first = 0
    happenings = faults(hosts)
    for fault in happenings:
        load = hosts.load(first, EVENTS_A_FAULT)
        load.start()
        time.sleep(0.1)
        fault()
        load.wait()
        first += EVENTS_A_FAULT
    hosts.wait_quiet()
    accounts = hosts.accounts()
    hosts.end()

    confirmed, uncertain = len(hosts.history.confirmed), len(hosts.history.uncertain)
    print(f'\n{confirmed * len(HANDLERS)} pairs, {len(happenings)} faults, {uncertain} events never confirmed')
    for each in accounts:
        print(each)
    in_flight = PREFETCH * len(happenings)
    assert members == [NODES] * len(HANDLERS)
    assert [(each.handler, sorted(each.lost), each.extra <= in_flight) for each in accounts] == [
        (each, [], True) for each in HANDLERS
    ]
    assert [sorted(each.disorder) for each in accounts if each.handler == 'lane'] == [[]]
