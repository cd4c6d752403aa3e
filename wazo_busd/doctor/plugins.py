# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Whether a plugin, or a module beside it, hides another that is called the same."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path

from wazo_busd.candidate import Candidate
from wazo_busd.config import HandlerConfig
from wazo_busd.doctor.finding import Finding, ok, problem, warning

CHECK = 'plugins'


def judge(candidates: Iterable[Candidate], handlers: Mapping[str, HandlerConfig]) -> Iterator[Finding]:
    """Whether two plugins have one name.

    Args:
        candidates: what could be loaded, by name.
        handlers: the handlers of the configuration.
    """
    number, twice = 0, []
    for name, group in groupby(candidates, key=lambda each: each.name):
        several = list(group)
        number += 1
        if len(several) > 1:
            users = [each for each, config in handlers.items() if config.enabled and config.plugin == name]
            twice.append(_shadow(name, several, users))
    if twice:
        yield from twice
    else:
        yield ok(CHECK, f'{number} plugins, and no two of one name')


def _shadow(name: str, several: list[Candidate], users: list[str]) -> Finding:
    where = ' and '.join(each.source for each in several)
    cure = _removal(several)
    if users:
        text = f'there is more than one plugin {name!r}, and {", ".join(users)} can have none of them: {where}'
        return problem(CHECK, text, cure)
    text = f'there is more than one plugin {name!r}, and a handler that names it can have none of them: {where}'
    return warning(CHECK, text, cure)


def _removal(several: list[Candidate]) -> str:
    """What takes one away: a loose file sooner than a distribution."""
    loose = [each.path for each in several if each.path is not None and str(each.path) == each.source]
    if loose:
        path = loose[-1]
        return shlex.join(['mv', '-i', str(path), str(path.with_name(f'_{path.name}'))])
    name = several[-1].source.partition(' ')[0]
    if several[-1].directory is not None:
        return f'ls -d {shlex.quote(str(several[-1].directory))}/*, and remove those of {name}'
    return f'pip uninstall {name}'


def modules(directories: Iterable[Path]) -> dict[str, list[Path]]:
    """The modules that lie in plugin directories, by the name that they are imported by, in the order of the search."""
    found: dict[str, list[Path]] = {}
    for directory in dict.fromkeys(directories):
        try:
            entries = sorted(directory.iterdir())
        except OSError:
            # One that is not there has none; one that cannot be listed is told with the configuration.
            continue
        for path in entries:
            if is_module(path):
                found.setdefault(path.stem if path.suffix == '.py' else path.name, []).append(path)
    return found


def is_module(path: Path) -> bool:
    """Whether something in a plugin directory can be imported; what we may not look at cannot."""
    try:
        return path.suffix == '.py' or (path / '__init__.py').is_file()
    except OSError:
        return False


def judge_modules(found: Mapping[str, list[Path]], twice: Iterable[str]) -> Iterator[Finding]:
    """Whether two modules of plugin directories have one name, so that all plugins import the first.

    Args:
        found: the modules.
        twice: the names of plugins that are told already.
    """
    for name, paths in found.items():
        if len(paths) > 1 and name not in twice:
            text = f'whoever imports {name} gets {paths[0]}, which hides {", ".join(map(str, paths[1:]))}'
            yield warning(CHECK, text, shlex.join(['ls', '-ld', *map(str, paths)]))
