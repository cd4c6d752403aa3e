# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`wazo-busd setup-broker`: a user of the daemon's own at the broker, who may do what it needs and nothing else."""

from __future__ import annotations

import errno
import re
import shlex
import sys
from functools import partial
from pathlib import Path
from typing import NoReturn

import click

from wazo_busd.cli import account, rabbitmqctl
from wazo_busd.cli.account import Account
from wazo_busd.cli.options import EXIT_CONFIGURATION, as_json, command, config_option, output_option, print_problems
from wazo_busd.config import Config, Configuration, load
from wazo_busd.errors import BusError
from wazo_busd.text import escape

_USER = re.compile(r'[A-Za-z0-9][A-Za-z0-9_.-]{0,99}')
_HERE = {'localhost', '127.0.0.1', '::1'}
_FULL = {errno.ENOSPC, errno.EDQUOT}
_OWN_FILE = '10-broker.yml'


@click.command('setup-broker', short_help="Make the daemon's own user at the broker.")
@config_option
@click.option('--user', metavar='NAME', help='What the user is called; the namespace of the configuration unless said.')
@click.option('--vhost', metavar='NAME', help='The virtual host; that of the configuration unless said.')
@click.option('--new-password', is_flag=True, help='Make a new password, although there is one.')
@click.option('--dry-run', is_flag=True, help='Show what would be done, and do nothing.')
@output_option
def setup_broker(
    path: Path, user: str | None, vhost: str | None, new_password: bool, dry_run: bool, output: str
) -> None:
    """Make a RabbitMQ user who may do what the daemon needs and nothing else, and let the daemon use it.

    It is typed as root on the broker's host, and may be typed again: what is right already stays. The password is made
    here, goes into credentials/bus beside the configuration (mode 0600; systemd gives it to the daemon), and is shown
    nowhere. conf.d/10-broker.yml says to use both.

    A user who is there, and whose password is not here, may be that of another daemon: it is left alone unless
    --new-password says otherwise.

    \b
    Examples:
      wazo-busd setup-broker --dry-run
      wazo-busd setup-broker
      wazo-busd setup-broker --user busd-lab --vhost lab
    """
    configuration = load(path)
    config = configuration.config
    wanted = _planned(config, path, user, vhost)
    _check_configuration(configuration, wanted, new_password)
    if wanted.user == 'guest' or not _USER.fullmatch(wanted.user):
        raise click.UsageError('--user is a name of letters, digits and _.- that is not guest, as in wazo-busd')
    elsewhere = sorted({host for host, _ in config.bus.addresses()} - _HERE)
    if elsewhere:
        click.echo(
            escape(f'note: the daemon connects to {", ".join(elsewhere)}; this is for the broker here'), err=True
        )
    if dry_run:
        _show(wanted, new_password, output)
    else:
        _set_up(wanted, new_password, output)


def _set_up(wanted: Account, new_password: bool, output: str) -> None:
    """Do it, and say what was done."""
    told = partial(click.echo, err=output == 'json')
    try:
        # All that can be refused is, before anything is changed.
        kept = '' if new_password else account.kept(wanted)
        is_there = account.check_broker(wanted, may_change=bool(kept) or new_password)
        is_written = account.check_settings(wanted)
        password = kept or account.made(wanted, told)
        account.make_user(wanted, password, is_there, told)
        if not is_written:
            account.write_settings(wanted, told)
    except BusError as error:
        _fail(f'{error.text}. next: {error.cure.replace(rabbitmqctl.AS_ROOT, f"sudo {wanted.command()}")}')
    except OSError as error:
        _fail(f'{error.filename} cannot be read or written: {error.strerror}. next: {_cure(wanted, error)}')
    _confirm(wanted, password)
    if output == 'json':
        news = {'new_password': not kept, 'new_user': not is_there, 'new_settings': not is_written}
        click.echo(as_json({**wanted.plain(), 'done': True, **news, 'next': wanted.restart}))
    else:
        click.echo(f'the configuration uses it. next: {wanted.restart}; a reload takes up no credential')


def _planned(config: Config, path: Path, user: str | None, vhost: str | None) -> Account:
    named = user or (config.bus.namespace if config.bus.username == 'guest' else config.bus.username)
    given = {'--user': user, '--vhost': vhost}
    beside = path.absolute().parent
    return Account(
        user=named,
        vhost=vhost or config.bus.vhost,
        namespace=config.bus.namespace,
        credential=beside / 'credentials' / account.CREDENTIAL,
        settings=beside / config.extra_config_files / _OWN_FILE,
        config=path,
        typed=tuple(word for option, value in given.items() if value for word in (option, value)),
    )


def _check_configuration(configuration: Configuration, wanted: Account, new_password: bool) -> None:
    """Stop where the configuration is wrong: who knows whose user it would name. A password may yet be missing."""
    mended = ['bus.password: there is no credential ']
    if new_password:
        mended.append(f'bus.password: the secret {wanted.credential} ')
    problems = [each for each in configuration.problems if not each.message.startswith(tuple(mended))]
    if not problems:
        return
    print_problems(problems)
    cure = command('check', wanted.config)
    if any('permission denied' in each.message.lower() for each in problems):
        cure = f'the same as root: sudo {wanted.command()}'
    click.echo(escape(f'nothing is changed. next: {cure}'), err=True)
    sys.exit(EXIT_CONFIGURATION)


def _show(wanted: Account, new_password: bool, output: str) -> None:
    kept = wanted.credential.exists() and not new_password
    if output == 'json':
        following = wanted.command(*wanted.typed, *(['--new-password'] if new_password else []))
        click.echo(as_json({**wanted.plain(), 'done': False, 'new_password': not kept, 'next': following}))
        return
    source = f'< {shlex.quote(str(wanted.credential))}'
    click.echo(f'# the password {"stays as it is" if kept else "is made"}, in {wanted.credential} (mode 0600)')
    other = (
        'or change_password, where the user is there' if kept or new_password else 'nothing, where the user is there'
    )
    click.echo(f'rabbitmqctl add_user {wanted.user} {source}   # {other}')
    click.echo(shlex.join(['rabbitmqctl', *wanted.permissions]))
    click.echo(f'# {wanted.settings}:')
    click.echo(wanted.text, nl=False)


def _confirm(wanted: Account, password: str) -> None:
    """See that the configuration says to use what was made."""
    configuration = load(wanted.config)
    bus = configuration.config.bus
    if configuration.problems:
        print_problems(configuration.problems)
        click.echo(f'the user is made. next: {command("check", wanted.config)}', err=True)
        sys.exit(EXIT_CONFIGURATION)
    for key, value in (('username', wanted.user), ('password', password), ('vhost', wanted.vhost)):
        if getattr(bus, key) != value:
            file = configuration.document.origin(('bus', key)).file
            _fail(f'{file} says another {key} and comes before {wanted.settings.name}. next: take bus.{key} out of it')


def _cure(wanted: Account, error: OSError) -> str:
    if isinstance(error, PermissionError):
        return f'the same as root: sudo {wanted.command()}'
    if error.errno in _FULL:
        return shlex.join(['df', '-h', str(wanted.config.absolute().parent)])
    return shlex.join(['ls', '-ld', str(error.filename)])


def _fail(text: str) -> NoReturn:
    click.echo(escape(f'error: {text}'), err=True)
    sys.exit(1)
