# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Chat services of a test: apprise's own code for each, and a web server instead of the service."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from apprise.plugins.discord import NotifyDiscord
from apprise.plugins.slack import NotifySlack
from apprise.url import URLBase

from tests.plugins.webserver import WebServer


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let apprise not wait between two messages."""
    monkeypatch.setattr(URLBase, 'throttle', lambda *arguments, **named: None)


def url_of(kind: str, server: WebServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a service that is in truth a server of the test."""
    here = f'127.0.0.1:{server.port}'
    monkeypatch.setattr(NotifySlack, 'webhook_url', f'http://{here}/services')
    monkeypatch.setattr(NotifyDiscord, 'notify_url', f'http://{here}/discord')
    return {
        'json': f'json://{here}/',
        'mattermost': f'mmost://{here}/{"a" * 26}',
        'rocket': f'rocket://{"a" * 17}/{"b" * 43}@{here}/#general?mode=webhook',
        'ntfy': f'ntfy://{here}/alarms',
        'matrix': f'matrix://{"a" * 64}@{here}?mode=matrix',
        'matrix in HTML': f'matrix://{"a" * 64}@{here}?mode=matrix&format=html',
        'slack': f'slack://T1JJ3T3L2/A1BRTD4JD/{"a" * 24}/#general',
        'slack in Markdown': f'slack://T1JJ3T3L2/A1BRTD4JD/{"a" * 24}/#general?format=markdown',
        'discord': f'discord://4174216298/{"a" * 28}',
    }[kind]


def texts(value: object) -> Iterator[str]:
    """All texts in a JSON document."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from texts(each)
