# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The agent: somebody who answers the calls of queues, and what was told of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ..tracking import Derivation
from ..tracking.moment import iso, seconds_between
from .reading import TOGETHER_SECONDS

_QUEUES = 50
_QUEUE_CHANGE_SECONDS = 5.0


@dataclass(slots=True)
class Membership:
    """An agent in one queue, or one who has been there.

    Attributes:
        is_in: whether the agent is logged in to it.
        moved_at: when that changed last, in Unix seconds.
        paused: whether the agent is paused in it.
        paused_at: when that was said last.
        doubled_at: when the agent came who was there already: that they had gone may still be on its way.
    """

    is_in: bool
    moved_at: float
    paused: bool = False
    paused_at: float = 0.0
    doubled_at: float | None = None


@dataclass(slots=True)
class Agent:
    """Somebody who answers the calls of queues; with a device instead of a number, a member that is no agent of Wazo.

    Attributes:
        origin: the host.
        ident: Wazo's number of the agent, or the interface of the member.
        number: what the agent logs in with.
        name: what phones show.
        member_name: what Asterisk calls the member.
        memberships: the queues.
        is_in: whether the agent is logged in; `None` if that is not known.
        moved_at: when that changed last, in Unix seconds.
        said_in: what of that was told, or is known and was not worth telling.
        is_whole: whether all queues of the agent are known, as they were seen to log in.
        login_at: when they have logged in.
        said_paused: what was told of pauses.
        pause_at: when the pause has begun.
        reason: why they are paused.
        talking: the queue and the channel of the caller that they talk to.
        talked_at: when that changed last.
        user_uuids: the users who they are.
        tenant_uuid: the tenant that they belong to.
        changed_at: when what is to be looked at has begun; `None` if there is nothing.
        began: whether they were seen to log in then.
        paused_now: whether it was said then that they are paused or are not.
        status: what Wazo said then.
        gone: the queues that they have left then.
        queue_change_at: when Wazo said last that they change a single queue.
        is_counted: whether nothing was heard of them since they were counted.
    """

    origin: str
    ident: int | str
    number: str | None = None
    name: str | None = None
    member_name: str | None = None
    memberships: dict[str, Membership] = field(default_factory=dict)
    is_in: bool | None = None
    moved_at: float = 0.0
    said_in: bool | None = None
    is_whole: bool = False
    login_at: float | None = None
    said_paused: bool | None = None
    pause_at: float | None = None
    reason: str | None = None
    talking: tuple[str, str] | None = None
    talked_at: float = 0.0
    user_uuids: tuple[str, ...] = ()
    tenant_uuid: str | None = None
    changed_at: float | None = None
    began: bool = False
    paused_now: bool = False
    status: bool | None = None
    gone: list[str] = field(default_factory=list)
    queue_change_at: float | None = None
    is_counted: bool = False

    @property
    def queues(self) -> list[str]:
        """The queues that they are logged in to."""
        return sorted(queue for queue, each in self.memberships.items() if each.is_in)

    @property
    def paused_queues(self) -> list[str]:
        """The queues that they are paused in."""
        return sorted(queue for queue, each in self.memberships.items() if each.is_in and each.paused)

    def join(self, queue: str, membership: Membership) -> str | None:
        """Note a queue.

        Args:
            queue: its name.
            membership: what is known of the agent there.

        Returns:
            The queue that is forgotten for it; `None` if there was room.
        """
        self.memberships.pop(queue, None)
        self.memberships[queue] = membership
        if len(self.memberships) <= _QUEUES:
            return None
        forgotten = next(iter(self.memberships))
        del self.memberships[forgotten]
        return forgotten

    def talk(self, talking: tuple[str, str] | None, at: float) -> None:
        """Note whom they talk to.

        Args:
            talking: the queue and the channel of the caller; `None` for nobody.
            at: since when, in Unix seconds.
        """
        self.talking, self.talked_at = talking, at

    def hush(self, at: float) -> None:
        """Note that they talk to nobody, unless that was said together with the beginning of their talk."""
        if at > self.talked_at + TOGETHER_SECONDS:
            self.talk(None, at)

    def settle(self) -> Iterator[Derivation]:
        """What is to be told, now that all that belongs together has come."""
        at = self.changed_at
        if at is not None:
            if self.is_in is False and self._only_changes_queue(at):
                self.is_in = True
            # Whoever logs out while paused is paused no longer.
            first, second = self._settle_login(at), self._settle_pause(at)
            if self.is_in is False:
                first, second = second, first
            yield from first
            yield from second
        self.changed_at = self.status = None
        self.began = self.paused_now = False
        self.gone = []

    def dump(self) -> dict[str, Any]:
        """What `load` makes the same of."""
        said = asdict(self)
        del said['is_counted']
        return said

    @classmethod
    def load(cls, said: Mapping[str, Any]) -> Agent:
        """What `dump` was made of.

        Raises:
            KeyError, TypeError, ValueError: it is damaged.
        """
        agent = cls(**said)
        agent.memberships = {queue: Membership(**each) for queue, each in said['memberships'].items()}
        agent.user_uuids = tuple(said['user_uuids'])
        if agent.talking is not None:
            queue, channel = agent.talking
            agent.talking = (queue, channel)
        return agent

    def _only_changes_queue(self, at: float) -> bool:
        """Whether Wazo has said, of what Asterisk tells as coming or going, that it is about one queue."""
        return (
            self.status is None
            and self.queue_change_at is not None
            and abs(self.queue_change_at - at) <= _QUEUE_CHANGE_SECONDS
        )

    def _settle_login(self, at: float) -> Iterator[Derivation]:
        was_in, self.said_in = self.said_in, self.is_in
        if self.is_in is was_in:
            return
        if self.is_in:
            if was_in is False or self.status or (self.began and not self._only_changes_queue(at)):
                self.login_at, self.is_whole = at, True
                yield self._say('busd.agent.logged_in', at, {'queues': self.queues})
            return
        if self.is_in is False:
            if was_in or self.status is False:
                seconds = seconds_between(self.login_at, at)
                more = {'queues': sorted(set(self.gone)), 'logged_in_seconds': seconds}
                yield self._say('busd.agent.logged_out', at, more)
            self.login_at = None

    def _settle_pause(self, at: float) -> Iterator[Derivation]:
        was_paused, queues = self.said_paused, self.paused_queues
        self.said_paused = bool(queues)
        if self.is_in is None or self.said_paused is was_paused:
            pass
        elif queues:
            if was_paused is not None or self.paused_now or self.began:
                self.pause_at = at
                yield self._say('busd.agent.paused', at, {'queues': queues, 'paused_reason': self.reason})
            return
        elif was_paused or self.paused_now:
            seconds = seconds_between(self.pause_at, at)
            more = {
                'queues': self.queues or sorted(set(self.gone)),
                'paused_reason': self.reason,
                'paused_seconds': seconds,
            }
            yield self._say('busd.agent.unpaused', at, more)
        if not queues:
            self.pause_at = self.reason = None

    def _say(self, name: str, at: float, more: Mapping[str, Any]) -> Derivation:
        data = {
            'agent_id': self.ident if isinstance(self.ident, int) else None,
            'agent_number': self.number,
            'agent_name': self.name,
            'member_name': self.member_name,
            **more,
        }
        key = f'{self.ident}/{iso(at)}'
        return Derivation(name, data, key, self.tenant_uuid, self.user_uuids, self.origin or None)
