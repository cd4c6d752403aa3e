# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Exchanges that are deleted under the daemon, and a broker that stands still: it says what is so, and goes on."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.conftest import Broker
from tests.support import eventually_sync
from tests.torture.conftest import MakeSite
from tests.torture.site import PATIENCE_SECONDS, Site
from tests.torture.wire import Wire
from tools.rabbitmq_node import RabbitmqNode

NOTE = """
from pathlib import Path
from wazo_busd.api import handler

@handler('calls.#')
async def note(event, context):
    with Path(context.options['home'], 'history').open('a') as file:
        file.write(f'{event.data}\\n')
"""
HANGS = 'takes the connection, and does not answer within 5 s'


def made(make_site: MakeSite, broker: Broker) -> Site:
    site = make_site(
        broker,
        plugins={'note': NOTE},
        handlers='note: {plugin: note, options: {HOME}}',
        watched=('note',),
    )
    site.start()
    return site


@pytest.fixture
def freezing(mortal_broker: Broker) -> Iterator[RabbitmqNode]:
    """A node that may be frozen; in the end it is not."""
    yield mortal_broker.node
    mortal_broker.node.thaw()


@pytest.mark.parametrize('exchange', ['wazo-busd', 'wazo-headers'])
def test_an_exchange_that_is_deleted_is_made_again_and_what_the_daemon_says_is_so(
    broker: Broker, make_site: MakeSite, exchange: str
) -> None:
    site = made(make_site, broker)
    name = f'rabbit_misc:r(<<"{broker.vhost}">>, exchange, <<"{exchange}">>)'
    broker.node.evaluate(f'rabbit_exchange:delete({name}, false, <<"a test">>)')
    site.daemon.wait_log(f"exchange_gone .*no exchange '{exchange}'")
    site.daemon.wait_log('gap .*an exchange was deleted')
    with Wire(broker) as wire:
        wire.publish(b'{"name": "x", "data": 1}')
        wire.flush()
    site.wait_lines('history', 1)
    told = site.run('status')
    site.stop()

    assert (site.lines('history'), told.exit_code, site.witness.lies()) == (['1'], 0, [])


def test_of_a_broker_that_stands_still_everybody_says_so_until_it_goes_on(
    mortal_broker: Broker, make_site: MakeSite, freezing: RabbitmqNode
) -> None:
    site = made(make_site, mortal_broker)
    began = time.monotonic()
    freezing.freeze()
    # No more often than the daemon answers, whom the witness asks, too.
    eventually_sync(lambda: HANGS in site.run('status').stdout, PATIENCE_SECONDS, every_seconds=0.1)
    status, doctor = site.run('status'), site.run('doctor')
    site.witness.silent(began, time.monotonic())
    freezing.thaw()
    site.witness.wait_ready()
    with Wire(mortal_broker) as wire:
        wire.publish(b'{"name": "x", "data": 1}')
        wire.flush()
    site.wait_lines('history', 1)
    site.stop()

    ends = [each.stdout.splitlines()[-1].partition('next: ')[2] for each in (status, doctor)]
    assert ends == ['rabbitmq-diagnostics ping -t 10'] * 2
    assert (status.exit_code, doctor.exit_code, HANGS in doctor.stdout) == (1, 1, True)
    assert (site.lines('history'), site.witness.lies()) == (['1'], [])
