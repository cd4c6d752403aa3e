# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The options of `webhook`: what is a mistake, and what is told of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml

from wazo_busd import roster
from wazo_busd.config import load
from wazo_busd.errors import Problem
from wazo_busd.handler import Handler
from wazo_busd.roster import Roster

URL = 'https://crm.example.org/hook'


def call(directory: Path, options: Any, **more: Any) -> Roster:
    handlers = {'crm': {'plugin': 'webhook', 'match': 'calls.#', 'timeout': '10m', 'options': options, **more}}
    (directory / 'config.yml').write_text(yaml.safe_dump({'handlers': handlers}))
    configuration = load(directory / 'config.yml')
    assert configuration.problems == ()
    return roster.call(configuration)


def handler(directory: Path, **options: Any) -> Handler:
    called = call(directory, {'url': URL, **options})
    assert called.problems == []
    return called.handlers['crm']


def mistake(directory: Path, **options: Any) -> Problem:
    (problem,) = call(directory, {'url': URL, **options}).problems
    return problem


RIGHT: list[dict[str, Any]] = [
    {},
    {'url': 'http://crm.example.org:8080/a?b={{ data.call_id }}'},
    {'url': 'http://[2606:4700::1111]/'},
    {'url': '{% if data.x is defined %}https://a.example/{% else %}https://b.example/{% endif %}'},
    {'url': 'http://10.0.0.5/', 'allow_networks': ['10.0.0.5']},
    {'url': 'http://localhost/', 'allow_networks': ['127.0.0.0/8']},
    {'auth': {'username': 'me', 'password': 'a:b c'}},
    {'auth': {'bearer': 'abc'}},
    {'headers': {'X-A': '{{ data.call_id }}', 'Content-Type': 'text/xml'}, 'text': '<a/>'},
    {'batch': {}},
    {'batch': {'size': 200, 'within': '20s'}, 'template': '{"a": {{ data.call_id }}}'},
    {'proxy': 'http://me:secret@proxy:3128'},
    {'preset': 'zammad'},
    {'body': 'cloudevents', 'batch': {'size': 2, 'within': '100ms'}},
    {'method': 'GET'},
    {'answer_within': '1m'},
]


@pytest.mark.parametrize('options', RIGHT, ids=str)
def test_what_can_be_written(tmp_path: Path, options: dict[str, Any]) -> None:
    assert handler(tmp_path, **options).name == 'crm'


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    'no URL': ({'url': 'crm.example.org/hook'}, 'options.url: expected a URL that begins with https:// or http://'),
    'another scheme': ({'url': 'ftp://crm.example.org/'}, 'options.url: expected a URL'),
    'no host': ({'url': 'https:///hook'}, 'options.url: expected a URL'),
    'no port': ({'url': 'https://crm.example.org:x/'}, 'options.url: expected a URL'),
    'a password in the URL': ({'url': 'https://me:secret@crm.example.org/'}, 'options.url: a URL with a name'),
    'a value in the host': ({'url': 'https://{{ data.host }}/'}, 'options.url: a value cannot stand before the path'),
    'a private address': ({'url': 'http://10.0.0.5/'}, 'the URL cannot be reached: 10.0.0.5 is private'),
    'this host': ({'url': 'http://localhost:9000/'}, 'the URL cannot be reached: 127.0.0.1 is loopback'),
    'an odd notation': ({'url': 'http://0x7f.1/'}, 'the URL cannot be reached: 127.0.0.1 is loopback'),
    'no network': ({'allow_networks': ['example.org']}, 'options.allow_networks[0]: expected a network'),
    'an unknown method': ({'method': 'FETCH'}, "options.method: expected 'POST', 'PUT', 'PATCH', 'DELETE' or 'GET'"),
    'an unknown preset': ({'preset': 'zamad'}, "options.preset: expected 'zammad' or 'crm'"),
    'two bodies': ({'template': '{}', 'text': 'x'}, 'template and text are two bodies'),
    'a body besides a preset': ({'preset': 'crm', 'body': 'cloudevents'}, 'preset and body are two bodies'),
    'a body with GET': ({'method': 'GET', 'text': 'x'}, 'GET sends no body'),
    'a batch with GET': ({'method': 'GET', 'batch': {}}, 'GET sends no body'),
    'a batch of texts': ({'text': 'x', 'batch': {}}, 'batch and text do not go together'),
    'a batch with a preset': ({'preset': 'crm', 'batch': {}}, 'batch and preset do not go together'),
    'a batch of one': ({'batch': {'size': 1}}, 'options.batch.size: expected at least 2'),
    'a batch of too many': ({'batch': {'size': 1000}}, 'options.batch.size: expected at most 200'),
    'a batch that waits for ever': ({'batch': {'within': '1h'}}, 'options.batch.within: expected at most 20'),
    'no name of a header': ({'headers': {'X A': 'x'}}, "options.headers: 'X A' is no name of a header"),
    'an injected header': ({'headers': {'X-A\r\nX-B': 'x'}}, r"options.headers: 'X-A\r\nX-B' is no name of a header"),
    'a header of two lines': ({'headers': {'X-A': 'x\r\nX-B: y'}}, 'the header X-A has more than one line'),
    'a header of ours': ({'headers': {'Content-length': 'x'}}, 'Content-length is not for a configuration to set'),
    'a header twice': ({'headers': {'X-A': 'x', 'x-a': 'y'}}, 'is there twice'),
    'authorization twice': (
        {'headers': {'authorization': 'x'}, 'auth': {'bearer': 'x'}},
        'options.auth: there is a header Authorization too',
    ),
    'a name without a password': ({'auth': {'username': 'me'}}, 'options.auth: expected username and password, or'),
    'a name and a token': (
        {'auth': {'username': 'me', 'password': 'x', 'bearer': 'y'}},
        'options.auth: expected username and password, or bearer',
    ),
    'a name with a colon': ({'auth': {'username': 'm:e', 'password': 'x'}}, 'a name for basic authentication has no'),
    'a token of two lines': ({'auth': {'bearer': 'x\nX-B: y'}}, 'options.auth.bearer: expected a text without line'),
    'a token with a space': ({'auth': {'bearer': 'x y'}}, 'a token has neither spaces nor'),
    'no signing secret': ({'signing_secret': ''}, 'options.signing_secret: expected a text that is not empty'),
    'another proxy': ({'proxy': 'socks5://proxy:1080'}, 'options.proxy: expected'),
    'a proxy with TLS': ({'proxy': 'https://proxy:1080'}, 'options.proxy: expected the URL of an HTTP proxy'),
    'a relative path': ({'tls': {'ca_file': 'ca.pem'}}, 'options.tls.ca_file: expected an absolute path'),
    'no such file': ({'tls': {'ca_file': '/nonexistent.pem'}}, '/nonexistent.pem: No such file or directory'),
    'a key alone': ({'tls': {'key_file': '/nonexistent.pem'}}, 'options.tls: there is a key and no certificate'),
    'no duration': ({'answer_within': 'soon'}, 'options.answer_within: expected a duration'),
    'an unknown key': ({'uri': 'x'}, 'options.uri: unknown key'),
}


@pytest.mark.parametrize('what', WRONG)
def test_what_is_a_mistake(tmp_path: Path, what: str) -> None:
    options, message = WRONG[what]

    assert message in mistake(tmp_path, **options).message


@pytest.mark.parametrize('what', [each for each in WRONG if each not in ('an unknown method', 'no duration')])
def test_a_mistake_says_what_to_write(tmp_path: Path, what: str) -> None:
    problem = mistake(tmp_path, **WRONG[what][0])

    assert problem.hint or 'expected at ' in problem.message or 'a value cannot stand' in problem.message


def test_a_private_address_is_told_with_what_allows_it(tmp_path: Path) -> None:
    problem = mistake(tmp_path, url='http://10.0.0.5/')

    assert problem.hint == 'write allow_networks: ["10.0.0.5/32"] if that is meant'


@pytest.mark.parametrize('content', ['', 'no certificate'])
def test_a_file_without_a_certificate_is_a_mistake(tmp_path: Path, content: str) -> None:
    (tmp_path / 'a.pem').write_text(content)

    assert str(tmp_path / 'a.pem') in mistake(tmp_path, tls={'ca_file': str(tmp_path / 'a.pem')}).message


def test_a_key_with_a_password_is_a_mistake_and_asks_nobody(tmp_path: Path) -> None:
    # Given a key that is encrypted
    from cryptography.hazmat.primitives import serialization

    issued = trustme.CA().issue_cert('wazo')
    key = serialization.load_pem_private_key(issued.private_key_pem.bytes(), None)
    encrypted = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b'hunter2'),
    )
    (tmp_path / 'a.pem').write_bytes(issued.cert_chain_pems[0].bytes() + encrypted)

    assert 'options.tls: ' in mistake(tmp_path, tls={'certificate_file': str(tmp_path / 'a.pem')}).message


@pytest.mark.parametrize(
    'options',
    [
        {'auth': {'username': 'hunter2', 'bearer': 'hunter2'}},
        {'auth': {'bearer': 'hunter2 hunter2'}},
        {'signing_secret': ['hunter2']},
        {'proxy': 'socks://me:hunter2@proxy'},
        {'url': 'https://me:hunter2@crm.example.org/'},
    ],
    ids=str,
)
def test_no_problem_shows_a_secret(tmp_path: Path, options: dict[str, Any]) -> None:
    assert 'hunter2' not in str(mistake(tmp_path, **options))


@pytest.mark.parametrize(('options', 'concurrency'), [({}, 8), ({'batch': {}}, 200), ({'batch': {'size': 200}}, 256)])
def test_it_takes_as_many_events_at_a_time_as_its_batches_need(
    tmp_path: Path, options: dict[str, Any], concurrency: int
) -> None:
    assert handler(tmp_path, **options).concurrency == concurrency


def test_the_configuration_can_ask_for_another_concurrency(tmp_path: Path) -> None:
    assert call(tmp_path, {'url': URL, 'batch': {}}, concurrency=3).handlers['crm'].concurrency == 3
