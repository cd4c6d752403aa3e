# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`notify` and services with an own idea of markup: what is in the request is what a name may be there."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import pytest
import requests
from markdown_it import MarkdownIt

from plugins.notify import Notify
from tests.plugins.chat import at_once, texts
from tests.plugins.hostile import NAMES
from tests.plugins.test_notify_hostile import MENTION, PLAIN, every
from wazo_busd.testing import Outcome, deliver, make_event

__all__ = ['at_once']

URLS = {
    'workflows': f'workflows://prod-1.example.com:443/{"a" * 32}/{"b" * 43}',
    'gchat': f'gchat://AAAA/{"k" * 39}/{"t" * 43}',
    'whapi': f'whapi://{"t" * 32}/15551234567',
    'wxteams': f'wxteams://{"a" * 80}',
}
MARKS = re.compile(r'[*_~`<>&\[\]\\]|://')
"""What makes something of a text in Google Chat or WhatsApp, or in the Markdown that these get theirs from."""


def url_of(kind: str) -> str:
    """The URL of a service, with what is asked for behind its name."""
    service, mark, query = kind.partition('?')
    return f'{URLS[service]}{mark}{query}'


@pytest.fixture
def posted(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The documents that are sent, each answered as the services do."""
    documents: list[Any] = []

    def post(url: str, **named: Any) -> requests.Response:
        documents.append(json.loads(named['data']))
        answer = requests.Response()
        answer.status_code, answer._content = 200, b'{"sent": true}'
        return answer

    monkeypatch.setattr(requests, 'post', post)
    return documents


async def said(posted: list[Any], url: str, callers: Sequence[str], **options: str) -> list[list[str]]:
    """All texts that a service gets about an event of each caller."""
    posted.clear()
    events = [make_event('call_created', {'call_id': str(n), 'name': name}) for n, name in enumerate(callers)]
    outcomes = await deliver(Notify, *events, options={'to': url, **options})
    assert set(outcomes) == {Outcome.DONE}
    return [list(texts(each)) for each in posted]


@every
@pytest.mark.parametrize('kind', ['gchat', 'gchat?format=text', 'whapi', 'whapi?format=text'])
async def test_where_nothing_escapes_marks_a_name_has_none(
    posted: list[Any], kind: str, callers: Sequence[str]
) -> None:
    text = '**Call** of {{ data.name }} to Bob'
    for found in await said(posted, url_of(kind), callers, title='%{{ data.name }}%', text=text):
        (shown,) = [each for each in found if 'Call' in each]
        values = shown.replace('**Call**', '').replace('*Call*', '').replace('*%', '%').replace('%*', '%')
        assert (MARKS.findall(values), MENTION.findall(values)) == ([], [])


@pytest.mark.parametrize('name', ['# x', '- x', '1. x', '> x', '    x', '```'])
@pytest.mark.parametrize('kind', ['gchat', 'whapi'])
async def test_where_nothing_escapes_marks_a_name_begins_no_block(posted: list[Any], kind: str, name: str) -> None:
    ((*_, text),) = await said(posted, URLS[kind], [name], text='{{ data.name }} calls')

    assert text.startswith('\u200b')


async def test_what_is_written_in_the_configuration_is_what_google_chat_makes_of_markdown(posted: list[Any]) -> None:
    text = '**Call** of {{ data.name }}: [answer](https://desk.example/{{ data.name }})'

    found = await said(posted, URLS['gchat'], ['Ann_B & Co'], text=text)

    assert found == [['*Call* of Ann\uff3fB \uff06 Co: <https://desk.example/Ann_B%20%26%20Co|answer>']]


async def test_and_what_whatsapp_makes_of_it(posted: list[Any]) -> None:
    text = '**Call** of {{ data.name }}: [answer](https://desk.example/{{ data.name }})'

    ((*_, found),) = await said(posted, URLS['whapi'], ['Ann_B & Co'], text=text)

    assert found == '*Call* of Ann\uff3fB \uff06 Co: answer (https://desk.example/Ann_B%20%26%20Co)'


@every
@pytest.mark.parametrize('kind', ['workflows', 'workflows?format=text', 'wxteams'])
async def test_title_and_text_are_markdown_in_which_a_name_is_letters(
    posted: list[Any], kind: str, callers: Sequence[str]
) -> None:
    options = {'title': '**Title** {{ data.name }}', 'text': '**Call** of {{ data.name }} to Bob'}
    for found in await said(posted, url_of(kind), callers, **options):
        shown = [each for each in found if '**Title**' in each or '**Call**' in each]
        for text in '\n\n'.join(shown).replace('\n**Call**', '\n\n**Call**').split('\n\n'):
            # Apprise puts the title of some services into a heading.
            tokens = MarkdownIt('commonmark').enable(['table', 'strikethrough']).parse(text.removeprefix('# '))
            inner = [each.type for token in tokens for each in token.children or ()]
            assert set(inner) <= {'text', 'text_special', 'strong_open', 'strong_close'}
            assert (inner.count('strong_open'), {each.type for each in tokens} <= PLAIN) == (1, True)
        assert [each for each in shown if MENTION.search(each)] == []


async def test_in_a_text_of_webex_a_name_calls_nobody(posted: list[Any]) -> None:
    for found in await said(posted, url_of('wxteams?format=text'), NAMES, text='Call of {{ data.name }}'):
        assert [each for each in found if MENTION.search(each)] == []
