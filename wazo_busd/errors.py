# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The errors that wazo-busd raises, and those that a handler raises to say what it wants."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


class WazoBusdError(Exception):
    """The base of every error that wazo-busd raises."""


class Discard(WazoBusdError):
    """Raised by a handler: this event needs nothing from me. It is acknowledged, counted and logged at info.

    Args:
        reason: why, for the log.
    """

    def __init__(self, reason: str = '') -> None:
        super().__init__(reason)
        self.reason = reason


class Retry(WazoBusdError):
    """Raised by a handler: not now, but perhaps later.

    Args:
        reason: why, for the log and the dead letter.
        after: the least number of seconds to wait; `None` leaves it to the retry policy.
        endless: whether the event is tried as often as it takes, and never given up: it is not at fault, and what it
            waits for will be there again.
    """

    def __init__(self, reason: str = '', *, after: float | None = None, endless: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.after = after
        self.endless = endless


class Permanent(WazoBusdError):
    """Raised by a handler: no further try can help, so the event becomes a dead letter at once."""


class Stop(Permanent):
    """Raised by a handler: no event can be handled any more until somebody has changed something.

    This event is a dead letter; the others wait in the queue until the configuration is read again.

    Args:
        reason: why, for the log, the status and the dead letter.
    """

    def __init__(self, reason: str = '') -> None:
        super().__init__(reason)
        self.reason = reason


class Expired(Discard):
    """Stands for a call that was not made because its event is older than the handler's `expires_after`."""


class ConditionError(Permanent):
    """Raised when it cannot be said whether a handler wants an event. The text names handler, key and what is wrong."""


class TemplateError(Permanent):
    """Raised when a text cannot be made of an event. The text names handler, option, line and what is wrong."""


class Undecodable(Permanent):
    """Raised by the codec: what arrived is no event. The text says what it is instead."""


class HandlerTimeout(WazoBusdError):
    """Raised around a handler that did not return within its `timeout`."""


class HandlerExited(WazoBusdError):
    """Stands for what a handler raised that would have ended the process or the task, such as `SystemExit`."""


class HandlerCrashed(Permanent):
    """Stands for an event with which the process ended again and again."""


class UnknownEvent(WazoBusdError):
    """Raised when an event is asked for by a name that no host sends.

    Args:
        name: the name.
        near: names that were perhaps meant, best first.
        removed: the version of Wazo that took the event away; `''` if there never was one.
    """

    def __init__(self, name: str, *, near: Sequence[str] = (), removed: str = '') -> None:
        gone = f'the event {name} is gone since Wazo {removed}'
        super().__init__(gone if removed else f'no event is called {name}')
        self.name = name
        self.near = tuple(near)
        # A brace in the beginning is no text in YAML.
        meant = ' or '.join(repr(each) if each.startswith('{') else each for each in self.near)
        if not meant:
            self.hint = 'wazo-busd events lists them all'
        else:
            self.hint = f'use {meant} instead' if removed else f'did you mean {meant}?'


class AlreadySettled(WazoBusdError):
    """Raised when a delivery is settled a second time, which is a mistake in wazo-busd itself."""


class BusError(WazoBusdError):
    """Raised when the bus does not do what it was asked for.

    Args:
        text: what happened.
        cure: what to type or change; `''` where nothing is known to help.
    """

    def __init__(self, text: str, cure: str = '') -> None:
        super().__init__(text)
        self.text = text
        self.cure = cure

    def __str__(self) -> str:
        return f'{self.text}; {self.cure}' if self.cure else self.text


class Interrupted(KeyboardInterrupt):
    """Raised by SIGINT, so that a plugin that raises `KeyboardInterrupt` itself is told apart."""


class PluginError(WazoBusdError):
    """Raised when a plugin cannot be found, loaded or used.

    Args:
        text: what is wrong, with the plugin and where it comes from.
        hint: what to type or change.
    """

    def __init__(self, text: str, hint: str = '') -> None:
        super().__init__(text)
        self.text = text
        self.hint = hint


class PluginImportError(PluginError):
    """Raised when the code of a plugin raises while it is imported. It takes out that plugin and nothing else."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in the configuration, with its place and its cure.

    Attributes:
        message: what is wrong and what was expected.
        file: the file it is in; `''` where it is in none.
        line: the line in that file, from 1; 0 where there is none.
        handler: the handler it concerns; `''` where it concerns none.
        hint: what to write or type instead; `''` where the message says it all.
    """

    message: str
    file: str = ''
    line: int = 0
    handler: str = ''
    hint: str = ''

    def __str__(self) -> str:
        place = f'{self.file}:{self.line}: ' if self.file and self.line else f'{self.file}: ' if self.file else ''
        hint = f' ({self.hint})' if self.hint else ''
        return f'{place}{self.message}{hint}'


def in_order(problems: Iterable[Problem]) -> list[Problem]:
    """The problems in the order of files and lines."""
    return sorted(problems, key=lambda problem: (problem.file, problem.line))


class ConfigurationError(WazoBusdError):
    """Raised when the configuration cannot be used. It holds every problem, not the first.

    Args:
        problems: all of them.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(in_order(problems))
        super().__init__('\n'.join(map(str, self.problems)))
