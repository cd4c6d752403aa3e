# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Whether others can read or write the files that they should not."""

from __future__ import annotations

import re
import shlex
import stat
from collections.abc import Container, Iterator
from pathlib import Path

from wazo_busd.config import Configuration, is_secret
from wazo_busd.doctor.finding import Finding, ok, problem, warning
from wazo_busd.doctor.plugins import is_module
from wazo_busd.safety import is_writable, writable_by_others

CHECK = 'files'
_FOR_ALL = 0o640
_TOKEN_LENGTH = 16


def look(configuration: Configuration, main: Path) -> Iterator[Finding]:
    """Look at the files of the configuration, the plugins, the state directory, the key and the control socket.

    Args:
        configuration: what the files say.
        main: the main configuration file.
    """
    trusted = _owners(configuration.config.state_dir)
    found = [
        *_of_configuration(configuration, main, trusted),
        *_of_plugins(configuration.config.plugin_dirs, trusted),
        *_of_state(configuration),
    ]
    if found:
        yield from found
    else:
        yield ok(CHECK, 'nobody else can write configuration, plugins or state, or read what is secret')


def _owners(state_dir: Path) -> set[int]:
    """The user that the daemon runs as, who is not the one that looks as a rule: who owns its state directory."""
    try:
        return {state_dir.stat().st_uid}
    except OSError:
        return set()


def _of_configuration(configuration: Configuration, main: Path, trusted: Container[int]) -> Iterator[Finding]:
    origins = configuration.document.origins
    files = list(dict.fromkeys([str(main), *(each.file for each in origins.values() if each.file)]))
    for each in files:
        for path in (Path(each), Path(each).parent):
            if is_writable(path, trusted):
                text = f'others can write {path}, and what stands there decides which programs are run'
                yield problem(CHECK, text, _closing(path, 'go-w'))
    told = {
        origin.file
        for place, origin in origins.items()
        # Whatever the handler is called.
        if _is_secret(place[2:] if place[:1] == ('handlers',) else place, origin.text)
    }
    for each in sorted(told):
        mode = _mode(Path(each))
        if mode is not None and mode & stat.S_IROTH:
            text = f'everybody on this host can read {each}, and secrets stand in it'
            quoted = shlex.quote(each)
            yield warning(CHECK, text, f'chgrp wazo-busd {quoted}; chmod {_FOR_ALL:04o} {quoted}')


def _is_secret(place: tuple[str | int, ...], text: str) -> bool:
    """Whether a secret is written out at a place. Not every URL is one: those with a name, or something long, are."""
    if not text or '${' in text or text == 'guest' or not place or not is_secret(place):
        return False
    if '://' not in text:
        return True
    return '@' in text or any(len(each) >= _TOKEN_LENGTH for each in re.split(r'[/?&=#]', text)[3:])


def _of_plugins(directories: list[Path], trusted: Container[int]) -> Iterator[Finding]:
    told = set()
    for directory in directories:
        try:
            entries = sorted(directory.iterdir())
        except OSError:
            # One that is not there holds no plugin; one that cannot be listed is told with the configuration.
            entries = []
        for culprit in [directory if is_writable(directory, trusted) else None, *_culprits(entries, trusted)]:
            if culprit is not None and culprit not in told:
                told.add(culprit)
                text = f'others can write {culprit}: the daemon refuses the plugins that it concerns'
                yield problem(CHECK, text, _closing(culprit, 'go-w'))


def _culprits(entries: list[Path], trusted: Container[int]) -> Iterator[Path | None]:
    return (writable_by_others(each, trusted) for each in entries if is_module(each))


def _of_state(configuration: Configuration) -> Iterator[Finding]:
    config = configuration.config
    mode = _mode(config.state_dir)
    if mode is not None and mode & (stat.S_IWOTH | stat.S_IROTH | stat.S_IXOTH):
        text = f'{config.state_dir} is open to everybody (mode {mode:04o}), and events of people may be kept in it'
        told = problem if mode & stat.S_IWOTH else warning
        yield told(CHECK, text, f'chmod 0750 {shlex.quote(str(config.state_dir))}')
    key = config.bus.tls.key_file if config.bus.tls else None
    mode = _mode(key) if key is not None else None
    if mode is not None and mode & (stat.S_IROTH | stat.S_IWGRP | stat.S_IWOTH):
        text = f'the key {key} has the mode {mode:04o}: others can use or change it'
        yield problem(CHECK, text, f'chmod {_FOR_ALL:04o} {shlex.quote(str(key))}')
    control = config.http.control_socket
    mode = _mode(control) if control is not None else None
    if control is not None and mode is not None and mode & stat.S_IWOTH and _is_reachable(control.parent):
        text = f'everybody on this host can pause handlers through {control} (mode {mode:04o})'
        yield problem(CHECK, text, f'chmod 0660 {shlex.quote(str(control))}')


def _is_reachable(directory: Path) -> bool:
    mode = _mode(directory)
    return mode is not None and bool(mode & stat.S_IXOTH)


def _closing(path: Path, change: str) -> str:
    quoted = shlex.quote(str(path))
    return f'chown root: {quoted}; chmod {change} {quoted}'


def _mode(path: Path) -> int | None:
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return None
