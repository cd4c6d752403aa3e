# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What the sample day told, in a form that claims can be made about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from wazo_busd import catalogue
from wazo_busd.catalogue import Entry
from wazo_busd.catalogue.publication import Publication
from wazo_busd.demo.day import Day, Eras

SEEDS = (0, 1, 7)
ERAS: tuple[Eras, ...] = ('now', '2019')


@dataclass(frozen=True)
class Told:
    """One moment."""

    at_seconds: float
    publication: Publication

    @property
    def name(self) -> str:
        return str(self.publication.headers['name'])

    @property
    def data(self) -> dict[str, Any]:
        data: dict[str, Any] = self.publication.body['data']
        return data

    @property
    def era(self) -> str:
        return 'now' if 'timestamp' in self.publication.headers else '2019'

    @property
    def host(self) -> str:
        return str(self.publication.headers['origin_uuid'])

    @property
    def entry(self) -> Entry:
        return known()[self.name]


@cache
def known() -> dict[str, Entry]:
    """Every event by each of its names."""
    return {name: entry for entry in catalogue.entries() for name in (entry.name, *entry.aliases)}


@cache
def whole_day(seed: int, era: Eras = 'both') -> tuple[Told, ...]:
    """Everything that begins within a day, told to its end."""
    return tuple(Told(each.at_seconds, each.publication) for each in Day(seed, era, hours=24))


def named(told: Iterable[Told], *names: str) -> Iterator[Told]:
    return (each for each in told if each.name in names)
