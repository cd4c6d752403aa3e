# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`mail`: what is handed to the mail server, and what its answers mean."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from plugins.mail import Mail
from tests.plugins.mailserver import Handed, MailServer
from wazo_busd.event import Event
from wazo_busd.testing import Outcome, Outcomes, deliver, make_event

FAX = {'id': '1234.5', 'call_id': '1234.5', 'extension': '0123', 'error': 'busy'}


@pytest.fixture
async def mails() -> AsyncIterator[MailServer]:
    """A mail server that accepts everything unless a test wants otherwise."""
    async with MailServer() as server:
        yield server


def event(data: Any = None, name: str = 'fax_outbound_failed') -> Event:
    return make_event(name, FAX if data is None else data)


async def send(mails: MailServer, *events: Event, top: Any = None, handler: str = 'faxes', **options: Any) -> Outcomes:
    server = {'host': '127.0.0.1', 'port': mails.port, **options.pop('server', {})}
    given = {
        'to': 'ops@example.org',
        'from': 'wazo@example.org',
        'subject': 'Fax to {{ data.extension }} failed',
        'text': 'It is {{ data.error }}.',
        'server': server,
        **options,
    }
    return await deliver(Mail, *(events or (event(),)), options=given, top=top, name=handler, concurrency=1)


async def handed(mails: MailServer, *events: Event, **options: Any) -> Handed:
    """The one mail that goes for the events."""
    await send(mails, *events, **options)
    (mail,) = mails.handed
    return mail


async def test_an_event_is_done_with_when_the_server_has_the_mail(mails: MailServer) -> None:
    assert (await send(mails), len(mails.handed)) == ([Outcome.DONE], 1)


async def test_subject_and_text_are_made_of_the_event(mails: MailServer) -> None:
    mail = await handed(mails)

    assert (mail.letter['Subject'], mail.text) == ('Fax to 0123 failed', 'It is busy.\n')


async def test_a_text_beyond_ascii_arrives_as_it_is(mails: MailServer) -> None:
    mail = await handed(mails, subject='Échec 日本', text='été\n\n.\nFrom 日本 ' + 'long ' * 300)

    assert (mail.letter['Subject'], mail.text) == ('Échec 日本', 'été\n\n.\nFrom 日本 ' + 'long ' * 300 + '\n')


async def test_a_mail_is_seven_bits_so_that_every_server_takes_it(mails: MailServer) -> None:
    assert (await handed(mails, text='été', html='<p>été</p>')).content.isascii()


async def test_html_alone_is_html(mails: MailServer) -> None:
    mail = await handed(mails, text=None, html='<b>{{ data.error }}</b>')

    assert (mail.letter.get_content_type(), mail.part('html')) == ('text/html', '<b>busy</b>\n')


async def test_of_text_and_html_programs_show_what_they_prefer(mails: MailServer) -> None:
    mail = await handed(mails, html='<b>{{ data.error }}</b>')

    assert (mail.letter.get_content_type(), mail.text, mail.part('html')) == (
        'multipart/alternative',
        'It is busy.\n',
        '<b>busy</b>\n',
    )


async def test_everybody_gets_it_and_nobody_sees_who_gets_it_in_secret(mails: MailServer) -> None:
    mail = await handed(
        mails,
        to=['Opérations <ops@example.org>', 'b@example.org'],
        cc='c@example.org',
        bcc=['d@example.org', 'b@example.org'],
        reply_to='desk@example.org',
    )

    shown = {name: mail.letter[name] for name in ('From', 'To', 'Cc', 'Bcc', 'Reply-To')}
    assert mail.recipients == [f'{each}@example.org' for each in ('ops', 'b', 'c', 'd')]
    assert shown == {
        'From': 'wazo@example.org',
        'To': 'Opérations <ops@example.org>, b@example.org',
        'Cc': 'c@example.org',
        'Bcc': None,
        'Reply-To': 'desk@example.org',
    }


async def test_without_a_sender_it_is_from_this_host(mails: MailServer) -> None:
    assert (await handed(mails, **{'from': None})).sender.startswith('wazo-busd@')


async def test_a_mail_says_when_and_that_no_person_has_written_it(mails: MailServer) -> None:
    letter = (await handed(mails)).letter

    assert (letter['Auto-Submitted'], parsedate_to_datetime(letter['Date']).tzinfo is not None) == (
        'auto-generated',
        True,
    )


async def test_a_missing_field_is_a_dead_letter_that_names_it(mails: MailServer) -> None:
    outcomes = await send(mails, text='{{ data.nothing }}')

    assert (outcomes, mails.handed, 'options.text' in outcomes.reasons[0].text) == ([Outcome.DEAD], [], True)


# ---- threads


async def test_the_mail_of_an_event_is_the_same_at_every_try(mails: MailServer) -> None:
    one = event()

    await send(mails, one, one.next_try())

    first, second = (each.letter['Message-ID'] for each in mails.handed)
    assert first == second


async def test_mails_of_two_handlers_are_two(mails: MailServer) -> None:
    await send(mails)
    await send(mails, handler='others')

    assert len({each.letter['Message-ID'] for each in mails.handed}) == 2


@pytest.mark.parametrize(
    ('first', 'second'),
    [
        (event(name='fax_outbound_created'), event()),
        (
            event({'call_id': '1', 'extension': '', 'error': ''}, 'call_created'),
            event({'call_id': '1', 'extension': '', 'error': '', 'x': 1}, 'call_ended'),
        ),
        (
            event({'call_id': '1', 'conversation_id': '1', 'extension': '', 'error': ''}, 'call_created'),
            event({'call_id': '2', 'conversation_id': '1', 'extension': '', 'error': ''}, 'call_created'),
        ),
    ],
    ids=['fax', 'call', 'legs'],
)
async def test_mails_about_the_same_are_one_thread(mails: MailServer, first: Event, second: Event) -> None:
    await send(mails, first, second)

    one, other = (each.letter for each in mails.handed)
    assert one['Message-ID'] != other['Message-ID']
    assert one['References'] == one['In-Reply-To'] == other['References'] == other['In-Reply-To']


async def test_mails_about_different_calls_are_different_threads(mails: MailServer) -> None:
    await send(mails, event(), event({**FAX, 'id': '2', 'call_id': '2'}), event({**FAX}, 'call_created'))

    assert len({each.letter['References'] for each in mails.handed}) == 3


async def test_a_field_can_say_what_a_thread_is(mails: MailServer) -> None:
    await send(mails, event({**FAX, 'user': [1]}), event({**FAX, 'id': '2', 'user': [1]}), thread='data.user')

    assert len({each.letter['References'] for each in mails.handed}) == 1


@pytest.mark.parametrize('thread', [None, 'data.nothing'])
async def test_a_mail_about_no_call_is_of_no_thread(mails: MailServer, thread: str | None) -> None:
    letter = (await handed(mails, event({'extension': '', 'error': ''}, 'user_created'), thread=thread)).letter

    assert (letter['References'], letter['In-Reply-To']) == (None, None)


# ---- digests


def fax(extension: str, call: str = '1') -> Event:
    return event({'id': call, 'extension': extension, 'error': 'busy'})


async def test_a_digest_is_one_mail_with_the_text_of_each_event(mails: MailServer) -> None:
    text, subject = '{{ data.extension }}: {{ data.error }}', '{{ burst.count }} faxes failed'

    mail = await handed(mails, fax('1'), fax('2'), fax('3'), every='15m', subject=subject, text=text)

    assert (mail.letter['Subject'], mail.text) == ('3 faxes failed', '1: busy\n2: busy\n3: busy\n')


async def test_the_events_of_a_digest_are_done_with_when_they_are_gathered(mails: MailServer) -> None:
    assert await send(mails, fax('1'), fax('2'), every='15m') == [Outcome.DONE] * 3


async def test_in_html_a_line_is_between_the_events_of_a_digest(mails: MailServer) -> None:
    mail = await handed(mails, fax('<1>'), fax('2'), every='15m', text=None, html='<p>{{ data.extension }}</p>')

    assert mail.part('html') == '<p>&lt;1&gt;</p>\n<hr>\n<p>2</p>\n'


async def test_a_text_that_names_the_burst_tells_of_all_at_once(mails: MailServer) -> None:
    text = 'A burst: {% for each in burst.events %}{{ each.data.extension }} {% endfor %}'

    assert (await handed(mails, fax('1'), fax('2'), every='15m', text=text)).text == 'A burst: 1 2 \n'


async def test_a_text_that_only_says_burst_is_made_of_each_event(mails: MailServer) -> None:
    text = '{{ data.extension }} of a burst'

    assert (await handed(mails, fax('1'), fax('2'), every='15m', text=text)).text == '1 of a burst\n2 of a burst\n'


@pytest.mark.parametrize(('second', 'is_one'), [('1', True), ('2', False)])
async def test_a_digest_is_of_a_thread_if_all_its_events_are(mails: MailServer, second: str, is_one: bool) -> None:
    mail = await handed(mails, fax('1'), fax('2', second), every='15m')

    assert (mail.letter['References'] is not None) == is_one


async def test_a_digest_of_which_an_event_lacks_a_field_is_dead_with_all_of_them(mails: MailServer) -> None:
    outcomes = await send(mails, fax('1'), event({'extension': '2'}), every='15m')

    assert (outcomes, mails.handed) == ([Outcome.DONE, Outcome.DONE, Outcome.DEAD], [])


# ---- what the server answers


@pytest.mark.parametrize('whom', ['MAIL', 'ops@example.org', 'DATA'])
@pytest.mark.parametrize('answer', ['450 later', '421 4.3.2 closing'])
async def test_what_the_server_refuses_for_now_is_tried_again(mails: MailServer, whom: str, answer: str) -> None:
    mails.answer(whom, answer)

    outcomes = await send(mails)

    assert (outcomes, answer in outcomes.retries[0].first_error) == ([Outcome.RETRY], True)


@pytest.mark.parametrize('whom', ['MAIL', 'ops@example.org', 'DATA'])
async def test_what_the_server_refuses_for_good_is_dead_with_its_answer(mails: MailServer, whom: str) -> None:
    mails.answer(whom, '550 5.1.1 no such user')

    outcomes = await send(mails)

    assert (outcomes, '550 5.1.1 no such user' in outcomes.reasons[0].text) == ([Outcome.DEAD], True)


async def test_a_recipient_that_is_refused_takes_no_other_along(mails: MailServer) -> None:
    mails.answer('b@example.org', '550 no such user')

    outcomes = await send(mails, to=['a@example.org', 'b@example.org'])

    assert (outcomes, mails.handed[0].recipients) == ([Outcome.DEAD], ['a@example.org'])
    assert outcomes.reasons[0].text == 'refused for b@example.org: 550 no such user; 1 of 2 recipients have it'


async def test_who_has_the_mail_does_not_get_it_again_for_the_sake_of_others(mails: MailServer) -> None:
    mails.answer('b@example.org', '450 later')
    one = event()

    outcomes = await send(mails, one, one.next_try(), to=['a@example.org', 'b@example.org'])

    assert (outcomes, [each.recipients for each in mails.handed]) == (
        [Outcome.RETRY, Outcome.DONE],
        [['a@example.org'], ['b@example.org']],
    )


async def test_two_events_that_are_the_same_to_the_byte_are_two_mails(mails: MailServer) -> None:
    mails.answer('b@example.org', '450 later')

    await send(mails, event(), event(), to=['a@example.org', 'b@example.org'])

    assert [each.recipients for each in mails.handed] == [['a@example.org'], ['a@example.org', 'b@example.org']]


async def test_no_server_is_tried_again() -> None:
    with socket.socket() as nobody:
        nobody.bind(('127.0.0.1', 0))
        mails = MailServer()
        mails.port = nobody.getsockname()[1]

        outcomes = await send(mails)

    assert (outcomes, f'127.0.0.1:{mails.port} does not take it' in outcomes.retries[0].first_error) == (
        [Outcome.RETRY],
        True,
    )


async def test_a_server_that_hangs_is_tried_again(mails: MailServer) -> None:
    mails.hangs = True

    assert await send(mails, answer_within='100ms') == [Outcome.RETRY]


async def test_what_the_server_says_cannot_break_out_of_its_line(mails: MailServer) -> None:
    mails.answer('ops@example.org', '550 \x1b[31mno')

    (reason,) = (await send(mails)).reasons

    assert reason.text.isprintable()
