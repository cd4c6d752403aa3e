# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The parts: what is known of all parts of all hosts, and what of it is told when."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..tracking import Alarms, Derivation, Shelf
from ..tracking.sweep import earliest, swept_at
from . import wave as tell
from .options import Options
from .part import Key, Part
from .report import REGISTRATION, Report
from .wave import Wave, WaveKey, Way

_AGE_SECONDS = 30 * 86_400.0
_HOSTS = 1000
_GATHERED = frozenset(('line', 'peer'))
"""The kinds of which many go down at once, with the switch that they hang on."""
_CLOCK_SECONDS = 5.0
"""By so much the time since a start can be wrong."""


class Parts:
    """Takes reports one after the other.

    Args:
        options: the options.
        names: what people call parts.
    """

    def __init__(self, options: Options, names: Mapping[str, str]) -> None:
        self._options = options
        self._names = names
        self._parts: Shelf[Key, Part] = Shelf(options.most, _AGE_SECONDS)
        self._waves: dict[WaveKey, Wave] = {}
        self._alarms: Alarms[Key | WaveKey] = Alarms()
        # The hosts whose trunks are told by a service; what Asterisk tells of them is the same once more.
        self._trunk_hosts: Shelf[str, bool] = Shelf(_HOSTS, _AGE_SECONDS)
        self.told: Counter[tuple[str, str]] = Counter()

    def take(self, report: Report, origin: str, at: float, now: float) -> Iterable[Derivation]:
        """What follows from a report.

        Args:
            report: the report.
            origin: the host that it is about; `''` if that is not known.
            at: when it was made.
            now: the latest time that is known.
        """
        if report.kind == 'trunk' and not report.id.startswith(REGISTRATION):
            self._trunk_hosts.put(origin, True, now)
        part = self._parts.touch((origin, report.kind, report.id), now)
        if part is None:
            return self._meet(report, origin, at, now)
        # An older one comes late, or once more.
        if at < part.seen_at:
            return ()
        if report.is_up:
            part.begin_run(report)
        elif not part.end_run(report):
            return ()
        unseen = _began_after(report, part, at)
        part.seen_at = at
        part.name = report.name
        if part.is_up == report.is_up and not unseen:
            return ()
        return self._change(part, is_up=report.is_up, at=at, times=2 if part.is_up == report.is_up else 1)

    def tick(self, at: float) -> Iterator[Derivation]:
        """What follows from its being so late."""
        for key, due_at in self._alarms.due(at):
            if len(key) == 4:
                yield from self._close(key, due_at)
            elif (part := self._parts.get(key)) is not None:
                yield from self._on_steady(part, due_at)
        for _, part in self._parts.expired(at):
            self._forget(part)
        for _ in self._trunk_hosts.expired(at):
            pass

    def due(self) -> float | None:
        """When `tick` has something to do."""
        expires_at = earliest(self._parts.oldest_at(), self._trunk_hosts.oldest_at())
        return earliest(self._alarms.next(), swept_at(expires_at))

    def __iter__(self) -> Iterator[Part]:
        return self._parts.values()

    def states(self) -> Counter[tuple[str, str]]:
        """How many parts there are, by kind that is watched and state: `up`, `down` (and told so), `flapping`."""
        watched: list[str] = [kind for kind in self._options.watch if kind != 'plugin']
        found: Counter[tuple[str, str]] = Counter(
            {(kind, state): 0 for kind in watched for state in ('up', 'down', 'flapping')}
        )
        for part in self._parts.values():
            is_down = not part.is_up and part.told_since is not None
            found[part.kind, 'flapping' if part.is_flapping else 'down' if is_down else 'up'] += 1
        return found

    def __len__(self) -> int:
        return len(self._parts) + len(self._waves) + len(self._trunk_hosts) + len(self._alarms)

    def _meet(self, report: Report, origin: str, at: float, now: float) -> Iterable[Derivation]:
        """The first word of a part. That it is down counts if it says so itself."""
        part = Part(origin, report.kind, report.id, report.name, report.tenant_uuid, report.is_up, at, at)
        if report.is_up:
            part.begin_run(report)
        else:
            part.end_run(report)
        gone = self._parts.put(part.key, part, now)
        if gone is not None:
            self._forget(gone)
        if not part.is_up:
            self._wait(part, at + self._options.down_after)
        return ()

    def _change(self, part: Part, *, is_up: bool, at: float, times: int) -> Iterable[Derivation]:
        self._leave(part)
        part.is_up, part.changed_at = is_up, at
        limit = self._options.flapping
        many = [part.count_change(at, limit.within, limit.changes) for _ in range(times)][-1]
        if part.is_flapping or many:
            self._wait(part, at + limit.within)
        if part.is_flapping:
            return ()
        if many:
            part.is_flapping = True
            if part.flapping_since is None and not self._is_said_elsewhere(part):
                part.flapping_since = part.changes[0]
            return self._tell('flapping', part, tell.flapping(part, limit.changes, limit.within, self._names))
        if is_up:
            return self._gather('up', part, at) if _is_alarming(part) else ()
        if part.told_since is None:
            self._wait(part, at + self._options.down_after)
        return ()

    def _on_steady(self, part: Part, at: float) -> Iterable[Derivation]:
        """It has been as it is for long enough."""
        part.due_at = None
        if part.is_flapping:
            part.is_flapping = False
            part.changes = []
            rest = part.changed_at + self._options.down_after
            if not part.is_up and part.told_since is None and rest > at:
                self._wait(part, rest)
                return ()
        if part.is_up:
            return self._gather('up', part, at) if _is_alarming(part) else ()
        return () if part.told_since is not None or self._is_said_elsewhere(part) else self._gather('down', part, at)

    def _gather(self, way: Way, part: Part, at: float) -> Iterable[Derivation]:
        """Tell it, at once or with others."""
        if part.kind not in _GATHERED:
            return self._tell_all(way, [part], at)
        key: WaveKey = (part.origin, part.kind, part.tenant_uuid, way)
        wave = self._waves.get(key)
        if wave is None:
            wave = self._waves[key] = Wave(at + self._options.together)
            self._alarms.set(key, wave.closes_at)
        wave.keys[part.key] = None
        part.wave = way
        return ()

    def _close(self, key: WaveKey, at: float) -> Iterable[Derivation]:
        wave = self._waves.pop(key)
        return self._tell_all(key[3], [part for each in wave.keys if (part := self._parts.get(each)) is not None], at)

    def _tell_all(self, way: Way, parts: list[Part], at: float) -> Iterable[Derivation]:
        told = tell.down(parts, at, self._names) if way == 'down' else tell.up(parts, self._names)
        for part in parts:
            part.wave = ''
            part.told_since = part.changed_at if way == 'down' else None
            part.flapping_since = None
        return self._tell(way, parts[0], told)

    def _tell(self, word: str, part: Part, told: Derivation) -> Iterable[Derivation]:
        if word == 'flapping' and self._is_said_elsewhere(part):
            return ()
        self.told[part.kind, word] += 1
        return (told,)

    def _is_said_elsewhere(self, part: Part) -> bool:
        return part.id.startswith(REGISTRATION) and part.kind == 'trunk' and part.origin in self._trunk_hosts

    def _wait(self, part: Part, at: float) -> None:
        part.due_at = at
        self._alarms.set(part.key, at)

    def _leave(self, part: Part) -> None:
        """Let it wait for nothing, and be in no wave."""
        part.due_at = None
        self._alarms.cancel(part.key)
        for way in ('down', 'up'):
            if part.wave == way:
                key: WaveKey = (part.origin, part.kind, part.tenant_uuid, way)
                wave = self._waves[key]
                del wave.keys[part.key]
                if not wave.keys:
                    del self._waves[key]
                    self._alarms.cancel(key)
        part.wave = ''

    def _forget(self, part: Part) -> None:
        self._leave(part)

    def dump(self) -> dict[str, Any]:
        """What `load` takes."""
        return {
            'parts': [(at, part.dump()) for at, _, part in self._parts.dump()],
            'waves': [(key, wave.closes_at, list(wave.keys)) for key, wave in self._waves.items()],
            'trunk_hosts': [(at, host) for at, host, _ in self._trunk_hosts.dump()],
            'told': [(*key, count) for key, count in self.told.items()],
        }

    def load(self, said: Mapping[str, Any]) -> None:
        """Know what `dump` gave."""
        for at, each in said['parts']:
            part = Part(**each)
            self._parts.put(part.key, part, at)
        for at, host in said['trunk_hosts']:
            self._trunk_hosts.put(host, True, at)
        for each in sorted(self._parts.values(), key=lambda part: part.changed_at):
            if each.due_at is not None:
                self._wait(each, each.due_at)
        for (origin, kind, tenant, way), closes_at, keys in said['waves']:
            key: WaveKey = (origin, kind, tenant, way)
            # There can be room for less than before.
            there = [at for part in keys if (at := (part[0], part[1], part[2])) in self._parts]
            if there:
                self._waves[key] = Wave(closes_at, dict.fromkeys(there))
                self._alarms.set(key, closes_at)
        self.told = Counter({(kind, word): count for kind, word, count in said['told']})


def _is_alarming(part: Part) -> bool:
    """Whether what was told of it last is that it is down or flapping."""
    return part.told_since is not None or part.flapping_since is not None


def _began_after(report: Report, part: Part, at: float) -> bool:
    """Whether it started after it said something last, so that it must have been down between."""
    if report.running_seconds is None or not part.is_up:
        return False
    return at - report.running_seconds > part.seen_at + _CLOCK_SECONDS
