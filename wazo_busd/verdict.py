# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The verdict: whether a handler would run on an event, and what says no."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from wazo_busd.config import Configuration
from wazo_busd.errors import ConditionError
from wazo_busd.event import Event
from wazo_busd.handler import Handler
from wazo_busd.match import Match
from wazo_busd.roster import Roster


class Ruling(Enum):
    """What would become of an event at a handler."""

    RUNS = 'runs'
    """The plugin would be called."""
    NOT = 'not'
    """It is not for this handler, or not wanted by it."""
    DEAD = 'dead'
    """It would be a dead letter, without anything done."""
    UNKNOWN = 'unknown'
    """The plugin could not say what it would do."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a handler would run on an event.

    Attributes:
        handler: the name of the handler.
        ruling: what would become of the event.
        reasons: why it does not run, in words for a person; nothing if it runs.
        sends: what it would send, in plain types; `None` where that is not known, or was not asked.
    """

    handler: str
    ruling: Ruling
    reasons: tuple[str, ...] = ()
    sends: Mapping[str, Any] | None = None

    @property
    def runs(self) -> bool:
        """Whether it would run."""
        return self.ruling is Ruling.RUNS


def verdict(handler: Handler, event: Event, *, now: float) -> Verdict:
    """What a handler would do with an event.

    Args:
        handler: the handler; it need not be started.
        event: the event.
        now: the time, Unix seconds.
    """
    denials = tuple(handler.match.denials(event)) or tuple(_of_methods(handler, event))
    if denials:
        return Verdict(handler.name, Ruling.NOT, denials)
    denials, condition = tuple(handler.filter.denials(event)), handler.condition
    if condition is None:
        return Verdict(handler.name, Ruling.NOT if denials else Ruling.RUNS, denials)
    try:
        refusal = condition.refusal(event, now=now)
    except ConditionError as error:
        # What keeps the event away comes before.
        return Verdict(handler.name, Ruling.NOT if denials else Ruling.DEAD, denials or (str(error),))
    if refusal is not None:
        denials += condition.explain(event, now=now)
    return Verdict(handler.name, Ruling.NOT if denials else Ruling.RUNS, denials)


def absent(name: str, configuration: Configuration, roster: Roster) -> Verdict:
    """What says no of a handler that is in the configuration and not in the roster.

    Args:
        name: its name.
        configuration: the configuration.
        roster: the handlers that would be started.
    """
    if not configuration.config.handlers[name].enabled:
        return Verdict(name, Ruling.NOT, ('enabled: it is switched off, with enabled: false',))
    failures = tuple(str(each) for each in roster.failures if each.handler == name)
    return Verdict(name, Ruling.NOT, failures or ('plugin: it cannot be used; next: wazo-busd check',))


def _of_methods(handler: Handler, event: Event) -> Iterator[str]:
    """Why none of several methods takes an event; nothing if one does."""
    methods = handler.plugin.methods
    if len(methods) > 1 and not any(not each.match or Match(each.match).takes(event) for each in methods):
        taken = ', '.join(handler.plugin.match)
        yield f'plugin: {handler.plugin.name} takes {taken}, and the event is none of these'
