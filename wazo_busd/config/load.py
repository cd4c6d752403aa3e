# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Loading: from a path to a configuration and everything that is wrong with it."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from wazo_busd.config import paths, secrets
from wazo_busd.config.document import Document, Place
from wazo_busd.config.explain import explain, faults
from wazo_busd.config.model import HANDLER_NAME, Config
from wazo_busd.config.reader import read
from wazo_busd.config.schema import Schema, near
from wazo_busd.errors import Problem, in_order

_SCHEMA = Schema(Config)

_NARROWING = {
    'match': "# begins a comment: match: '#.failed'; or take the line out",
    'tenants': 'write tenants: [UUID, …]; or take the line out, which lets all through',
    'users': 'write users: [UUID, …]; or take the line out, which lets all through',
    'acl': "# begins a comment: acl: '#'; or take the line out",
}
"""The keys of a handler that let through less than all, with what to write instead of nothing."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """What the files say.

    Attributes:
        config: the configuration, without what is wrong: to be used only if there are no problems.
        document: the merged files, for whoever finds further problems and wants to name their place.
        problems: every mistake, in the order of files and lines.
        warnings: what is no mistake but will surprise.
    """

    config: Config
    document: Document
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]

    @property
    def secrets(self) -> frozenset[str]:
        """What nobody may read in a log: what comes from files and credentials, and the password of the broker."""
        password = self.config.bus.password
        is_known = password == type(self.config.bus).model_fields['password'].default
        return frozenset(self.document.secrets) | (frozenset() if is_known else {password})


def load(path: Path) -> Configuration:
    """Read the configuration that begins with the file at `path`.

    The files of the directory `extra_config_files` (by default `conf.d` beside the file) go before it, in alphabetical
    order, and the first one that says something wins; maps merge, lists do not; hidden files and other endings than
    `.yml` are skipped. These are the rules of every Wazo service, with one difference: a file that cannot be read is a
    problem, never skipped.

    Args:
        path: the main file.

    Returns:
        The configuration, with all its problems. Nothing is raised for what a person wrote.
    """
    main = read(path, _SCHEMA)
    document, warnings = _extra_files(main, path)
    document.merge(main)
    secrets.fill(document, path.absolute().parent / 'credentials')
    paths.anchor(document)
    config, told = _validated(document)
    document.problems.extend(paths.mistakes(config, document, told))
    document.problems.extend(_unknown_schedules(config, document))
    warnings.extend(_shared_orders(config, document))
    return Configuration(config, document, tuple(in_order(document.problems)), tuple(warnings))


def _extra_files(main: Document, path: Path) -> tuple[Document, list[Problem]]:
    document = Document()
    named = main.tree.get('extra_config_files')
    directory = path.parent / (named if isinstance(named, str) else Config().extra_config_files)
    try:
        entries = sorted(entry for entry in directory.iterdir() if not entry.name.startswith('.'))
    except FileNotFoundError:
        if isinstance(named, str) and Path(named) != Config().extra_config_files:
            document.problems.append(
                main.problem(('extra_config_files',), f'{directory} does not exist', f'mkdir {directory}')
            )
        return document, []
    except (OSError, ValueError) as error:
        # ValueError: a path that cannot be one.
        reason = error.strerror if isinstance(error, OSError) else error
        document.problems.append(
            main.problem(('extra_config_files',), f'{directory} cannot be listed: {reason}', f'ls -ld {directory}')
        )
        return document, []
    for entry in entries:
        if entry.suffix == '.yml':
            document.merge(read(entry, _SCHEMA))
    if 'extra_config_files' in document.tree:
        document.problems.append(
            document.problem(('extra_config_files',), f'it is said in {path} or not at all', 'take it out here')
        )
        del document.tree['extra_config_files']
    warnings = [
        Problem(
            'the file is skipped: only names that end in .yml are read',
            str(entry),
            hint=shlex.join(['mv', '-i', str(entry), str(entry.with_suffix('.yml'))]),
        )
        for entry in entries
        if entry.suffix == '.yaml'
    ]
    return document, warnings


def _validated(document: Document) -> tuple[Config, set[Place]]:
    """The configuration that the tree says; what is wrong is told, left out, and named by place."""
    tree = document.tree
    for section in ('bus', 'handlers', 'schedules', 'names'):
        if tree.get(section, ...) is None and (section,) not in document.misread:
            # All that was under it is commented out.
            del tree[section]
    handlers = tree.get('handlers')
    if isinstance(handlers, dict):
        for name in [name for name in handlers if not HANDLER_NAME.fullmatch(name)]:
            document.problems.append(
                document.problem(
                    ('handlers', name),
                    'a handler is named by small letters, digits, - and _, beginning with a letter or digit',
                    f'for example {_tidy(name)}',
                )
            )
            del handlers[name]
    told = _emptied(document)
    _remove(tree, told)
    while True:
        try:
            return Config.model_validate(tree), told
        except ValidationError as error:
            document.problems.extend(explain(error, Config, document, told=told))
            places = faults(error, tree)
            told.update(places)
            _remove(tree, places)


def _emptied(document: Document) -> set[Place]:
    """The places of what was emptied, perhaps by a comment, and lets through more than anybody wants; each is told.

    Who writes `null` means it.
    """
    hints: dict[Place, str] = {('bus', 'tls'): 'write tls: true, or tls: false'}
    handlers = document.tree.get('handlers')
    for name in handlers if isinstance(handlers, dict) else ():
        hints |= {('handlers', name, key): hint for key, hint in _NARROWING.items()}
    found: set[Place] = set()
    for place, hint in hints.items():
        value: Any = document.tree
        for part in place:
            value = value.get(part, ...) if isinstance(value, dict) else ...
        if value is None and not document.origin(place).text and place not in document.misread:
            document.problems.append(document.problem(place, 'nothing is written behind it', hint))
            found.add(place)
    return found


def _shared_orders(config: Config, document: Document) -> Iterable[Problem]:
    """The handlers whose order a second daemon would break: who names several brokers often has one."""
    for name, handler in config.handlers.items() if len(config.bus.hosts) > 1 else ():
        if handler.order_by and not handler.queue.single_active_consumer:
            yield document.problem(
                ('handlers', name, 'order_by'),
                'bus.hosts names several brokers, and the order is kept only while one daemon takes its events',
                f'queue: {{single_active_consumer: true}}, then wazo-busd queue recreate {name}',
            )


def _unknown_schedules(config: Config, document: Document) -> list[Problem]:
    """Schedules that handlers name and nobody has described; one that is described wrongly is told already."""
    found = []
    for name, handler in config.handlers.items():
        wanted = (handler.schedule or '').removeprefix('!')
        if wanted and ('schedules', wanted) not in document.origins:
            known = [str(at[1]) for at in document.origins if len(at) == 2 and at[0] == 'schedules']
            hint = near(wanted, known) or f'schedules: {{{wanted}: {{hours: {{mon-fri: "08:00-18:00"}}}}}}'
            place = ('handlers', name, 'schedule')
            found.append(document.problem(place, f'there is no schedule {wanted!r}', hint))
    return found


def _remove(tree: dict[str, Any], places: Iterable[Place]) -> None:
    """Take what is at fault out of the tree: each value; if that is not there or in a list, what holds it."""
    for way in {_removable(tree, place) for place in places}:
        parent: Any = tree
        for part in way[:-1]:
            parent = parent.get(part, {})
        if way:
            parent.pop(way[-1], None)
        else:
            tree.clear()


def _removable(tree: dict[str, Any], place: Place) -> Place:
    """The way to the nearest value at or around `place` that is held by a map."""
    value: Any = tree
    for end, part in enumerate(place):
        if not isinstance(value, dict) or part not in value:
            return place[:end]
        value = value[part]
    return place


def _tidy(name: str) -> str:
    tidy = ''.join(letter if HANDLER_NAME.fullmatch(f'a{letter}') else '-' for letter in name.lower()).strip('-_')
    return tidy[:100] or 'calls'
