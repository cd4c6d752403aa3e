# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`queues` over whatever can happen in queues: the figures are those of the history, in whichever order it is said."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.queues.tracker import QueueTracker
from tests.plugins.trackers.queue_events import agent, ami, maker, wazo
from tests.plugins.trackers.rig import START, Found, runner, without_some
from wazo_busd.event import Event

QUEUES = ('support', 'sales')
HOSTS = ('here', 'there')
PLACES = [(host, queue) for host in HOSTS for queue in QUEUES]
Place = tuple[str, str]
Batch = list[Event]


@dataclass
class Office:
    """Queues in which things happen by chance, as Asterisk tells them: strings, and no time.

    Attributes:
        rng: the chance.
        now: how many seconds have passed.
        told: what was said, all of a moment in one batch.
        waiting: who waits in each queue, and since when.
        ends: what became of those who went.
        joined: how many came.
        members: who is logged in to which queue.
        gone: whom a queue has sent on.
        talking: who talks to which agent, and since when.
    """

    rng: Random
    now: float = 0.0
    told: list[Batch] = field(default_factory=list)
    waiting: dict[Place, dict[str, float]] = field(default_factory=lambda: {place: {} for place in PLACES})
    ends: Counter[tuple[Place, str]] = field(default_factory=Counter)
    joined: Counter[Place] = field(default_factory=Counter)
    members: dict[Place, set[int]] = field(default_factory=lambda: {place: set() for place in PLACES})
    gone: list[tuple[Place, str]] = field(default_factory=list)
    talking: list[tuple[Place, str, int, float]] = field(default_factory=list)
    numbers: int = 0

    def happen(self, steps: int) -> None:
        """Let some things happen, and everybody go home."""
        deeds = [self.join, self.join, self.rejoin, self.end, self.end, self.ring, self.shift, self.pause]
        deeds += [self.send_back, self.relog]
        for _ in range(steps):
            self.rng.choice(deeds)()
            # Also several within the two seconds that the tracker waits for what belongs together.
            self.now += self.rng.choice([0.1, 0.7, 3.0, 15.0])

    def close(self) -> None:
        """Everybody goes home."""
        while any(self.waiting.values()):
            self.end()
            self.now += 3.0

    def say(self, *said: tuple[str, Place, dict[str, str]]) -> None:
        self.told.append([ami(name, self.now, host, Queue=queue, **data) for name, (host, queue), data in said])

    def join(self) -> None:
        self.numbers += 1
        self._join(self.rng.choice(PLACES), f'1.{self.numbers}')

    def rejoin(self) -> None:
        """Somebody whom a queue has sent on comes back to it."""
        if self.gone:
            self._join(*self.gone.pop(self.rng.randrange(len(self.gone))))

    def send_back(self) -> None:
        """An agent sends somebody back to the queue that they came from, which ends their talk."""
        # Not right after the answer: what is said then can be of either wait.
        ripe = [each for each in self.talking if each[3] <= self.now - 2.5]
        if ripe:
            self.talking.remove(one := self.rng.choice(ripe))
            place, channel, number, since = one
            talked = {'Uniqueid': channel, 'HoldTime': '1', 'TalkTime': str(int(self.now - since))}
            self._join(place, channel, ('AgentComplete', place, {**talked, **agent(number)}))

    def end(self) -> None:
        place = self.rng.choice(PLACES)
        if not self.waiting[place]:
            return
        channel = self.rng.choice(list(self.waiting[place]))
        joined_at = self.waiting[place].pop(channel)
        how = self.rng.choice(['answered', 'abandoned', 'left', 'left'])
        self.ends[place, how] += 1
        said = {'Uniqueid': channel, 'HoldTime': str(int(self.now - joined_at))}
        leave = ('QueueCallerLeave', place, {'Uniqueid': channel, 'Count': str(len(self.waiting[place]))})
        if how == 'abandoned':
            self.say(('QueueCallerAbandon', place, {**said, 'Position': '1', 'OriginalPosition': '1'}), leave)
        elif how == 'answered':
            number = self.rng.randint(1, 3)
            self.say(leave, ('AgentConnect', place, {**said, 'RingTime': '1', **agent(number)}))
            self.talking.append((place, channel, number, self.now))
        else:
            self.say(leave)
            self.gone.append((place, channel))

    def ring(self) -> None:
        """An agent is called, and does not answer."""
        place = self.rng.choice(PLACES)
        if self.waiting[place]:
            self.numbers += 1
            said = {'Uniqueid': self.rng.choice(list(self.waiting[place])), 'DestUniqueid': f'2.{self.numbers}'}
            who = agent(self.rng.randint(1, 3))
            self.say(('AgentCalled', place, {**said, **who}))
            self.now += self.rng.choice([0.0, 5.0])
            self.say(('AgentRingNoAnswer', place, {**said, **who}))

    def shift(self) -> None:
        """An agent logs in to the queues of a host, or out."""
        host, number = self.rng.choice(HOSTS), self.rng.randint(4, 6)
        places = [place for place in PLACES if place[0] == host]
        is_in = number in self.members[places[0]]
        for place in places:
            (self.members[place].discard if is_in else self.members[place].add)(number)
        name = 'QueueMemberRemoved' if is_in else 'QueueMemberAdded'
        self.say(*((name, place, {**agent(number), 'Paused': '0'}) for place in places))
        self.now += 2.5

    def relog(self) -> None:
        """An agent logs out and in at once, which Asterisk says of each queue, and Wazo too, each in its order."""
        host = self.rng.choice(HOSTS)
        places = [place for place in PLACES if place[0] == host]
        for number in sorted(self.members[places[0]])[:1]:
            kinds = ('QueueMemberRemoved', 'QueueMemberAdded')
            said = [
                ami(name, self.now, host, Queue=queue, **{**agent(number), 'Paused': '0'})
                for name in kinds
                for _, queue in places
            ]
            said = self.rng.choice([said, said[::-1]])
            for state in self.rng.choice([(), ('logged_out', 'logged_in')]):
                first = next((at + 1 for at, each in enumerate(said) if each.name == 'agent_status_update'), 0)
                event = wazo('agent_status_update', self.now, host, agent_id=number, status=state)
                said.insert(self.rng.randint(first, len(said)), event)
            for each in said:
                self.told.append([each])
            self.now += 2.5

    def pause(self) -> None:
        host = self.rng.choice(HOSTS)
        places = [place for place in PLACES if place[0] == host]
        for number in sorted(self.members[places[0]]):
            paused = self.rng.choice(['0', '1'])
            self.say(*(('QueueMemberPause', place, {**agent(number), 'Paused': paused}) for place in places))

    def events(self, *, is_shuffled: bool) -> list[Event]:
        """What was said, in the order of some chance within each batch, as if it came one after the other."""
        events: list[Event] = []
        for batch in self.told:
            ordered = self.rng.choice([batch, batch[::-1]]) if is_shuffled else batch
            first = ordered[0].received_at
            for part, event in enumerate(ordered):
                events.append(_at(event, max(first, events[-1].received_at if events else 0.0) + part * 1e-4))
        return events

    def _join(self, place: Place, channel: str, *before: tuple[str, Place, dict[str, str]]) -> None:
        self.waiting[place][channel] = self.now
        self.joined[place] += 1
        count = str(len(self.waiting[place]))
        self.say(*before, ('QueueCallerJoin', place, {'Uniqueid': channel, 'Position': count, 'Count': count}))


def _at(event: Event, at: float) -> Event:
    return Event(event.name, event.data, event.routing_key, headers=event.headers, received_at=at)


def office(seed: int, steps: int, *, is_closed: bool = False) -> Office:
    """What has happened in an office."""
    made = Office(Random(seed))
    made.happen(steps)
    if is_closed:
        made.close()
    return made


def found_in(made: Office, events: list[Event]) -> tuple[list[Found], dict[str, Counter[str]]]:
    """What is derived, and the figures as they are then."""
    make = maker(answer_within='10m')
    found, tracker = runner(make, events, wait=False)
    now = START.timestamp() + made.now + 5
    found += [Found(now, each) for each in tracker.tick(now)]
    figures = {each.name.removeprefix('wazo_busd_queues_'): each.values for each in tracker.figures(now)}
    plain = {name: Counter({'/'.join(key): value for key, value in each.items()}) for name, each in figures.items()}
    # Who was counted as left and had been answered: a total never goes back, so the next one who leaves is not counted.
    plain['doubted'] = Counter()
    assert isinstance(tracker, QueueTracker)
    for line in tracker._lines:
        plain['doubted'][line.queue] += line.doubted
    return found, plain


histories = st.tuples(st.integers(0, 2**32), st.integers(1, 60))


@given(history=histories, is_shuffled=st.booleans())
def test_who_waits_and_who_has_gone_is_counted(history: tuple[int, int], is_shuffled: bool) -> None:
    made = office(*history)
    _, figures = found_in(made, made.events(is_shuffled=is_shuffled))

    for queue in QUEUES:
        assert figures['waiting'][queue] == sum(len(made.waiting[host, queue]) for host in HOSTS)
        assert figures['joined_total'][queue] == sum(made.joined[host, queue] for host in HOSTS)
        for end in ('answered', 'abandoned', 'left'):
            assert figures[f'{end}_total'][queue] == sum(made.ends[(host, queue), end] for host in HOSTS)


@given(history=histories, is_shuffled=st.booleans())
def test_the_longest_wait_is_that_of_whoever_has_waited_longest(history: tuple[int, int], is_shuffled: bool) -> None:
    made = office(*history)
    _, figures = found_in(made, made.events(is_shuffled=is_shuffled))

    for queue in QUEUES:
        since = [at for host in HOSTS for at in made.waiting[host, queue].values()]
        longest = made.now + 5 - min(since) if since else 0.0
        assert figures['longest_wait_seconds'][queue] == pytest.approx(longest, abs=0.2)


@given(history=histories, is_shuffled=st.booleans())
def test_every_end_is_told_once(history: tuple[int, int], is_shuffled: bool) -> None:
    made = office(*history)
    found, _ = found_in(made, made.events(is_shuffled=is_shuffled))
    told = Counter(each.derivation.name for each in found)

    for end in ('answered', 'abandoned'):
        assert told[f'busd.queue.{end}'] == sum(made.ends[place, end] for place in PLACES)
    assert len({(each.derivation.name, each.derivation.key, each.derivation.origin_uuid) for each in found}) == len(
        found
    )


@given(history=histories, is_shuffled=st.booleans())
def test_who_is_logged_in_is_counted(history: tuple[int, int], is_shuffled: bool) -> None:
    made = office(*history)
    _, figures = found_in(made, made.events(is_shuffled=is_shuffled))
    # Those who are only called are members of whom nobody knows when they have come.
    seen = {
        (event.origin_uuid, event.data['Queue'], event.data['Interface'])
        for batch in made.told
        for event in batch
        if event.name.startswith('Agent')
    }

    for queue in QUEUES:
        called = sum(1 for _, where, _ in seen if where == queue)
        assert figures['agents'][f'{queue}/logged_in'] == called + sum(len(made.members[host, queue]) for host in HOSTS)


@given(history=histories)
def test_all_is_zero_when_all_have_gone(history: tuple[int, int]) -> None:
    made = office(*history, is_closed=True)
    _, figures = found_in(made, made.events(is_shuffled=True))

    for queue in QUEUES:
        gone = sum(figures[f'{end}_total'][queue] for end in ('answered', 'abandoned', 'left'))
        assert (figures['waiting'][queue], figures['joined_total'][queue]) == (0, gone)


@given(history=histories, seed=st.integers(0, 9), share=st.sampled_from([0.05, 0.3]))
def test_lost_events_leave_the_sum_right_and_nothing_negative(
    history: tuple[int, int], seed: int, share: float
) -> None:
    made = office(*history)
    _, figures = found_in(made, list(without_some(made.events(is_shuffled=True), share, seed)))

    assert min((value for each in figures.values() for value in each.values()), default=0) >= 0
    for queue in QUEUES:
        gone = sum(figures[f'{end}_total'][queue] for end in ('answered', 'abandoned', 'left'))
        assert figures['joined_total'][queue] == gone + figures['waiting'][queue] - figures['doubted'][queue]
