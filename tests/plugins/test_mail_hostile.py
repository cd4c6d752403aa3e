# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`mail` and names of callers that want more than to be read: nothing breaks out of its place."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from html.parser import HTMLParser
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from plugins.mail import Mail
from tests.examples import examples
from tests.plugins.hostile import NAMES, names
from tests.plugins.mailserver import Handed, MailServer
from wazo_busd.testing import Outcome, deliver, make_event

HEADERS = [
    'From',
    'To',
    'Subject',
    'Date',
    'Message-ID',
    'In-Reply-To',
    'References',
    'Auto-Submitted',
    'Content-Type',
    'MIME-Version',
]
CONTENT = ['Content-Type', 'Content-Transfer-Encoding', 'MIME-Version']


def every(test: Any) -> Any:
    """Try all the names, and what hypothesis thinks of besides."""
    some = settings(
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
        deadline=None,
        max_examples=examples(5),
    )
    return example(NAMES)(some(given(st.lists(names, min_size=1, max_size=6))(test)))


async def arrived(callers: Sequence[str], **options: Any) -> list[Handed]:
    """The mails about an event of each caller: all of them arrive, and nothing else does."""
    async with MailServer() as mails:
        given = {
            'to': 'ops@example.org',
            'from': 'wazo@example.org',
            'subject': 'A call',
            'text': 'A call',
            'server': {'host': '127.0.0.1', 'port': mails.port},
            **options,
        }
        events = [
            make_event('call_created', {'call_id': name, 'conversation_id': str(number), 'caller_id_name': name})
            for number, name in enumerate(callers)
        ]
        assert set(await deliver(Mail, *events, options=given, concurrency=1)) == {Outcome.DONE}
        assert [each.recipients for each in mails.handed] == [['ops@example.org']] * len(callers)
        return mails.handed


def plain(text: str) -> str:
    """A text without what joins letters, which is allowed."""
    return text.replace('\u200c', '').replace('\u200d', '')


@every
async def test_in_a_subject_a_name_makes_no_other_header(callers: Sequence[str]) -> None:
    for mail in await arrived(callers, subject='Call of {{ data.caller_id_name }}.'):
        # A line that is folded at its very beginning is read with the space that it was folded at.
        subject = mail.letter['Subject'].strip()
        assert sorted({*mail.letter.keys()} | set(CONTENT)) == sorted({*HEADERS, *CONTENT})
        assert (subject.startswith('Call of'), plain(subject).isprintable(), len(subject) <= 500) == (True, True, True)
        assert mail.text == 'A call\n'


@every
async def test_in_a_text_a_name_is_one_line_that_nothing_obeys(callers: Sequence[str]) -> None:
    for mail in await arrived(callers, text='Call of {{ data.caller_id_name }} to Bob'):
        line, end = mail.text[:-1], mail.text[-1:]
        assert (plain(line).isprintable(), line[:8], line[-7:], end) == (True, 'Call of ', ' to Bob', '\n')
        assert mail.letter['Subject'] == 'A call'


class _Tags(HTMLParser):
    """Notes what a program that shows mails makes of HTML."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, list[str]]] = []
        self.text = ''

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, [name for name, _ in attrs]))

    def handle_data(self, data: str) -> None:
        self.text += data


@every
async def test_in_html_a_name_makes_no_tag(callers: Sequence[str]) -> None:
    source = '<p title="{{ data.caller_id_name }}">Call of <b>{{ data.caller_id_name }}</b></p>'

    for mail in await arrived(callers, html=source):
        found = _Tags()
        found.feed(mail.part('html'))
        assert (found.tags, html.unescape(found.text).startswith('Call of ')) == ([('p', ['title']), ('b', [])], True)


@every
async def test_a_call_of_any_name_is_a_thread_of_its_own_whose_identity_is_letters_and_digits(
    callers: Sequence[str],
) -> None:
    for mail in await arrived(callers):
        assert re.fullmatch(r'<[0-9a-f]{32}@example\.org>', mail.letter['References'])
        assert re.fullmatch(r'<[0-9a-f]{32}@example\.org>', mail.letter['Message-ID'])
