# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Mails and messages of the installed daemon: a digest, and a burst in a chat room."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import kombu

from tests.conftest import Broker
from tests.plugins.mailserver import MailServer
from tests.plugins.webserver import WebServer
from tests.support import DaemonProcess, eventually, write_config

HANDLERS = """
digest:
  plugin: mail
  match: my.#
  options:
    to: ops@example.org
    subject: "{{{{ burst.count }}}} faxes failed"
    text: "Fax {{{{ data.n }}}}"
    every: 2s
    server: {{port: {mail}}}
room:
  plugin: notify
  match: my.#
  collapse: 2s
  options: {{to: "json://localhost:{web}", text: "{{{{ burst.count }}}} faxes, the last to {{{{ data.n }}}}"}}
"""


def publish(broker: Broker, number: int) -> None:
    # What is not confirmed may never have come to the queue.
    confirmed = {'confirm_publish': True}
    with kombu.Connection(broker.url, transport_options=confirmed) as connection, connection.channel() as channel:
        exchange = kombu.Exchange('xivo', type='topic', durable=True)
        producer = kombu.Producer(channel, exchange=exchange)
        for each in range(number):
            producer.publish(json.dumps({'name': 'my_event', 'data': {'n': each}}).encode(), routing_key='my.event')


async def test_a_digest_and_a_burst_have_all_events(broker: Broker, tmp_path: Path) -> None:
    async with MailServer() as mails, WebServer() as server:
        handlers = HANDLERS.format(mail=mails.port, web=server.port)
        config = write_config(tmp_path / 'etc', broker, handlers)
        # Its queues are there, so that all of it waits when the time begins.
        with DaemonProcess(config, tmp_path) as daemon:
            await asyncio.to_thread(daemon.wait_consuming)
            await asyncio.to_thread(daemon.stop)
        await asyncio.to_thread(publish, broker, 5)
        with DaemonProcess(config, tmp_path) as daemon:
            await eventually(lambda: bool(mails.handed) and bool(server.sent))
            await asyncio.to_thread(daemon.stop)

        assert (mails.handed[0].letter['Subject'], mails.handed[0].text, server.sent[0].json['message']) == (
            '5 faxes failed',
            ''.join(f'Fax {each}\n' for each in range(5)),
            '5 faxes, the last to 4',
        )
