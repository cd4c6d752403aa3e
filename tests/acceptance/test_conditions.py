# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Conditions and texts in the installed daemon: what is wanted is told, what cannot be told is kept with the reason."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import kombu
import pytest

from tests.conftest import Broker
from tests.support import DaemonProcess, write_config
from wazo_busd import catalogue
from wazo_busd.catalogue.publication import publication

SPEAKER = """
from wazo_busd.api import BaseOptions, JsonText, handler

class Options(BaseOptions):
    body: JsonText

@handler(options=Options)
async def speak(event, context):
    (context.state_dir / 'said').write_text(context.options.body.render(event, context))
    context.log.info('spoken')
"""
HANDLERS = """
wanted:
  plugin: speaker
  match: fax_outbound_failed
  where: {data.error: "!busy"}
  when: data.extension is defined and names[data.extension] != 'Nobody'
  options:
    body: '{"to": "{{ names[data.extension] | default(data.extension) }}", "why": {{ data.error }}}'
broken:
  plugin: speaker
  match: fax_outbound_failed
  where: {data.error: broken}
  options:
    body: '{"why": {{ data.eror }}}'
"""
NAMES = '\nnames: {"1001": Reception}\n'


@pytest.fixture
def config(broker: Broker, tmp_path: Path) -> Path:
    config = write_config(tmp_path / 'etc', broker, HANDLERS)
    plugins = tmp_path / 'etc' / 'plugins.d'
    plugins.mkdir(mode=0o755, exist_ok=True)
    (plugins / 'speaker.py').write_text(SPEAKER)
    (plugins / 'speaker.py').chmod(0o644)
    config.write_text(f'{config.read_text()}{NAMES}')
    return config


def publish(broker: Broker, **data: str) -> None:
    entry = catalogue.known('fax_outbound_failed')
    made = publication(entry, data)
    with kombu.Connection(broker.url) as connection, connection.channel() as channel:
        producer = kombu.Producer(channel, exchange=kombu.Exchange('wazo-headers', type='headers', durable=True))
        producer.publish(made.body, routing_key=made.routing_key, headers=made.headers)


def said(config: Path) -> Any:
    return json.loads((config.parent / 'state' / 'handlers' / 'wanted' / 'said').read_text())


def test_what_is_wanted_is_told_and_what_cannot_be_told_is_kept(broker: Broker, config: Path, tmp_path: Path) -> None:
    with DaemonProcess(config, tmp_path) as daemon:
        daemon.wait_consuming()

        publish(broker, extension='1001', error='busy')
        publish(broker, extension='1001', error='bro"ken')
        daemon.wait_log(r'spoken')
        publish(broker, error='broken')
        dead = daemon.wait_log(r'event_dead .*')

        assert (daemon.log.count('spoken'), daemon.log.count('event_dead')) == (1, 1)
        assert said(config) == {'to': 'Reception', 'why': 'bro"ken'}
        assert f'handler broken, options.body ({config}:' in dead
        assert 'data.eror is not in the event' in dead


def test_a_name_that_changes_changes_the_texts(broker: Broker, config: Path, tmp_path: Path) -> None:
    with DaemonProcess(config, tmp_path) as daemon:
        daemon.wait_consuming()

        config.write_text(config.read_text().replace('Reception', 'Front desk'))
        daemon.signal(signal.SIGHUP)
        daemon.wait_log(r'configuration_applied .*begun="broken wanted"')
        daemon.wait_consuming()
        publish(broker, extension='1001', error='no-answer')

        daemon.wait_log(r'spoken')
        assert said(config) == {'to': 'Front desk', 'why': 'no-answer'}
