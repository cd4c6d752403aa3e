# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""TLS with a private authority, as an operator makes one."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from tests.conftest import Broker, require_broker
from tests.integration.conftest import MakeStation
from tests.support import Service
from tools.rabbitmq_node import RabbitmqNode
from wazo_busd.amqp.connection import tls_context
from wazo_busd.config import TlsConfig
from wazo_busd.outcome import Outcome


@pytest.fixture(scope='module')
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope='module')
def files(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp('tls')
    authority.cert_pem.write_to_path(directory / 'ca.pem')
    trustme.CA().cert_pem.write_to_path(directory / 'other-ca.pem')
    authority.issue_cert('localhost').private_key_and_cert_chain_pem.write_to_path(directory / 'server.pem')
    authority.issue_cert('wazo-busd').private_key_and_cert_chain_pem.write_to_path(directory / 'client.pem')
    return directory


@pytest.fixture(scope='module')
def tls_broker(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    require_broker()
    node = RabbitmqNode(
        tmp_path_factory.mktemp('rabbitmq-tls'),
        tls={
            'cacertfile': files / 'ca.pem',
            'certfile': files / 'server.pem',
            'keyfile': files / 'server.pem',
        },
    )
    node.start()
    yield Broker(node, '/')
    node.stop()


@pytest.fixture
def trusted(files: Path) -> dict[str, object]:
    return {'ca_file': files / 'ca.pem', 'certificate_file': files / 'client.pem'}


async def test_a_client_certificate_and_a_private_authority_connect(
    tls_broker: Broker, make_station: MakeStation, trusted: dict[str, object]
) -> None:
    station = await make_station(tls_broker, host='localhost', port=tls_broker.node.tls_port, tls=trusted)
    calls = await station.attach('calls', 'calls.#')
    async with Service(tls_broker) as service:
        await service.send('xivo', 'calls.missed', b'x' * 300_000, {})

    (delivery,) = await calls.count(1)
    delivery.settle(Outcome.DONE)
    assert len(delivery.body) == 300_000


async def test_an_unknown_authority_is_told(tls_broker: Broker, make_station: MakeStation, files: Path) -> None:
    tls = {'ca_file': files / 'other-ca.pem'}
    station = await make_station(tls_broker, host='localhost', port=tls_broker.node.tls_port, tls=tls)

    assert 'bus.tls.ca_file' in await station.told('is not trusted')


async def test_a_name_that_the_certificate_has_not_is_told(
    tls_broker: Broker, make_station: MakeStation, trusted: dict[str, object]
) -> None:
    station = await make_station(tls_broker, host='127.0.0.1', port=tls_broker.node.tls_port, tls=trusted)

    assert 'bus.tls.server_name' in await station.told('is not trusted')


async def test_a_server_name_is_what_the_certificate_must_have(
    tls_broker: Broker, make_station: MakeStation, trusted: dict[str, object]
) -> None:
    tls = trusted | {'server_name': 'localhost'}
    station = await make_station(tls_broker, host='127.0.0.1', port=tls_broker.node.tls_port, tls=tls)

    await station.told('connected to')


async def test_a_missing_client_certificate_is_told(tls_broker: Broker, make_station: MakeStation, files: Path) -> None:
    tls = {'ca_file': files / 'ca.pem'}
    station = await make_station(tls_broker, host='localhost', port=tls_broker.node.tls_port, tls=tls)

    assert await station.told('localhost')


async def test_a_plain_port_is_told(tls_broker: Broker, make_station: MakeStation, trusted: dict[str, object]) -> None:
    station = await make_station(tls_broker, host='localhost', tls=trusted)

    assert await station.told('does not speak TLS')


async def test_a_ca_file_that_is_none_is_told(tls_broker: Broker, make_station: MakeStation, tmp_path: Path) -> None:
    (tmp_path / 'ca.pem').write_text('nothing')
    station = await make_station(tls_broker, tls={'ca_file': tmp_path / 'ca.pem'})

    assert await station.told('cannot be used')


def test_verification_cannot_be_turned_off() -> None:
    context = tls_context(TlsConfig())

    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
