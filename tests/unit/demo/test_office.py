# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The office of the demonstration: its web server, which is out for a while, its chat room and its mailbox."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from importlib import resources
from pathlib import Path

import aiohttp
import aiosmtplib
import pytest
import yaml

from wazo_busd.demo.bus import DemoBus
from wazo_busd.demo.office import OUT_AFTER, OUT_FOR, Office
from wazo_busd.demo.summary import _TOLD_IN_CHAT, Summary


class Opened:
    """An office, and what it has said."""

    def __init__(self, directory: Path) -> None:
        self.said: list[tuple[str, str]] = []
        self.office = Office(directory, lambda where, text: self.said.append((where, text)))

    async def post(self, path: str, value: object) -> int:
        url = f'http://127.0.0.1:{self.office.web_port}{path}'
        async with aiohttp.ClientSession() as session, session.post(url, data=json.dumps(value)) as answer:
            return answer.status


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[Opened]:
    made = Opened(tmp_path / 'outbox')
    await made.office.open()
    yield made
    made.office.close()
    # Connections that were closed are done with when the loop has turned.
    for _ in range(5):
        await asyncio.sleep(0)


async def test_the_web_server_is_out_for_so_many_requests(opened: Opened) -> None:
    found = [await opened.post('/crm', {'data': {'conversation_id': str(each)}}) for each in range(30)]

    assert [place for place, status in enumerate(found) if status == 503] == list(range(OUT_AFTER, OUT_AFTER + OUT_FOR))
    assert [where for where, _ in opened.said] == ['crm', 'crm']


async def test_a_record_that_comes_again_is_counted(opened: Opened) -> None:
    for _ in range(2):
        await opened.post('/crm', {'data': {'conversation_id': '1'}})

    assert (len(opened.office.records), opened.office.twice) == (1, 1)


async def test_a_message_is_shown(opened: Opened) -> None:
    await opened.post('/chat', {'message': 'Hello'})

    assert (opened.said, opened.office.chats) == ([('chat', 'Hello')], 1)


async def test_a_mail_is_put_into_the_outbox(opened: Opened, tmp_path: Path) -> None:
    mail = b'Subject: =?utf-8?q?R=C3=A9union?=\r\n\r\n.dot\r\nend\r\n'
    await aiosmtplib.send(
        mail, sender='a@example.com', recipients=['b@example.com'], hostname='127.0.0.1', port=opened.office.mail_port
    )

    assert opened.said == [('mail', 'Réunion')]
    assert (tmp_path / 'outbox' / '001.eml').read_bytes().endswith(b'\r\n.dot\r\nend\r\n')


@pytest.mark.parametrize(('records', 'twice', 'is_whole'), [(3, 0, True), (2, 0, False), (3, 1, False)])
def test_what_has_not_arrived_once_is_said(records: int, twice: int, is_whole: bool) -> None:
    summary = Summary(0, '17:00', 10, {'busd.call.record': 3}, records, twice, 0, 1, 1, 1, {})

    assert (summary.is_whole, 'NOT' in '\n'.join(summary.lines())) == (is_whole, not is_whole)


def test_what_is_left_out_is_said_with_what_brings_it() -> None:
    lines = Summary(0, '17:00', 10, {}, 0, 0, 0, 0, 0, 1, {}, ('mail', 'notify')).lines()

    assert [line.split('pip install ')[1] for line in lines if 'left out' in line] == [
        "'wazo-busd[mail]' brings it",
        "'wazo-busd[notify]' brings it",
    ]


@pytest.mark.parametrize(
    ('mails', 'chats', 'left_out', 'missing'),
    [
        (2, 3, (), ()),
        (0, 3, (), ('0 of 2 mails',)),
        (2, 1, (), ('1 of 3 chat messages',)),
        (0, 0, ('mail', 'notify'), ()),
    ],
)
def test_what_was_derived_and_not_sent_is_missing(
    mails: int, chats: int, left_out: tuple[str, ...], missing: tuple[str, ...]
) -> None:
    derived = {'busd.call.missed': 5, 'busd.fax.failed': 1, 'busd.voicemail.left': 2}
    summary = Summary(0, '17:00', 10, derived, 0, 0, 0, mails, chats, 1, {}, left_out, 2)

    assert (summary.missing, summary.is_whole) == (missing, not missing)
    assert ('NOT all of it has arrived: ' in '\n'.join(summary.lines())) is bool(missing)


def test_one_is_no_plural() -> None:
    lines = list(Summary(0, '17:00', 1, {'busd.call.record': 1}, 1, 0, 0, 1, 1, 1, {'crm': 1}).lines())

    assert [line.split()[2] for line in lines[-5:]] == ['record', 'mail', 'message', 'event', 'dead']


def test_the_messages_of_the_chat_room_are_those_that_its_handlers_match() -> None:
    handlers = yaml.safe_load((resources.files('wazo_busd.demo') / 'chat.yml').read_text())['handlers']

    assert sorted(each['match'] for each in handlers.values()) == sorted(_TOLD_IN_CHAT)


async def test_a_mail_is_due_for_a_call_from_outside_that_no_queue_had() -> None:
    bus = DemoBus('wazo-busd')
    for queue, direction in ((None, 'inbound'), ('sales', 'inbound'), (None, 'internal')):
        body = json.dumps({'data': {'queue': queue, 'direction': direction}}).encode()
        await bus.publish('busd.call.missed', body, {'name': 'busd.call.missed'})

    assert bus.mails_due == 1


async def test_on_the_bus_of_another_day_nothing_is_news_of_now() -> None:
    bus = DemoBus('wazo-busd', clock=lambda: 5.0)
    await bus.publish('busd.x', b'{}', {'name': 'busd.x'})

    assert (bus.derived, bus.consuming, bus.waiting) == ({'busd.x': 1}, 0, 0)
