# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What docs/operating.md says at 3 am is what the commands say: each of its situations is brought about, and typed."""

from __future__ import annotations

import asyncio
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.acceptance.night import Night
from tests.acceptance.situations import PAGE, Typed, blocks, commands, misses, section, titles
from tests.conftest import new_vhost
from tests.torture.wire import Wire
from tests.unit.controlled import short_directory
from tools.rabbitmq_node import RabbitmqNode

SITUATIONS = (
    'Wrong exchange',
    'Dead web server',
    'Flood',
    'Full queue',
    'Bad configuration',
    'Broker down',
    'A plugin that fails',
    'Replay after repair',
    'Slow handler',
    'Upgrade',
)
CALL = ('call_ended', 'calls.call.ended')


@pytest.fixture(scope='module')
def house(node: RabbitmqNode, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    """The daemon of all situations."""
    umask = os.umask(0o022)
    with short_directory() as runtime:
        made = Night(new_vhost(node), tmp_path_factory.mktemp('night'), runtime)
        try:
            made.start()
            yield made
        finally:
            made.close()
            os.umask(umask)


@pytest.fixture
def night(house: Night) -> Iterator[Night]:
    """The same, when all is well."""
    yield house
    house.calm()


@contextmanager
def flood(night: Night) -> Iterator[None]:
    """AMI, as it is on a host where people telephone."""
    is_over = threading.Event()

    def publish() -> None:
        with Wire(night.broker) as wire:
            while not is_over.wait(0.05):
                for name in ('VarSet', 'Newexten', 'VarSet'):
                    wire.publish(b'{"name": "%b", "data": {}}' % name.encode(), key=f'ami.{name}')
                wire.flush()

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def test_the_page_has_ten_situations() -> None:
    assert titles() == list(SITUATIONS)


@pytest.mark.parametrize('title', SITUATIONS)
def test_a_situation_says_what_is_seen_what_is_typed_and_what_it_means(title: str) -> None:
    text = section(title)

    assert (bool(re.search(r'\*\*You (see|have)', text)), '**It means:**' in text, len(commands(title)) >= 3) == (
        True,
        True,
        True,
    )


def test_nothing_else_is_typed_on_the_page_than_what_is_tried() -> None:
    tried = sum(len(commands(title)) for title in titles())

    assert len(re.findall(r'^\$ ', PAGE, re.MULTILINE)) == tried


@pytest.mark.parametrize(
    ('page', 'said', 'missing'),
    [
        ('a\nb', 'a\nb', []),
        ('a\nb', 'a\nc', ['b', 'c']),
        ('a … c', 'a  b  c', []),
        ('…\nc', 'a\nb\nc', []),
        ('a\n…', 'a\nb\nc', []),
        ('a', 'a\nb', ['b']),
        ('…\nd', 'a\nb', ['d']),
        ('b\na', 'a\nb', ['b', 'b']),
        ('…\n}\nc', 'a\n}\n}\nc', []),
    ],
)
def test_what_the_page_has_and_the_command_does_not_say_is_found(page: str, said: str, missing: list[str]) -> None:
    assert misses(Typed('status', page), said) == missing


def test_a_wrong_exchange(night: Night) -> None:
    night.publish('user_missed_call', 'calls.missed', exchange='amq.topic')

    assert night.says('Wrong exchange') == []


def test_a_dead_web_server(night: Night) -> None:
    before = night.done('crm')
    night.web.answer(503, times=1_000)
    night.publish(*CALL, number=20)
    night.becomes('crm', state='resting')
    out = night.says('Dead web server', 0, 2)
    night.web.answers.clear()
    night.becomes('crm', state='consuming', in_hand=0, done=before + 20)

    assert (out, night.says('Dead web server', 2)) == ([], [])


def test_a_flood(night: Night) -> None:
    night.add('60-new.yml', blocks('Flood', 'yaml')[0])
    night.type('reload')
    night.becomes('everything', state='consuming')
    with flood(night):
        seen = night.says('Flood', 0, 4)
    night.remove('60-new.yml')

    assert (seen, night.says('Flood', 4)) == ([], [])


def test_a_full_queue(night: Night) -> None:
    night.type('pause history')
    night.becomes('history', state='paused')
    night.publish(*CALL, number=510)
    night.becomes('crm', in_hand=0)
    night.settles('wazo-busd.crm', 0)
    full = night.says('Full queue', 0, 3)
    night.settles('wazo-busd.history', 0)
    night.becomes('history', in_hand=0)

    assert (full, night.says('Full queue', 3)) == ([], [])


def test_a_bad_configuration(night: Night) -> None:
    (text,) = blocks('Bad configuration', 'yaml')
    night.add('60-new.yml', text)
    wrong = night.says('Bad configuration', 0, 2)
    night.add('60-new.yml', text.replace('webhok', 'webhook').replace('faild', 'failed').replace('3 weeks', '30s'))
    right = night.says('Bad configuration', 2, 4)
    night.becomes('faxes', state='consuming')

    assert (wrong, right, night.says('Bad configuration', 4)) == ([], [], [])


def test_a_broker_that_is_down(night: Night) -> None:
    night.do(night.door.shut())
    night.tells('nothing listens')
    down = night.says('Broker down', 0, 3)
    night.do(night.door.open())
    night.all_consume()

    assert (down, night.says('Broker down', 3)) == ([], [])


def test_a_plugin_that_fails(night: Night) -> None:
    night.fail()

    assert night.says('A plugin that fails') == []


def test_a_replay_after_a_repair(night: Night) -> None:
    before = night.done('history')
    night.publish(*CALL)
    night.becomes('history', done=before + 1)
    night.fail()
    night.install('Replay after repair')
    sent = night.says('Replay after repair', 0, 3)
    night.becomes('bell', done=2)

    assert (sent, night.says('Replay after repair', 3)) == ([], [])


def test_a_slow_handler(night: Night) -> None:
    night.web.hold = asyncio.Event()
    night.publish(*CALL, number=300)
    night.becomes('crm', in_hand=256)
    night.becomes('history', in_hand=0)
    night.settles('wazo-busd.history', 0)
    slow = night.says('Slow handler', 0, 3)
    night.release()
    night.settles('wazo-busd.crm', 0)
    night.becomes('crm', in_hand=0)

    assert (slow, night.says('Slow handler', 3)) == ([], [])


def test_an_upgrade(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a newer command beside the daemon that runs
    with monkeypatch.context() as newer:
        newer.setattr('wazo_busd.cli.status.__version__', '99.0')
        before = night.says('Upgrade', 0, 2)

    # When the configuration wants another queue
    night.add('40-history.yml', blocks('Upgrade', 'yaml')[0])
    night.type('reload')
    night.becomes('history', state='refused')
    night.publish(*CALL, number=4)
    night.settles('wazo-busd.history', 4)
    refused = night.says('Upgrade', 2, 4)

    # Then it is made anew with what is in it
    monkeypatch.setattr('wazo_busd.amqp.relocation._SETTLE_SECONDS', 0.1)
    moved = night.says('Upgrade', 4, 5)
    night.becomes('history', state='consuming', done=4)
    assert (before, refused, moved, night.says('Upgrade', 5)) == ([], [], [], [])
