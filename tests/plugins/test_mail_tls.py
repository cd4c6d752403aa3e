# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`mail` with TLS and passwords: who the server is, and who we are."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest
import trustme

from plugins.mail import Mail
from plugins.mail.options import Options
from plugins.mail.sender import Sender
from tests.plugins.mailserver import MailServer
from wazo_busd.context import Context
from wazo_busd.testing import Outcome, Outcomes, deliver, make_event


@pytest.fixture(scope='module')
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / 'ca.pem'
    authority.cert_pem.write_to_path(path)
    return path


def certified(authority: trustme.CA, name: str = 'localhost') -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


async def send(mails: MailServer, number: int = 1, **server: Any) -> Outcomes:
    options: Mapping[str, Any] = {
        'to': 'ops@example.org',
        'subject': 'A call',
        'text': 'There was a call.',
        'server': {'host': 'localhost', 'port': mails.port, **server},
    }
    events = [make_event('call_created', {'call_id': str(each)}) for each in range(number)]
    return await deliver(Mail, *events, options=options, concurrency=1)


@pytest.mark.parametrize('tls', ['starttls', 'tls'])
async def test_a_server_of_an_authority_of_ours_gets_the_mail_encrypted(
    authority: trustme.CA, ca_file: Path, tls: str
) -> None:
    async with MailServer(certified(authority), is_wrapped=tls == 'tls') as mails:
        outcomes = await send(mails, tls=tls, ca_file=ca_file)

        assert (outcomes, [each.is_encrypted for each in mails.handed]) == ([Outcome.DONE], [True])


@pytest.mark.parametrize('tls', ['starttls', 'tls'])
async def test_a_server_of_an_unknown_authority_gets_nothing(authority: trustme.CA, tls: str) -> None:
    async with MailServer(certified(authority), is_wrapped=tls == 'tls') as mails:
        outcomes = await send(mails, tls=tls)

        assert (outcomes, mails.handed) == ([Outcome.RETRY], [])
        assert 'CERTIFICATE_VERIFY_FAILED' in outcomes.retries[0].first_error.replace(' ', '_').upper()


@pytest.mark.parametrize('tls', ['starttls', 'tls'])
async def test_a_server_of_another_name_gets_nothing(authority: trustme.CA, ca_file: Path, tls: str) -> None:
    async with MailServer(certified(authority, 'elsewhere'), is_wrapped=tls == 'tls') as mails:
        assert (await send(mails, tls=tls, ca_file=ca_file), mails.handed) == ([Outcome.RETRY], [])


async def test_a_server_that_has_no_tls_gets_nothing_in_the_clear(ca_file: Path) -> None:
    async with MailServer(password='hunter2') as mails:
        outcomes = await send(mails, tls='starttls', ca_file=ca_file, username='wazo', password='hunter2')

        assert (outcomes, mails.handed, mails.logins) == ([Outcome.RETRY], [], 0)


async def test_without_tls_none_is_begun_even_where_the_server_has_it(authority: trustme.CA) -> None:
    async with MailServer(certified(authority)) as mails:
        outcomes = await send(mails)

        assert (outcomes, [each.is_encrypted for each in mails.handed]) == ([Outcome.DONE], [False])


def test_an_authority_that_was_renewed_is_read_anew(ca_file: Path) -> None:
    # Given a server that is verified against a file
    server = {'host': 'mail.example.org', 'ca_file': ca_file}
    options = Options.model_validate({'to': 'a@example.org', 'subject': 'x', 'text': 'x', 'server': server})
    sender = Sender(options, cast('Context', None))
    first, again = sender.tls(), sender.tls()

    # When the file is another
    trustme.CA().cert_pem.write_to_path(ca_file)
    os.utime(ca_file, (1, 1))

    # Then it is read again, and not before
    assert (again is first, sender.tls() is first) == (True, False)


# ---- passwords


async def test_a_server_that_wants_a_password_gets_ours() -> None:
    async with MailServer(password='hunter2') as mails:
        outcomes = await send(mails, username='wazo', password='hunter2')

        assert (outcomes, [each.user for each in mails.handed]) == ([Outcome.DONE], ['wazo'])


async def test_a_wrong_password_stops_the_handler_with_what_to_mend() -> None:
    async with MailServer(password='hunter2') as mails:
        outcomes = await send(mails, username='wazo', password='hunter3')

        assert (outcomes, outcomes.reasons[0].error) == ([Outcome.DEAD], 'Stop')
        assert outcomes.reasons[0].text == (
            f'localhost:{mails.port} does not let us in: 535 5.7.8 Authentication credentials invalid; '
            'mend username and password of options.server, then: systemctl reload wazo-busd'
        )


async def test_a_server_that_wants_a_password_and_gets_none_stops_the_handler() -> None:
    async with MailServer() as mails:
        mails.answer('MAIL', '530 5.7.0 Authentication required')

        assert (await send(mails)).reasons[0].error == 'Stop'


async def test_a_server_that_cannot_say_now_whether_we_are_known_is_tried_again() -> None:
    async with MailServer() as mails:
        mails.answer('MAIL', '454 4.7.0 Temporary authentication failure')

        assert await send(mails) == [Outcome.RETRY]


async def test_a_server_that_repeats_our_password_tells_nobody() -> None:
    async with MailServer(password='hunter2') as mails:
        mails.answer('ops@example.org', '550 you said hunter2')

        outcomes = await send(mails, username='wazo', password='hunter2')

        assert outcomes.reasons[0].text.startswith('refused for ops@example.org: 550 you said …;')
