# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The answer of a mail server, and what follows from it."""

from __future__ import annotations

from collections.abc import Callable

from aiosmtplib import (
    SMTPAuthenticationError,
    SMTPConnectResponseError,
    SMTPHeloError,
    SMTPRecipientsRefused,
    SMTPResponseException,
    SMTPSenderRefused,
)

from wazo_busd.api import Permanent, Retry, Stop, escape

_LENGTH = 500
_MOST_TOLD = 10
_WANTS_AUTHENTICATION = 530

Conceal = Callable[[str], str]
"""Takes secrets out of a text."""


def answered(code: int, text: str, conceal: Conceal) -> str:
    """An answer, in one line.

    Args:
        code: its number.
        text: what it says.
        conceal: takes our secrets out of it.
    """
    return f'{code} {escape(conceal(" ".join(text.split()))[:_LENGTH])}'.rstrip()


def verdict(error: Exception, server: str, conceal: Conceal) -> Exception:
    """What the plugin raises for an error that ends the way of a whole mail.

    Args:
        error: what the library, or the network, says.
        server: the server, for people.
        conceal: takes our secrets out of what it says.
    """
    if isinstance(error, SMTPResponseException):
        return _by_code(error, server, answered(error.code, error.message, conceal))
    said = escape(conceal(f'{type(error).__name__}: {" ".join(str(error).split())}')[:_LENGTH])
    return Retry(f'{server} does not take it: {said.removesuffix(": ")}')


def _by_code(error: SMTPResponseException, server: str, said: str) -> Exception:
    is_final = error.code >= 500
    if is_final and (isinstance(error, SMTPAuthenticationError) or error.code == _WANTS_AUTHENTICATION):
        hint = 'mend username and password of options.server, then: systemctl reload wazo-busd'
        return Stop(f'{server} does not let us in: {said}; {hint}')
    if not is_final or isinstance(error, (SMTPConnectResponseError, SMTPHeloError)):
        # Who is greeted so is not wanted now; it says nothing about the mail.
        return Retry(f'{server} does not take it: {said}')
    what = f'from {error.sender}' if isinstance(error, SMTPSenderRefused) else 'the mail'
    return Permanent(f'{server} refuses {what}: {said}')


def refusals(error: SMTPRecipientsRefused) -> dict[str, tuple[int, str]]:
    """Code and text of the answer for each recipient that was refused."""
    return {each.recipient: (each.code, each.message) for each in error.recipients}


def told(refused: dict[str, str]) -> str:
    """Who was refused, with the answers."""
    lines = [f'{escape(address)}: {said}' for address, said in refused.items()]
    more = [f'and {len(lines) - _MOST_TOLD} more'] if len(lines) > _MOST_TOLD else []
    return '; '.join([*lines[:_MOST_TOLD], *more])
