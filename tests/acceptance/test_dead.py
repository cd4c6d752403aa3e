# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`wazo-busd dead` on a real broker: what comes back is what came, and what cannot be done is told with the cure."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Broker
from tests.support import eventually_sync
from tests.torture.conftest import make_site  # noqa: F401 — a fixture
from tests.torture.hostile import PROPERTIES
from tests.torture.site import Site
from tests.torture.wire import Wire

FUSSY = """
import json
from pathlib import Path
from wazo_busd.api import handler

@handler('calls.#')
async def fussy(event, context):
    home = Path(context.options['home'])
    seen = [event.id, event.attempt, event.exchange, event.routing_key, repr(event.headers), event.data]
    with home.joinpath('history').open('a') as file:
        file.write(json.dumps(seen) + '\\n')
    if not home.joinpath('cured').exists():
        raise LookupError('nobody is there')
"""

TWO = 'fussy: {plugin: fussy, retry: {attempts: 1}, options: {HOME}}\nlog: {plugin: log, match: faxes.#}'


@pytest.fixture
def site(broker: Broker, tmp_path: Path, make_site: object) -> Site:  # noqa: F811
    """A site whose daemon runs."""
    site: Site = make_site(broker, plugins={'fussy': FUSSY}, handlers=TWO)  # type: ignore[operator]
    site.start()
    return site


def publish(site: Site, body: bytes, **given: bytes) -> None:
    """Publish an event and wait until it is dead."""
    before = len(site.dead('fussy'))
    with Wire(site.broker) as wire:
        wire.publish(body, **given)  # type: ignore[arg-type]
        wire.flush()
    eventually_sync(lambda: len(site.dead('fussy')) > before)


def test_what_comes_back_is_what_came(site: Site) -> None:
    many = next(each for each in PROPERTIES if each.what == 'as many headers as a frame holds')
    publish(site, b'{"name": "x", "data": [1, NaN, "\\ud800"]}', properties=many.properties)
    (site.home / 'cured').touch()
    done = site.run('dead', 'replay', '--yes')

    first, again = site.wait_lines('history', 2)
    assert (done.exit_code, again, site.dead('fussy')) == (0, first, [])


def test_malformed_properties_come_back_byte_for_byte(site: Site) -> None:
    bad = next(each for each in PROPERTIES if each.what == 'headers 500 deep')
    publish(site, b'{"name": "x"}', properties=bad.properties)
    (first,) = site.dead('fussy')
    site.run('dead', 'replay', '--yes')
    eventually_sync(lambda: [each['last_at'] > first['last_at'] for each in site.dead('fussy')] == [True])

    (again,) = site.dead('fussy')
    volatile = {'first_at': 0, 'last_at': 0}
    assert (again | volatile, 'nested deeper' in again['text']) == (first | volatile, True)


def test_a_daemon_that_does_not_run_gets_them_when_it_does(site: Site) -> None:
    publish(site, b'{"name": "x", "data": 1}')
    site.stop()
    (site.home / 'cured').touch()
    done = site.run('dead', 'replay', '--yes')
    site.start()

    assert (done.stdout, len(site.wait_lines('history', 2))) == (
        f'1 event sent back. next: wazo-busd dead list -c {site.config}\n',
        2,
    )


def test_those_of_a_handler_that_is_gone_are_shown_and_dropped_and_not_sent_back(site: Site) -> None:
    publish(site, b'{"name": "x", "data": 1}')
    site.stop()
    site.config.write_text(site.config.read_text().replace('  fussy:', '  other:'))
    with Wire(site.broker) as wire:
        wire.delete_queue('wazo-busd.fussy')
    shown = site.run('dead', 'list')
    replayed = site.run('dead', 'replay', '--yes')
    dropped = site.run('dead', 'drop', '--yes')

    assert 'fussy                LookupError: nobody is there' in shown.stdout
    assert (replayed.exit_code, replayed.stderr.partition(' next: ')[0]) == (
        1,
        'error: fussy has no queue that its events could be sent back to.',
    )
    assert (dropped.exit_code, site.run('dead', 'list').stdout.partition('.')[0]) == (0, 'no dead letters')


def test_of_a_body_over_the_limit_the_beginning_and_the_size_are_kept_and_it_is_not_sent_back(site: Site) -> None:
    publish(site, b'{"data": "' + b'x' * 2_000_000 + b'"}')
    done = site.run('dead', 'replay', '--yes')

    (kept,) = site.dead('fussy')
    assert (kept['size'], kept['kept'], kept['body'][:10], done.exit_code) == (2_000_012, 65_536, '{"data": "', 1)
    assert done.stderr == (
        'error: 1 dead letter cannot be sent back: only the beginning of the body was kept. '
        f'next: wazo-busd dead drop -c {site.config} {kept["id"][:12]}\n'
    )


def test_what_somebody_else_put_among_them_is_shown_not_sent_back_and_dropped(site: Site) -> None:
    with Wire(site.broker) as wire:
        wire.publish(b'junk', exchange='', key='wazo-busd.fussy.dead')
        wire.flush()
    eventually_sync(lambda: 'NoDeadLetter' in site.run('dead', 'list').stdout)
    replayed = site.run('dead', 'replay', '--yes')
    dropped = site.run('dead', 'drop', '--yes')

    assert (replayed.exit_code, replayed.stderr.partition('. next: ')[0]) == (
        1,
        'error: 1 dead letter cannot be sent back: it is no event of the daemon',
    )
    left = site.run('dead', 'list').stdout.partition('.')[0]
    assert (dropped.stdout, left) == ('1 dead letter dropped\n', 'no dead letters')


def test_a_user_without_rights_is_told_the_command_that_gives_them(site: Site) -> None:
    publish(site, b'{"name": "x", "data": 1}')
    node, vhost = site.broker.node, site.broker.vhost
    node.add_user('weak', 'secret')
    node.set_permissions(vhost, 'weak', '^$', '^$', '^$')
    site.config.write_text(site.config.read_text().replace('bus: {', 'bus: {username: weak, password: secret, '))
    done = site.run('dead', 'list')
    node.ctl('delete_user', 'weak')

    assert done.exit_code == 1
    assert f"next: rabbitmqctl set_permissions -p '{vhost}' 'weak'" in done.stderr


@pytest.mark.parametrize('command', [['list'], ['show', 'a'], ['replay', '--yes'], ['drop', '--yes']])
def test_a_broker_that_is_away_is_told_with_the_next_command(
    tmp_path: Path, broker: Broker, command: list[str]
) -> None:
    site = Site(broker, tmp_path, plugins={}, handlers='log: {plugin: log, match: faxes.#}', port=1)
    done = site.run('dead', *command)

    assert (done.exit_code, done.stderr.partition(' next: ')[2]) == (1, 'systemctl status rabbitmq-server\n')
