# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`log`: one line an event."""

from __future__ import annotations

import sys
import time
from typing import Any, Literal

from wazo_busd.api import BaseOptions, Context, Event, Preview, encode_json, escape, handler


class Log:
    """Writes one line an event, to the daemon's log or to standard output.

    What the event says stays out of it unless `data` asks for it: the log is read by more people than the bus.
    """

    class Options(BaseOptions):
        """The options of `log`.

        Attributes:
            to: `log` writes to the daemon's log, `stdout` writes plain lines for people to standard output.
            level: the level of a line in the log.
            data: whether to write what the event says.
        """

        to: Literal['log', 'stdout'] = 'log'
        level: Literal['debug', 'info', 'warning', 'error'] = 'info'
        data: bool = False

    def __init__(self, context: Context) -> None:
        self._context = context
        self._write = self._to_stdout if context.options.to == 'stdout' else self._to_log

    @handler
    async def on_event(self, event: Event) -> None:
        """Write the line."""
        self._write(event)

    def preview(self, event: Event) -> Preview:
        """The line that would be written."""
        if self._context.options.to == 'stdout':
            return {'to': 'stdout', 'line': self._line(event)}
        return {'to': 'log', 'level': self._context.options.level, 'event_name': event.name, **self._fields(event)}

    def _to_log(self, event: Event) -> None:
        level = self._context.options.level
        getattr(self._context.log, level)('event', event_name=event.name, **self._fields(event))

    def _to_stdout(self, event: Event) -> None:
        sys.stdout.write(f'{self._line(event)}\n')
        sys.stdout.flush()

    def _fields(self, event: Event) -> dict[str, Any]:
        fields = {
            'routing_key': event.routing_key,
            'exchange': event.exchange,
            'tenant_uuid': event.tenant_uuid,
            'origin_uuid': event.origin_uuid,
        }
        if self._context.options.data:
            fields['data'] = encode_json(event.data).decode()
        return fields

    def _line(self, event: Event) -> str:
        when = time.strftime('%H:%M:%S', time.localtime(event.received_at))
        line = f'{when}  {self._context.name:<12} {escape(event.name):<38} {escape(event.routing_key)}'
        if self._context.options.data:
            line += f'  {escape(encode_json(event.data).decode())}'
        return line
