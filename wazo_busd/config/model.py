# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What the configuration can say, and its defaults."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from wazo_busd import acl, patterns
from wazo_busd.conditions import Schedule, schedule
from wazo_busd.config.address import address, host
from wazo_busd.config.condition import (
    Closing,
    Days,
    FieldName,
    Fields,
    Name,
    Region,
    Span,
    When,
    Wish,
    Zone,
    hours_of_week,
)
from wazo_busd.config.explain import kind_of, with_hint
from wazo_busd.config.quantity import Duration, DurationSpan, Size, between, parse_duration
from wazo_busd.config.socket import DEFAULT as DEFAULT_SOCKET
from wazo_busd.config.socket import placed, socket_path
from wazo_busd.event import FIELDS

HANDLER_NAME = re.compile(r'[a-z0-9][a-z0-9_-]{0,99}')
"""A handler's name becomes a queue's name. Names with a dot are for queues that are not a handler's."""

_VHOST_LIMIT = 127
"""Bytes of the domain `path` of AMQP 0-9-1, which a virtual host's name is of."""

_NAMESPACE = re.compile(r'[A-Za-z0-9][A-Za-z0-9_-]{0,99}')
_UUID = re.compile(r'[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}')
_FIELD = re.compile(r'[A-Za-z_][A-Za-z0-9_]*(\.[^.\s]+)*')


class Section(BaseModel):
    """One map of the configuration: unknown keys are mistakes, nothing is coerced, nothing changes."""

    model_config = ConfigDict(extra='forbid', frozen=True, strict=True, hide_input_in_errors=True)


def _path(value: Any) -> Path:
    if isinstance(value, Path):
        return value
    with suppress(UnicodeEncodeError):
        if isinstance(value, str) and value and b'\0' not in os.fsencode(value):
            return Path(value)
    raise ValueError('expected a path')


def _pattern(value: str) -> str:
    mistake = patterns.mistake(value)
    if mistake:
        is_long = len(value.encode('utf-8', 'replace')) > patterns.KEY_LIMIT
        shorten = 'shorten it: # stands for any number of words, as in calls.#'
        raise with_hint(mistake, shorten if is_long else "as in calls.# or '*.ended'")
    return value


def _vhost(value: str) -> str:
    size = len(value.encode('utf-8', 'backslashreplace'))
    if size > _VHOST_LIMIT:
        raise with_hint(
            f'expected at most {_VHOST_LIMIT} bytes, found {size}', 'rabbitmqctl list_vhosts shows what they are called'
        )
    return value


def _host_and_port(value: str) -> str:
    address(value, 5672)
    return value


def _uuid(value: str) -> str:
    if not _UUID.fullmatch(value):
        raise ValueError('expected a UUID, as in 2e752722-0864-4665-887d-a78a024cf7c7')
    return value


def _access(value: str) -> str:
    mistake = acl.mistake(value)
    if mistake:
        raise ValueError(mistake)
    return value


def _one_or_many(value: Any) -> Any:
    # A number or a date, too: it is a pattern without its quotes.
    return [value] if isinstance(value, (str, int, float, date)) else value


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


Spans = Annotated[list[Span], Field(min_length=1), BeforeValidator(_one_or_many)]
Closings = Annotated[list[Closing], BeforeValidator(_one_or_many)]
FilePath = Annotated[Path, BeforeValidator(_path)]
SocketPath = Annotated[Path, BeforeValidator(_path), AfterValidator(socket_path)]
Pattern = Annotated[str, AfterValidator(_pattern)]
Uuids = Annotated[list[Annotated[str, AfterValidator(_uuid)]], Field(min_length=1), BeforeValidator(_one_or_many)]
Accesses = Annotated[list[Annotated[str, AfterValidator(_access)]], Field(min_length=1), BeforeValidator(_one_or_many)]
Host = Annotated[str, AfterValidator(host)]
HostAndPort = Annotated[str, AfterValidator(_host_and_port)]
VirtualHost = Annotated[str, AfterValidator(_vhost)]


class TlsConfig(Section):
    """How the connection to the broker is encrypted. The broker's certificate is always verified."""

    ca_file: FilePath | None = None
    certificate_file: FilePath | None = None
    key_file: FilePath | None = None
    server_name: str | None = None


class BusConfig(Section):
    """Where the broker is and how it is used."""

    host: Host = 'localhost'
    port: int = Field(default=5672, ge=1, le=65_535)
    hosts: list[HostAndPort] = Field(default_factory=list)
    username: str = 'guest'
    password: str = Field(default='guest', min_length=1, repr=False)
    vhost: VirtualHost = Field(default='/', min_length=1)
    tls: TlsConfig | None = None
    heartbeat: Annotated[Duration, between('2s', '5m')] = 10.0
    prefetch: int = Field(default=256, ge=1, le=65_535)
    max_latency: Annotated[Duration, between('0s', '100ms')] = 0.005
    namespace: str = 'wazo-busd'
    max_body_size: Size = Field(default=1_048_576, ge=1)
    max_depth: int = Field(default=64, ge=1, le=200)

    @field_validator('tls', mode='before')
    @classmethod
    def _tls_switch(cls, value: Any) -> Any:
        """`tls: true` is encryption with the system's authorities, `tls: false` is none."""
        if isinstance(value, bool):
            return {} if value else None
        if value is None or isinstance(value, (dict, TlsConfig)):
            return value
        raise with_hint(
            f'expected true, false or a map, found {kind_of(value)}', 'tls: true, or as in tls: {ca_file: …}'
        )

    @field_validator('namespace')
    @classmethod
    def _namespace(cls, value: str) -> str:
        if not _NAMESPACE.fullmatch(value):
            raise ValueError('expected letters, digits, - and _ (at most 100), as in wazo-busd')
        return value

    def addresses(self) -> list[tuple[str, int]]:
        """The brokers to try in turn: `hosts` if there are any, else `host`.

        Returns:
            Pairs of host name or address and port; where `hosts` gives no port it is `port`.
        """
        return [address(host, self.port) for host in self.hosts] or [(self.host, self.port)]


class HttpConfig(Section):
    """Where the daemon shows how it fares, and where it can be told what to do."""

    listen: HostAndPort | None = '127.0.0.1:9506'
    socket: SocketPath | None = DEFAULT_SOCKET
    names: list[Host] = Field(default_factory=list)

    @field_validator('listen', 'socket', mode='before')
    @classmethod
    def _switch(cls, value: Any) -> Any:
        """`off` is what YAML reads as false."""
        return None if value is False else value

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port; `None` for nowhere."""
        return None if self.listen is None else address(self.listen, 9506)

    @property
    def control_socket(self) -> Path | None:
        """Where the control socket is; `None` for none."""
        return placed(self.socket)


class QueueConfig(Section):
    """What kind of queue a handler has, and how much it holds."""

    type: Literal['quorum', 'classic'] = 'quorum'
    max_length: Size = Field(default=250_000, ge=1)
    max_bytes: Size = Field(default=268_435_456, ge=1_048_576)
    expires: Annotated[Duration, between('2d', '365d')] = 14 * 86_400.0
    single_active_consumer: bool = False


def _backoff(span: tuple[float, float]) -> tuple[float, float]:
    if not parse_duration('100ms') <= span[0] <= span[1] <= parse_duration('1h'):
        raise ValueError('expected at least 100ms and at most 1h')
    return span


class RetryConfig(Section):
    """How often, and after what waits, a handler tries an event that it failed at."""

    attempts: int = Field(default=10, ge=1, le=1000)
    backoff: Annotated[DurationSpan, AfterValidator(_backoff)] = (2.0, 300.0)
    in_place: int = Field(default=1, ge=0, le=10)
    hold: Annotated[Duration, between('1s', '10m')] = 300.0


class ThrottleConfig(Section):
    """How often a handler wants events at most."""

    once_within: Annotated[Duration, between('1s', '30d')]
    per: FieldName | None = None


class ScheduleConfig(Section):
    """Named hours of the week."""

    timezone: Zone | None = None
    hours: Annotated[dict[Days, Spans], Field(min_length=1), AfterValidator(hours_of_week)]
    closed: Closings = Field(default_factory=list)

    def compiled(self) -> Schedule:
        """The schedule, ready to be asked."""
        return schedule(self.hours, self.closed, self.timezone)


class HandlerConfig(Section):
    """One configured use of a plugin."""

    plugin: str = Field(min_length=1)
    match: Annotated[list[Pattern], Field(min_length=1), BeforeValidator(_one_or_many)] | None = None
    options: dict[str, Any] = Field(default_factory=dict)
    tenants: Uuids | None = None
    users: Uuids | None = None
    acl: Accesses | None = None
    where: Fields | None = None
    when: When | None = None
    schedule: Wish | None = None
    expires_after: Annotated[Duration, between('1s', '30d')] | None = None
    throttle: ThrottleConfig | None = None
    collapse: Annotated[Duration, between('1s', '1d')] | None = None
    enabled: bool = True
    concurrency: int | None = Field(default=None, ge=1, le=10_000)
    order_by: str | None = None
    timeout: Annotated[Duration, between('10ms', '15m')] = 30.0
    retry: RetryConfig = Field(default_factory=RetryConfig)
    queue: QueueConfig = Field(default_factory=QueueConfig)

    @field_validator('order_by')
    @classmethod
    def _order_by(cls, value: str | None) -> str | None:
        if value is not None and (not _FIELD.fullmatch(value) or value.split('.')[0] not in FIELDS):
            raise ValueError(f'expected a field of the event, as in data.call_id; it begins with {", ".join(FIELDS)}')
        return value


class Config(Section):
    """The whole configuration."""

    bus: BusConfig = Field(default_factory=BusConfig)
    handlers: dict[str, HandlerConfig] = Field(default_factory=dict)
    schedules: dict[Name, ScheduleConfig] = Field(default_factory=dict)
    names: dict[str, Annotated[str, Field(min_length=1)]] = Field(default_factory=dict)
    region: Region | None = None
    http: HttpConfig = Field(default_factory=HttpConfig)
    plugin_dirs: list[FilePath] = Field(
        default_factory=lambda: [Path('/etc/wazo-busd/plugins.d'), Path('/usr/local/lib/wazo-busd/plugins')]
    )
    state_dir: FilePath = Path('/var/lib/wazo-busd')
    extra_config_files: FilePath = Path('conf.d')
    drain_timeout: Annotated[Duration, between('0s', '1h')] = 30.0
    log_level: Annotated[Literal['debug', 'info', 'warning', 'error', 'critical'], BeforeValidator(_lower)] = 'info'
    log_format: Literal['wazo', 'json', 'plain'] = 'wazo'
    debug: bool = False

    def schedule_of(self, handler: HandlerConfig) -> Schedule | None:
        """The schedule that a handler names, ready to be asked; `None` if it names none.

        Raises:
            KeyError: nobody has described it.
        """
        wanted = (handler.schedule or '').removeprefix('!')
        return self.schedules[wanted].compiled() if wanted else None
