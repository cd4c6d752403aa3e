# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The people of the day: users of a host, and those outside who call them."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from random import Random

_FIRST_NAMES = (
    'Alice', 'Bob', 'Chloé', 'Diego', 'Émilie', 'Fatou', 'Gaëtan', 'Hana', 'Inès', 'José', 'Kateri', 'Léo', 'Maïka',
    'Noah', 'Océane', 'Paul', 'Quỳnh', 'Renée', 'Søren', 'Thérèse', 'Ursula', 'Victor', 'Wanda', 'Zoë',
)  # fmt: skip
_LAST_NAMES = (
    'Bélanger', 'Côté', 'Diallo', 'Fortin', 'Gagnon', 'Haddad', 'Ito', 'Jensen', 'Kowalski', 'Lavoie', 'Marx', 'Nguyễn',
    "O'Neil", 'Papadakis', 'Roy', 'Silva', 'Tremblay', 'Whitehorse',
)  # fmt: skip
_LETTERS = 'abcdefghijklmnopqrstuvwxyz0123456789'


@dataclass(slots=True)
class Party:
    """Somebody who telephones.

    Attributes:
        name: what others see.
        number: what others dial.
        endpoint: the name of the device or trunk in Asterisk.
        is_busy: whether they have a call now.
    """

    name: str
    number: str
    endpoint: str
    is_busy: bool = False

    @property
    def user_uuid(self) -> str | None:
        """The user they are; `None` for somebody outside."""
        return None

    @property
    def line_id(self) -> int | None:
        """The line that carries their calls; `None` for somebody outside."""
        return None


@dataclass(slots=True)
class Person(Party):
    """A user.

    Attributes:
        id: the number of the user, which is that of their line and of their voicemail too.
        uuid: the user.
        created_at: since when they are one.
        dnd: whether they are not to be disturbed.
    """

    id: int = 0
    uuid: str = ''
    created_at: str = ''
    dnd: bool = False

    @property
    def user_uuid(self) -> str | None:
        """The user they are."""
        return self.uuid

    @property
    def line_id(self) -> int | None:
        """The line that carries their calls."""
        return self.id


@dataclass(slots=True)
class Agent:
    """A user who answers the calls of queues.

    Attributes:
        id: the number of the agent.
        person: the user.
        queues: the names of the queues that they are logged in to now.
        paused_reason: why they are paused; `None` while they are not.
        is_called: whether a queue calls them or they talk to a caller of one.
        calls_taken: how many calls they answered since they logged in.
        last_call: when the last of them ended, in Unix seconds; 0 for never.
        last_pause: when their last pause began, in Unix seconds; 0 for never.
        login_time: when they logged in, in Unix seconds.
    """

    id: int
    person: Person
    queues: list[str] = field(default_factory=list)
    paused_reason: str | None = None
    is_called: bool = False
    calls_taken: int = 0
    last_call: int = 0
    last_pause: int = 0
    login_time: int = 0

    @property
    def is_free(self) -> bool:
        """Whether a queue can call them."""
        person = self.person
        return bool(self.queues) and self.paused_reason is None and not (person.is_busy or person.dnd)


def draw_uuid(rng: Random) -> str:
    """A UUID."""
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


def draw_person(rng: Random, id: int, number: str, created_at: str) -> Person:  # noqa: A002 — the word of the events
    """A user.

    Args:
        rng: the chance of the day.
        id: the number of the user.
        number: the extension.
        created_at: since when they are a user.
    """
    return Person(
        name=f'{rng.choice(_FIRST_NAMES)} {rng.choice(_LAST_NAMES)}',
        number=number,
        endpoint=''.join(rng.choices(_LETTERS, k=8)),
        id=id,
        uuid=draw_uuid(rng),
        created_at=created_at,
    )


def draw_outsider(rng: Random) -> Party:
    """Somebody outside, of whom the carrier tells the name or not."""
    number = f'+1418555{rng.randrange(10_000):04}'
    name = f'{rng.choice(_FIRST_NAMES)} {rng.choice(_LAST_NAMES)}' if rng.random() < 0.7 else number
    return Party(name=name, number=number, endpoint='carrier')
