# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The options of `mail`: what is a mistake, and what is told of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from plugins.mail.options import Options, Server
from wazo_busd import roster
from wazo_busd.config import load
from wazo_busd.errors import Problem

LEAST: dict[str, Any] = {'to': 'ops@example.org', 'subject': 'x', 'text': 'x'}


def problems(directory: Path, **options: Any) -> list[Problem]:
    options = {**LEAST, **options}
    handlers = {'faxes': {'plugin': 'mail', 'match': 'fax_outbound_failed', 'timeout': '10m', 'options': options}}
    (directory / 'config.yml').write_text(yaml.safe_dump({'handlers': handlers}))
    configuration = load(directory / 'config.yml')
    assert configuration.problems == ()
    return roster.call(configuration).problems


RIGHT: list[dict[str, Any]] = [
    {},
    {'to': ['Operations <ops@example.org>', '"Desk, the" <desk@example.org>', 'été <a.b+c@x.example.org>']},
    {'cc': 'a@example.org', 'bcc': ['b@example.org'], 'from': 'Wazo <wazo@example.org>', 'reply_to': 'c@example.org'},
    {'text': None, 'html': '<b>{{ data.error }}</b>'},
    {'thread': 'data.user_uuid'},
    {'every': '15m', 'subject': '{{ burst.count }} faxes'},
    {'server': {'host': 'mail.example.org'}},
    {'server': {'host': '::1', 'port': 2525}},
    {'server': {'host': 'mail.example.org', 'tls': 'none'}},
    {'server': {'host': 'mail.example.org', 'username': 'me', 'password': 'a b'}},
    {'server': {'username': 'me', 'password': 'x'}},
    {'answer_within': '1m'},
]


@pytest.mark.parametrize('options', RIGHT, ids=str)
def test_what_can_be_written(tmp_path: Path, options: dict[str, Any]) -> None:
    assert problems(tmp_path, **options) == []


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    'nobody': ({'to': []}, 'options.to: expected'),
    'no address': ({'to': 'ops'}, 'expected an address, with ASCII'),
    'two addresses in one': ({'to': 'a@example.org, b@example.org'}, 'expected an address, with ASCII'),
    'a template': ({'to': '{{ data.email }}'}, 'expected an address, with ASCII'),
    'an injected header': ({'to': 'a@example.org\r\nBcc: b@example.org'}, 'expected an address, with ASCII'),
    'an address beyond ASCII': ({'to': 'été@example.org'}, 'expected an address, with ASCII'),
    'an address twice': ({'to': ['a@example.org', 'A <A@example.org>']}, 'the address a@example.org is there twice'),
    'no sender': ({'from': 'me'}, 'options.from: expected an address'),
    'nothing to say': ({'text': None}, 'there is nothing in the mail'),
    'a value in a tag': ({'html': '<b {{ data.error }}>'}, 'options.html: a value cannot stand inside a tag'),
    'no host': ({'server': {'host': 'a b'}}, 'options.server.host: expected a name or an address'),
    'no port': ({'server': {'port': 0}}, 'options.server.port: expected at least 1'),
    'an unknown kind of TLS': ({'server': {'tls': 'ssl'}}, "options.server.tls: expected 'none', 'starttls' or 'tls'"),
    'a name without a password': ({'server': {'username': 'me'}}, 'expected username and password, or neither'),
    'a password in the clear': (
        {'server': {'host': 'mail.example.org', 'tls': 'none', 'username': 'me', 'password': 'hunter2'}},
        'options.server: a password would go over the network in the clear',
    ),
    'a password of two lines': (
        {'server': {'username': 'me', 'password': 'hunter2\nx'}},
        'options.server.password: expected a text without line ends',
    ),
    'a relative path': ({'server': {'ca_file': 'ca.pem'}}, 'options.server.ca_file: expected an absolute path'),
    'no such file': ({'server': {'ca_file': '/nonexistent.pem'}}, '/nonexistent.pem: No such file or directory'),
    'no field': ({'thread': 'a..b'}, 'options.thread: '),
    'a digest of no time': ({'every': '0s'}, 'options.every: expected at least'),
    'an unknown key': ({'sender': 'a@example.org'}, 'options.sender: unknown key'),
}


@pytest.mark.parametrize('what', WRONG)
def test_what_is_a_mistake(tmp_path: Path, what: str) -> None:
    options, message = WRONG[what]

    (problem,) = problems(tmp_path, **options)

    assert (message in problem.message, 'hunter2' in str(problem)) == (True, False)


@pytest.mark.parametrize(
    ('server', 'way', 'port'),
    [
        ({}, 'none', 25),
        ({'host': '127.0.0.1'}, 'none', 25),
        ({'host': 'LocalHost'}, 'none', 25),
        ({'host': 'localhost.example.org'}, 'starttls', 587),
        ({'host': 'mail.example.org'}, 'starttls', 587),
        ({'host': 'mail.example.org', 'port': 25}, 'starttls', 25),
        ({'host': 'mail.example.org', 'tls': 'tls'}, 'tls', 465),
        ({'host': 'mail.example.org', 'tls': 'none'}, 'none', 25),
    ],
    ids=str,
)
def test_how_a_server_is_spoken_to(server: dict[str, Any], way: str, port: int) -> None:
    found = Server.model_validate(server)

    assert (found.way, found.number) == (way, port)


def test_the_options_do_not_show_a_password() -> None:
    options = Options.model_validate({**LEAST, 'server': {'username': 'me', 'password': 'hunter2'}})

    assert 'hunter2' not in repr(options)
