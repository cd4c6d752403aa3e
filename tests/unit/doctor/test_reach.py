# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Servers of handlers: found in their options, and connected to."""

from __future__ import annotations

import asyncio
from ipaddress import ip_network
from typing import Any

import pytest

from tests.unit.doctor.made import handler_on, only
from wazo_busd.doctor.finding import Severity
from wazo_busd.doctor.reach import Reached, judge, judge_brokers, peers, reach, written
from wazo_busd.options import BaseOptions
from wazo_busd.peer import Peer

CRM = Peer('crm.example.org', 443)


@pytest.mark.parametrize(
    ('options', 'found'),
    [
        ({'url': 'https://crm.example.org/hook'}, [CRM]),
        ({'deep': [{'x': 'https://crm.example.org'}]}, [CRM]),
        ({'url': 'http://crm.example.org:8080/{{ data.x }}'}, [Peer('crm.example.org', 8080)]),
        ({'url': 'postgresql://u:secret@db.example.org/x'}, [Peer('db.example.org', 5432)]),
        ({'url': 'http://[::1]:8080/'}, [Peer('::1', 8080)]),
        # An event decides which it is, or nobody knows the port.
        ({'url': 'https://{{ data.host }}/'}, []),
        ({'url': 'https://crm.{{ data.host }}/'}, []),
        ({'url': 'discord://id/token'}, []),
        ({'url': 'http://crm.example.org:99999/'}, []),
        ({'text': 'see wazo'}, []),
    ],
)
def test_servers_are_found_in_the_urls_of_options(options: dict[str, Any], found: list[Peer]) -> None:
    assert list(written(options)) == found


def test_handlers_that_share_a_server_are_named_together() -> None:
    options = {'url': 'https://crm.example.org/'}
    handlers = [handler_on('#', name=name) for name in ('one', 'two')]
    for each in handlers:
        each.config.options.update(options)

    assert peers(handlers) == ({CRM: ['one', 'two']}, [])


@pytest.mark.parametrize('answer', ['crm.example.org', 1, None])
def test_a_plugin_that_cannot_tell_its_servers_harms_no_other(answer: Any) -> None:
    class Broken(BaseOptions):
        def peers(self) -> Any:
            return [answer] if answer else [][0]

    handler = handler_on('#')
    handler.options = Broken()
    found, failures = peers([handler])

    assert (found, only(failures).severity) == ({}, Severity.WARNING)


async def test_a_server_that_listens_is_reached_and_one_that_does_not_is_not() -> None:
    server = await asyncio.start_server(lambda reader, writer: writer.close(), '127.0.0.1', 0)
    port = server.sockets[0].getsockname()[1]
    there = only(judge(await reach({Peer('127.0.0.1', port): ['crm']})))
    server.close()
    await server.wait_closed()
    gone = only(judge(await reach({Peer('127.0.0.1', port): ['crm']})))

    assert (there.severity, gone.severity, gone.cure) == (Severity.OK, Severity.PROBLEM, f'nc -vz 127.0.0.1 {port}')


@pytest.mark.parametrize(
    ('number', 'text'),
    [
        (0, 'no handler has a server'),
        (1, 'the server of the handlers can be connected to'),
        (2, 'all 2 servers of the handlers can be connected to'),
    ],
)
def test_servers_that_are_reached_are_counted(number: int, text: str) -> None:
    assert only(judge(Reached(Peer('pbx', port), ('crm',)) for port in range(number))).text == text


async def test_an_address_that_is_not_allowed_is_told_with_what_would_allow_it() -> None:
    found = only(judge(await reach({Peer('127.0.0.1', 1, ()): ['crm']})))

    assert 'write allow_networks: ["127.0.0.1/32"]' in found.text


async def test_an_address_that_is_allowed_is_connected_to() -> None:
    (found,) = await reach({Peer('127.0.0.1', 1, (ip_network('127.0.0.0/8'),)): ['crm']})

    assert found.lack == 'nothing listens there'


async def test_a_name_that_is_not_known_is_told() -> None:
    (found,) = await reach({Peer('a..b', 80): ['crm']})

    assert (found.lack.startswith('its name is not known'), found.cure) == (True, 'getent ahosts a..b')


@pytest.mark.parametrize(('lacks', 'told'), [(['', 'gone'], 1), (['gone', 'gone'], 0), (['', ''], 0)])
def test_a_broker_that_would_be_missed_later_is_told_while_another_is_there(lacks: list[str], told: int) -> None:
    found = [Reached(Peer(str(number), 5672), ('bus',), lack) for number, lack in enumerate(lacks)]

    assert len(list(judge_brokers(found))) == told
