# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""A host of the day, of one era: whom it knows, what goes on there, and how it says so."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from random import Random
from typing import Any, TypeVar

from wazo_busd import catalogue
from wazo_busd.catalogue import Entry
from wazo_busd.catalogue.publication import TENANT, Era, Publication, example, publication
from wazo_busd.demo.day.clock import Clock
from wazo_busd.demo.day.people import Agent, Person, draw_person, draw_uuid

Story = Iterator[float | Publication]
"""What happens, told step by step: a publication is made now, a number is how many seconds pass until the next step."""

T = TypeVar('T')

_PEOPLE = 24
_AGENTS = 3
_QUEUES = ('support', 'sales')


class Host:
    """A telephone system.

    Args:
        era: what it sends like.
        rng: the chance of the day.
        clock: the clock of the day.
        first_number: what its extensions and the numbers of its users begin with.
    """

    def __init__(self, era: Era, rng: Random, clock: Clock, first_number: int) -> None:
        self.era = era
        self.rng = rng
        self.clock = clock
        self.origin = draw_uuid(rng)
        self.people = [
            draw_person(rng, first_number + each, f'{first_number + each}', str(clock.aware))
            for each in range(1, _PEOPLE + 1)
        ]
        self.agents = [
            Agent(number, person) for number, person in enumerate(self.people[:_AGENTS], first_number // 100)
        ]
        self.queues: dict[str, list[object]] = {name: [] for name in _QUEUES}
        """Who waits in which queue, in order."""
        self.services: dict[str, str] = {}
        """The services that run, with what Consul knows them by."""
        self.rooms = {1, 2, 3}
        """The conference rooms that are empty."""
        self.messages = 0
        """How many messages were left in voicemails."""
        self._next_person = first_number + _PEOPLE
        self._decks: dict[str, list[Any]] = {}

    @property
    def is_today(self) -> bool:
        """Whether it sends what hosts of today send."""
        return self.era == 'now'

    def say(
        self,
        name: str,
        data: Mapping[str, Any],
        *,
        users: Iterable[str] | None = None,
        tenant: str = TENANT,
        more: Mapping[str, Any] | None = None,
    ) -> Publication:
        """An event, now.

        Args:
            name: its name in the catalogue.
            data: what a host of today says; fields that are not of this host's era are left out.
            users: the users it concerns, if it is not `user_uuid` in `data`.
            tenant: the tenant it concerns.
            more: headers of its own that do not follow from `data`.

        Raises:
            KeyError: a field that the catalogue does not know.
        """
        entry = _entry(name)
        said = {key: value for key, value in data.items() if entry.fields[key].era in (None, self.era)}
        return publication(
            entry,
            said,
            era=self.era,
            users=users,
            tenant=tenant,
            origin=self.origin,
            at=self.clock.now,
            more=more,
        )

    def say_ami(self, name: str, data: Mapping[str, Any]) -> Publication:
        """An event of Asterisk, now.

        Args:
            name: the name that Asterisk gives it.
            data: what is known; the rest is as in the catalogue's example.

        Raises:
            KeyError: a field that the catalogue does not know.
        """
        return self.say(name, {**example(_entry(name), self.era), **data})

    def batch(self, *together: Publication) -> Story:
        """Events of Asterisk that happen at once, as wazo-amid sends what it reads at once: often last one first."""
        yield from reversed(together) if self.rng.random() < 0.4 else together

    def deal(self, kind: str, cards: Sequence[T]) -> T:
        """One of `cards`; all of them are dealt before one comes again.

        Args:
            kind: what is dealt, which has a deck of its own.
            cards: the deck.
        """
        deck = self._decks.setdefault(kind, [])
        if not deck:
            deck.extend(self.rng.sample(cards, len(cards)))
        card: T = deck.pop()
        return card

    def free_person(self, may: Callable[[Person], bool] = lambda _: True) -> Person | None:
        """A user without a call, who is busy from now on; `None` if there is none.

        Args:
            may: whether somebody will do.
        """
        free = [person for person in self.people if not person.is_busy and may(person)]
        if not free:
            return None
        person = self.rng.choice(free)
        person.is_busy = True
        return person

    def hire(self) -> Person:
        """A user who was not there before, and has no telephone yet."""
        self._next_person += 1
        return draw_person(self.rng, self._next_person, f'{self._next_person}', str(self.clock.aware))

    def is_agent(self, person: Person) -> bool:
        """Whether a user is logged in as an agent."""
        return any(agent.person is person and agent.queues for agent in self.agents)


@lru_cache(maxsize=256)
def _entry(name: str) -> Entry:
    entry = catalogue.find(name)
    if entry is None:
        raise KeyError(name)
    return entry
