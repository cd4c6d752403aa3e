# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`wazo-busd handlers`: the handlers of the configuration, and how each fares where the daemon runs."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from wazo_busd import roster
from wazo_busd.cli.asking import Unanswered, answer
from wazo_busd.cli.options import (
    EXIT_CONFIGURATION,
    as_json,
    command,
    config_option,
    has_colour,
    output_option,
    plural,
    print_problems,
    typed,
)
from wazo_busd.cli.status import COLOURS
from wazo_busd.config import Configuration, HandlerConfig, load
from wazo_busd.handler import Handler
from wazo_busd.redaction import Redaction
from wazo_busd.text import escape
from wazo_busd.topology import Hub

_CONDITIONS = ('tenants', 'users', 'acl', 'where', 'when', 'schedule', 'expires_after', 'throttle', 'collapse')
_SHOWN = 6


@dataclass(frozen=True, slots=True)
class _Row:
    """One handler.

    Attributes:
        name: its name.
        config: what the configuration says of it.
        handler: it, ready to be started; `None` if it is off or cannot be used.
        conditions: what it wants besides its match, by the keys of the configuration; without secrets.
        queue: the name of its queue.
        state: how it fares; `unknown` where the daemon cannot be asked.
        why: what is amiss.
    """

    name: str
    config: HandlerConfig
    handler: Handler | None
    conditions: Mapping[str, Any]
    queue: str
    state: str
    why: str

    def plain(self) -> dict[str, Any]:
        """It in plain types."""
        handler, config = self.handler, self.config
        match = handler.match if handler else None
        return {
            'handler': self.name,
            'plugin': config.plugin,
            'source': handler.plugin.source if handler else None,
            'version': handler.plugin.version if handler else None,
            'enabled': config.enabled,
            'match': list(match.items if match else config.match or ()),
            'bindings': list(match.bindings) if match else None,
            'conditions': self.conditions,
            'concurrency': handler.concurrency if handler else config.concurrency,
            'order_by': config.order_by,
            'timeout_seconds': config.timeout,
            'queue': {
                'name': self.queue,
                'type': config.queue.type,
                'max_length': config.queue.max_length,
                'max_bytes': config.queue.max_bytes,
                'expires_seconds': config.queue.expires,
                'single_active_consumer': config.queue.single_active_consumer,
            },
            'state': self.state,
            'why': self.why,
        }


@click.command(short_help='Show the handlers of the configuration.')
@config_option
@output_option
def handlers(path: Path, output: str) -> None:
    """Show the handlers of the configuration: plugin, match, bindings, conditions and queue of each.

    How each fares is shown too where the daemon runs; it need not. Exits with 78 if the configuration is wrong.

    \b
    Examples:
      wazo-busd handlers
      wazo-busd handlers -o json
    """
    configuration = load(path)
    names = roster.call(configuration)
    problems = [*configuration.problems, *names.problems]
    try:
        running = answer(configuration, path, '/status').value
    except Unanswered as error:
        running, remark = None, f'{error.text}. next: {error.cure}'
    else:
        remark = _leftover(running, configuration)
    amiss = {each.handler: each.message for each in [*problems, *names.failures]}
    rows = [
        _row(name, config, names.handlers.get(name), configuration, running, amiss.get(name, ''))
        for name, config in configuration.config.handlers.items()
    ]
    print_problems(problems)
    if output == 'json':
        told = {'running': running is not None, 'handlers': [each.plain() for each in rows]}
        click.echo(as_json(told))
    else:
        colour = has_colour()
        for row in rows:
            click.echo('\n'.join(_lines(row, colour=colour)))
        if rows or not problems:
            click.echo(escape(typed(_end(rows, remark))))
    if problems:
        click.echo(escape(f'next: {command("check", path)}'), err=True)
        sys.exit(EXIT_CONFIGURATION)


def _row(
    name: str,
    config: HandlerConfig,
    handler: Handler | None,
    configuration: Configuration,
    running: Mapping[str, Any] | None,
    amiss: str,
) -> _Row:
    queue = Hub(configuration.config.bus.namespace).queue_name(name)
    state, why = _state(name, config, running, amiss)
    return _Row(name, config, handler, _conditions(config, configuration.secrets), queue, state, why)


def _state(name: str, config: HandlerConfig, running: Mapping[str, Any] | None, amiss: str) -> tuple[str, str]:
    """How a handler fares, and what is amiss."""
    found = next((each for each in (running or {}).get('handlers', ()) if each['handler'] == name), None)
    if found is not None:
        return found['state'], found['why'] or amiss
    if not config.enabled:
        return 'off', 'enabled: false'
    if amiss:
        return 'unusable', amiss
    if running is None:
        return 'unknown', ''
    return 'not begun', 'the daemon does not know it yet; wazo-busd reload'


def _leftover(running: Mapping[str, Any], configuration: Configuration) -> str:
    """What is told of handlers that run and are configured no more."""
    enabled = {name for name, each in configuration.config.handlers.items() if each.enabled}
    gone = [each['handler'] for each in running['handlers'] if each['handler'] not in enabled]
    return f'until the next reload there is {", ".join(gone)}, too. next: wazo-busd reload' if gone else ''


def _lines(row: _Row, *, colour: bool) -> Iterator[str]:
    """A handler for a person."""
    state = click.style(row.state, fg=COLOURS.get(row.state, 'yellow')) if colour else row.state
    handler, queue = row.handler, row.config.queue
    source = f' ({handler.plugin.source})' if handler else ''
    yield f'{escape(row.name)}: {state}, plugin {escape(row.config.plugin + source)}'
    if row.why:
        yield escape(f'  {typed(row.why)}')
    yield _part('match', _some(handler.match.items if handler else row.config.match or ['as the plugin says']))
    if handler is not None:
        yield _part('bindings', _some(handler.match.bindings))
    for name, value in row.conditions.items():
        yield _part(name, _written(value))
    if row.config.order_by:
        yield _part('order_by', row.config.order_by)
    days = f'{queue.expires / 86_400:g} days'
    size = f'{queue.max_length} events or {queue.max_bytes / 1_048_576:g} MiB'
    kind = f'{queue.type}, for one daemon at a time' if queue.single_active_consumer else queue.type
    yield _part('queue', f'{row.queue}, {kind}, at most {size}, removed after {days} unused')
    yield ''


def _part(name: str, text: str) -> str:
    return escape(f'  {name:<13} {text}')


def _some(items: Sequence[str]) -> str:
    more = len(items) - _SHOWN
    shown = ', '.join(items[:_SHOWN])
    return f'{shown} and {more} more, with -o json' if more > 0 else shown


def _conditions(config: HandlerConfig, secrets: Iterable[str]) -> dict[str, Any]:
    said = config.model_dump(mode='json', exclude_none=True, include=set(_CONDITIONS))
    redaction = Redaction()
    redaction.add(secrets)
    return {name: _concealed(said[name], redaction) for name in _CONDITIONS if name in said}


def _concealed(value: Any, redaction: Redaction) -> Any:
    if isinstance(value, Mapping):
        return {name: _concealed(each, redaction) for name, each in value.items()}
    if isinstance(value, list):
        return [_concealed(each, redaction) for each in value]
    return redaction.concealed(value) if isinstance(value, str) else value


def _written(value: Any) -> str:
    if isinstance(value, Mapping):
        return ', '.join(f'{name} {_written(each)}' for name, each in value.items())
    if isinstance(value, (list, tuple)):
        return ', '.join(map(_written, value))
    return f'{value:g} s' if isinstance(value, float) else str(value)


def _end(rows: Sequence[_Row], remark: str) -> str:
    if not rows:
        return 'no handlers. next: name one in conf.d, as the comments of config.yml show'
    return f'{plural(len(rows), "handler")}. {remark or "next: wazo-busd status"}'
