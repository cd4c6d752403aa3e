# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What the plugins say that they would send is what they send, without secrets."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from plugins.exec import Exec
from plugins.journal import Journal
from plugins.log import Log
from plugins.mail import Mail
from plugins.notify import Notify
from plugins.webhook import Webhook
from tests.plugins.mailserver import MailServer
from tests.plugins.webserver import WebServer
from wazo_busd.errors import Permanent
from wazo_busd.event import Event
from wazo_busd.testing import deliver, make_event, preview

CALL = {'call_id': '1', 'user_uuid': '2e752722-0864-4665-887d-a78a024cf7c7', 'caller_id_name': 'Bob "O\'Hara"\n'}


def event(**more: Any) -> Event:
    return make_event('call_created', {**CALL, **more})


@pytest.mark.parametrize(
    'options',
    [
        {},
        {'method': 'GET'},
        {'preset': 'zammad'},
        {'body': 'cloudevents', 'batch': {'size': 5, 'within': '10ms'}},
        {'template': '{"who": "{{ data.caller_id_name }}"}', 'headers': {'X-Call': '{{ data.call_id }}'}},
        {'text': 'Call of {{ data.caller_id_name }}'},
    ],
)
async def test_webhook_tells_the_request_that_it_sends(options: dict[str, Any], server: WebServer) -> None:
    given = {'url': f'{server.url}/{{{{ data.call_id }}}}', 'allow_networks': ['127.0.0.0/8'], **options}
    one = event()
    await deliver(Webhook, one, options=given)
    (sent,) = server.sent
    told = await preview(Webhook, one, options=given)
    body = told['body']

    assert (
        told['method'],
        told['url'],
        {name: sent.headers[name] for name in told['headers']},
        b'' if body is None else body.encode() if isinstance(body, str) else body,
    ) == (
        sent.method,
        server.url.removesuffix('/hook') + sent.path,
        told['headers'],
        sent.body if body is None or isinstance(body, str) else json.loads(sent.body),
    )


async def test_webhook_shows_no_secret() -> None:
    options = {
        'url': 'https://chat.example.org/hooks/xoxb0123456789abcdef',
        'auth': {'username': 'wazo', 'password': 'pa55word'},
        'signing_secret': 'signed-secret',
        'headers': {'X-Api-Key': 'key-0123456789'},
    }
    told = json.dumps(await preview(Webhook, event(), options=options), ensure_ascii=False)

    assert (
        re.findall('xoxb0123456789abcdef|pa55word|signed-secret|key-0123456789|d2F6bzpwYTU1d29yZA|v1=[0-9a-f]', told)
        == []
    )


async def test_webhook_sends_nothing_for_a_preview(server: WebServer) -> None:
    await preview(Webhook, event(), options={'url': server.url, 'allow_networks': ['127.0.0.0/8']})

    assert server.sent == []


@pytest.mark.parametrize(('data', 'found'), [(False, None), (True, '"call_id":"1"')])
async def test_log_tells_the_line_that_it_writes(data: bool, found: str | None) -> None:
    told = await preview(Log, event(), options={'data': data})

    assert (told['event_name'], told['level'], found is None or found in told['data']) == ('call_created', 'info', True)


async def test_log_tells_the_line_of_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    one, options = event(), {'to': 'stdout', 'data': True}
    await deliver(Log, one, options=options)
    written = capsys.readouterr().out

    assert f'{(await preview(Log, one, options=options))["line"]}\n' == written


SHOW = 'printf "%s\\0" "$@" > argv; cp /proc/$$/environ environ; cat > stdin'


async def test_exec_tells_the_program_that_it_runs(tmp_path: Path) -> None:
    one = event()
    options: dict[str, Any] = {
        'argv': ['/bin/sh', '-c', SHOW, 'sh', 'of {{ data.caller_id_name }}'],
        'environment': {'LAMP': 'red'},
    }
    await deliver(Exec, one, options=options, state_dir=tmp_path)
    told = await preview(Exec, one, options=options)
    pairs = (each.split('=', 1) for each in (tmp_path / 'environ').read_text().split('\0')[:-1])
    environment = {name: value for name, value in pairs if name not in ('PATH', 'HOME', 'LANG', 'PWD')}

    assert told == {
        'argv': [*options['argv'][:4], *(tmp_path / 'argv').read_text().split('\0')[:-1]],
        'environment': {**environment, 'LAMP': '…'},
        'stdin': json.loads((tmp_path / 'stdin').read_bytes()),
    }


async def test_exec_tells_of_a_program_that_is_not_on_this_host_and_runs_none(tmp_path: Path) -> None:
    touch = await preview(Exec, event(), options={'argv': ['/usr/bin/touch', str(tmp_path / 'there')]})
    absent = await preview(Exec, event(), options={'argv': ['no-such-program', '{{ data.call_id }}']})

    assert (touch['argv'][0], absent['argv'], list(tmp_path.iterdir())) == (
        '/usr/bin/touch',
        ['no-such-program', '1'],
        [],
    )


async def test_exec_tells_that_an_argument_would_be_taken_for_an_option() -> None:
    with pytest.raises(Permanent, match='which lamp takes for an option'):
        await preview(Exec, event(call_id='-rf'), options={'argv': ['lamp', '{{ data.call_id }}']})


MAIL: dict[str, Any] = {
    'to': ['Operations <ops@example.org>', 'b@example.org'],
    'bcc': 'd@example.org',
    'from': 'wazo@example.org',
    'subject': 'Call of {{ data.caller_id_name }}',
    'text': 'Call {{ data.call_id }}',
    'html': '<b>{{ data.caller_id_name }}</b>',
}


async def test_mail_tells_the_mail_that_it_sends() -> None:
    async with MailServer() as mails:
        server = {'host': '127.0.0.1', 'port': mails.port}
        await deliver(Mail, event(), options={**MAIL, 'server': server})
        (mail,) = mails.handed

    assert await preview(Mail, event(), options=MAIL) == {
        'from': mail.letter['From'],
        'to': mail.letter['To'].split(', '),
        'bcc': mail.recipients[-1:],
        'subject': mail.letter['Subject'],
        'text': mail.text.strip(),
        'html': mail.part('html').strip(),
    }


async def test_mail_shows_no_password() -> None:
    server = {'host': 'mail.example.org', 'username': 'wazo', 'password': 'pa55word'}

    assert 'pa55word' not in json.dumps(await preview(Mail, event(), options={**MAIL, 'server': server}))


async def test_notify_tells_the_message_that_each_service_gets(server: WebServer) -> None:
    text = 'Call of {{ data.caller_id_name }} to 1'
    given = {'to': f'json://127.0.0.1:{server.port}/', 'title': 'A call', 'text': text, 'severity': 'warning'}
    await deliver(Notify, event(), options=given)
    (sent,) = server.sent
    told = await preview(Notify, event(), options=given)

    assert (told['severity'], told['messages']) == (
        sent.json['type'],
        [{'to': 'JSON', 'title': sent.json['title'], 'text': sent.json['message']}],
    )


async def test_notify_shows_the_name_of_a_service_and_not_its_url() -> None:
    to = f'json://wazo:pa55word@chat.example.org/{"a" * 24} mmosts://chat.example.org/{"a" * 26}'
    told = await preview(Notify, event(), options={'to': to, 'text': '**{{ data.call_id }}** {{ data.user_uuid }}'})

    assert ([each['to'] for each in told['messages']], re.findall('pa55word|a{9}|chat', json.dumps(told))) == (
        ['JSON', 'Mattermost'],
        [],
    )


@pytest.mark.parametrize('kept', ['jsonl', 'sqlite'])
async def test_journal_tells_the_record_that_it_keeps(kept: str, tmp_path: Path) -> None:
    one = event(number='+15551234567')
    masked: dict[str, Any] = {'format': kept, 'path': str(tmp_path / 'calls'), 'mask': ['data.number']}
    told = await preview(Journal, one, options=masked)
    is_there = (tmp_path / 'calls').exists()
    await deliver(Journal, one, options=masked)
    (record,) = [each async for each in Journal.read(Journal.Options(**masked), 'test', tmp_path)]

    assert (told['format'], told['record']['data']['number'], is_there) == (kept, '+•••••••••67', False)
    assert {**told['record'], 'received_at': ''} == {**record, 'received_at': ''}


async def test_journal_shows_no_password() -> None:
    url = 'postgresql://busd:pa55word@db.example.org/journal'
    told = await preview(Journal, event(), options={'format': 'postgresql', 'url': url})

    assert ('pa55word' in json.dumps(told), told['record']['name']) == (False, 'call_created')
