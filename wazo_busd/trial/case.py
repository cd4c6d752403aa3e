# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The case: one event or several, and what becomes of each, as a file says it."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from wazo_busd import sample
from wazo_busd.codec import Limits
from wazo_busd.config import Document, explain, near, read_file
from wazo_busd.errors import Problem, Undecodable, UnknownEvent
from wazo_busd.event import Event
from wazo_busd.trial.step import Step

Place = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Moment:
    """One event of a case, ready to be tried.

    Attributes:
        event: the event.
        at: when it arrives, Unix seconds.
        step: what was written.
        line: where that was.
    """

    event: Event
    at: float
    step: Step
    line: int


@dataclass(frozen=True, slots=True)
class Case:
    """One case.

    Attributes:
        name: what it claims.
        file: the file it is in.
        line: the line there.
        moments: its events, in their order.
    """

    name: str
    file: str
    line: int
    moments: tuple[Moment, ...]


@dataclass(slots=True)
class Cases:
    """The cases of a file.

    Attributes:
        cases: those that can be tried.
        problems: what is wrong with the others.
    """

    cases: list[Case] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def read_cases(path: Path, handlers: Collection[str], limits: Limits) -> Cases:
    """Read a file of cases. What is wrong with it becomes problems; nothing is raised.

    Args:
        path: the file.
        handlers: the names of the handlers that there are.
        limits: what the body of an event may be at most.
    """
    document = read_file(path)
    found = Cases(problems=document.problems)
    for name, said in document.tree.items():
        before = len(document.problems)
        is_list = isinstance(said, list)
        places: list[Place] = [(name, number) for number in range(len(said))] if is_list else [(name,)]
        if not places:
            document.problems.append(document.problem((name,), 'a case has at least one event', 'event: …'))
        moments: list[Moment] = []
        for place, part in zip(places, said if is_list else [said], strict=True):
            step = _step(part, place, document, handlers)
            moment = _moment(step, place, document, moments[-1].at if moments else None, limits) if step else None
            if moment is not None:
                moments.append(moment)
        if len(document.problems) == before:
            origin = document.origin((name,))
            found.cases.append(Case(name, origin.file, origin.line, tuple(moments)))
    return found


def _step(said: Any, place: Place, document: Document, handlers: Collection[str]) -> Step | None:
    try:
        step = Step.model_validate(said)
    except ValidationError as error:
        document.problems += explain(error, Step, document, place)
        return None
    named = [(('sent', name), name) for name in step.sent]
    named += [(('dead', name), name) for name in step.dead]
    named += [(('handlers', name), name) for name in step.handlers or ()]
    for way, name in named:
        if name not in handlers:
            text = f'there is no handler {name!r} in the configuration'
            hint = near(name, handlers) or 'wazo-busd check shows them'
            document.problems.append(document.problem((*place, *way), text, hint))
        elif step.handlers is not None and name not in step.handlers:
            text = f'{name} is not among the handlers that are looked at'
            document.problems.append(document.problem((*place, *way), text, 'add it to handlers: […]'))
    return step


def _moment(step: Step, place: Place, document: Document, before: float | None, limits: Limits) -> Moment | None:
    at = step.at
    if step.after is not None and (at is not None or before is None):
        text = 'at and after are two times' if at is not None else 'there is no event before it'
        document.problems.append(document.problem((*place, 'after'), text, 'write at: 2026-11-25 10:00'))
        return None
    if step.after is not None and before is not None:
        at = before + step.after
    elif at is None:
        at = before
    if at is not None and before is not None and at < before:
        hint = 'write the events in their order'
        document.problems.append(document.problem((*place, 'at'), 'it is before the event before it', hint))
        return None
    try:
        if isinstance(step.event, str):
            made = sample.of_name(step.event, step.fields.items(), era=step.era, at=at)
        else:
            said = step.event.model_dump(exclude_unset=True)
            # One that says itself when it happened can come late.
            is_told = any('timestamp' in (part or {}) for part in (step.event.headers, step.event.body))
            made = sample.of_content(said, step.fields.items(), era=step.era, at=None if is_told else at)
        event = sample.event_of(made, at=at, limits=limits)
    except UnknownEvent as error:
        document.problems.append(document.problem((*place, 'event'), str(error), error.hint))
        return None
    except (ValueError, Undecodable) as error:
        document.problems.append(document.problem((*place, 'event'), str(error), 'wazo-busd emit NAME --dry-run'))
        return None
    return Moment(event, time.time() if at is None else at, step, document.origin(place).line)
