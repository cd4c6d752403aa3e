# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Installed, upgraded, removed, purged: what stays and what goes. Each test goes on where the one before has ended."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.deb.host import Host

OWN = '/etc/wazo-busd/conf.d/50-mine.yml'
NOTED = {'/etc/passwd-', '/etc/group-', '/etc/shadow-', '/etc/gshadow-', '/etc/.pwd.lock'}
"""What systemd-sysusers leaves beside the files of the users; the user stays, as in every package of Debian."""


def install(host: Host, package: Path, options: str = '') -> str:
    host.put(package)
    # Nobody is asked about a file of configuration that was changed here: what is here stays.
    return host.run(f'apt-get install -y -q --no-install-recommends {options} ./{package.name}')


@pytest.fixture(scope='module')
def before(host: Host) -> set[str]:
    """The files of a host with RabbitMQ, before the package."""
    host.run('apt-get install -y -q --no-download --no-install-recommends rabbitmq-server')
    return host.files()


def queues(host: Host) -> dict[str, str]:
    """The queues of ours, and how much is in each."""
    listed = host.run('rabbitmqctl --silent list_queues name messages').splitlines()
    return {name: number for name, number in (line.split('\t') for line in listed) if name.startswith('wazo-busd')}


def test_what_is_installed_and_purged_at_once_leaves_nothing(host: Host, before: set[str], package: Path) -> None:
    install(host, package)
    host.run('apt-get purge -y -q wazo-busd')

    assert host.files() - before - NOTED == set()


def test_a_package_of_before_is_installed_and_gathers_events(host: Host, before: set[str], older_package: Path) -> None:
    install(host, older_package)
    host.write(OWN, 'handlers:\n  calls: {plugin: log, match: calls.#}\n')
    host.run('wazo-busd setup-broker && systemctl restart wazo-busd')
    host.eventually('wazo-busd status | grep consuming')
    host.run('systemctl stop wazo-busd')
    host.run('wazo-busd emit call_ended -c /usr/share/doc/wazo-busd/examples/guest.yml')
    host.run('echo kept >/var/lib/wazo-busd/marker')

    host.eventually("rabbitmqctl --silent list_queues name messages | grep -P 'wazo-busd.calls\\t1'")


def test_an_upgrade_with_a_wrong_configuration_starts_nothing_and_says_why(host: Host, package: Path) -> None:
    host.write('/etc/wazo-busd/conf.d/60-wrong.yml', 'handlers: {wrong: {plugin: nobody}}\n')
    said = install(host, package)

    assert ('the configuration is wrong' in said, '60-wrong.yml:1' in said) == (True, True)
    assert host.show('ActiveState') == 'inactive'


def test_the_upgrade_has_kept_configuration_secrets_state_and_queues(host: Host) -> None:
    assert host.run('wazo-busd --version').strip() == 'wazo-busd 0.1.0'
    assert 'plugin: log' in host.read(OWN)
    assert host.run('cat /var/lib/wazo-busd/marker').strip() == 'kept'
    assert host.run('stat -c "%a %U" /etc/wazo-busd/credentials/bus').split() == ['600', 'root']
    assert queues(host)['wazo-busd.calls'] == '1'


def test_an_upgrade_with_a_right_configuration_restarts_it_and_what_waited_is_handled(
    host: Host, package: Path
) -> None:
    host.run('rm /etc/wazo-busd/conf.d/60-wrong.yml')
    install(host, package, '--reinstall')

    host.eventually('wazo-busd status -o json | grep \'"received": 1\'')


def test_an_upgrade_of_one_that_runs_starts_the_new_one_under_the_new_unit(
    host: Host, older_package: Path, package: Path
) -> None:
    install(host, older_package, '--allow-downgrades')
    host.run('systemctl daemon-reload && systemctl restart wazo-busd')
    before, unit = host.show('MainPID'), host.show('Description')
    install(host, package)

    assert (host.show('ActiveState'), host.show('MainPID') != before) == ('active', True)
    assert unit == 'Before: Handlers of the Wazo message bus'
    assert (host.show('NeedDaemonReload'), host.show('Description')) == ('no', 'Handlers of the Wazo message bus')


def test_one_that_runs_is_left_alone_where_the_new_one_could_not_start(host: Host, package: Path) -> None:
    before = host.show('MainPID')
    host.write('/etc/wazo-busd/conf.d/60-wrong.yml', 'handlers: {wrong: {plugin: nobody}}\n')
    install(host, package, '--reinstall')
    host.run('rm /etc/wazo-busd/conf.d/60-wrong.yml')

    assert (host.show('ActiveState'), host.show('MainPID')) == ('active', before)


def test_one_that_runs_is_left_alone_where_its_user_could_not_read_what_root_can(host: Host, package: Path) -> None:
    before = host.show('MainPID')
    host.write('/etc/wazo-busd/conf.d/70-closed.yml', 'handlers: {more: {plugin: log, match: faxes.#}}\n')
    host.run('chmod 0600 /etc/wazo-busd/conf.d/70-closed.yml')
    said = install(host, package, '--reinstall')
    host.run('rm /etc/wazo-busd/conf.d/70-closed.yml')

    assert ('70-closed.yml' in said, 'permission denied' in said) == (True, True)
    assert (host.show('ActiveState'), host.show('MainPID')) == ('active', before)


def test_an_instance_without_a_directory_of_credentials_is_tried_once(host: Host) -> None:
    host.run('install -d /etc/wazo-busd/instances/second')
    host.run(
        'install -m 0644 /usr/share/doc/wazo-busd/examples/instance.yml /etc/wazo-busd/instances/second/config.yml'
    )
    host.run('systemctl enable --now wazo-busd@second', fails=True)

    unit = 'wazo-busd@second'
    assert [host.show(name, unit) for name in ('ActiveState', 'ExecMainStatus', 'NRestarts')] == ['failed', '243', '0']


def test_a_link_of_nginx_is_made_as_the_page_says(host: Host) -> None:
    host.run('mkdir -p /etc/nginx/locations/https-enabled')
    host.run('ln -s ../https-available/wazo-busd /etc/nginx/locations/https-enabled/')

    host.run('test -e /etc/nginx/locations/https-enabled/wazo-busd')


def test_removed_it_has_stopped_and_left_no_program(host: Host) -> None:
    host.run('apt-get remove -y -q wazo-busd')

    assert host.attempt('systemctl is-active wazo-busd')[1].strip() == 'inactive'
    assert host.run('ls /usr/lib/wazo-busd /usr/bin/wazo-busd 2>&1 || true').count('No such file') == 2
    assert 'plugin: log' in host.read(OWN)


def test_purged_it_leaves_its_queues_unless_it_is_asked_to(host: Host, before: set[str]) -> None:
    host.run('apt-get purge -y -q wazo-busd')

    assert 'wazo-busd.calls' in queues(host)
    # Links that lead nowhere too: one of nginx, one of an instance that was enabled. The directories are Wazo's.
    made = {'/etc/nginx', '/etc/nginx/locations', '/etc/nginx/locations/https-enabled'}
    assert {path for path in host.files() - before - NOTED - made if 'rabbitmq' not in path} == set()


def test_purged_with_a_yes_it_takes_its_queues_exchanges_and_user_along(host: Host, package: Path) -> None:
    install(host, package)
    # On a virtual host of another name too.
    host.run('rabbitmqctl add_vhost café')
    made = 'rabbit_misc:r(<<"caf", 195, 169>>, exchange, <<"wazo-busd">>)'
    host.run(f'rabbitmqctl eval \'rabbit_exchange:declare({made}, topic, true, false, false, [], <<"x">>).\'')
    assert 'wazo-busd' in host.run('rabbitmqctl --silent --vhost=café list_exchanges name')
    host.run("echo 'wazo-busd wazo-busd/purge-queues boolean true' | debconf-set-selections")
    host.run('apt-get purge -y -q wazo-busd')

    assert queues(host) == {}
    assert 'wazo-busd' not in host.run('rabbitmqctl --silent list_exchanges name')
    assert 'wazo-busd' not in host.run('rabbitmqctl --silent --vhost=café list_exchanges name')
    assert 'wazo-busd' not in host.run('rabbitmqctl --silent list_users')
    assert 'xivo' in host.run('rabbitmqctl --silent list_exchanges name')


def test_in_a_system_that_is_not_running_it_can_be_installed_and_purged(host: Host, package: Path) -> None:
    # As where an image of a host is made: there is no systemd to ask.
    host.put(package)
    apart = 'unshare --mount sh -ec "mount -t tmpfs none /run && cd /root && $0"'
    host.run(apart.replace('$0', f'dpkg -i {package.name} && wazo-busd check && dpkg --purge wazo-busd'))
