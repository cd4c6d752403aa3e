# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The page about `notify`: its examples do what it says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from plugins.notify import Notify
from tests.plugins.webserver import WebServer
from wazo_busd import catalogue
from wazo_busd.catalogue.publication import example
from wazo_busd.testing import Outcome, deliver, make_event

PAGE = (Path(__file__).parents[2] / 'docs' / 'handlers' / 'notify.md').read_text()
EXAMPLES = [
    next(iter(yaml.safe_load(block)['handlers'].values()))
    for block in re.findall(r'```yaml\n(.*?)```', PAGE, re.DOTALL)
]


async def send(server: WebServer, handler: dict[str, Any]) -> list[Outcome]:
    """Send the catalogue's own example of an event as an example does, but to a server of the test."""
    entry = catalogue.find(handler['match'])
    assert entry is not None
    url = re.sub(r'\$\{[^}]*\}', 'a' * 26, handler['options']['to'])
    here = re.sub(r'^(\w+?)s?://[^/]*', rf'\1://127.0.0.1:{server.port}', url)
    options = {**handler['options'], 'to': here}
    server.answer(200)
    more = {key: handler[key] for key in ('collapse',) if key in handler}
    return await deliver(Notify, make_event(handler['match'], example(entry)), options=options, **more)


async def test_the_first_example_tells_a_room_of_a_fax(server: WebServer) -> None:
    await send(server, EXAMPLES[0])

    assert re.fullmatch(r'Fax to \S+ failed', server.sent[0].json['text'])


@pytest.mark.parametrize('handler', EXAMPLES, ids=lambda each: str(each['match']))
async def test_every_example_sends_what_it_matches(server: WebServer, handler: dict[str, Any]) -> None:
    assert (set(await send(server, handler)), len(server.sent)) == ({Outcome.DONE}, 1)
