# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The configuration: read, merged, checked, with every mistake named by file and line."""

from wazo_busd.config.document import Document, dotted, is_secret, quoted
from wazo_busd.config.explain import explain
from wazo_busd.config.load import Configuration, load
from wazo_busd.config.model import (
    HANDLER_NAME,
    BusConfig,
    Config,
    HandlerConfig,
    HttpConfig,
    QueueConfig,
    RetryConfig,
    ScheduleConfig,
    ThrottleConfig,
    TlsConfig,
)
from wazo_busd.config.plain import parse as parse_plain
from wazo_busd.config.plain import written
from wazo_busd.config.quantity import Duration, Size, parse_duration
from wazo_busd.config.reader import read as read_file
from wazo_busd.config.schema import near

__all__ = [
    'HANDLER_NAME',
    'BusConfig',
    'Config',
    'Configuration',
    'Document',
    'Duration',
    'HandlerConfig',
    'HttpConfig',
    'QueueConfig',
    'RetryConfig',
    'ScheduleConfig',
    'Size',
    'ThrottleConfig',
    'TlsConfig',
    'dotted',
    'explain',
    'is_secret',
    'load',
    'near',
    'parse_duration',
    'parse_plain',
    'quoted',
    'read_file',
    'written',
]
