# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`notify` and names of callers that want more than to be read: no markup, no mention, whatever the service reads."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from plugins.notify import Notify
from tests.examples import examples
from tests.plugins.chat import at_once, texts, url_of
from tests.plugins.hostile import NAMES, names
from tests.plugins.webserver import WebServer
from wazo_busd.testing import Outcome, deliver, make_event

__all__ = ['at_once']

MENTION = re.compile(r'@[a-z0-9]|<[!@#a-z/]', re.IGNORECASE)
"""How services know that somebody is called: `@here`, `<!channel>`, `<@U012AB>`, `<users/all>`."""


def every(test: Any) -> Any:
    """Try all the names, and what hypothesis thinks of besides."""
    some = settings(
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
        deadline=None,
        max_examples=examples(3),
    )
    return example(NAMES)(example(['0', '1) x'])(some(given(st.lists(names, min_size=1, max_size=4))(test))))


async def arrived(kind: str, callers: Sequence[str], monkeypatch: pytest.MonkeyPatch, text: str) -> list[list[str]]:
    """All texts in the message about an event of each caller: all of them arrive, and nothing else does."""
    async with WebServer() as server:
        server.answer(200, 'ok' if kind.startswith('slack') else '{"success": true}', times=len(callers))
        options = {'to': url_of(kind, server, monkeypatch), 'title': '{{ data.caller_id_name }}.', 'text': text}
        events = [
            make_event('call_created', {'call_id': str(number), 'caller_id_name': name})
            for number, name in enumerate(callers)
        ]
        outcomes = await deliver(Notify, *events, options=options)
        assert (set(outcomes), len(server.sent), {each.path for each in server.sent}) == (
            {Outcome.DONE},
            len(callers),
            {server.sent[0].path},
        )
        return [list(texts(each.json)) for each in server.sent]


@every
@pytest.mark.parametrize(
    'kind', ['json', 'ntfy', 'matrix', 'slack', 'slack in Markdown', 'discord', 'mattermost', 'rocket']
)
async def test_a_name_calls_nobody(kind: str, monkeypatch: pytest.MonkeyPatch, callers: Sequence[str]) -> None:
    for found in await arrived(kind, callers, monkeypatch, 'Call of {{ data.caller_id_name }} to Bob'):
        assert [each for each in found if MENTION.search(each)] == []


@every
@pytest.mark.parametrize('kind', ['json', 'ntfy', 'matrix', 'slack'])
async def test_in_a_text_a_name_is_one_line(kind: str, monkeypatch: pytest.MonkeyPatch, callers: Sequence[str]) -> None:
    for found in await arrived(kind, callers, monkeypatch, 'Call of {{ data.caller_id_name }} to Bob'):
        (text,) = [each for each in found if 'Call of ' in each]
        line = re.sub('[\u200b-\u200d]', '', text[text.index('Call of ') :])
        assert line.isprintable()


@every
@pytest.mark.parametrize('kind', ['discord', 'mattermost', 'rocket'])
async def test_where_markdown_is_read_a_name_is_letters(
    kind: str, monkeypatch: pytest.MonkeyPatch, callers: Sequence[str]
) -> None:
    for found in await arrived(kind, callers, monkeypatch, '**Call** of {{ data.caller_id_name }} to Bob'):
        (text,) = [each for each in found if '**Call** of ' in each]
        # Apprise puts titles of some services into a heading.
        tokens = MarkdownIt('commonmark').enable(['table', 'strikethrough']).parse(text.removeprefix('# '))
        inner = [each.type for token in tokens for each in token.children or ()]
        assert set(inner) <= {'text', 'text_special', 'strong_open', 'strong_close', 'softbreak', 'hardbreak'}
        assert (inner.count('strong_open'), {each.type for each in tokens} <= PLAIN) == (1, True)


PLAIN = {'paragraph_open', 'paragraph_close', 'inline'}


class _Tags(HTMLParser):
    """Notes what a program that shows HTML makes of it."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)


@every
async def test_where_html_is_read_a_name_makes_no_tag(monkeypatch: pytest.MonkeyPatch, callers: Sequence[str]) -> None:
    for found in await arrived('matrix in HTML', callers, monkeypatch, '<b>Call</b> of {{ data.caller_id_name }}'):
        (text,) = [each for each in found if '<b>Call</b> of' in each]
        shown = _Tags()
        shown.feed(text)
        assert not re.search('@[a-z]', text)
        assert shown.tags - {'h1', 'br', 'p'} == {'b'}
