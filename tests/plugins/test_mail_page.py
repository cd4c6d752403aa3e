# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The page about `mail`: its examples do what it says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from plugins.mail import Mail
from tests.plugins.mailserver import MailServer
from wazo_busd import catalogue
from wazo_busd.catalogue.publication import example
from wazo_busd.testing import Outcome, deliver, make_event

PAGE = (Path(__file__).parents[2] / 'docs' / 'handlers' / 'mail.md').read_text()
EXAMPLES = [
    next(iter(yaml.safe_load(block)['handlers'].values()))
    for block in re.findall(r'```yaml\n(.*?)```', PAGE, re.DOTALL)
]


async def send(mails: MailServer, handler: dict[str, Any]) -> list[Outcome]:
    """Send the catalogue's own example of an event as an example does, but to a server of the test."""
    entry = catalogue.find(handler['match'])
    assert entry is not None
    options = {**handler['options'], 'server': {'host': '127.0.0.1', 'port': mails.port}}
    return await deliver(Mail, make_event(handler['match'], example(entry)), options=options)


async def test_the_first_example_tells_of_a_fax() -> None:
    async with MailServer() as mails:
        await send(mails, EXAMPLES[0])

        (mail,) = mails.handed
        assert (mail.recipients, re.fullmatch(r'Fax to \S+ failed', mail.letter['Subject']) is not None) == (
            ['ops@example.org'],
            True,
        )


@pytest.mark.parametrize('handler', EXAMPLES, ids=lambda each: str(each['match']))
async def test_every_example_sends_what_it_matches(handler: dict[str, Any]) -> None:
    async with MailServer() as mails:
        assert (set(await send(mails, handler)), len(mails.handed)) == ({Outcome.DONE}, 1)
