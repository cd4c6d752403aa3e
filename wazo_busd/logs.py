# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The log: one fact a line, with keys, to journald or on standard error.

Whatever came over the bus cannot break out of its line, secrets of the configuration are not in it, and telephone
numbers are hidden. All loggers share one state, so that a change of the level reaches those that were given away, too.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict

from wazo_busd import journald, log_line, verbosity
from wazo_busd.log_line import FORMS, Line
from wazo_busd.redaction import Redaction
from wazo_busd.work import current_work

_LEVELS = {'debug': 10, 'info': 20, 'warning': 30, 'error': 40, 'critical': 50}
_LIBRARIES = ('aio_pika', 'aiormq', 'asyncio', 'stevedore')
_CARRIERS = ('aio_pika', 'aiormq')
"""Of these, the ones that say at debug what they carry: frames, and in them what events say."""

_IDENTIFIERS = frozenset(
    (
        'address', 'begun', 'broker', 'config', 'effect', 'event_name', 'exchange', 'handler', 'hint', 'hosts', 'kept',
        'level', 'logger', 'outcome', 'path', 'plugin', 'problem', 'queue', 'version',
    )
)  # fmt: skip
"""Fields whose digits are no telephone number: what is called something, and what the configuration says."""

_IDS = frozenset(('agent_id', 'call_id', 'conference_id', 'event_id', 'origin_uuid', 'tenant_uuid', 'user_uuid'))
_UNITS = ('_bytes', '_ms', '_seconds', 'bytes', 'count', 'seconds', 'size')
"""What names of sizes end with."""

PLUGINS = 'wazo_busd.plugins.'
"""What the names of the loggers of plugins begin with."""


def configure(
    level: str,
    *,
    debug: bool = False,
    form: str = 'plain',
    secrets: Iterable[str] = (),
    stream: TextIO | None = None,
) -> None:
    """Set up the log; called again, it changes all that is said here, and adds to the secrets.

    The libraries' own logs are kept to what is critical: they report every lost connection as an error, which the
    supervisor tells in one line with the cure. With `debug` they say everything but what they carry.

    Args:
        level: the least level that is written: debug, info, warning, error or critical.
        debug: write everything, the libraries' logs too.
        form: how a line is written: wazo, json or plain.
        secrets: what must be in no line.
        stream: where to; if `None` to journald where that reads standard error, else there.
    """
    _log.set_up(FORMS[form], stream)
    _log.redaction.add(secrets)
    structlog.configure(
        processors=[structlog.processors.format_exc_info, _write],
        wrapper_class=_BoundLogger,
        logger_factory=_Named,
        cache_logger_on_first_use=False,
    )
    logging.getLogger().handlers[:] = [_Forwarder()]
    change_level(level, debug=debug)


def change_level(level: str, *, debug: bool = False) -> None:
    """Change from which level on is written, and nothing else.

    Args:
        level: the least level that is written.
        debug: write everything, the libraries' logs too.
    """
    _log.level = logging.DEBUG if debug else _LEVELS[level]
    verbosity.tells_each_event = _log.level <= logging.INFO
    logging.getLogger().setLevel(logging.DEBUG if debug else logging.WARNING)
    for name in _LIBRARIES:
        least = logging.INFO if name in _CARRIERS else logging.DEBUG
        logging.getLogger(name).setLevel(least if debug else logging.CRITICAL)


class _Log:
    """What all loggers share: from which level on, in what form and where to."""

    def __init__(self) -> None:
        self.level = logging.INFO
        self.redaction = Redaction()
        self._form: Callable[[Line], str] = log_line.plain
        self._stream: TextIO | None = None
        self._journald: journald.Journald | None = None
        # Plain functions log in threads. A task that is collected in the midst of a line may log, too.
        self._lock = threading.RLock()

    def set_up(self, form: Callable[[Line], str], stream: TextIO | None) -> None:
        """Write in this form from now on, and to there."""
        self._form, self._stream = form, stream
        is_for_journald = stream is None and journald.has_stderr()
        if self._journald is not None and not is_for_journald:
            self._journald.close()
        self._journald = (self._journald or journald.Journald()) if is_for_journald else None

    def write(self, line: Line) -> None:
        """Write a line.

        Who cannot be told, as whoever reads has left or a full disk is behind, is not told; the events that are under
        way are worth more than the line about them.
        """
        with self._lock:
            if self._journald is not None and self._send(line, self._journald):
                return
            stream = self._stream or sys.stderr
            with contextlib.suppress(OSError, ValueError):
                stream.write(f'{self._form(line)}\n')
                stream.flush()

    def _send(self, line: Line, to: journald.Journald) -> bool:
        # journald has time, level and process itself; who has chosen JSON has a program behind that reads it.
        message = self._form(line) if self._form is log_line.as_json else line.words
        return to.send(line.level, message, {**line.fields, 'fact': line.fact, 'logger': line.logger})


_log = _Log()


class _Named:
    """What is behind a logger: who says it."""

    def __init__(self, name: str = 'wazo_busd', *others: object) -> None:
        self.name = name

    def debug(self, written: str) -> None:
        """What structlog gives the line to, which is written by then."""

    info = warning = error = critical = debug


_Everything: Any = structlog.make_filtering_bound_logger(logging.DEBUG)


def _heeding(method: str) -> Callable[..., Any]:
    """The method that logs at a level, if that is written at the time."""
    number, tell = _LEVELS[method], getattr(_Everything, method)

    def log(self: Any, event: str, *values: Any, **fields: Any) -> Any:
        return tell(self, event, *values, **fields) if number >= _log.level else None

    return log


class _BoundLogger(_Everything):  # type: ignore[misc]
    """A logger whose level is that of the log, at any time; structlog's own have the one that they were bound with."""

    debug = _heeding('debug')
    info = _heeding('info')
    warning = _heeding('warning')

    def is_enabled_for(self, level: int) -> bool:
        """Whether a line of this level would be written."""
        return level >= _log.level

    def get_effective_level(self) -> int:
        """From which level on is written."""
        return _log.level


class _Forwarder(logging.Handler):
    """Gives what libraries log to the same log."""

    def emit(self, record: logging.LogRecord) -> None:
        logger = structlog.get_logger(record.name)
        # Libraries may have levels of their own; each is written as the known one below it.
        level = max((known for known in _LEVELS.values() if known <= record.levelno), default=logging.DEBUG)
        try:
            text = record.getMessage()
        except Exception:  # noqa: BLE001 — arguments that do not fit the text are no reason to fail whoever logs
            text = str(record.msg)
        logger.log(level, 'library_says', logger=record.name, text=text, exc_info=record.exc_info)


def _write(logger: _Named, method: str, fields: EventDict) -> str:
    """Write the line; the last of the processors."""
    # By `log` and by the methods that are awaited, what is not wanted comes so far.
    if _LEVELS[method] >= _log.level:
        fact = _log.redaction.redacted(str(fields.pop('event', '')))
        trace = fields.pop('exception', None) or fields.pop('stack', None) or ''
        work = current_work.get()
        if work is not None:
            # Said inside a handler, a line says which and on what.
            fields.setdefault('handler', work.handler)
            fields.setdefault('event_name', work.event.name)
        tell = _told_by_plugin if logger.name.startswith(PLUGINS) else _told
        told = {str(name): tell(str(name), value) for name, value in fields.items() if value is not None}
        trace = _log.redaction.redacted(str(trace)) if trace else ''
        _log.write(Line(time.time(), method, logger.name, fact, told, trace))
    return ''


def _told(name: str, value: object) -> str | float:
    """What a field says in the log."""
    if isinstance(value, (int, float)):
        return value
    text = value if isinstance(value, str) else str(value)
    if name in _IDENTIFIERS or name.endswith(('_id', '_uuid')):
        return _log.redaction.concealed(text)
    return _log.redaction.redacted(text)


def _told_by_plugin(name: str, value: object) -> str | float:
    """What a field says that a plugin has named, which may be called anything: `caller_id` is a number of a person."""
    if name in _IDENTIFIERS or name in _IDS:
        return _told(name, value)
    if isinstance(value, bool) or (isinstance(value, (int, float)) and name.endswith(_UNITS)):
        return value
    text = value if isinstance(value, str) else str(value)
    redacted = _log.redaction.redacted(text)
    return value if isinstance(value, (int, float)) and redacted == text else redacted
