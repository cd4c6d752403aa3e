# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`wazo-busd setup-broker`: a user of the daemon's own at the broker, who may do what it needs and nothing else."""

from __future__ import annotations

import os
import re
import secrets
import shlex
import stat
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import click

from wazo_busd.amqp.connection import rights
from wazo_busd.cli import rabbitmqctl
from wazo_busd.cli.options import DEFAULT_CONFIG, EXIT_CONFIGURATION, command, config_option, print_problems, typed
from wazo_busd.config import Config, load
from wazo_busd.errors import BusError
from wazo_busd.text import escape

_USER = re.compile(r'[A-Za-z0-9][A-Za-z0-9_.-]{0,99}')
_CREDENTIAL = 'bus'
_HERE = {'localhost', '127.0.0.1', '::1'}
_OWN_FILE = '10-broker.yml'
_PASSWORD_BYTES = 32
_SECRET_MODE = 0o600
_DIRECTORY_MODE = 0o750


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is to be there in the end.

    Attributes:
        user: what the daemon's user is called at the broker.
        vhost: the virtual host that it may use.
        namespace: what the names of all begin with that it may configure and write.
        credential: the file with its password.
        settings: the file of conf.d that says to use it.
        config: the main configuration file.
    """

    user: str
    vhost: str
    namespace: str
    credential: Path
    settings: Path
    config: Path

    @property
    def permissions(self) -> list[str]:
        """What `rabbitmqctl` is told about the rights of the user."""
        return ['set_permissions', '-p', self.vhost, self.user, *rights(self.namespace)]

    @property
    def text(self) -> str:
        """What is in the file of conf.d."""
        return (
            '# Written by wazo-busd setup-broker.\n'
            'bus:\n'
            f'  username: {_quoted(self.user)}\n'
            f'  password: "${{credential:{_CREDENTIAL}}}"\n'
            f'  vhost: {_quoted(self.vhost)}\n'
        )


@click.command('setup-broker', short_help="Make the daemon's own user at the broker.")
@config_option
@click.option('--user', metavar='NAME', help='What the user is called; the namespace of the configuration unless said.')
@click.option('--vhost', metavar='NAME', help='The virtual host; that of the configuration unless said.')
@click.option('--new-password', is_flag=True, help='Make a new password, although there is one.')
@click.option('--dry-run', is_flag=True, help='Show what would be done, and do nothing.')
def setup_broker(path: Path, user: str | None, vhost: str | None, new_password: bool, dry_run: bool) -> None:
    """Make a RabbitMQ user who may do what the daemon needs and nothing else, and let the daemon use it.

    It is typed as root on the broker's host, and may be typed again: what is right already stays. The password is made
    here, goes into credentials/bus beside the configuration (mode 0600; systemd gives it to the daemon), and is shown
    nowhere. conf.d/10-broker.yml says to use both.

    \b
    Examples:
      wazo-busd setup-broker --dry-run
      wazo-busd setup-broker
      wazo-busd setup-broker --user busd-lab --vhost lab
    """
    config = load(path).config
    plan = _planned(config, path, user, vhost)
    elsewhere = sorted({host for host, _ in config.bus.addresses()} - _HERE)
    if elsewhere:
        click.echo(
            escape(f'note: the daemon connects to {", ".join(elsewhere)}; this is for the broker here'), err=True
        )
    if dry_run:
        _show(plan, new_password)
        return
    try:
        _check_user(plan)
        password = _password(plan, new_password)
        _make_user(plan, password)
        _write_settings(plan)
    except BusError as error:
        _fail(f'{error.text}. next: {typed(error.cure)}')
    except OSError as error:
        cure = 'the same as root: sudo wazo-busd setup-broker' if isinstance(error, PermissionError) else 'df -h'
        _fail(f'{error.filename} cannot be written: {error.strerror}. next: {typed(cure)}')
    _confirm(plan, password)


def _planned(config: Config, path: Path, user: str | None, vhost: str | None) -> _Plan:
    named = user or (config.bus.namespace if config.bus.username == 'guest' else config.bus.username)
    if named == 'guest' or not _USER.fullmatch(named):
        raise click.UsageError('--user is a name of letters, digits and _.- that is not guest, as in wazo-busd')
    # A password whose file is not there yet is no problem here; what else is wrong is told in the end.
    beside = path.absolute().parent
    return _Plan(
        user=named,
        vhost=vhost or config.bus.vhost,
        namespace=config.bus.namespace,
        credential=beside / 'credentials' / _CREDENTIAL,
        settings=beside / config.extra_config_files / _OWN_FILE,
        config=path,
    )


def _show(plan: _Plan, new_password: bool) -> None:
    kept = plan.credential.exists() and not new_password
    source = f'< {shlex.quote(str(plan.credential))}'
    click.echo(f'# the password {"stays as it is" if kept else "is made"}, in {plan.credential} (mode 0600)')
    click.echo(f'rabbitmqctl add_user {plan.user} {source}   # or change_password, where the user is there')
    click.echo(shlex.join(['rabbitmqctl', *plan.permissions]))
    click.echo(f'# {plan.settings}:')
    click.echo(plan.text, nl=False)


def _check_user(plan: _Plan) -> None:
    """See that nobody else's user is changed.

    Raises:
        BusError: it is, or the broker cannot be asked.
    """
    tags = rabbitmqctl.users().get(plan.user)
    if tags:
        raise BusError(
            f'the user {plan.user} is there and has the tags {", ".join(tags)}: it is an administrator of the broker',
            'wazo-busd setup-broker --user ANOTHER',
        )


def _password(plan: _Plan, is_new: bool) -> str:
    """The password in the file of the credential; if there is none it is made.

    Raises:
        OSError: the file cannot be read or written.
    """
    if plan.credential.exists() and not is_new:
        kept = plan.credential.read_text().rstrip('\r\n')
        if kept:
            # As wide open as somebody may have left it.
            plan.credential.chmod(stat.S_IMODE(plan.credential.stat().st_mode) & 0o640)
            return kept
    password = secrets.token_urlsafe(_PASSWORD_BYTES)
    plan.credential.parent.mkdir(mode=_DIRECTORY_MODE, exist_ok=True)
    _write(plan.credential, f'{password}\n', _SECRET_MODE)
    click.echo(f'made a password, in {plan.credential}')
    return password


def _make_user(plan: _Plan, password: str) -> None:
    """Make the user or change its password, and give it its rights.

    Raises:
        BusError: the broker refuses it, or cannot be asked.
    """
    is_there = plan.user in rabbitmqctl.users()
    rabbitmqctl.run(['change_password' if is_there else 'add_user', plan.user], f'{password}\n')
    click.echo(f'{"kept" if is_there else "made"} the user {plan.user}')
    rabbitmqctl.run(plan.permissions)
    click.echo(f'gave it the rights that wazo-busd needs on {plan.vhost}, and no others')


def _write_settings(plan: _Plan) -> None:
    """Write the file of conf.d, unless it says so already.

    Raises:
        OSError: it cannot be written.
        BusError: somebody else has written it.
    """
    if plan.settings.exists():
        said = plan.settings.read_text()
        if said == plan.text:
            return
        if not said.startswith(plan.text.partition('\n')[0]):
            raise BusError(
                f'{plan.settings} is there and was not written by wazo-busd',
                shlex.join(['mv', '-i', str(plan.settings), str(plan.settings.with_name('20-broker.yml'))]),
            )
    plan.settings.parent.mkdir(mode=0o755, exist_ok=True)
    _write(plan.settings, plan.text, 0o644)
    click.echo(f'wrote {plan.settings}')


def _write(path: Path, text: str, mode: int) -> None:
    """Put a file in the place of another, whole and with its mode from the first moment on."""
    descriptor, name = tempfile.mkstemp(prefix='.', dir=path.parent)
    try:
        with os.fdopen(descriptor, 'w') as file:
            os.fchmod(descriptor, mode)
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink()
        raise


def _confirm(plan: _Plan, password: str) -> None:
    """See that the configuration says to use what was made, and say what to type."""
    configuration = load(plan.config)
    bus = configuration.config.bus
    if configuration.problems:
        print_problems(configuration.problems)
        click.echo(f'the user is made. next: {command("check", plan.config)}', err=True)
        sys.exit(EXIT_CONFIGURATION)
    for key, wanted in (('username', plan.user), ('password', password), ('vhost', plan.vhost)):
        if getattr(bus, key) != wanted:
            file = configuration.document.origin(('bus', key)).file
            _fail(f'{file} says another {key} and comes before {plan.settings.name}. next: take bus.{key} out of it')
    restart = 'systemctl restart wazo-busd' if plan.config == DEFAULT_CONFIG else 'restart the daemon'
    click.echo(f'the configuration uses it. next: {restart}; a reload takes up no credential')


def _quoted(text: str) -> str:
    return "'{}'".format(text.replace("'", "''"))


def _fail(text: str) -> NoReturn:
    click.echo(escape(f'error: {text}'), err=True)
    sys.exit(1)
