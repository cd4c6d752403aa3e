# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The log: one fact a line, with keys, on standard error; whatever came over the bus cannot break out of its line."""

from __future__ import annotations

import contextlib
import logging
import sys
import time
from typing import TextIO, cast

import structlog
from structlog.typing import EventDict, WrappedLogger

from wazo_busd import verbosity
from wazo_busd.text import escape
from wazo_busd.work import current_work

_LEVELS = {'debug': 10, 'info': 20, 'warning': 30, 'error': 40, 'critical': 50}
_LIBRARIES = ('aio_pika', 'aiormq', 'asyncio', 'stevedore')


def configure(level: str, *, debug: bool = False, stream: TextIO | None = None) -> None:
    """Set up the log; called again, it changes the level.

    The libraries' own logs are kept to what is critical: they report every lost connection as an error, which the
    supervisor tells in one line with the cure. With `debug` they say everything.

    Args:
        level: the least level that is written: debug, info, warning, error or critical.
        debug: write everything, the libraries' logs too.
        stream: where to; standard error if `None`.
    """
    number = logging.DEBUG if debug else _LEVELS[level]
    verbosity.tells_each_event = number <= logging.INFO
    structlog.configure(
        processors=[
            _add_work,
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            _render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(cast('TextIO', _Lasting(stream or sys.stderr))),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers[:] = [_Forwarder()]
    root.setLevel(logging.DEBUG if debug else logging.WARNING)
    for name in _LIBRARIES:
        logging.getLogger(name).setLevel(logging.DEBUG if debug else logging.CRITICAL)


class _Lasting:
    """A stream that whoever reads it may leave, or that a full disk is behind.

    Who cannot be told is not told; the events that are under way are worth more than the line about them.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()


class _Forwarder(logging.Handler):
    """Gives what libraries log to the same log."""

    def emit(self, record: logging.LogRecord) -> None:
        logger = structlog.get_logger()
        # Libraries may have levels of their own; each is written as the known one below it.
        level = max((known for known in _LEVELS.values() if known <= record.levelno), default=logging.DEBUG)
        try:
            text = record.getMessage()
        except Exception:  # noqa: BLE001 — arguments that do not fit the text are no reason to fail whoever logs
            text = str(record.msg)
        logger.log(level, 'library_says', logger=record.name, text=text, exc_info=record.exc_info)


def _add_work(logger: WrappedLogger, method: str, fields: EventDict) -> EventDict:
    """Say which handler and event a line is about, where it was logged inside a handler."""
    work = current_work.get()
    if work is not None:
        fields.setdefault('handler', work.handler)
        fields.setdefault('event_name', work.event.name)
    return fields


def _render(logger: WrappedLogger, method: str, fields: EventDict) -> str:
    now = time.time()
    when = time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(now))
    level = str(fields.pop('level', method)).upper()
    fact = escape(str(fields.pop('event', '')))
    trace = fields.pop('exception', None) or fields.pop('stack', None)
    words = [f'{escape(key)}={_value(value)}' for key, value in fields.items() if value is not None]
    line = ' '.join([f'{when},{int(now * 1000) % 1000:03d}', f'{level:<8}', fact, *words])
    if trace:
        # Indented, so that nothing in a traceback looks like a line of the log.
        line += ''.join(f'\n    {escape(part)}' for part in str(trace).splitlines())
    return line


def _value(value: object) -> str:
    text = value if isinstance(value, str) else str(value)
    if text and text.isprintable() and not any(letter in ' "=' for letter in text):
        return text
    return '"' + escape(text.replace('\\', '\\\\').replace('"', '\\"')) + '"'
