# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The catalogue as a page for people: docs/events.md."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from wazo_busd.catalogue.entry import Difference, Entry, Property
from wazo_busd.catalogue.publication import example

_HEAD = """\
<!-- Made by `wazo-busd docs events > docs/events.md` from wazo_busd/catalogue/events; a change goes there. -->
# Events

Every event that a Wazo host announces, from 2019 to today. `wazo-busd events` shows the same on a terminal, with the
handlers that would get each; `wazo-busd emit NAME` publishes an example.

Write the name of an event as `match`, and every key that it can come with is bound and the name compared, on hosts of
both eras. Keys with a placeholder have one word there today; hosts of 2019 leave the dots of an id as they are.

**Contents:** [where Wazo's page is wrong](#where-wazos-page-is-wrong) ·
[the events of that page](#the-events-of-that-page) · [all other events](#all-other-events)
"""

_GENERAL = (
    Difference(
        page='`calls.*` is the routing key for call_created, call_updated and call_ended.',
        hosts='Their keys have three words; `*` stands for one, so that binding gets none of them.',
        daemon='`wazo-busd check` warns and names `calls.#`; `match: [call_created, call_ended]` always works.',
    ),
    Difference(
        page='All events are sent to the exchange xivo.',
        hosts='Since 23.01 nearly all go to wazo-headers; those of wazo-auth still go to xivo.',
        daemon='It reads both.',
    ),
    Difference(
        page='Events are not persistent.',
        hosts='They are; what goes away with the broker is a queue that is not durable.',
        daemon='Its queues are durable, so that events outlive a restart of the broker.',
    ),
    Difference(
        page='The broker listens on 127.0.0.1 only.',
        hosts='It listens on all addresses; the user guest may connect from the host itself only.',
        daemon='It takes any host, user and TLS; the errors say which of them is wrong.',
    ),
    Difference(
        page='An event is an object of four keys.',
        hosts='So it was in 2019; today all headers stand beside them, such as tenant_uuid and timestamp.',
        daemon='`event.headers` and `event.metadata` hold all; what follows from them is the same for both eras.',
    ),
)


def handbook(entries: Iterable[Entry]) -> str:
    """The page in Markdown, the same whenever it is made.

    Args:
        entries: the whole catalogue.
    """
    known = sorted(entries, key=lambda entry: entry.name)
    described = [entry for entry in known if entry.on_page]
    others = [entry for entry in known if not entry.on_page]
    parts = [_HEAD, "## Where Wazo's page is wrong\n", *_differences(described)]
    parts += ['\n## The events of that page\n', *(line for entry in described for line in _section(entry))]
    parts += [
        '\n## All other events\n',
        '| event | routing key | service | scope | meaning |\n|---|---|---|---|---|',
        *(_row(entry) for entry in others),
    ]
    return '\n'.join(parts) + '\n'


def _differences(described: Iterable[Entry]) -> Iterator[str]:
    yield 'What the page "Message Bus" of Wazo\'s documentation says, what hosts send, and what this daemon does.\n'
    yield '| event | the page says | hosts send | this daemon |\n|---|---|---|---|'
    told: dict[Difference, list[str]] = {}
    for entry in described:
        for difference in entry.differences:
            told.setdefault(difference, []).append(f'[{entry.name}](#{_anchor(entry)})')
    for names, difference in [('the bus', each) for each in _GENERAL] + [
        (', '.join(names), difference) for difference, names in told.items()
    ]:
        yield f'| {names} | {_cell(difference.page)} | {_cell(difference.hosts)} | {_cell(difference.daemon)} |'


def _section(entry: Entry) -> Iterator[str]:
    yield f'### {entry.name}\n'
    yield f'{entry.meaning}\n'
    if entry.removed:
        instead = ', '.join(f'`{name}`' for name in entry.instead)
        yield f'- gone since Wazo {entry.removed}{f"; instead: {instead}" if instead else ""}'
    if entry.aliases:
        yield f'- also called {", ".join(f"`{name}`" for name in entry.aliases)}'
    for title, keys in (
        ('routing key', entry.keys),
        ('routing key in 2019', entry.keys_2019),
        ('key that only the page gives', entry.keys_page),
    ):
        if keys:
            yield f'- {title}: {", ".join(f"`{key}`" for key in keys)}'
    if entry.routing_keys:
        yield f'- required ACL: {f"`{entry.required_acl}`" if entry.required_acl else "none"}'
        yield f'- scope: {entry.scope}{f"; sent by wazo-{entry.service}" if entry.service else ""}'
    for title, parts in (('header', entry.headers), ('field of `data`', entry.fields)):
        if parts:
            yield f'\n| {title} | type | meaning |\n|---|---|---|'
            yield from (f'| `{name}` | {_type(part)} | {_cell(part.meaning)} |' for name, part in parts.items())
    if entry.routing_keys:
        yield f'\n```json\n{json.dumps(example(entry), indent=2, ensure_ascii=False)}\n```'
    if entry.example_2019 is not None:
        yield f'\nIn 2019:\n\n```json\n{json.dumps(entry.example_2019, indent=2, ensure_ascii=False)}\n```'
    yield ''


def _row(entry: Entry) -> str:
    keys = ', '.join(f'`{key}`' for key in entry.routing_keys)
    service = f'wazo-{entry.service}' if entry.service else 'several'
    return f'| `{entry.name}` | {keys} | {service} | {entry.scope} | {_cell(entry.meaning)} |'


def _type(part: Property) -> str:
    notes = [
        *(['optional'] if part.optional else []),
        *({'now': ['not in 2019'], '2019': ['2019 only']}.get(part.era or '', [])),
    ]
    return ', '.join([f'{part.type} or null' if part.nullable else part.type, *notes])


def _cell(text: str) -> str:
    return text.replace('|', '\\|').replace('<', '&lt;')


def _anchor(entry: Entry) -> str:
    return ''.join(letter for letter in entry.name.lower() if letter.isalnum() or letter in '-_')
