# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`wazo-busd setup-broker` with RabbitMQ's own program, on the private node."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.conftest import Broker
from tests.integration.conftest import MakeStation
from wazo_busd.cli import main
from wazo_busd.config import load


async def test_the_user_that_it_makes_can_do_what_the_daemon_does(
    broker: Broker, make_station: MakeStation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in broker.node.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv('PATH', f'/usr/lib/rabbitmq/bin:{os.environ["PATH"]}')
    (tmp_path / 'config.yml').write_text(f'bus: {{host: {broker.host}, port: {broker.port}, vhost: {broker.vhost}}}\n')
    # Wazo's services have made them; the user may not.
    station = await make_station(broker)
    await station.attach('first', 'calls.#')
    await station.close()

    done = CliRunner().invoke(main, ['setup-broker', '-c', str(tmp_path / 'config.yml')], catch_exceptions=False)
    bus = load(tmp_path / 'config.yml').config.bus
    own = await make_station(broker, username=bus.username, password=bus.password)
    await own.attach('second', 'calls.#')

    assert (done.exit_code, bus.username) == (0, 'wazo-busd')
    users = json.loads(broker.node.ctl('list_users', '--formatter', 'json'))
    assert {'user': 'wazo-busd', 'tags': []} in users
