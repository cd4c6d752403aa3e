# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The selection of `wazo-busd tail`: which events are meant."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from wazo_busd import catalogue
from wazo_busd.advice import Advice
from wazo_busd.amqp import Cut, Heard
from wazo_busd.event import Event
from wazo_busd.language import Expression, Fault, Surroundings
from wazo_busd.match import Match, is_name
from wazo_busd.patterns import mistake, overlap

_AMI = b'ami.'
_AMI_PATTERN = 'ami.#'
_NOT_LISTED = ('busd.', 'stasis.')
"""How the keys begin of what the catalogue does not list."""


class Selection:
    """Which events are shown.

    Args:
        items: names and patterns; none means all.
        when: an expression that must be true of them; `None` for none.
        surroundings: what it knows besides the event.
        ami: whether events of AMI are wanted although nothing names them.

    Raises:
        UnknownEvent: a name that the catalogue does not know.
        ValueError: a pattern that no queue can be bound with.
    """

    def __init__(self, items: Sequence[str], when: Expression | None, surroundings: Surroundings, *, ami: bool) -> None:
        wrong = [f'{item!r}: {told}' for item in items if not is_name(item) and (told := mistake(item))]
        if wrong:
            raise ValueError('; '.join(wrong))
        self._match = Match(items) if items else None
        self._when = when
        self._surroundings = surroundings
        self.bindings = self._match.bindings if self._match is not None else ('#',)
        """What the queue is bound with."""
        asked = ami or any(binding.split('.')[0] == 'ami' for binding in self.bindings)
        self.hides_ami = not asked and any(overlap(binding, _AMI_PATTERN) for binding in self.bindings)
        """Whether events of AMI would come, and are not shown."""
        self.hidden = 0
        """How many events of AMI were not shown."""
        self.unclear = 0
        """Of how many events it could not be worked out whether the expression is true."""

    def unhidden(self, cuts: list[Cut]) -> list[Cut]:
        """Those that are not hidden, seen at little cost before anything is decoded."""
        if not self.hides_ami:
            return cuts
        shown = [cut for cut in cuts if not cut.routing_key.startswith(_AMI)]
        self.hidden += len(cuts) - len(shown)
        return shown

    def hides(self, event: Event) -> bool:
        """Whether an event is one of AMI that is not shown; it is counted."""
        is_hidden = self.hides_ami and event.routing_key.encode().startswith(_AMI)
        self.hidden += is_hidden
        return is_hidden

    def has(self, heard: Heard) -> bool:
        """Whether an event is one of them."""
        if self._match is not None and not self._match.takes(heard.event):
            return False
        if self._when is None:
            return True
        if heard.error:
            return False
        try:
            return self._when.holds(heard.event, self._surroundings)
        except Fault:
            self.unclear += 1
            return False


def hints(items: Sequence[str], advice: Advice) -> Iterator[str]:
    """What will surprise about names and patterns, in words for a person.

    Args:
        items: the names and patterns.
        advice: knows what was perhaps meant.
    """
    for item in items:
        if is_name(item):
            entry = catalogue.find(item)
            if entry is not None and entry.removed:
                yield f'no host sends {item!r} since Wazo {entry.removed}{_instead(entry.instead)}'
        elif not item.startswith(_NOT_LISTED):
            yield from _about(item, advice)


def _about(pattern: str, advice: Advice) -> Iterator[str]:
    entries = [each for each in catalogue.entries() if not each.removed]
    got = [each for each in entries if each.comes_on(pattern)]
    if not got:
        meant = ' or '.join(map(shlex.quote, advice.meant(pattern)))
        hint = f'did you mean {meant}?' if meant else 'wazo-busd events lists them with their keys'
        yield f'no known event comes on a key that {pattern!r} fits; {hint}'
    elif pattern.endswith('.*'):
        wide = f'{pattern[:-1]}#'
        more = [each for each in entries if each.comes_on(wide)]
        if len(got) * 2 <= len(more):
            names = ', '.join(each.name for each in got[:3])
            missed = f'and not the other {len(more) - len(got)} of {wide!r}'
            yield f'{pattern!r} gets {names} {missed}: * is one word; did you mean {shlex.quote(wide)}?'


def _instead(names: Sequence[str]) -> str:
    return f'; use {" or ".join(names)}' if names else ''
