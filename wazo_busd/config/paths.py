# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The paths of a configuration: where they begin, and whether the daemon can use what lies there."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection
from itertools import chain
from pathlib import Path
from typing import Any

from wazo_busd.config.document import Document, Place
from wazo_busd.config.model import Config
from wazo_busd.config.regular_file import NoRegularFile, opened
from wazo_busd.errors import Problem

_STATE_DIR: Place = ('state_dir',)
_SOCKET: Place = ('http', 'socket')
_TLS: Place = ('bus', 'tls')
_CA, _CERTIFICATE, _KEY = ((*_TLS, name) for name in ('ca_file', 'certificate_file', 'key_file'))


def anchor(document: Document) -> None:
    """Make paths absolute: a relative one begins at the directory of the file that it is written in."""
    places = [_STATE_DIR, _SOCKET, _CA, _CERTIFICATE, _KEY]
    directories = document.tree.get('plugin_dirs')
    if isinstance(directories, list):
        places += [('plugin_dirs', index) for index in range(len(directories))]
    for place in places:
        parent: Any = document.tree
        for part in place[:-1]:
            parent = parent.get(part) if isinstance(parent, dict) else None
        key: Any = place[-1]
        value = parent[key] if isinstance(key, int) else parent.get(key) if isinstance(parent, dict) else None
        if isinstance(value, str) and value:
            parent[key] = str(Path(document.origin(place).file).absolute().parent / value)


def mistakes(config: Config, document: Document, told: Collection[Place]) -> list[Problem]:
    """What the daemon could not use. Nothing is made to find that out.

    Args:
        config: the configuration.
        document: what the files say.
        told: the places whose mistakes were told before, and which the configuration therefore leaves out.
    """
    found = [_state_dir(config.state_dir, document)]
    tls = config.bus.tls
    if tls is not None:
        files = ((_CA, tls.ca_file), (_CERTIFICATE, tls.certificate_file), (_KEY, tls.key_file))
        found += [_file(place, path, document) for place, path in files if path is not None]
        if tls.key_file is not None and tls.certificate_file is None and _CERTIFICATE not in told:
            text = 'a key is of no use without its certificate'
            found.append(document.problem(_KEY, text, 'add a line certificate_file: …'))
    return [each for each in found if each is not None]


def _file(place: Place, path: Path, document: Document) -> Problem | None:
    try:
        with opened(path):
            return None
    except NoRegularFile:
        text = f'{path} is no regular file'
    except OSError as error:
        text = f'{path} cannot be read: {error.strerror or error}'
    return document.problem(place, text, f'ls -l {path}')


def _state_dir(path: Path, document: Document) -> Problem | None:
    """A problem if the state directory cannot be one: it is made later, in the nearest directory that is there."""
    for each in chain([path], path.parents):
        try:
            if not stat.S_ISDIR(os.lstat(each).st_mode) and not each.is_dir():
                return _no_directory(path, each, f'{each} is not a directory', document)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            return _no_directory(path, each, error.strerror or str(error), document)
        return None
    return None


def _no_directory(path: Path, culprit: Path, reason: str, document: Document) -> Problem:
    hint = f'ls -ld {culprit}; name a directory, as in state_dir: /var/lib/wazo-busd'
    return document.problem(_STATE_DIR, f'{path} cannot be used: {reason}', hint)
