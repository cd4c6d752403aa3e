# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The bundle: holds what helps, for nobody else to read, and none of the canaries that were planted."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

from tests.unit.cli.tail import cut
from tests.unit.controlled import daemon_status, handler_status
from tests.unit.doctor.made import configured, wanted
from wazo_busd.amqp import Depth
from wazo_busd.codec import Limits
from wazo_busd.doctor import Examined, Exists, Finding, Redaction, Severity, Told, contents, write
from wazo_busd.doctor.bundle import DIRECTORY
from wazo_busd.doctor.hearing import Hearing
from wazo_busd.status import State

CANARIES = {
    'password': 'correct-horse-battery',
    'token': 's3cr3t-t0ken-0123',
    'number': '+1 555 010 0199',
    'extension': '7741',
    'name': 'Zebediah Quux',
    'user': 'zquux',
    'mail': 'zquux@example.org',
    'why': 'the server said Zebediah',
}

CONFIGURATION = f"""
bus: {{host: rabbit.example.org, username: zquux, password: {CANARIES['password']}}}
names: {{'{CANARIES['number']}': {CANARIES['name']}}}
handlers:
  crm:
    plugin: webhook
    match: ['calls.#', 'calls.{CANARIES['extension']}.#']
    when: data.caller_id_name == '{CANARIES['name']}'
    where: {{data.caller_id_number: '{CANARIES['extension']}'}}
    options:
      url: 'https://crm.example.org/{CANARIES['token']}'
      text: 'Call {CANARIES['name']} on {CANARIES['number']}, {CANARIES['mail']}'
"""


def examined() -> Examined:
    """What a doctor has seen that met every canary."""
    hearing = Hearing(Limits())
    data = {'caller_id_name': CANARIES['name'], 'caller_id_number': CANARIES['number']}
    hearing.hear_upstream([cut('call_created', data), cut(CANARIES['name'], data, f'calls.{CANARIES["extension"]}.x')])
    hearing.hear_hub([cut('call_created', data, exchange=CANARIES['name'])])
    findings = [
        Finding('user', Severity.OK, f'{CANARIES["user"]} on rabbit.example.org:5672'),
        Finding('bindings', Severity.WARNING, f'bound with calls.{CANARIES["extension"]}.#', 'wazo-busd reload'),
        Finding('daemon', Severity.PROBLEM, 'the handler crm is stopped', 'wazo-busd check', CANARIES['why']),
    ]
    status = daemon_status(handler_status(State.STOPPED, CANARIES['why']))
    told = Told({**status.plain(in_full=True)}, runs=True)
    queue = wanted('calls.#', f'calls.{CANARIES["extension"]}.#')
    return Examined(findings, told, [queue], {'wazo-busd.crm': Depth(3, 1)}, hearing, 'RabbitMQ 3.10.8')


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    configuration = configured(tmp_path, CONFIGURATION)
    return contents(examined(), configuration.config.bus, Redaction(configuration, {}))


@pytest.mark.parametrize('canary', sorted(CANARIES))
def test_no_canary_is_in_it(files: dict[str, str], canary: str) -> None:
    # What Python and its packages are called may have the digits in it; nothing of the host goes in there.
    held = {name: text for name, text in files.items() if name != 'versions.json'}
    found = [name for name, text in held.items() if CANARIES[canary] in text]

    assert found == []


def test_it_holds_what_helps(files: dict[str, str]) -> None:
    assert sorted(files) == [
        'README.txt',
        'configuration.yml',
        'findings.json',
        'heard.json',
        'plugins.json',
        'status.json',
        'topology.json',
        'versions.json',
    ]


def test_every_file_is_explained(files: dict[str, str]) -> None:
    assert [name for name in files if name not in files['README.txt'] and name != 'README.txt'] == []


def test_the_queues_and_how_many_events_lie_in_them_are_there(files: dict[str, str]) -> None:
    topology = json.loads(files['topology.json'])

    assert (topology['depths'], topology['bindings']) == (
        {'wazo-busd.crm': {'ready': 3, 'consumers': 1}},
        {'wazo-busd.crm': ['calls.#', 'calls.….#']},
    )


def test_events_are_counted_by_the_names_that_the_catalogue_knows(files: dict[str, str]) -> None:
    assert json.loads(files['heard.json'])['names'] == {'call_created': 1}


def test_the_versions_of_what_runs_are_there(files: dict[str, str]) -> None:
    versions = json.loads(files['versions.json'])

    assert ('aio-pika' in versions['packages'], versions['broker']) == (True, 'RabbitMQ 3.10.8')


def test_where_the_daemon_does_not_run_there_is_no_status(tmp_path: Path) -> None:
    configuration = configured(tmp_path, '{}')

    assert 'status.json' not in contents(Examined(), configuration.config.bus, Redaction(configuration, {}))


def test_the_archive_is_for_nobody_else_to_read(tmp_path: Path) -> None:
    size = write(tmp_path / 'b.tar.gz', {'README.txt': 'x'})
    with tarfile.open(tmp_path / 'b.tar.gz') as archive:
        names = archive.getnames()

    found = (tmp_path / 'b.tar.gz').stat()
    assert (found.st_mode & 0o777, found.st_size, names) == (0o600, size, [f'{DIRECTORY}/README.txt'])


def test_nothing_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / 'b.tar.gz'
    path.write_text('mine')
    with pytest.raises(Exists):
        write(path, {'README.txt': 'x'})

    assert path.read_text() == 'mine'


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / 'b.tar.gz').symlink_to(tmp_path / 'elsewhere')
    with pytest.raises(Exists):
        write(tmp_path / 'b.tar.gz', {'README.txt': 'x'})

    assert not (tmp_path / 'elsewhere').exists()
