# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What the tests of the doctor are written with."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.unit.rig import make_handler
from wazo_busd.api import Event, handler
from wazo_busd.config import Configuration, QueueConfig, load
from wazo_busd.doctor.finding import Finding, Severity
from wazo_busd.handler import Handler
from wazo_busd.topology import HandlerQueue, Hub

HERE = '2c34c282-433e-4bb8-8d56-fec14ff7e1e9'
ELSEWHERE = '53c7ed9a-3a51-4a73-b2f1-8ad1d6a8d6a1'


@handler
async def bell(event: Event) -> None:
    """A plugin."""


def handler_on(*match: str, name: str = 'crm', **config: Any) -> Handler:
    """A handler that matches this."""
    return make_handler(bell, name=name, match=list(match), **config)


def wanted(*patterns: str, name: str = 'crm', **queue: Any) -> HandlerQueue:
    """What a handler asks of the broker."""
    return Hub('wazo-busd').handler_queue(name, patterns, QueueConfig(**queue))


def severities(findings: Iterable[Finding]) -> list[Severity]:
    """How bad they are."""
    return [each.severity for each in findings]


def only(findings: Iterable[Finding]) -> Finding:
    """The one that there is."""
    (found,) = findings
    return found


def configured(directory: Path, text: str) -> Configuration:
    """The configuration that says this."""
    path = directory / 'config.yml'
    path.write_text(text)
    path.chmod(0o640)
    return load(path)
