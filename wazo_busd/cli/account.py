# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The daemon's own user at the broker: who it is, whether it may be made or changed, and where its password is."""

from __future__ import annotations

import os
import secrets
import shlex
import stat
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wazo_busd.amqp.connection import rights
from wazo_busd.cli import rabbitmqctl
from wazo_busd.cli.options import DEFAULT_CONFIG, command, with_config
from wazo_busd.errors import BusError

CREDENTIAL = 'bus'
"""What the credential with the password is called."""

_INSTANCES = DEFAULT_CONFIG.parent / 'instances'
_PASSWORD_BYTES = 32
_SECRET_MODE = 0o600
_DIRECTORY_MODE = 0o750

_Told = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Account:
    """What is to be there in the end.

    Attributes:
        user: what the daemon's user is called at the broker.
        vhost: the virtual host that it may use.
        namespace: what the names of all begin with that it may configure and write.
        credential: the file with its password.
        settings: the file of conf.d that says to use it.
        config: the main configuration file.
        typed: the options that were typed to name user and virtual host.
    """

    user: str
    vhost: str
    namespace: str
    credential: Path
    settings: Path
    config: Path
    typed: tuple[str, ...]

    def command(self, *options: str) -> str:
        """The command to type again: with these options, else with those that were typed."""
        return with_config(shlex.join(['wazo-busd', 'setup-broker', *(options or self.typed)]), self.config)

    @property
    def restart(self) -> str:
        """What to type for the daemon to take it up."""
        file = self.config.absolute()
        if file == DEFAULT_CONFIG:
            return 'systemctl restart wazo-busd'
        if file.name == DEFAULT_CONFIG.name and file.parent.parent == _INSTANCES:
            return f'systemctl restart {shlex.quote(f"wazo-busd@{file.parent.name}")}'
        return f'end the daemon that reads {file}, and {command("run", self.config)}'

    @property
    def permissions(self) -> list[str]:
        """What `rabbitmqctl` is told about the rights of the user."""
        return ['set_permissions', '-p', self.vhost, self.user, *rights(self.namespace)]

    def plain(self) -> dict[str, Any]:
        """The same in plain types, for programs; what is in the files stays there."""
        return {
            'user': self.user,
            'vhost': self.vhost,
            'permissions': dict(zip(('configure', 'write', 'read'), rights(self.namespace), strict=True)),
            'credential': str(self.credential),
            'settings': str(self.settings),
        }

    @property
    def text(self) -> str:
        """What is in the file of conf.d."""
        return (
            '# Written by wazo-busd setup-broker.\n'
            'bus:\n'
            f'  username: {_quoted(self.user)}\n'
            f'  password: "${{credential:{CREDENTIAL}}}"\n'
            f'  vhost: {_quoted(self.vhost)}\n'
        )


def check_broker(account: Account, *, may_change: bool) -> bool:
    """See that nobody else's user is changed, and that there is something to have rights on.

    Args:
        account: what is to be there.
        may_change: whether a user who is there is ours to change.

    Returns:
        Whether the user is there.

    Raises:
        BusError: the user is another's, there is no such virtual host, or the broker cannot be asked.
    """
    tags = rabbitmqctl.users().get(account.user)
    another = account.command('--user', 'ANOTHER', *_option('--vhost', account))
    if tags:
        which = f'the user {account.user} is there and has the tags {", ".join(tags)}'
        raise BusError(f'{which}: it is an administrator of the broker', another)
    if tags is not None and not may_change:
        which = f'the user {account.user} is there, and its password is not in {account.credential}'
        own = account.command(*account.typed, '--new-password')
        raise BusError(f'{which}: another daemon may use it', f'{another}; or, if none does: {own}')
    if account.vhost not in rabbitmqctl.vhosts():
        text = f'the broker has no virtual host {account.vhost}'
        raise BusError(text, shlex.join(['rabbitmqctl', 'add_vhost', account.vhost]))
    return tags is not None


def _option(name: str, account: Account) -> tuple[str, ...]:
    """An option with its value, if it was typed."""
    if name not in account.typed:
        return ()
    at = account.typed.index(name)
    return account.typed[at : at + 2]


def kept(account: Account) -> str:
    """The password in the file of the credential; `''` if there is none.

    Raises:
        BusError: it is no text.
        OSError: the file cannot be read.
    """
    if not account.credential.exists():
        return ''
    return _text(account.credential, account.command(*account.typed, '--new-password')).rstrip('\r\n')


def made(account: Account, told: _Told) -> str:
    """A new password, which is in the file of the credential.

    Args:
        account: what is to be there.
        told: called with what was done.

    Raises:
        OSError: it cannot be written.
    """
    password = secrets.token_urlsafe(_PASSWORD_BYTES)
    account.credential.parent.mkdir(mode=_DIRECTORY_MODE, exist_ok=True)
    _write(account.credential, f'{password}\n', _SECRET_MODE)
    told(f'made a password, in {account.credential}')
    return password


def make_user(account: Account, password: str, is_there: bool, told: _Told) -> None:
    """Make the user or change its password, and give it its rights.

    Args:
        account: what is to be there.
        password: its password.
        is_there: whether the user is there.
        told: called with what was done.

    Raises:
        BusError: the broker refuses it, or cannot be asked.
        OSError: the file of the password cannot be closed to others.
    """
    # As wide open as somebody may have left it.
    account.credential.chmod(stat.S_IMODE(account.credential.stat().st_mode) & 0o640)
    rabbitmqctl.run(['change_password' if is_there else 'add_user', account.user], f'{password}\n')
    told(f'{"kept" if is_there else "made"} the user {account.user}')
    rabbitmqctl.run(account.permissions)
    told(f'gave it the rights that wazo-busd needs on {account.vhost}, and no others')


def check_settings(account: Account) -> bool:
    """See that nobody else's file is replaced.

    Returns:
        Whether the file of conf.d says so already.

    Raises:
        BusError: somebody else has written it.
        OSError: it cannot be read.
    """
    if not account.settings.exists():
        return False
    aside = shlex.join(['mv', '-i', str(account.settings), str(account.settings.with_name('20-broker.yml'))])
    said = _text(account.settings, aside)
    if said != account.text and not said.startswith(account.text.partition('\n')[0]):
        raise BusError(f'{account.settings} is there and was not written by wazo-busd', aside)
    return said == account.text


def write_settings(account: Account, told: _Told) -> None:
    """Write the file of conf.d.

    Args:
        account: what is to be there.
        told: called with what was done.

    Raises:
        OSError: it cannot be written.
    """
    if not account.settings.parent.exists():
        account.settings.parent.mkdir()
        # Whatever root's umask is, the daemon has to read it.
        account.settings.parent.chmod(0o755)
    _write(account.settings, account.text, 0o644)
    told(f'wrote {account.settings}')


def _text(path: Path, cure: str) -> str:
    try:
        return path.read_text(encoding='utf-8')
    except UnicodeDecodeError:
        raise BusError(f'{path} is not UTF-8', cure) from None


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


def _quoted(text: str) -> str:
    return "'{}'".format(text.replace("'", "''"))
