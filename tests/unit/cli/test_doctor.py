# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`wazo-busd doctor`: what it looks at, what it says, how it ends, and the bundle."""

from __future__ import annotations

import json
import shlex
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import click.testing
import pytest

from tests.unit.cli.conftest import Shell
from tests.unit.cli.tail import call, cut, hangup
from tests.unit.controlled import FakeDaemon, daemon_status, handler_status, listening, short_directory
from wazo_busd.amqp import Alarm, Cut, Depth
from wazo_busd.cli import main
from wazo_busd.cli.doctor import lines
from wazo_busd.config import BusConfig
from wazo_busd.doctor import Finding, Severity
from wazo_busd.errors import BusError
from wazo_busd.settlement import Counts
from wazo_busd.topology import UPSTREAMS, Exchange

HELP = main.commands['doctor'].help or ''
EXAMPLES = [line.strip() for line in HELP.partition('Examples:')[2].splitlines() if line.strip()]
CHECKS = [
    'alarm',
    'ami',
    'bindings',
    'clock',
    'configuration',
    'daemon',
    'dead-letters',
    'disk',
    'files',
    'hub',
    'permissions',
    'plugins',
    'queues',
    'reach',
    'stale-queues',
    'user',
    'xivo-uuid',
]


def _nothing() -> None:
    """Nothing happens."""


class Broker:
    """Stands for a broker that is examined, and says what the test wants."""

    def __init__(self) -> None:
        self.error: BusError | None = None
        self.missing_exchanges: list[Exchange] = []
        self.refused: list[BusError] = []
        self.depths: dict[str, Depth | None] = {'wazo-busd.crm': Depth(0, 1), 'wazo-busd.crm.dead': Depth(0, 0)}
        self.alarm_found = Alarm(False)
        self.upstream: list[Cut] = [call()]
        self.hub: list[Cut] = [call()]
        self.while_listening: Callable[[], None] = _nothing
        self.address, self.broker = 'rabbit:5672', 'RabbitMQ 3.10.8'

    def __call__(self, config: BusConfig, state_dir: Path) -> Self:
        return self

    async def __aenter__(self) -> Self:
        if self.error is not None:
            raise self.error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    async def missing(self) -> list[Exchange]:
        return self.missing_exchanges

    async def refusals(self, missing: list[Exchange]) -> list[BusError]:
        return self.refused

    async def depth(self, queue: str) -> Depth | None:
        return self.depths.get(queue)

    async def listen(self, seconds: float, upstream: Any, hub: Any) -> None:
        upstream(self.upstream)
        hub(self.hub)
        self.while_listening()

    async def alarm(self, config: BusConfig) -> Alarm:
        return self.alarm_found


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    made = Broker()
    module = sys.modules['wazo_busd.doctor.doctor']
    monkeypatch.setattr(module, 'Examination', made)
    monkeypatch.setattr(module, 'look_for_alarm', made.alarm)
    monkeypatch.delenv('XIVO_UUID', raising=False)
    return made


@pytest.fixture
def daemon() -> Iterator[tuple[FakeDaemon, Path]]:
    made = FakeDaemon()
    with short_directory() as directory, listening(made, directory / 'control.sock'):
        yield made, directory / 'control.sock'


@pytest.fixture(autouse=True)
def config(shell: Shell, daemon: tuple[FakeDaemon, Path], broker: Broker) -> None:
    (shell.config.parent / 'state').mkdir(mode=0o750)
    write(shell, daemon[1])


def write(shell: Shell, control: Path, more: str = 'handlers: {crm: {plugin: log, match: [calls.#]}}') -> None:
    shell.config.write_text(f'state_dir: state\nplugin_dirs: [plugins.d]\nhttp: {{socket: {control}}}\n{more}\n')


def run(shell: Shell, *arguments: str) -> click.testing.Result:
    return shell('doctor', '--listen', '10ms', *arguments, '-c', str(shell.config))


def found(shell: Shell, check: str) -> dict[str, Any]:
    """The first finding of a check."""
    told = json.loads(run(shell, '-o', 'json').stdout)['findings']
    return next(each for each in told if each['check'] == check)


def test_the_help_has_two_examples() -> None:
    assert len(EXAMPLES) == 2


@pytest.mark.parametrize('example', EXAMPLES)
def test_every_example_works(example: str, shell: Shell, broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shell.config.parent)
    broker.error = BusError('nothing listens', 'systemctl status rabbitmq-server')

    # There is no configuration at the usual place.
    assert shell(*shlex.split(example)[1:]).exit_code == 78


def test_where_all_is_well_it_says_so_and_exits_with_0(shell: Shell) -> None:
    done = run(shell)

    assert (done.exit_code, done.stdout.splitlines()[-1]) == (
        0,
        f'all is well. next: wazo-busd status -c {shell.config}',
    )


def test_every_check_has_a_line(shell: Shell) -> None:
    checks = {line.split()[1] for line in run(shell).stdout.splitlines() if line.startswith('ok ')}

    assert sorted(checks) == CHECKS


def test_problems_come_first_with_their_cure_and_the_last_line_is_the_first_cure(shell: Shell, broker: Broker) -> None:
    broker.alarm_found = Alarm(True, 'low on disk')
    done = run(shell)
    first, cure, *_, last = done.stdout.splitlines()

    assert (done.exit_code, first.split()[:2], cure.split()[:2], last.partition('. next: ')[::2]) == (
        1,
        ['problem', 'alarm'],
        ['cure:', 'df'],
        ('1 problem', 'df -h /var/lib/rabbitmq; journalctl --vacuum-size=200M'),
    )


def test_a_warning_alone_exits_with_1(shell: Shell, broker: Broker) -> None:
    broker.depths['wazo-busd.crm.dead'] = Depth(2, 0)

    assert run(shell).exit_code == 1


def test_a_wrong_configuration_exits_with_78_and_all_the_rest_is_looked_at(
    shell: Shell, daemon: tuple[FakeDaemon, Path]
) -> None:
    write(shell, daemon[1], 'log_level: loud')
    done = run(shell)

    assert (done.exit_code, 'there is a mistake in' in done.stdout, 'ok       alarm' in done.stdout) == (78, True, True)


def test_a_broker_that_is_away_leaves_what_can_be_seen_here(shell: Shell, broker: Broker) -> None:
    broker.error = BusError('nothing listens on rabbit:5672', 'systemctl status rabbitmq-server')
    done = run(shell)

    assert (done.exit_code, 'cure: systemctl status rabbitmq-server' in done.stdout, ' disk ' in done.stdout) == (
        1,
        True,
        True,
    )


def test_without_the_daemon_it_looks_at_the_rest(shell: Shell, tmp_path: Path) -> None:
    write(shell, tmp_path / 'nobody.sock')
    told = found(shell, 'daemon')

    assert (told['severity'], told['cure'], found(shell, 'hub')['severity']) == (
        'problem',
        f'wazo-busd run -c {shell.config}',
        'ok',
    )


def test_a_bus_that_moves_and_a_hub_that_is_silent_is_found(shell: Shell, broker: Broker) -> None:
    broker.hub = []

    assert 'wazo-headers moves (1 event in' in found(shell, 'hub')['text']


def test_without_a_hub_nothing_is_said_of_what_follows_from_that(shell: Shell, broker: Broker) -> None:
    broker.missing_exchanges, broker.depths = [Exchange('wazo-busd', 'topic')], {}
    checks = {each['check'] for each in json.loads(run(shell, '-o', 'json').stdout)['findings']}

    assert sorted({'hub', 'queues', 'ami', 'clock'} & checks) == ['hub']


def test_a_flood_of_ami_is_found(shell: Shell, broker: Broker, daemon: tuple[FakeDaemon, Path]) -> None:
    write(shell, daemon[1], "handlers: {crm: {plugin: log, match: ['ami.#']}}")
    broker.upstream = broker.hub = [hangup()] * 50

    assert found(shell, 'ami')['severity'] == 'warning'


def test_the_queue_of_a_handler_that_was_removed_is_found_by_the_ledger(shell: Shell, broker: Broker) -> None:
    ledger = {'localhost:5672 / wazo-busd': {'wazo-busd.old': [], 'wazo-busd.crm': ['calls.#']}}
    (shell.config.parent / 'state' / 'bindings.json').write_text(json.dumps(ledger))
    broker.depths['wazo-busd.old'] = Depth(7, 0)

    assert 'wazo-busd.old is still there with 7 events' in found(shell, 'stale-queues')['text']


def test_bindings_that_nobody_asked_for_are_found_by_what_arrives_meanwhile(
    shell: Shell, broker: Broker, daemon: tuple[FakeDaemon, Path]
) -> None:
    def meanwhile() -> None:
        daemon[0].said = daemon_status(handler_status(counts=Counts(unmatched=40)))

    broker.while_listening = meanwhile

    assert '40 events came to crm meanwhile' in found(shell, 'bindings')['text']


def test_a_clock_that_is_wrong_is_found(shell: Shell, broker: Broker) -> None:
    broker.upstream = broker.hub = [cut('call_created', {}, timestamp='2020-01-01T00:00:00')]

    assert found(shell, 'clock')['severity'] == 'problem'


def test_events_of_another_host_alone_say_that_the_uuid_is_wrong(
    shell: Shell, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('wazo_busd.doctor.identity.of_process', lambda number: '53c7ed9a-3a51-4a73-b2f1-8ad1d6a8d6a1')
    broker.upstream = [cut('call_created', {}, origin_uuid='2c34c282-433e-4bb8-8d56-fec14ff7e1e9')]

    assert found(shell, 'xivo-uuid')['severity'] == 'problem'


def test_a_plugin_that_shadows_another_is_found(shell: Shell) -> None:
    directory = shell.config.parent / 'plugins.d'
    directory.mkdir()
    (directory / 'log.py').write_text('')

    assert found(shell, 'plugins')['cure'] == f'mv -i {directory}/log.py {directory}/_log.py'


def test_a_mail_server_that_is_away_is_found(shell: Shell, daemon: tuple[FakeDaemon, Path]) -> None:
    options = 'options: {to: a@example.org, subject: x, text: y, server: {host: 127.0.0.1, port: 1}}'
    write(shell, daemon[1], f'handlers: {{crm: {{plugin: mail, match: [calls.#], {options}}}}}')

    assert found(shell, 'reach')['text'] == 'crm: 127.0.0.1:1 cannot be reached: nothing listens there'


# ---- what it is asked


@pytest.mark.parametrize('span', ['0s', '2h', 'soon'])
def test_it_listens_for_a_while_and_not_for_ever(shell: Shell, span: str) -> None:
    done = shell('doctor', '--listen', span, '-c', str(shell.config))

    assert (done.exit_code, f'--listen {span}' in done.stderr) == (2, True)


def test_json_has_what_was_heard_beside_the_findings(shell: Shell) -> None:
    told = json.loads(run(shell, '-o', 'json').stdout)

    assert (sorted(told), told['heard']['upstream'], told['broker']) == (
        ['broker', 'bundle', 'findings', 'heard'],
        {'wazo-headers': 1},
        'RabbitMQ 3.10.8',
    )


def test_the_bundle_is_written_and_is_to_be_read_before_it_is_sent(shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / 'support.tar.gz'
    done = run(shell, '--bundle', str(path))
    with tarfile.open(path) as archive:
        names = {Path(each).name for each in archive.getnames()}

    assert ('status.json' in names, f'read it before you send it: tar -xzf {path}' in done.stderr) == (True, True)


@pytest.mark.parametrize('name', ['config.yml', 'not/there.tar.gz'])
def test_a_bundle_that_cannot_be_written_is_told_before_anybody_waits(shell: Shell, name: str) -> None:
    done = run(shell, '--bundle', str(shell.config.parent / name))

    assert (done.exit_code, done.stdout) == (2, '')


def test_what_a_plugin_or_a_file_says_cannot_do_anything_to_the_terminal() -> None:
    finding = Finding('daemon', Severity.PROBLEM, 'a\x1b[2J', 'b\x1b[2J', 'c\x1b[2J')

    assert '\x1b' not in ''.join(lines([finding], Path('/x'), colour=False))


def test_colour_is_of_the_severity_alone() -> None:
    first, *_ = lines([Finding('disk', Severity.OK, 'x')], Path('/x'), colour=True)

    assert first == '\x1b[32mok     \x1b[0m  disk  x'


def test_on_a_terminal_it_says_what_it_does_and_takes_that_away(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('click.testing._NamedTextIOWrapper.isatty', lambda self: True, raising=False)
    said = run(shell).stderr

    assert ('\rlooking at the broker' in said, said.endswith('\r')) == (True, True)


def test_wazo_s_exchanges_are_what_is_compared(shell: Shell, broker: Broker) -> None:
    broker.upstream = [call() for _ in UPSTREAMS]
    broker.hub = broker.upstream

    assert 'wazo-headers 2 events' in found(shell, 'hub')['text']
