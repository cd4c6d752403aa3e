# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The daemon under a real systemd, in the order of a host's life: each test goes on where the one before has ended."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.deb.host import Host

PLUGIN = Path(__file__).parent / 'plugins.d' / 'probe.py'
CONFIG = '/etc/wazo-busd/conf.d/50-test.yml'
HANDLERS = 'drain_timeout: 2s\nhandlers:\n  probe: {plugin: probe, timeout: 10m}\n'
WRITABLE = ['/var/lib/wazo-busd', '/var/log/wazo-busd', '/tmp']
CLOSED = [
    '/',
    '/etc',
    '/etc/wazo-busd/conf.d',
    '/usr',
    '/var',
    '/var/lib',
    '/var/log',
    '/opt',
    '/root',
    '/home/other',
    '/run',
]
OTHERS = ['/home/other/notes', '/root/notes', '/tmp/notes', '/etc/asterisk/manager.conf', '/etc/shadow']


@pytest.fixture(scope='module')
def host(host: Host, package: Path) -> Host:
    """A host where the package is installed, and no broker yet."""
    for path in OTHERS[:-1]:
        host.write(path, 'it is a secret\n')
    # Where nobody has thought of keeping others out.
    host.run('chmod 0755 /root /home/other && chmod 0777 /opt')
    host.put(package)
    host.run(f'apt-get install -y -q --no-install-recommends ./{package.name}')
    return host


def emit(host: Host, name: str, **data: float) -> None:
    """Publish an event that asks for something."""
    words = [f"{key}='{json.dumps(value)}'" for key, value in {'write': [], 'read': [], **data}.items()]
    guest = '/usr/share/doc/wazo-busd/examples/guest.yml'
    host.run(f'wazo-busd emit probe_event --force --key probe.event name={name} {" ".join(words)} -c {guest}')


def result(host: Host, name: str) -> dict[str, str]:
    """What came of it."""
    found: dict[str, str] = json.loads(host.eventually(f'cat /var/lib/wazo-busd/handlers/probe/{name}.json'))
    return found


def test_it_is_ready_before_there_is_a_broker(host: Host) -> None:
    assert host.show('ActiveState') == 'active'
    assert 'nothing listens on localhost:5672' in host.show('StatusText')


def test_its_user_has_no_shell(host: Host) -> None:
    assert host.run('getent passwd wazo-busd').strip().endswith(':/var/lib/wazo-busd:/usr/sbin/nologin')


def test_it_connects_when_the_broker_comes(host: Host) -> None:
    host.run('apt-get install -y -q --no-download --no-install-recommends rabbitmq-server')

    host.eventually('systemctl show -p StatusText wazo-busd | grep "connected to localhost:5672"')


def test_a_reload_begins_a_handler_in_the_same_process(host: Host) -> None:
    before = host.show('MainPID')
    shutil.copy(PLUGIN, host.root / 'etc/wazo-busd/plugins.d')
    host.write(CONFIG, HANDLERS)
    host.run('systemctl reload wazo-busd')

    host.eventually('systemctl show -p StatusText wazo-busd | grep "1 of 1 handlers consume"')
    assert host.show('MainPID') == before


def test_an_event_is_handled(host: Host) -> None:
    emit(host, 'first', write=[*WRITABLE, *CLOSED], read=OTHERS)  # type: ignore[arg-type]

    assert result(host, 'first')


def test_a_program_of_the_handler_exec_runs_within_the_same(host: Host) -> None:
    program = '{plugin: exec, match: probe.#, options: {argv: [/usr/bin/id, -un]}}'
    host.write('/etc/wazo-busd/conf.d/60-exec.yml', f'handlers: {{who: {program}}}\n')
    host.run('systemctl reload wazo-busd')
    host.eventually('wazo-busd status | grep "who .*consuming"')
    emit(host, 'second')

    host.eventually("journalctl -u wazo-busd --no-pager | grep 'handler=who outcome=done'")
    host.run('rm /etc/wazo-busd/conf.d/60-exec.yml && systemctl reload wazo-busd')


@pytest.mark.parametrize('path', WRITABLE)
def test_it_can_write_in_its_directories(host: Host, path: str) -> None:
    assert result(host, 'first')[f'write {path}'].startswith('done')


@pytest.mark.parametrize('path', CLOSED)
def test_it_can_write_nowhere_else(host: Host, path: str) -> None:
    assert not result(host, 'first')[f'write {path}'].startswith('done')


def test_what_it_writes_to_tmp_is_its_own(host: Host) -> None:
    host.run('test -e /tmp/x', fails=True)


@pytest.mark.parametrize('path', OTHERS)
def test_it_cannot_see_other_users_files(host: Host, path: str) -> None:
    assert not result(host, 'first')[f'read {path}'].startswith('done')


def test_it_sees_no_process_but_its_own(host: Host) -> None:
    assert result(host, 'first')['processes'] == "done: ['wazo-busd']"


@pytest.mark.parametrize('deed', ['netlink', 'code', 'root', 'signal'])
def test_it_cannot_do_what_it_need_not(host: Host, deed: str) -> None:
    assert not result(host, 'first')[deed].startswith('done')


def test_the_kernel_takes_it_before_asterisk(host: Host) -> None:
    assert result(host, 'first')['victim'].strip() == 'done: 500'


def test_the_limits_are_in_force(host: Host, not_tried: Callable[[str], None]) -> None:
    if host.show('MemoryCurrent') == '[not set]':
        not_tried('MemoryMax, TasksMax and CPUWeight at work: this machine gives a container no controllers of cgroups')
    assert (host.show('MemoryMax'), host.show('TasksMax')) == (str(768 * 1024**2), '256')


def test_what_the_process_takes_is_shown_although_it_sees_nothing_else_of_proc(host: Host) -> None:
    ask = "import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:9506/metrics').read().decode())"
    said = host.run(f'python3 -c "{ask}"')
    started = float(
        next(line.split()[1] for line in said.splitlines() if line.startswith('process_start_time_seconds '))
    )

    assert 'process_resident_memory_bytes ' in said
    assert 0 < time.time() - started < 3600


def test_a_wrong_configuration_changes_nothing_at_a_reload(host: Host) -> None:
    before = host.show('MainPID')
    host.write('/etc/wazo-busd/conf.d/60-wrong.yml', 'handlers: {wrong: {plugin: nobody}}\n')
    said = host.run('wazo-busd reload', fails=True)
    host.run('rm /etc/wazo-busd/conf.d/60-wrong.yml')

    assert ('60-wrong.yml:1' in said, host.show('MainPID'), host.show('ActiveState')) == (True, before, 'active')


def test_after_a_kill_it_is_back_and_what_came_meanwhile_is_handled(host: Host) -> None:
    before = host.show('MainPID')
    host.run('systemctl kill --kill-whom=main --signal=KILL wazo-busd')
    emit(host, 'meanwhile')

    assert result(host, 'meanwhile')
    assert (host.show('MainPID') != before, host.show('NRestarts')) == (True, '1')


def test_the_watchdog_ends_one_that_hangs_and_its_event_is_dead_after_the_third_time(host: Host) -> None:
    # Not after half a minute, and not after another half minute where it hangs before it is ready.
    fast = '[Service]\nWatchdogSec=2\nTimeoutStartSec=10\nRestartSec=100ms\n'
    host.write('/etc/systemd/system/wazo-busd.service.d/fast.conf', fast)
    host.run('systemctl daemon-reload && systemctl restart wazo-busd')
    emit(host, 'hanging', block=600.0)

    host.eventually('wazo-busd dead list | grep probe')
    assert 'Watchdog timeout' in host.run('journalctl -u wazo-busd --no-pager')
    host.eventually('wazo-busd status')


def test_it_stops_in_time_although_a_handler_does_not_end(host: Host) -> None:
    emit(host, 'endless', wait=600.0)
    host.eventually('wazo-busd status -o json | grep \'"in_hand": 1\'')
    begun = time.monotonic()
    host.run('systemctl stop wazo-busd')

    assert time.monotonic() - begun < 20
    assert (host.show('Result'), host.show('ExecMainStatus'), host.show('ActiveState')) == ('success', '0', 'inactive')


def test_a_start_with_a_wrong_configuration_is_tried_once(host: Host) -> None:
    host.write('/etc/wazo-busd/conf.d/60-wrong.yml', 'handlers: {wrong: {plugin: nobody}}\n')
    host.run('systemctl start wazo-busd', fails=True)
    time.sleep(1)

    assert (host.show('ActiveState'), host.show('ExecMainStatus'), host.show('NRestarts')) == ('failed', '78', '0')
    host.run('rm /etc/wazo-busd/conf.d/60-wrong.yml && systemctl reset-failed wazo-busd')


def test_where_wazo_is_disabled_it_does_not_run(host: Host) -> None:
    host.write('/var/lib/wazo/disabled', '')
    host.run('systemctl start wazo-busd')

    assert (host.show('ActiveState'), host.show('ConditionResult')) == ('inactive', 'no')
    host.run('rm /var/lib/wazo/disabled')


def test_a_secret_of_root_alone_reaches_it(host: Host) -> None:
    host.run('wazo-busd setup-broker && systemctl restart wazo-busd')

    host.eventually('wazo-busd status | grep "connected to"')
    assert host.run('stat -c "%a %U" /etc/wazo-busd/credentials/bus').split() == ['600', 'root']
