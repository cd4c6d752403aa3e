# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What `wazo-busd emit` publishes on a real broker reaches the handlers that match it by name, in both eras' shapes."""

from __future__ import annotations

import itertools
import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner, Result

from tests.conftest import Broker
from tests.support import DaemonProcess, eventually_sync, write_config
from wazo_busd import catalogue
from wazo_busd.amqp import upstream
from wazo_busd.catalogue import Entry
from wazo_busd.cli import main

DESCRIBED = [entry for entry in catalogue.entries() if entry.on_page and entry.routing_keys]
NAMES = [(name, entry) for entry in DESCRIBED for name in (entry.name, *entry.aliases)]
HANDLERS = {f'h{number}': name for number, (name, _) in enumerate(NAMES)}
EXCHANGES = ('xivo', 'wazo-headers')
ERAS = ('now', '2019')
BY_PROCESS = ('call_created', 'auth_tenant_created')
"""What is emitted by processes of its own; the others by the same code in this one, which takes less time."""


class Sent(NamedTuple):
    """One event that was emitted."""

    entry: Entry
    exchange: str
    name: str
    routing_key: str


def emit(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ['emit', *arguments, '-c', str(config)], catch_exceptions=False)


def emit_by_process(config: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, '-m', 'wazo_busd', 'emit', *arguments, '-c', str(config)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def emit_all(config: Path) -> Iterator[Sent]:
    """Emit every event by every name, on both exchanges, as hosts of both eras do."""
    for (name, entry), exchange, era in itertools.product(NAMES, EXCHANGES, ERAS):
        arguments = (name, '--exchange', exchange, '--era', era)
        said = emit_by_process(config, *arguments) if name in BY_PROCESS else emit(config, *arguments)
        told = re.fullmatch(r'published (\S+) on (\S+) with the key (\S+)\n', said.stdout)
        assert told, said.stderr
        assert told[2] == exchange
        yield Sent(entry, exchange, told[1], told[3])


def expected(handler: str, sent: list[Sent]) -> list[tuple[str, str, str]]:
    """What a handler should get: each event that is called by its name or alias, or is of its family, once."""
    wanted = catalogue.find(HANDLERS[handler])
    assert wanted
    return sorted(
        (each.exchange, each.name, each.routing_key)
        for each in sent
        if each.entry == wanted or (wanted.is_family and each.entry.service == wanted.service)
    )


@pytest.fixture(scope='module')
def journey(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[list[Sent], dict[str, list[Any]]]:
    """What was emitted, and what each handler's journal has of it."""
    node = request.getfixturevalue('node')
    node.add_vhost('emit')
    directory = tmp_path_factory.mktemp('emit')
    handlers = '\n'.join(
        f'{handler}: {{plugin: journal, match: "{name}", queue: {{type: classic}}, '
        f'options: {{path: {directory}/{handler}.jsonl}}}}'
        for handler, name in HANDLERS.items()
    )
    broker = Broker(node, 'emit')
    config = write_config(directory, broker, handlers)
    # Those who emit need to know the bus; so many handlers take them longer to read than all else.
    bus = write_config(directory / 'emit', broker, '{}')
    with DaemonProcess(config, directory) as daemon:
        daemon.wait_consuming()
        sent = list(emit_all(bus))
        eventually_sync(lambda: all(len(records(directory, each)) >= len(expected(each, sent)) for each in HANDLERS))
        daemon.stop()
    return sent, {handler: records(directory, handler) for handler in HANDLERS}


def records(directory: Path, handler: str) -> list[Any]:
    path = directory / f'{handler}.jsonl'
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_every_event_of_wazos_page_is_emitted() -> None:
    assert len(DESCRIBED) == 50


@pytest.mark.parametrize('handler', HANDLERS, ids=HANDLERS.get)
def test_a_handler_that_matches_by_name_gets_every_shape_exactly_once(
    journey: tuple[list[Sent], dict[str, list[Any]]], handler: str
) -> None:
    sent, journals = journey
    found = sorted((each['exchange'], each['name'], each['routing_key']) for each in journals[handler])

    assert (len(found) >= len(EXCHANGES) * len(ERAS), found) == (True, expected(handler, sent))


def test_both_eras_shapes_were_told_apart_by_keys_and_names(journey: tuple[list[Sent], Any]) -> None:
    sent, _ = journey
    shapes = {(each.name, each.routing_key) for each in sent if each.entry.name == 'service_deregistered'}

    assert shapes == {
        ('service_deregistered', 'service.registered.wazo-dird'),
        ('service_deregistered_event', 'service.registered.wazo-dird'),
        ('service_deregistered_event', 'service.deregistered.wazo-dird'),
    }


def test_every_event_says_that_it_is_a_test(journey: tuple[list[Sent], dict[str, list[Any]]]) -> None:
    _, journals = journey

    assert [each['name'] for found in journals.values() for each in found if not each['headers']['busd-test']] == []


# ---- brokers that do not take it


@pytest.fixture
def config(broker: Broker, tmp_path: Path) -> Path:
    """A configuration for a broker that has neither of Wazo's exchanges."""
    return write_config(tmp_path / 'etc', broker, '{}')


def other_bus(config: Path, broker: Broker, **keys: object) -> Path:
    """The same with other keys of the bus."""
    bus = {'host': broker.host, 'port': broker.port, 'vhost': broker.vhost, **keys}
    config.write_text(f'bus: {json.dumps(bus)}\n')
    return config


def test_a_broker_that_is_away_is_told_in_one_line(config: Path, broker: Broker) -> None:
    with socket.socket() as unused:
        unused.bind((broker.host, 0))
        port = unused.getsockname()[1]
    done = emit_by_process(other_bus(config, broker, port=port), 'call_created')
    text = f'nothing listens on {broker.host}:{port}: Connection refused. next: systemctl status rabbitmq-server'

    assert (done.returncode, done.stdout, done.stderr) == (1, '', f'error: {text}\n')


def test_an_exchange_that_is_not_there_is_told_with_the_cure(config: Path, broker: Broker) -> None:
    done = emit_by_process(config, 'call_created')
    text = f"there is no exchange 'wazo-headers' on {broker.host}:{broker.port}"
    cure = 'start wazo-busd once, which makes both, or name another with --exchange'

    assert (done.returncode, done.stdout, done.stderr) == (1, '', f'error: {text}. next: {cure}\n')


def test_a_user_who_may_not_publish_is_told_with_the_command_that_helps(config: Path, broker: Broker) -> None:
    broker.node.add_user(f'reader-{broker.vhost}', 'secret')
    broker.node.set_permissions(broker.vhost, f'reader-{broker.vhost}', '^$', '^$', '.*')
    reader = other_bus(config, broker, username=f'reader-{broker.vhost}', password='secret')
    done = emit(reader, 'call_created', '--exchange', 'amq.topic')
    told, _, cure = done.stderr.strip().partition('. next: rabbitmqctl ')
    broker.node.ctl(*(each.strip("'") for each in cure.split()))

    assert (done.exit_code, told, emit(reader, 'call_created', '--exchange', 'amq.topic').exit_code) == (
        1,
        f"error: the user 'reader-{broker.vhost}' may not publish on 'amq.topic'",
        0,
    )


def test_a_wrong_password_is_told(config: Path, broker: Broker) -> None:
    done = emit(other_bus(config, broker, password='wrong'), 'call_created')

    assert (done.exit_code, "refuses the user 'guest' or its password" in done.stderr) == (1, True)


def test_a_vhost_that_is_not_there_is_told(config: Path, broker: Broker) -> None:
    done = emit(other_bus(config, broker, vhost='nowhere'), 'call_created')

    assert (done.exit_code, "has no vhost 'nowhere'. next: rabbitmqctl add_vhost 'nowhere'" in done.stderr) == (1, True)


@pytest.mark.parametrize(
    'arguments',
    [
        ['call_created', '--exchange', 'amq.topic', '--key', 'k' * 256],
        ['call_created', '--exchange', 'x' * 300],
        ['n' * 256, '--force', '--exchange', 'amq.topic'],
        ['conference_participant_joined', f'conference_id={2**64}', '--exchange', 'amq.topic'],
    ],
    ids=['key', 'exchange', 'name', 'number'],
)
def test_what_amqp_has_no_room_for_is_told(config: Path, arguments: list[str]) -> None:
    done = emit(config, *arguments)

    assert (done.exit_code, done.stderr.startswith('error: AMQP cannot carry it: ')) == (1, True)


def test_a_broker_in_alarm_is_not_waited_for_without_end(
    config: Path, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upstream, '_TIMEOUT_SECONDS', 1.0)
    broker.node.evaluate('vm_memory_monitor:set_vm_memory_high_watermark(0.0000001)')
    try:
        eventually_sync(lambda: emit(config, 'call_created', '--exchange', 'amq.topic').exit_code == 1)
        done = emit(config, 'call_created', '--exchange', 'amq.topic')
    finally:
        broker.node.evaluate('vm_memory_monitor:set_vm_memory_high_watermark(0.4)')
        eventually_sync(lambda: emit(config, 'call_created', '--exchange', 'amq.topic').exit_code == 0)

    told = f'error: {broker.host}:{broker.port} did not take it within 1 s'
    assert done.stderr == f'{told}. next: rabbitmqctl list_alarms\n'
