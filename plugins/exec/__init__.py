# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`exec`: runs a program for every event, without a shell."""

from __future__ import annotations

import errno
import re
import shutil
import signal
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, field_validator

from wazo_busd.api import (
    BaseOptions,
    Context,
    Event,
    Permanent,
    PlainText,
    Preview,
    Retry,
    Text,
    encode_json,
    escape,
    handler,
)

from .program import Ended, run

PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
"""Where programs that are named without a directory are looked for."""

_EX_TEMPFAIL = 75
"""What a program exits with that wants to be run again later (sysexits.h)."""
_VALUE_LETTERS = 1_000
_NAME = re.compile(r'[A-Za-z_][A-Za-z0-9_]*')
_DYNAMIC = re.compile(r'\{[{%#]')


class ProgramKilled(Exception):
    """Raised when a program was ended by a signal: by itself, the system or a person. It is run again."""


class Exec:
    """Runs one program an event: its arguments are texts, the event is JSON on standard input.

    A value of an event is always within its one argument.
    """

    concurrency = 4

    class Options(BaseOptions):
        """The options of `exec`.

        Attributes:
            argv: the program, and its arguments as texts. The program is an absolute path, or a name that is found in
                the directories of the system; no part of it comes from an event.
            environment: more environment variables, as they are written here.
        """

        argv: Annotated[list[PlainText], Field(min_length=1)]
        environment: Annotated[dict[str, str], Field(repr=False)] = Field(default_factory=dict)

        @field_validator('argv')
        @classmethod
        def _argv(cls, value: list[Text]) -> list[Text]:
            program = value[0].source
            if _DYNAMIC.search(program):
                raise _mistake('the program cannot come from an event', 'as in argv: [/usr/local/bin/lamp, "…"]')
            if not program or ('/' in program and not program.startswith('/')):
                raise _mistake('expected the program first, with its whole path', 'as in argv: [/usr/local/bin/lamp]')
            if any('\0' in each.source for each in value):
                raise ValueError('an argument has no NUL')
            return value

        @field_validator('environment')
        @classmethod
        def _environment(cls, value: dict[str, str]) -> dict[str, str]:
            for name, text in value.items():
                if not _NAME.fullmatch(name) or name.startswith('BUSD_'):
                    raise _mistake('expected names of variables, none beginning with BUSD_', 'as in LAMP_TOKEN')
                if '\0' in text:
                    raise ValueError('a variable has no NUL')
            return value

        def surprises(self) -> Iterable[str]:
            """That the program is missing here."""
            lack = _lack(self.argv[0].source)
            return [] if lack is None else [str(lack.strerror)]

    def __init__(self, context: Context) -> None:
        self._name = context.name
        self._options = context.options
        self._program = self._options.argv[0].source

    def start(self) -> None:
        """Look for the program, so that one that is missing is told before any event comes.

        Raises:
            OSError: it is missing, or cannot be executed.
        """
        written = self._options.argv[0].source
        lack = _lack(written)
        if lack is not None:
            raise lack
        self._program = shutil.which(written, path=PATH) or written

    @handler
    async def on_event(self, event: Event, context: Context) -> None:
        """Return when the program has exited with 0.

        Raises:
            Retry: it exited with 75, or cannot be run at present.
            ProgramKilled: a signal ended it.
            Permanent: it exited with anything else.
        """
        argv = self._arguments(event, context)
        try:
            ended = await run(
                [self._program, *argv],
                cwd=context.state_dir,
                env=self._environment(event, context.state_dir),
                stdin=encode_json(_stdin(event, self._name)) + b'\n',
            )
        except OSError as error:
            if error.errno == errno.E2BIG:
                raise Permanent(f'{self._program} cannot be run: its arguments are too long') from None
            raise Retry(f'{self._program} cannot be run: {error.strerror}; next: ls -l {self._program}') from None
        self._judge(ended, ended.said(context.concealed))

    def preview(self, event: Event, context: Context) -> Preview:
        """The program that would be run, without what is the same for all; values of `environment` are concealed.

        Raises:
            Permanent: no argument can be made of the event.
        """
        own = dict.fromkeys(self._options.environment, '…')
        return {
            'argv': [self._program, *self._arguments(event, context)],
            'environment': own | self._variables(event),
            'stdin': _stdin(event, self._name),
        }

    def _arguments(self, event: Event, context: Context) -> list[str]:
        """The arguments, no value of which is taken for an option."""
        argv = [text.render(event, context) for text in self._options.argv[1:]]
        for number, (text, argument) in enumerate(zip(self._options.argv[1:], argv, strict=True), 1):
            if argument.startswith('-') and not text.source.startswith('-') and '--' not in argv[: number - 1]:
                raise Permanent(
                    f'handler {self._name}, options.argv.{number}: it would begin with -, '
                    f'which {self._program} takes for an option; '
                    "put '--' before it, if the program knows that, or text"
                )
        return argv

    def _environment(self, event: Event, home: Path) -> dict[str, str]:
        fixed = {'PATH': PATH, 'HOME': str(home), 'LANG': 'C.UTF-8'}
        return {**fixed, **self._options.environment, **self._variables(event)}

    def _variables(self, event: Event) -> dict[str, str]:
        said = {
            'HANDLER': self._name,
            'EVENT_NAME': event.name,
            'EVENT_ID': event.id,
            'ROUTING_KEY': event.routing_key,
            'ATTEMPT': event.attempt,
            'TENANT_UUID': event.tenant_uuid,
            'ORIGIN_UUID': event.origin_uuid,
            'CALL_ID': event.call_id,
            'TIMESTAMP': event.timestamp and event.timestamp.isoformat(),
            'BURST_COUNT': event.burst.count if event.burst else 1,
        }
        return {f'BUSD_{name}': escape(str(value or ''))[:_VALUE_LETTERS] for name, value in said.items()}

    def _judge(self, ended: Ended, said: str) -> None:
        if ended.code == 0:
            return
        if ended.code < 0:
            raise ProgramKilled(f'{self._program} was ended by {_signal_name(-ended.code)}{said}')
        text = f'{self._program} exited with {ended.code}{said}'
        raise Retry(text) if ended.code == _EX_TEMPFAIL else Permanent(text)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f'signal {number}'


def _stdin(event: Event, name: str) -> dict[str, Any]:
    said = {**_told(event), 'attempt': event.attempt, 'redelivered': event.redelivered, 'handler': name}
    if event.burst is not None:
        said['burst'] = {'count': event.burst.count, 'events': [_told(each) for each in event.burst.events]}
    return said


def _told(event: Event) -> dict[str, Any]:
    return {
        'id': event.id,
        'name': event.name,
        'exchange': event.exchange,
        'routing_key': event.routing_key,
        'tenant_uuid': event.tenant_uuid,
        'origin_uuid': event.origin_uuid,
        'timestamp': event.timestamp,
        'headers': event.headers,
        'data': event.data,
    }


def _lack(program: str) -> OSError | None:
    """Why a program cannot be run, in a sentence; `None` if it can."""
    if shutil.which(program, path=PATH) is not None:
        return None
    path = Path(program)
    if '/' not in program:
        return FileNotFoundError(
            errno.ENOENT, f'there is no program {program} in {PATH}; next: apt-file search {program}'
        )
    if not path.exists():
        return FileNotFoundError(errno.ENOENT, f'there is no program {program}; next: ls -l {path.parent}')
    return PermissionError(errno.EACCES, f'{program} cannot be executed; next: chmod +x {program}')


def _mistake(text: str, hint: str) -> ValueError:
    error = ValueError(text)
    error.add_note(hint)
    return error
