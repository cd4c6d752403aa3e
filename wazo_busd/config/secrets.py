# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Secrets in the configuration: `${file:/path}` and `${credential:NAME}` inside any text.

The name is one of systemd's credentials (LoadCredential=), which lie in the directory `$CREDENTIALS_DIRECTORY`. Our
unit loads the whole directory `credentials` beside the main file; who types a command in a shell has it read from
there. A file that everybody can read, or that a group or others can write, is refused: it is no secret. `$${` stands
for `${`.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from wazo_busd.config.document import Document, Place, is_secret
from wazo_busd.config.regular_file import NoRegularFile, TooLarge, content, opened

_REFERENCE = re.compile(r'\$\$\{|\$\{([^}]*)\}')
_SIZE_LIMIT = 65_536
_DIRECTORY = Path('/etc/wazo-busd/credentials')
_LOADED = 'credentials'
"""What the unit calls the directory; systemd puts it before the name of each file in it."""


class _Missing(Exception):
    """Raised for a secret that cannot be had; the arguments are what is wrong and what to do."""


def fill(document: Document, credentials: Path = _DIRECTORY) -> None:
    """Replace every reference to a secret in the document's tree; those that cannot be had become problems.

    Args:
        document: what the files say.
        credentials: the directory that systemd loads the credentials from.
    """
    document.tree = _filled(document.tree, (), document, credentials)


def _filled(value: Any, place: Place, document: Document, credentials: Path) -> Any:
    if isinstance(value, Mapping):
        return {key: _filled(child, (*place, key), document, credentials) for key, child in value.items()}
    if isinstance(value, list):
        return [_filled(child, (*place, index), document, credentials) for index, child in enumerate(value)]
    if not isinstance(value, str) or '${' not in value:
        return value

    def secret(match: re.Match[str]) -> str:
        if match[1] is None:
            return '${'
        found = _found(match[1], place, document, credentials)
        document.secrets.add(found)
        return found

    try:
        return _REFERENCE.sub(secret, value)
    except _Missing as error:
        message, hint = error.args
        document.problems.append(document.problem(place, message, hint))
        return value


def _found(reference: str, place: Place, document: Document, credentials: Path) -> str:
    kind, _, name = reference.partition(':')
    if kind == 'file' and name:
        # Like any path, a relative one begins at the directory of the file that it is written in.
        return _content(Path(document.origin(place).file).parent / name)
    if kind == 'credential' and re.fullmatch(r'[A-Za-z0-9_.-]+', name):
        return _credential(name, credentials)
    # In a password the reference may be a part of the password.
    shown = '…' if is_secret(place) else reference
    raise _Missing(
        f'${{{shown}}} is neither a file nor a credential', 'write ${file:/path} or ${credential:NAME}; $${ for ${'
    )


def _credential(name: str, credentials: Path) -> str:
    """The credential of a name: as systemd has loaded it, else as it would."""
    source = credentials / name
    loaded = os.environ.get('CREDENTIALS_DIRECTORY')
    if loaded is None:
        places, where = [source], f'no {source} is there'
    else:
        places = [Path(loaded, name), Path(loaded, f'{_LOADED}_{name}')]
        where = 'systemd gave this process none, and loads them when it starts the daemon'
    for place in places:
        # What is there and cannot be read is told as any secret.
        with suppress(FileNotFoundError, NotADirectoryError):
            return _content(place, missing_is_told=False)
    raise _Missing(
        f'there is no credential {name!r}: {where}', f'write it to {source}, then systemctl restart wazo-busd'
    )


def _content(path: Path, *, missing_is_told: bool = True) -> str:
    try:
        with opened(path) as descriptor:
            mode = os.fstat(descriptor).st_mode
            if mode & (stat.S_IROTH | stat.S_IWGRP | stat.S_IWOTH):
                raise _Missing(f'the secret {path} has the mode {stat.S_IMODE(mode):04o}', f'chmod 0640 {path}')
            found = content(descriptor, _SIZE_LIMIT)
    except NoRegularFile:
        raise _Missing(f'the secret {path} is no regular file', 'name a file') from None
    except TooLarge:
        raise _Missing(f'the secret {path} has more than {_SIZE_LIMIT} bytes', 'name a smaller file') from None
    except OSError as error:
        if isinstance(error, FileNotFoundError | NotADirectoryError) and not missing_is_told:
            raise
        raise _Missing(f'the secret {path} cannot be read: {error.strerror or error}', f'ls -l {path}') from None
    except ValueError:
        raise _Missing(f'the secret {str(path)!r} cannot be read: this is no path', 'name a file') from None
    try:
        return found.decode().rstrip('\r\n')
    except UnicodeDecodeError:
        raise _Missing(f'the secret {path} is not UTF-8', 'write it as text') from None
