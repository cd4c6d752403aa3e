# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The guard: only public addresses are open, in whatever notation, unless a network is allowed."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_network

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from wazo_busd.guard import Guard, Network, inside, is_address

CLOSED = {
    '0.0.0.0': 'unspecified',
    '10.1.2.3': 'private',
    '100.64.0.1': 'private',
    '127.0.0.1': 'loopback',
    '127.255.255.254': 'loopback',
    '169.254.169.254': 'link-local',
    '172.16.0.1': 'private',
    '172.31.255.255': 'private',
    '192.0.0.1': 'reserved',
    '192.0.2.1': 'for documentation',
    '192.168.1.1': 'private',
    '198.18.0.1': 'for benchmarks',
    '224.0.0.1': 'multicast',
    '239.255.255.255': 'multicast',
    '255.255.255.255': 'reserved',
    '::': 'unspecified',
    '::1': 'loopback',
    'fc00::1': 'private',
    'fd00:ec2::254': 'private',
    'fe80::1': 'link-local',
    'fe80::1%eth0': 'link-local',
    'fec0::1': 'private',
    'ff02::1': 'multicast',
    '2001:db8::1': 'for documentation',
    '2001::1': 'reserved',
    '64:ff9b:1::a00:1': 'reserved',
    '100::1': 'reserved',
    '4000::1': 'reserved',
}
OPEN = ['1.1.1.1', '9.255.255.255', '11.0.0.0', '172.32.0.1', '192.167.1.1', '2606:4700::1111', '2a00:1450:4007::1']
PRIVATE = st.ip_addresses(v=4, network='10.0.0.0/8') | st.ip_addresses(v=4, network='127.0.0.0/8')


@pytest.mark.parametrize(('host', 'word'), CLOSED.items())
def test_what_is_not_public_is_closed(host: str, word: str) -> None:
    assert f' is {word}; ' in Guard().refusal(host)


@pytest.mark.parametrize('host', OPEN)
def test_what_is_public_is_open(host: str) -> None:
    assert Guard().refusal(host) == ''


@pytest.mark.parametrize('host', ['example.org', 'a', '10.0.0.5.example.org', '1.2.3.4.5', 'x127.0.0.1', ''])
def test_of_a_name_the_guard_says_nothing(host: str) -> None:
    assert Guard().refusal(host) == ''


@pytest.mark.parametrize('host', ['localhost', 'LocalHost', 'localhost.', 'a.localhost'])
def test_a_name_that_always_is_this_host_is_closed(host: str) -> None:
    assert '127.0.0.1 is loopback' in Guard().refusal(host)


@pytest.mark.parametrize(
    'host',
    [
        '2130706433',
        '0x7f000001',
        '0x7f.1',
        '0177.0.0.1',
        '017700000001',
        '127.1',
        '127.0.1',
        '127.0.0.1.',
        '0x7F.0.0.1',
    ],
)
def test_an_address_in_an_odd_notation_is_what_it_stands_for(host: str) -> None:
    assert '127.0.0.1 is loopback' in Guard().refusal(host)


def test_a_refusal_says_what_would_allow_it() -> None:
    assert Guard().refusal('10.0.0.5') == '10.0.0.5 is private; write allow_networks: ["10.0.0.5/32"] if that is meant'


@pytest.mark.parametrize('host', CLOSED)
def test_what_a_refusal_says_allows_it(host: str) -> None:
    network = Guard().refusal(host).split('"')[1]

    assert Guard([ip_network(network)]).refusal(host) == ''


@given(st.ip_addresses())
@example(IPv6Address('2002:a00:1::'))
@example(IPv6Address('64:ff9b::a00:1'))
def test_whatever_is_open_is_global_and_no_multicast_by_the_standard_library(
    address: IPv4Address | IPv6Address,
) -> None:
    assume(not Guard().refusal(str(address)))

    found = inside(address)
    assert (found.is_global, found.is_multicast) == (True, False)


@given(PRIVATE)
def test_an_address_inside_another_is_judged_as_itself(private: IPv4Address) -> None:
    number = int(private)
    hidden = [
        IPv6Address(0xFFFF << 32 | number),
        IPv6Address(number),
        IPv6Address(0x64FF9B << 96 | number),
        IPv6Address(0x2002 << 112 | number << 80 | 1),
    ]

    assert [str(private) in Guard().refusal(str(each)) for each in hidden] == [True] * 4


@given(PRIVATE)
def test_an_address_that_is_allowed_is_allowed_inside_another_too(private: IPv4Address) -> None:
    guard = Guard([IPv4Network('10.0.0.0/8'), IPv4Network('127.0.0.0/8')])

    assert guard.refusal(f'::ffff:{private}') == ''


@given(PRIVATE, st.sampled_from(['{}', '0x{:x}', '0{:o}', '0X{:X}']))
def test_in_every_notation_of_one_number_an_address_is_closed(private: IPv4Address, notation: str) -> None:
    assert str(private) in Guard().refusal(notation.format(int(private)))


@given(st.lists(st.sampled_from(['{}', '0x{:x}', '0{:o}']), min_size=4, max_size=4), PRIVATE)
def test_in_every_mixture_of_notations_an_address_is_closed(notations: list[str], private: IPv4Address) -> None:
    parts = [each.format(part) for each, part in zip(notations, private.packed, strict=True)]

    assert str(private) in Guard().refusal('.'.join(parts))


@given(st.text())
def test_no_host_upsets_the_guard(host: str) -> None:
    assert isinstance(Guard().refusal(host), str)


@given(st.ip_addresses())
def test_an_address_is_one_in_its_usual_notation_only(address: IPv4Address | IPv6Address) -> None:
    assert (is_address(str(address)), is_address(str(int(address)))) == (True, False)


# ---- the option


class Options(BaseModel):
    networks: tuple[Network, ...]


@pytest.mark.parametrize('written', ['10.0.0.0/8', '10.0.0.5', 'fd00::/8', '::1'])
def test_a_network_is_written_as_such_or_as_an_address(written: str) -> None:
    assert Options.model_validate({'networks': [written]}).networks == (ip_network(written),)


@pytest.mark.parametrize('wrong', ['10.0.0.0/33', 'example.org', '', 5, None, 1.5, '10.0.0.5/8'])
def test_what_is_no_network_is_a_mistake_that_says_how_one_is_written(wrong: object) -> None:
    with pytest.raises(ValidationError) as raised:
        Options.model_validate({'networks': [wrong]})

    (details,) = raised.value.errors()
    assert details['ctx']['error'].__notes__ != []


def test_an_address_in_a_network_is_a_mistake_that_says_both() -> None:
    with pytest.raises(ValidationError) as raised:
        Options.model_validate({'networks': ['10.0.0.5/8']})

    (details,) = raised.value.errors()
    assert details['ctx']['error'].__notes__ == ['write 10.0.0.0/8 for all of it, 10.0.0.5 for that address']
