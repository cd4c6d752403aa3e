# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Secrets in the configuration: `${file:/path}` and `${credential:NAME}` inside any text.

The name is one of systemd's credentials (LoadCredential=), which lie in the directory `$CREDENTIALS_DIRECTORY`. A file
that everybody can read, or that a group or others can write, is refused: it is no secret. `$${` stands for `${`.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wazo_busd.config.document import Document, Place, is_secret
from wazo_busd.config.regular_file import NoRegularFile, TooLarge, content, opened

_REFERENCE = re.compile(r'\$\$\{|\$\{([^}]*)\}')
_SIZE_LIMIT = 65_536


class _Missing(Exception):
    """Raised for a secret that cannot be had; the arguments are what is wrong and what to do."""


def fill(document: Document) -> None:
    """Replace every reference to a secret in the document's tree; those that cannot be had become problems."""
    document.tree = _filled(document.tree, (), document)


def _filled(value: Any, place: Place, document: Document) -> Any:
    if isinstance(value, Mapping):
        return {key: _filled(child, (*place, key), document) for key, child in value.items()}
    if isinstance(value, list):
        return [_filled(child, (*place, index), document) for index, child in enumerate(value)]
    if not isinstance(value, str) or '${' not in value:
        return value
    try:
        return _REFERENCE.sub(lambda match: '${' if match[1] is None else _secret(match[1], place, document), value)
    except _Missing as error:
        message, hint = error.args
        document.problems.append(document.problem(place, message, hint))
        return value


def _secret(reference: str, place: Place, document: Document) -> str:
    secret = _found(reference, place, document)
    document.secrets.add(secret)
    return secret


def _found(reference: str, place: Place, document: Document) -> str:
    kind, _, name = reference.partition(':')
    if kind == 'file' and name:
        # Like any path, a relative one begins at the directory of the file that it is written in.
        return _content(Path(document.origin(place).file).parent / name)
    if kind == 'credential' and re.fullmatch(r'[A-Za-z0-9_.-]+', name):
        directory = os.environ.get('CREDENTIALS_DIRECTORY')
        if directory is None:
            raise _Missing(
                f'there is no credential {name!r}: systemd gave this process none',
                f'in the unit: LoadCredential={name}:/etc/wazo-busd/credentials/{name}',
            )
        return _content(Path(directory, name))
    # In a password the reference may be a part of the password.
    shown = '…' if is_secret(place) else reference
    raise _Missing(
        f'${{{shown}}} is neither a file nor a credential', 'write ${file:/path} or ${credential:NAME}; $${ for ${'
    )


def _content(path: Path) -> str:
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
        raise _Missing(f'the secret {path} cannot be read: {error.strerror or error}', f'ls -l {path}') from None
    except ValueError:
        raise _Missing(f'the secret {str(path)!r} cannot be read: this is no path', 'name a file') from None
    try:
        return found.decode().rstrip('\r\n')
    except UnicodeDecodeError:
        raise _Missing(f'the secret {path} is not UTF-8', 'write it as text') from None
