# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The trial of a case: each of its events is given to the handlers, at its time, and nothing is sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from wazo_busd.config import Configuration
from wazo_busd.rehearsal import Rehearsal
from wazo_busd.roster import Roster
from wazo_busd.trial.case import Case
from wazo_busd.trial.difference import Difference, compared
from wazo_busd.trial.step import Step
from wazo_busd.verdict import Ruling, Verdict

_WORDS = {
    Ruling.RUNS: 'runs',
    Ruling.NOT: 'does not run',
    Ruling.DEAD: 'makes a dead letter of it',
    Ruling.UNKNOWN: 'cannot say what it sends',
}


async def try_case(case: Case, configuration: Configuration, roster: Roster) -> tuple[Difference, ...]:
    """Give the events of a case to the handlers.

    Args:
        case: the case.
        configuration: the configuration; it has no problems.
        roster: its handlers.

    Returns:
        What is not as the case says; nothing if it passes.
    """
    found: list[Difference] = []
    with Rehearsal(configuration, roster) as rehearsal:
        for number, moment in enumerate(case.moments, 1):
            verdicts = await rehearsal.verdicts(moment.event, now=moment.at, only=moment.step.handlers)
            for verdict in verdicts:
                found += _differences(number, moment.step, verdict, roster)
    return tuple(found)


def _differences(number: int, step: Step, verdict: Verdict, roster: Roster) -> Iterator[Difference]:
    name = verdict.handler
    wanted = Ruling.RUNS if name in step.sent else Ruling.DEAD if name in step.dead else Ruling.NOT
    if verdict.ruling is not wanted:
        text = f'expected that it {_WORDS[wanted]}, and it {_WORDS[verdict.ruling]}'
        yield Difference(number, name, text, reasons=verdict.reasons)
    elif step.sent.get(name):
        yield from _of_content(number, step.sent[name] or {}, verdict, roster)


def _of_content(number: int, expected: Mapping[str, Any], verdict: Verdict, roster: Roster) -> Iterator[Difference]:
    name = verdict.handler
    if verdict.sends is None:
        text = f'the plugin {roster.handlers[name].plugin.name} does not tell what it would send'
        yield Difference(number, name, text, reasons=(f'write its name only: sent: [{name}]',))
        return
    for path, wanted, found in compared(expected, verdict.sends):
        yield Difference(number, name, 'is not as expected', path, wanted, found)
