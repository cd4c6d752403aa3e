# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`wazo-busd events`: the catalogue, for people and programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from wazo_busd import catalogue, roster
from wazo_busd.advice import Advice
from wazo_busd.catalogue import Entry, Property
from wazo_busd.catalogue.publication import example
from wazo_busd.cli.completion import event_names
from wazo_busd.cli.options import config_option, output_option, plural, typed
from wazo_busd.config import load
from wazo_busd.match import is_name
from wazo_busd.text import escape

_WIDTH = 79


@click.command(short_help='Show the events of the bus.')
@click.argument('wanted', metavar='[PATTERN|NAME]', required=False, shell_complete=event_names)
@config_option
@output_option
def events(wanted: str | None, path: Path, output: str) -> None:
    """Show the events that a Wazo host can announce, from 2019 to today.

    A NAME shows that event in full, with an example and the configured handlers that would get it. A PATTERN such as
    'calls.#' lists those that come on a key that fits. Any other word is searched for in names and meanings.

    \b
    Examples:
      wazo-busd events
      wazo-busd events fax_outbound_failed
      wazo-busd events 'calls.#'
      wazo-busd events voicemail -o json
    """
    found, entry = _wanted(wanted)
    if wanted is not None and not (found and wanted):
        click.echo(escape(f'error: {_not_found(wanted)}'), err=True)
        sys.exit(1)
    if output == 'json':
        click.echo(json.dumps([plain(each) for each in found], indent=2, ensure_ascii=False))
    elif entry is not None:
        click.echo('\n'.join(_in_full(entry)))
        click.echo(_handlers(entry, path))
    else:
        click.echo('\n'.join(map(_line, found)))
        click.echo(f'\n{plural(len(found), "event")}. next: {typed("wazo-busd events NAME")} shows one in full')


def plain(entry: Entry) -> dict[str, Any]:
    """An entry in plain types, as `wazo-busd events -o json` prints it."""
    return {
        'name': entry.name,
        'aliases': list(entry.aliases),
        'meaning': entry.meaning,
        'routing_keys': list(entry.routing_keys),
        'routing_keys_now': list(entry.keys),
        'routing_keys_2019': list(entry.keys_2019 or entry.keys),
        'required_acl': entry.required_acl,
        'scope': entry.scope,
        'service': entry.service,
        'headers': {name: _described(each) for name, each in entry.headers.items()},
        'fields': {name: _described(each) for name, each in entry.fields.items()},
        'example': example(entry),
        'example_2019': example(entry, '2019'),
        'in_seed': entry.on_page,
        'removed': entry.removed or None,
        'differences': [each.model_dump() for each in entry.differences],
    }


def _wanted(wanted: str | None) -> tuple[Sequence[Entry], Entry | None]:
    """The entries that are asked for, and the one that is to be shown in full."""
    if wanted is None:
        return catalogue.entries(), None
    if not is_name(wanted):
        return [each for each in catalogue.entries() if each.comes_on(wanted)], None
    entry = catalogue.find(wanted)
    if entry is not None:
        return [entry], entry
    word = wanted.lower()
    found = [
        each
        for each in catalogue.entries()
        if any(word in text.lower() for text in (each.name, *each.aliases, each.meaning, *each.routing_keys))
    ]
    return found, None


def _not_found(wanted: str) -> str:
    """Why nothing is found, with what to ask for instead."""
    on_page = [each for each in catalogue.entries() if each.is_on_page_on(wanted)]
    if on_page:
        real = ', '.join(f'{each.name} comes on {" and ".join((*each.keys, *each.keys_2019))}' for each in on_page)
        return (
            f"only Wazo's page has a key that {wanted!r} fits, no host sends it: {real}; "
            f'next: {typed(f"wazo-busd events {on_page[0].name}")}'
        )
    near = catalogue.near(wanted)
    meant = f'did you mean {" or ".join(near)}?' if near else 'wazo-busd events lists all'
    return f'no event has {wanted!r} in its name, meaning or key; {meant}'


def _line(entry: Entry) -> str:
    gone = f' (gone since {entry.removed})' if entry.removed else ''
    return f'{entry.name:<42} {next(iter(entry.routing_keys), "-"):<52} {entry.meaning}{gone}'


def _in_full(entry: Entry) -> Iterator[str]:
    yield click.style(entry.name, bold=True)
    yield from click.wrap_text(entry.meaning, _WIDTH).splitlines()
    yield ''
    if entry.removed:
        yield f'gone since     {entry.removed}; instead: {", ".join(entry.instead) or "nothing"}'
    if entry.aliases:
        yield f'also called    {", ".join(entry.aliases)}'
    for title, keys in (('key', entry.keys), ('key in 2019', entry.keys_2019), ('on the page', entry.keys_page)):
        for key in keys:
            yield f'{title:<14} {key}'
    yield f'required ACL   {entry.required_acl or "none"}'
    yield f'sent by        {f"wazo-{entry.service}" if entry.service else "several services"}, scope {entry.scope}'
    for title, parts in (('headers beside the usual', entry.headers), ('data', entry.fields)):
        if parts:
            yield f'\n{title}:'
            yield from (_part(name, part) for name, part in parts.items())
    yield '\nexample of data:'
    yield json.dumps(example(entry), indent=2, ensure_ascii=False)
    if entry.example_2019 is not None:
        yield '\nexample of data in 2019:'
        yield json.dumps(entry.example_2019, indent=2, ensure_ascii=False)
    for difference in entry.differences:
        yield f"\nWazo's page: {difference.page}\nhosts:       {difference.hosts}\nthis daemon: {difference.daemon}"


def _part(name: str, part: Property) -> str:
    notes = [part.type, *(['or null'] if part.nullable else []), *(['optional'] if part.optional else [])]
    notes += {'now': ['not in 2019'], '2019': ['in 2019 only']}.get(part.era or '', [])
    values = f' ({", ".join(part.values)})' if part.values else ''
    return f'  {name:<22} {" ".join(notes):<16} {part.meaning}{values}'


def _described(part: Property) -> dict[str, Any]:
    return part.model_dump(exclude_defaults=True)


def _handlers(entry: Entry, path: Path) -> str:
    """Which configured handlers would get an event."""
    if not path.exists():
        return f'\nno configuration at {path}: -c FILE names one, to see which handlers would get it'
    configuration = load(path)
    names = roster.call(configuration)
    advice = Advice(configuration.document)
    getting = [name for name, handler in names.handlers.items() if advice.gets(handler, entry)]
    broken = f' (it has errors: {typed("wazo-busd check")})' if configuration.problems or names.problems else ''
    return '\n' + escape(f'handlers of {path} that would get it: {", ".join(getting) or "none"}{broken}')
