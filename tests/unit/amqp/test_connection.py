# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The connection: whoever refuses it, the reason and the cure are told, and nothing that fails is waited for."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from pamqp.commands import Connection as Method
from pamqp.header import ProtocolHeader

from tests.unit.amqp.broker import PATIENCE_SECONDS, ScriptedBroker, listening
from tests.unit.rig import turn
from wazo_busd.amqp.connection import Link, Unreachable, connect
from wazo_busd.config import BusConfig, TlsConfig
from wazo_busd.errors import BusError
from wazo_busd.tasks import is_cancelled

COMMAND = (
    "rabbitmqctl set_permissions -p '/' 'guest' '^wazo-busd([.].*)?$' '^wazo-busd([.].*)?$' "
    "'^(xivo|wazo-headers|wazo-busd([.].*)?)$'"
)


async def refusal(config: BusConfig) -> BusError:
    """Why nobody takes the connection."""
    with pytest.raises(BusError) as refused:
        await connect(config, 'test')
    return refused.value


def refusing(code: int, text: str) -> Method.Close:
    return Method.Close(code, text, 0, 0)


@asynccontextmanager
async def serving(answer: bytes) -> AsyncIterator[BusConfig]:
    """A server that speaks no AMQP: it says something and hangs up."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(8)
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, '127.0.0.1', 0)
    try:
        yield BusConfig(host='127.0.0.1', port=server.sockets[0].getsockname()[1])
    finally:
        server.close()


@asynccontextmanager
async def linked() -> AsyncIterator[tuple[ScriptedBroker, Link]]:
    """A broker and a connection to it."""
    async with listening() as broker:
        link = await connect(broker.config, 'test')
        try:
            yield broker, link
        finally:
            link.abort()
            await link.close()


async def test_a_connection_is_called_what_it_is_for() -> None:
    async with linked() as (broker, _):
        _, hello = await (await broker.session()).heard(Method.StartOk)

        assert (hello.client_properties or {})['connection_name'] == 'test'


async def test_a_heartbeat_is_asked_for_where_the_broker_turns_it_off() -> None:
    async with linked() as (broker, _):
        _, tune = await (await broker.session()).heard(Method.TuneOk)

        assert tune.heartbeat == 10


@pytest.mark.parametrize('username', ['guest', 'a@b:c/d', 'é%41', "o'neil"])
@pytest.mark.parametrize('password', ['guest', 'p@:/?#%25&é', ' '])
async def test_the_broker_is_told_user_and_password_as_they_are_configured(username: str, password: str) -> None:
    async with listening() as broker:
        link = await connect(broker.config.model_copy(update={'username': username, 'password': password}), 'test')
        _, hello = await (await broker.session()).heard(Method.StartOk)

        assert hello.response == f'\0{username}\0{password}'

        await link.close()


@pytest.mark.parametrize('vhost', ['/', 'wazo', 'a/b', 'with space', 'é?#'])
async def test_the_vhost_is_the_configured_one(vhost: str) -> None:
    async with listening() as broker:
        link = await connect(broker.config.model_copy(update={'vhost': vhost}), 'test')
        _, opened = await (await broker.session()).heard(Method.Open)

        assert opened.virtual_host == vhost

        await link.close()


@pytest.mark.parametrize(('host', 'address'), [('127.0.0.1', '127.0.0.1:{}'), ('localhost', 'localhost:{}')])
async def test_a_link_is_called_by_its_address(host: str, address: str) -> None:
    async with listening() as broker:
        link = await connect(BusConfig(host=host, port=broker.port), 'test')

        assert link.address == address.format(broker.port)

        await link.close()


async def test_where_nobody_listens_the_service_is_asked_after(unused_port: int) -> None:
    error = await refusal(BusConfig(host='127.0.0.1', port=unused_port))

    assert (str(error).partition(':')[0], error.cure) == (
        'nothing listens on 127.0.0.1',
        'systemctl status rabbitmq-server',
    )


async def test_where_nobody_listens_it_is_tried_again_soon(unused_port: int) -> None:
    assert isinstance(await refusal(BusConfig(host='127.0.0.1', port=unused_port)), Unreachable)


def name_has(monkeypatch: pytest.MonkeyPatch, addresses: list[str]) -> None:
    """Let every name have these addresses; none makes it unknown."""

    async def getaddrinfo(host: str, port: int, **_: Any) -> list[Any]:
        if not addresses:
            raise socket.gaierror(socket.EAI_NONAME, 'Name or service not known')
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, '', (address, port)) for address in addresses]

    monkeypatch.setattr(asyncio.get_running_loop(), 'getaddrinfo', getaddrinfo)


async def test_a_name_that_nobody_knows_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    name_has(monkeypatch, [])

    error = await refusal(BusConfig(host='broker.test'))

    assert str(error) == 'the name in broker.test:5672 is not known: Name or service not known; check bus.host'


async def test_a_name_that_nobody_knows_is_tried_again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    name_has(monkeypatch, [])

    assert isinstance(await refusal(BusConfig(host='broker.test')), Unreachable)


async def test_a_name_with_two_addresses_is_unreachable_at_both(
    monkeypatch: pytest.MonkeyPatch, unused_port: int
) -> None:
    name_has(monkeypatch, ['127.0.0.1', '127.0.0.2'])

    error = await refusal(BusConfig(host='broker.test', port=unused_port))

    assert (type(error), error.text.partition(':')[0]) == (Unreachable, 'nothing listens on broker.test')


@pytest.mark.parametrize('host', ['pbx:5672', 'a b', 'a/b', 'é' * 100, ''])
async def test_what_is_no_host_is_told(host: str) -> None:
    # Which the configuration refuses, so that it takes a mistake of ours.
    error = await refusal(BusConfig().model_copy(update={'host': host}))

    assert (':5672 is no address: ' in error.text, error.cure) == (True, 'check bus.host')


async def test_a_broker_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('wazo_busd.amqp.connection._TIMEOUT_SECONDS', 0.05)
    async with listening() as broker:
        broker.greeting.clear()

        error = await refusal(broker.config)

        # That its port can be reached, which `nc` would say, is no news.
        said = 'takes the connection, and does not answer within 0.05 s'
        assert str(error) == f'127.0.0.1:{broker.port} {said}; rabbitmq-diagnostics ping -t 10'


async def test_the_command_for_an_address_of_ipv6_can_be_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('wazo_busd.amqp.connection._TIMEOUT_SECONDS', 0.05)

    async def never(*_: Any, **__: Any) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio.get_running_loop(), 'create_connection', never)

    assert (await refusal(BusConfig(host='::1'))).cure == 'nc -vz ::1 5672'


async def test_a_broker_that_falls_silent_over_tls_is_given_up(
    monkeypatch: pytest.MonkeyPatch, authority: trustme.CA, ca_file: Path
) -> None:
    monkeypatch.setattr('wazo_busd.amqp.connection._TIMEOUT_SECONDS', 0.5)
    async with listening(server_side(authority)) as broker:
        broker.greeting.clear()

        refusing_all = asyncio.create_task(refusal(encrypted(broker, ca_file=ca_file)))
        (await broker.session()).pause()

        assert (await asyncio.wait_for(refusing_all, PATIENCE_SECONDS / 2)).text.endswith(
            'does not answer within 0.5 s'
        )


async def test_a_server_of_something_else_is_told() -> None:
    async with serving(b'SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n') as config:
        assert 'ended the connection' in (await refusal(config)).text


async def test_a_broker_of_another_version_is_told() -> None:
    async with serving(ProtocolHeader(1, 0, 0).marshal()) as config:
        assert 'ended the connection' in (await refusal(config)).text


async def test_a_broker_that_hangs_up_is_told() -> None:
    async with serving(b'') as config:
        assert 'ended the connection' in (await refusal(config)).text


async def test_a_broker_that_has_just_begun_to_listen_is_tried_again_soon() -> None:
    async with listening() as broker:
        refusing_all = asyncio.create_task(refusal(broker.config))
        (await broker.session()).abort()

        assert isinstance(await refusing_all, Unreachable)


async def test_a_wrong_password_is_told_with_the_command_that_checks_it() -> None:
    async with listening() as broker:
        broker.answers[Method.StartOk] = lambda _: [refusing(403, 'ACCESS_REFUSED - Login was refused')]

        error = await refusal(broker.config.model_copy(update={'username': 'wazo'}))

        assert str(error) == (
            f"127.0.0.1:{broker.port} refuses the user 'wazo' or its password; rabbitmqctl authenticate_user 'wazo'"
        )


async def test_of_guest_it_is_told_where_it_may_come_from() -> None:
    async with listening() as broker:
        broker.answers[Method.StartOk] = lambda _: [refusing(403, 'ACCESS_REFUSED - Login was refused')]

        assert "guest may only come from the broker's own host" in (await refusal(broker.config)).text


async def test_no_refusal_tells_the_password() -> None:
    async with listening() as broker:
        broker.answers[Method.StartOk] = lambda _: [refusing(403, 'ACCESS_REFUSED - Login was refused')]

        assert 'secret' not in str(await refusal(broker.config.model_copy(update={'password': 'secret'})))


async def test_a_vhost_that_is_missing_is_told_with_the_command_that_makes_it() -> None:
    async with listening() as broker:
        broker.answers[Method.Open] = lambda _: [refusing(530, 'NOT_ALLOWED - vhost wazo not found')]

        error = await refusal(broker.config.model_copy(update={'vhost': 'wazo'}))

        assert str(error) == f"127.0.0.1:{broker.port} has no vhost 'wazo'; rabbitmqctl add_vhost 'wazo'"


async def test_a_user_that_may_not_is_told_with_the_command_that_lets_it() -> None:
    async with listening() as broker:
        text = "NOT_ALLOWED - access to vhost '/' refused for user 'guest'"
        broker.answers[Method.Open] = lambda _: [refusing(530, text)]

        error = await refusal(broker.config)

        assert (error.text, error.cure) == (
            f"the user 'guest' may not use the vhost '/' of 127.0.0.1:{broker.port}",
            COMMAND,
        )


@pytest.mark.parametrize(
    'text',
    [
        "NOT_ALLOWED - access to vhost '/' refused for user 'guest': connection limit (5) is reached",
        "NOT_ALLOWED - connection refused for user 'guest': user connection limit (5) is reached",
    ],
)
async def test_a_broker_that_has_enough_connections_is_not_told_for_one_that_wants_permissions(text: str) -> None:
    async with listening() as broker:
        broker.answers[Method.Open] = lambda _: [refusing(530, text)]

        error = await refusal(broker.config)

        assert (error.text, 'set_permissions' in error.cure) == (
            f'127.0.0.1:{broker.port} refused the connection: {text}',
            False,
        )


async def test_another_refusal_is_told_in_the_words_of_the_broker() -> None:
    async with listening() as broker:
        broker.answers[Method.Open] = lambda _: [refusing(320, 'CONNECTION_FORCED - the node is going down')]

        assert (await refusal(broker.config)).text.endswith(
            'refused the connection: CONNECTION_FORCED - the node is going down'
        )


async def test_a_broker_that_refuses_is_not_tried_again_soon() -> None:
    async with listening() as broker:
        broker.answers[Method.Open] = lambda _: [refusing(530, 'NOT_ALLOWED - vhost wazo not found')]

        assert not isinstance(await refusal(broker.config), Unreachable)


async def test_the_second_broker_is_taken_where_the_first_does_not_listen(unused_port: int) -> None:
    async with listening() as broker:
        link = await connect(BusConfig(hosts=[f'127.0.0.1:{unused_port}', f'127.0.0.1:{broker.port}']), 'test')

        assert link.address == f'127.0.0.1:{broker.port}'

        await link.close()


async def test_a_broker_that_answered_is_told_before_one_that_did_not(unused_port: int) -> None:
    async with listening() as broker:
        broker.answers[Method.Open] = lambda _: [refusing(530, 'NOT_ALLOWED - vhost wazo not found')]
        config = BusConfig(hosts=[f'127.0.0.1:{broker.port}', f'127.0.0.1:{unused_port}'])

        assert 'has no vhost' in (await refusal(config)).text


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / 'ca.pem'
    authority.cert_pem.write_to_path(path)
    return path


def server_side(authority: trustme.CA, name: str = '127.0.0.1') -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def encrypted(broker: ScriptedBroker, **tls: Any) -> BusConfig:
    return broker.config.model_copy(update={'tls': TlsConfig(**tls)})


async def test_a_certificate_of_the_named_authority_is_trusted(authority: trustme.CA, ca_file: Path) -> None:
    async with listening(server_side(authority)) as broker:
        link = await connect(encrypted(broker, ca_file=ca_file), 'test')

        assert not link.connection.is_closed

        await link.close()


async def test_a_certificate_of_another_authority_is_told_with_the_option_that_names_it(ca_file: Path) -> None:
    async with listening(server_side(trustme.CA())) as broker:
        error = await refusal(encrypted(broker, ca_file=ca_file))

        assert (error.text.partition(' is not trusted')[0], 'bus.tls.ca_file' in error.cure) == (
            f'the certificate of 127.0.0.1:{broker.port}',
            True,
        )


async def test_a_certificate_of_another_name_is_told(authority: trustme.CA, ca_file: Path) -> None:
    async with listening(server_side(authority, 'pbx.example')) as broker:
        error = await refusal(encrypted(broker, ca_file=ca_file))

        assert 'is not trusted' in error.text


async def test_a_certificate_of_the_configured_name_is_trusted(authority: trustme.CA, ca_file: Path) -> None:
    async with listening(server_side(authority, 'pbx.example')) as broker:
        link = await connect(encrypted(broker, ca_file=ca_file, server_name='pbx.example'), 'test')

        assert not link.connection.is_closed

        await link.close()


async def test_a_broker_without_tls_is_told_with_the_command_that_shows_it(ca_file: Path) -> None:
    async with serving(ProtocolHeader().marshal()) as plain:
        config = plain.model_copy(update={'tls': TlsConfig(ca_file=ca_file)})

        error = await refusal(config)

        assert f'openssl s_client -connect 127.0.0.1:{plain.port}' in error.cure


async def test_a_broker_that_wants_our_certificate_has_it(authority: trustme.CA, ca_file: Path, tmp_path: Path) -> None:
    certificate = authority.issue_cert('us@example')
    certificate.private_key_and_cert_chain_pem.write_to_path(tmp_path / 'us.pem')
    context = server_side(authority)
    context.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(context)
    async with listening(context) as broker:
        link = await connect(encrypted(broker, ca_file=ca_file, certificate_file=tmp_path / 'us.pem'), 'test')

        assert not link.connection.is_closed

        await link.close()


@pytest.mark.parametrize('option', ['ca_file', 'certificate_file'])
async def test_a_file_of_tls_that_is_missing_is_named(tmp_path: Path, option: str) -> None:
    error = await refusal(BusConfig(tls=TlsConfig.model_validate({option: tmp_path / 'missing.pem'})))

    assert error.text.startswith(f'bus.tls.{option} {tmp_path}/missing.pem cannot be used')


@pytest.mark.parametrize('option', ['ca_file', 'certificate_file'])
async def test_a_file_of_tls_that_is_no_certificate_is_named(tmp_path: Path, option: str) -> None:
    path = tmp_path / 'spoiled.pem'
    path.write_text('no certificate')

    error = await refusal(BusConfig(tls=TlsConfig.model_validate({option: path})))

    assert error.text.startswith(f'bus.tls.{option} {path} cannot be used')


async def test_a_key_with_a_password_is_told_and_asked_for_nowhere(tmp_path: Path, authority: trustme.CA) -> None:
    certificate = authority.issue_cert('us@example')
    key = load_pem_private_key(certificate.private_key_pem.bytes(), None)
    (tmp_path / 'us.pem').write_bytes(b''.join(each.bytes() for each in certificate.cert_chain_pems))
    (tmp_path / 'us.key').write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b'secret'))
    )
    tls = {'certificate_file': tmp_path / 'us.pem', 'key_file': tmp_path / 'us.key'}

    error = await refusal(BusConfig(tls=TlsConfig.model_validate(tls)))

    assert 'encrypted' in error.text


async def reason(link: Link) -> str:
    return await asyncio.wait_for(link.lost(), PATIENCE_SECONDS)


async def test_a_connection_that_the_broker_closes_is_lost_with_its_reason() -> None:
    async with linked() as (broker, link):
        (await broker.session()).send(0, refusing(320, 'CONNECTION_FORCED - broker forced connection closure'))

        assert await reason(link) == (
            'the broker closed it: CONNECTION_FORCED - broker forced connection closure (320)'
        )


async def test_a_connection_that_breaks_is_lost() -> None:
    async with linked() as (broker, link):
        (await broker.session()).abort()

        assert 'Server connection' in await reason(link)


async def test_a_connection_that_we_drop_is_lost() -> None:
    async with linked() as (_, link):
        link.abort()

        assert await reason(link)


async def test_a_connection_that_we_closed_is_lost() -> None:
    async with linked() as (_, link):
        await link.close()

        assert await reason(link) == 'closed'


async def test_a_connection_that_we_close_is_lost_to_who_waits() -> None:
    async with linked() as (_, link):
        waiting = asyncio.create_task(reason(link))
        await asyncio.sleep(0)

        await link.close()

        assert await waiting


async def test_the_broker_is_told_when_we_go() -> None:
    async with linked() as (broker, link):
        await link.close()

        assert await (await broker.session()).heard(Method.Close)


async def test_a_connection_can_be_closed_twice() -> None:
    async with linked() as (broker, link):
        await link.close()
        await link.close()

        assert len((await broker.session()).frames(Method.Close)) == 1


async def test_a_broker_that_does_not_say_goodbye_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('wazo_busd.amqp.connection._CLOSE_SECONDS', 0.05)
    async with linked() as (broker, link):
        broker.silent = True

        await asyncio.wait_for(link.close(), PATIENCE_SECONDS)

        await (await broker.session()).ended()


async def test_a_broker_that_reads_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('wazo_busd.amqp.connection._CLOSE_SECONDS', 0.05)
    async with linked() as (broker, link):
        session = await broker.session()
        channel = await (await link.connection.channel(publisher_confirms=False)).get_underlay_channel()
        session.pause()
        publishing = asyncio.ensure_future(channel.basic_publish(bytes(32 * 1_048_576), exchange='x'))
        await turn()

        await asyncio.wait_for(link.close(), PATIENCE_SECONDS)

        with pytest.raises((asyncio.CancelledError, OSError)):
            await publishing


async def test_a_broker_that_falls_silent_over_tls_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, authority: trustme.CA, ca_file: Path
) -> None:
    monkeypatch.setattr('wazo_busd.amqp.connection._CLOSE_SECONDS', 0.05)
    async with listening(server_side(authority)) as broker:
        link = await connect(encrypted(broker, ca_file=ca_file), 'test')
        broker.silent = True
        (await broker.session()).pause()

        await asyncio.wait_for(link.close(), PATIENCE_SECONDS / 2)


async def test_a_task_that_nobody_cancelled_is_not_is_cancelled() -> None:
    with pytest.raises(asyncio.CancelledError):
        await library_gives_up()

    assert not is_cancelled()


async def library_gives_up() -> None:
    """What aiormq does to those who wait for a channel that is lost."""
    raise asyncio.CancelledError


async def test_a_task_that_is_cancelled_is_is_cancelled() -> None:
    found: list[bool] = []

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            found.append(is_cancelled())
            raise

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])

    assert found == [True]


async def test_a_task_whose_time_is_up_is_is_cancelled() -> None:
    found: list[bool] = []

    async def wait() -> None:
        async with asyncio.timeout(0.0):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                found.append(is_cancelled())
                raise

    with pytest.raises(TimeoutError):
        await wait()

    assert found == [True]


def test_outside_of_tasks_nobody_is_cancelled() -> None:
    found: list[bool] = []

    def ask() -> None:
        found.append(is_cancelled())
        loop.stop()

    loop = asyncio.new_event_loop()
    loop.call_soon(ask)
    loop.run_forever()
    loop.close()

    assert found == [False]
