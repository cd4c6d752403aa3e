# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The model: what the configuration can say, and its defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from wazo_busd.config import BusConfig, Config, HandlerConfig, QueueConfig, RetryConfig, TlsConfig
from wazo_busd.config.address import address
from wazo_busd.config.model import HANDLER_NAME
from wazo_busd.event import FIELDS

UUID = '2e752722-0864-4665-887d-a78a024cf7c7'
OTHER_UUID = 'BD72B051-FD14-40BE-9C3D-6B5FE65271CA'


def test_a_configuration_that_says_nothing_has_the_documented_defaults() -> None:
    config = Config()
    assert (
        config.handlers,
        config.plugin_dirs,
        config.state_dir,
        config.extra_config_files,
        config.drain_timeout,
        config.log_level,
        config.debug,
    ) == (
        {},
        [Path('/etc/wazo-busd/plugins.d'), Path('/usr/local/lib/wazo-busd/plugins')],
        Path('/var/lib/wazo-busd'),
        Path('conf.d'),
        30.0,
        'info',
        False,
    )


def test_the_bus_of_a_wazo_host_is_the_default() -> None:
    bus = BusConfig()
    assert (bus.addresses(), bus.username, bus.password, bus.vhost, bus.tls, bus.heartbeat, bus.namespace) == (
        [('localhost', 5672)],
        'guest',
        'guest',
        '/',
        None,
        10.0,
        'wazo-busd',
    )


def test_what_may_come_in_is_bounded_by_default() -> None:
    bus = BusConfig()
    assert (bus.prefetch, bus.max_body_size, bus.max_depth) == (256, 1_048_576, 64)


def test_an_error_does_not_repeat_what_was_written() -> None:
    with pytest.raises(ValidationError) as caught:
        BusConfig.model_validate({'password': ['hunter2']})
    assert 'hunter2' not in str(caught.value)


def test_a_queue_is_a_bounded_quorum_queue_by_default() -> None:
    queue = QueueConfig()
    assert (queue.type, queue.max_length, queue.max_bytes, queue.expires) == ('quorum', 250_000, 2**28, 1_209_600.0)


def test_what_fails_is_tried_ten_times_over_some_minutes_by_default() -> None:
    retry = HandlerConfig(plugin='log').retry
    assert (retry.attempts, retry.backoff, retry.in_place, retry.hold) == (10, (2.0, 300.0), 1, 300.0)


def test_a_handler_needs_a_plugin_and_nothing_else() -> None:
    handler = HandlerConfig(plugin='log')
    assert (
        handler.match,
        handler.options,
        handler.enabled,
        handler.concurrency,
        handler.order_by,
        handler.timeout,
    ) == (
        None,
        {},
        True,
        None,
        None,
        30.0,
    )


def test_a_handler_is_for_every_tenant_user_and_access_by_default() -> None:
    handler = HandlerConfig(plugin='log')
    assert (handler.tenants, handler.users, handler.acl) == (None, None, None)


@pytest.mark.parametrize(
    ('key', 'value', 'said'),
    [
        ('tenants', 'master', 'expected a UUID, as in 2e752722-0864-4665-887d-a78a024cf7c7'),
        ('users', ['alice'], 'expected a UUID, as in 2e752722-0864-4665-887d-a78a024cf7c7'),
        ('acl', '!', r'an access is a text such as events\.calls\.\*'),
        ('acl', ['a b'], "an access has no spaces, 'a b' has"),
    ],
)
def test_what_is_no_uuid_or_access_is_refused_with_an_example(key: str, value: Any, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        HandlerConfig.model_validate({'plugin': 'x', key: value})


@pytest.mark.parametrize(
    'model', [Config(), BusConfig(), QueueConfig(), RetryConfig(), TlsConfig(), HandlerConfig(plugin='x')]
)
def test_a_configuration_does_not_change(model: Any) -> None:
    with pytest.raises(ValidationError):
        setattr(model, next(iter(type(model).model_fields)), None)


@pytest.mark.parametrize('model', [Config, BusConfig, QueueConfig, RetryConfig, TlsConfig, HandlerConfig])
def test_an_unknown_key_is_refused(model: Any) -> None:
    with pytest.raises(ValidationError, match='Extra inputs are not permitted'):
        model.model_validate({'plugin': 'x', 'surprise': 1})


def test_a_representation_does_not_show_the_password() -> None:
    assert 'hunter2' not in repr(Config.model_validate({'bus': {'password': 'hunter2'}}))


@pytest.mark.parametrize(
    ('model', 'value'),
    [
        (BusConfig, {'port': '5672'}),
        (BusConfig, {'port': True}),
        (BusConfig, {'port': 0}),
        (BusConfig, {'port': 65_536}),
        (BusConfig, {'host': 7}),
        (BusConfig, {'vhost': ''}),
        (BusConfig, {'hosts': 'one'}),
        (BusConfig, {'hosts': ['one two']}),
        (BusConfig, {'heartbeat': '1s'}),
        (BusConfig, {'heartbeat': '6m'}),
        (BusConfig, {'heartbeat': 'often'}),
        (BusConfig, {'prefetch': 0}),
        (BusConfig, {'prefetch': 65_536}),
        (BusConfig, {'namespace': ''}),
        (BusConfig, {'namespace': '-x'}),
        (BusConfig, {'namespace': 'a.b'}),
        (BusConfig, {'namespace': 'a' * 101}),
        (BusConfig, {'namespace': 'a\n'}),
        (BusConfig, {'max_body_size': 0}),
        (BusConfig, {'max_depth': 0}),
        (BusConfig, {'max_depth': 201}),
        (BusConfig, {'tls': 'yes'}),
        (BusConfig, {'tls': {'ca_file': ''}}),
        (BusConfig, {'tls': {'verify': False}}),
        (QueueConfig, {'type': 'stream'}),
        (QueueConfig, {'max_length': 0}),
        (QueueConfig, {'max_length': 2**63}),
        (QueueConfig, {'max_bytes': '1MB'}),
        (QueueConfig, {'expires': '1d'}),
        (QueueConfig, {'expires': '366d'}),
        (RetryConfig, {'attempts': 0}),
        (RetryConfig, {'attempts': 1001}),
        (RetryConfig, {'attempts': '3'}),
        (RetryConfig, {'attempts': None}),
        (RetryConfig, {'backoff': '50ms..5m'}),
        (RetryConfig, {'backoff': '2s..2h'}),
        (RetryConfig, {'backoff': '5m..2s'}),
        (RetryConfig, {'backoff': 0}),
        (RetryConfig, {'backoff': 'soon'}),
        (RetryConfig, {'backoff': [2, 300]}),
        (RetryConfig, {'in_place': -1}),
        (RetryConfig, {'in_place': 11}),
        (RetryConfig, {'in_place': True}),
        (RetryConfig, {'hold': '500ms'}),
        (RetryConfig, {'hold': '11m'}),
        (HandlerConfig, {'plugin': 'x', 'retry': 3}),
        (HandlerConfig, {'plugin': 'x', 'retry': None}),
        (HandlerConfig, {'plugin': 'x', 'retry': {'attempts': 0}}),
        (HandlerConfig, {}),
        (HandlerConfig, {'plugin': ''}),
        (HandlerConfig, {'plugin': 'x', 'match': []}),
        (HandlerConfig, {'plugin': 'x', 'match': ['']}),
        (HandlerConfig, {'plugin': 'x', 'match': ['calls*']}),
        (HandlerConfig, {'plugin': 'x', 'match': ['a' * 256]}),
        (HandlerConfig, {'plugin': 'x', 'match': 'calls.##'}),
        (HandlerConfig, {'plugin': 'x', 'match': {'calls': 1}}),
        (HandlerConfig, {'plugin': 'x', 'match': [7]}),
        (HandlerConfig, {'plugin': 'x', 'concurrency': 0}),
        (HandlerConfig, {'plugin': 'x', 'concurrency': 10_001}),
        (HandlerConfig, {'plugin': 'x', 'timeout': 0}),
        (HandlerConfig, {'plugin': 'x', 'timeout': '1h'}),
        (HandlerConfig, {'plugin': 'x', 'order_by': 'caller_id'}),
        (HandlerConfig, {'plugin': 'x', 'order_by': 'data.'}),
        (HandlerConfig, {'plugin': 'x', 'order_by': 'data..x'}),
        (HandlerConfig, {'plugin': 'x', 'order_by': ''}),
        (HandlerConfig, {'plugin': 'x', 'order_by': 'data call_id'}),
        (HandlerConfig, {'plugin': 'x', 'order_by': 'body'}),
        (HandlerConfig, {'plugin': 'x', 'tenants': []}),
        (HandlerConfig, {'plugin': 'x', 'tenants': ''}),
        (HandlerConfig, {'plugin': 'x', 'tenants': 'master'}),
        (HandlerConfig, {'plugin': 'x', 'tenants': [UUID, 'master']}),
        (HandlerConfig, {'plugin': 'x', 'tenants': UUID.replace('-', '')}),
        (HandlerConfig, {'plugin': 'x', 'tenants': f'{{{UUID}}}'}),
        (HandlerConfig, {'plugin': 'x', 'tenants': f'{UUID}\n'}),
        (HandlerConfig, {'plugin': 'x', 'tenants': UUID.replace('2', '\u0662')}),
        (HandlerConfig, {'plugin': 'x', 'tenants': {UUID: True}}),
        (HandlerConfig, {'plugin': 'x', 'users': []}),
        (HandlerConfig, {'plugin': 'x', 'users': 7}),
        (HandlerConfig, {'plugin': 'x', 'users': [7]}),
        (HandlerConfig, {'plugin': 'x', 'users': 'alice'}),
        (HandlerConfig, {'plugin': 'x', 'users': 'None'}),
        (HandlerConfig, {'plugin': 'x', 'acl': []}),
        (HandlerConfig, {'plugin': 'x', 'acl': ''}),
        (HandlerConfig, {'plugin': 'x', 'acl': '!'}),
        (HandlerConfig, {'plugin': 'x', 'acl': ['events.#', '']}),
        (HandlerConfig, {'plugin': 'x', 'acl': 'events.# events.calls'}),
        (HandlerConfig, {'plugin': 'x', 'acl': 'events.#\n'}),
        (HandlerConfig, {'plugin': 'x', 'acl': [None]}),
        (HandlerConfig, {'plugin': 'x', 'options': []}),
        (HandlerConfig, {'plugin': 'x', 'enabled': 'yes'}),
        (Config, {'drain_timeout': '2h'}),
        (Config, {'log_level': 'loud'}),
        (Config, {'log_format': 'xml'}),
        (Config, {'log_format': 'JSON'}),
        (Config, {'debug': 1}),
        (Config, {'plugin_dirs': '/x'}),
        (Config, {'plugin_dirs': [7]}),
        (Config, {'plugin_dirs': ['']}),
        (Config, {'state_dir': ''}),
        (Config, {'state_dir': 7}),
        (Config, {'state_dir': '/x\0'}),
        (Config, {'state_dir': '/x\ud800'}),
        (Config, {'extra_config_files': None}),
        (Config, {'handlers': []}),
    ],
)
def test_what_cannot_be_meant_is_refused(model: Any, value: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        model.model_validate(value)


@pytest.mark.parametrize(
    ('model', 'key', 'written', 'read'),
    [
        (BusConfig, 'port', 1, 1),
        (BusConfig, 'port', 65_535, 65_535),
        (BusConfig, 'vhost', 'x', 'x'),
        (BusConfig, 'prefetch', 1, 1),
        (BusConfig, 'prefetch', 65_535, 65_535),
        (BusConfig, 'namespace', 'second', 'second'),
        (BusConfig, 'namespace', '0' * 100, '0' * 100),
        (BusConfig, 'namespace', 'A_b-1', 'A_b-1'),
        (BusConfig, 'hosts', ['one', 'two:5673'], ['one', 'two:5673']),
        (BusConfig, 'max_body_size', 1, 1),
        (BusConfig, 'max_depth', 1, 1),
        (BusConfig, 'heartbeat', '2s', 2.0),
        (BusConfig, 'max_body_size', '64KiB', 65_536),
        (BusConfig, 'max_depth', 200, 200),
        (BusConfig, 'tls', True, TlsConfig()),
        (BusConfig, 'tls', False, None),
        (BusConfig, 'tls', {'ca_file': '/ca.pem'}, TlsConfig(ca_file=Path('/ca.pem'))),
        (QueueConfig, 'max_length', '100k', 100_000),
        (QueueConfig, 'max_length', 1, 1),
        (QueueConfig, 'max_bytes', '1MiB', 1_048_576),
        (QueueConfig, 'type', 'classic', 'classic'),
        (QueueConfig, 'expires', '2d', 172_800.0),
        (QueueConfig, 'expires', '365d', 31_536_000.0),
        (RetryConfig, 'attempts', 1, 1),
        (RetryConfig, 'attempts', 1000, 1000),
        (RetryConfig, 'backoff', '2s..5m', (2.0, 300.0)),
        (RetryConfig, 'backoff', '100ms..1h', (0.1, 3600.0)),
        (RetryConfig, 'backoff', '10s', (10.0, 10.0)),
        (RetryConfig, 'backoff', 5, (5.0, 5.0)),
        (RetryConfig, 'in_place', 0, 0),
        (RetryConfig, 'in_place', 10, 10),
        (RetryConfig, 'hold', '1s', 1.0),
        (RetryConfig, 'hold', '10m', 600.0),
        (HandlerConfig, 'retry', {}, RetryConfig()),
        (HandlerConfig, 'retry', {'attempts': 3}, RetryConfig(attempts=3)),
        (HandlerConfig, 'match', 'calls.#', ['calls.#']),
        (HandlerConfig, 'match', ['calls.#', 'faxes.*'], ['calls.#', 'faxes.*']),
        (HandlerConfig, 'match', ['a' * 255], ['a' * 255]),
        (HandlerConfig, 'concurrency', 1, 1),
        (HandlerConfig, 'concurrency', 10_000, 10_000),
        (HandlerConfig, 'concurrency', None, None),
        (HandlerConfig, 'timeout', '10ms', 0.01),
        (HandlerConfig, 'timeout', 5, 5.0),
        (HandlerConfig, 'order_by', 'data.call_id', 'data.call_id'),
        (HandlerConfig, 'order_by', 'data.caller.é-1', 'data.caller.é-1'),
        (HandlerConfig, 'order_by', 'headers.user_uuid:x', 'headers.user_uuid:x'),
        (HandlerConfig, 'match', 'call_created', ['call_created']),
        (HandlerConfig, 'match', ['calls.#', '{ami_event}'], ['calls.#', '{ami_event}']),
        (HandlerConfig, 'tenants', UUID, [UUID]),
        (HandlerConfig, 'tenants', [UUID, OTHER_UUID], [UUID, OTHER_UUID]),
        (HandlerConfig, 'tenants', UUID.upper(), [UUID.upper()]),
        (HandlerConfig, 'tenants', None, None),
        (HandlerConfig, 'users', UUID, [UUID]),
        (HandlerConfig, 'users', [UUID, OTHER_UUID], [UUID, OTHER_UUID]),
        (HandlerConfig, 'users', None, None),
        (HandlerConfig, 'acl', 'events.calls.*', ['events.calls.*']),
        (HandlerConfig, 'acl', ['events.#', '!events.calls.me'], ['events.#', '!events.calls.me']),
        (HandlerConfig, 'acl', '#', ['#']),
        (HandlerConfig, 'acl', None, None),
        (HandlerConfig, 'options', {'a': [1]}, {'a': [1]}),
        (Config, 'drain_timeout', 0, 0.0),
        (Config, 'log_level', 'DEBUG', 'debug'),
        (Config, 'plugin_dirs', ['/a', '/b'], [Path('/a'), Path('/b')]),
        (Config, 'state_dir', '/srv/busd', Path('/srv/busd')),
    ],
)
def test_what_is_written_is_read(model: Any, key: str, written: Any, read: Any) -> None:
    needed = {'plugin': 'log'} if model is HandlerConfig else {}
    assert getattr(model.model_validate({**needed, key: written}), key) == read


@pytest.mark.parametrize('field', FIELDS)
def test_every_field_of_the_event_can_order(field: str) -> None:
    assert HandlerConfig.model_validate({'plugin': 'x', 'order_by': field}).order_by == field


@pytest.mark.parametrize(
    ('written', 'found'),
    [
        ({}, [('localhost', 5672)]),
        ({'host': 'rabbit', 'port': 5673}, [('rabbit', 5673)]),
        ({'tls': True}, [('localhost', 5672)]),
        ({'tls': True, 'port': 5671}, [('localhost', 5671)]),
        (
            {'hosts': ['one', 'two:5673', '[::1]:5674', '[::1]']},
            [('one', 5672), ('two', 5673), ('::1', 5674), ('::1', 5672)],
        ),
        ({'hosts': ['one', 'two:5672'], 'port': 5671, 'tls': True}, [('one', 5671), ('two', 5672)]),
        ({'hosts': ['one'], 'host': 'other'}, [('one', 5672)]),
        ({'hosts': ['one'], 'port': 7}, [('one', 7)]),
    ],
)
def test_brokers_are_tried_at_their_addresses(written: dict[str, Any], found: list[tuple[str, int]]) -> None:
    assert BusConfig.model_validate(written).addresses() == found


@pytest.mark.parametrize(
    'text',
    [
        '',
        ':5672',
        'a:0',
        'a:65536',
        'a:123456',
        'a:b',
        'a:',
        'a b',
        '::1',
        '[::1',
        '[x]',
        '[1::2::3]',
        'a..b',
        f'{"a" * 64}:1',
        'a\0',
        'amqp://a',
        'u@a',
        'a/b',
        'a\n',
    ],
)
def test_what_is_no_address_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match='expected host, host:port or'):
        address(text, 5672)


@given(
    st.from_regex(r'[a-z0-9_-]{1,20}(\.[a-z0-9_-]{1,20}){0,2}\.?', fullmatch=True),
    st.integers(1, 65_535),
)
def test_an_address_is_its_host_and_port(host: str, port: int) -> None:
    assert address(f'{host}:{port}', 5672) == (host, port)


@pytest.mark.parametrize('name', ['a', 'calls', 'fax-alerts', '0', 'a_b', 'a' * 100, 'function-x', '1-2'])
def test_a_handler_may_be_called_so(name: str) -> None:
    assert HANDLER_NAME.fullmatch(name)


@pytest.mark.parametrize('name', ['', 'A', '-a', '_a', 'a.dead', 'a b', 'é', 'a\n', 'a' * 101, '\u0661', 'a/b', 'a#'])
def test_a_handler_may_not_be_called_so(name: str) -> None:
    assert not HANDLER_NAME.fullmatch(name)
