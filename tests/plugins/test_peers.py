# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The servers that plugins say they connect to: right ones, and never a part of a URL that is a token."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest

from plugins.mail.options import Options as MailOptions
from plugins.notify.service import Service
from plugins.webhook.options import Options as WebhookOptions
from wazo_busd.api import Peer


@pytest.mark.parametrize(
    ('server', 'peer'),
    [
        ({}, Peer('localhost', 25)),
        ({'host': 'mail.example.org'}, Peer('mail.example.org', 587)),
        ({'host': 'mail.example.org', 'tls': 'tls'}, Peer('mail.example.org', 465)),
        ({'host': '127.0.0.1', 'port': 2525}, Peer('127.0.0.1', 2525)),
    ],
)
def test_mail_connects_to_its_server(server: dict[str, Any], peer: Peer) -> None:
    options = MailOptions.model_validate({'to': 'a@example.org', 'subject': 'x', 'text': 'x', 'server': server})

    assert list(options.peers()) == [peer]


@pytest.mark.parametrize(
    ('options', 'peers'),
    [
        ({'url': 'https://crm.example.org/{{ data.x }}'}, [Peer('crm.example.org', 443, ())]),
        ({'url': 'http://[2606:4700::1111]:8080/'}, [Peer('2606:4700::1111', 8080, ())]),
        (
            {'url': 'http://10.0.0.5/', 'allow_networks': ['10.0.0.5']},
            [Peer('10.0.0.5', 80, (ip_network('10.0.0.5'),))],
        ),
        # The proxy connects to the server, and the name of that may be known to it alone.
        ({'url': 'https://crm.example.org/', 'proxy': 'http://proxy:3128'}, [Peer('proxy', 3128)]),
        ({'url': '{% if data.x is defined %}https://a.example/{% else %}https://b.example/{% endif %}'}, []),
    ],
)
def test_webhook_connects_to_its_server_or_its_proxy(options: dict[str, Any], peers: list[Peer]) -> None:
    assert list(WebhookOptions.model_validate(options).peers()) == peers


@pytest.mark.parametrize(
    ('url', 'peer'),
    [
        ('json://user:pw@crm.example.org/x', Peer('crm.example.org', 80)),
        ('jsons://crm.example.org:8443/x', Peer('crm.example.org', 8443)),
        ('mailtos://user:pw@example.org?smtp=mail.example.org', Peer('mail.example.org', 587)),
        # What apprise calls the host of these is an account, or a token.
        ('discord://123456789012345678/abcdefghijklmnopqrstuvwxyz', Peer('discord.com', 443)),
        (f'slack://{"T" * 9}/{"B" * 9}/{"c" * 24}', None),
        (f'wxteams://{"a" * 80}', Peer('api.ciscospark.com', 443)),
    ],
)
def test_notify_connects_to_what_is_known_to_be_a_host(url: str, peer: Peer | None) -> None:
    assert Service(url).peer == peer
