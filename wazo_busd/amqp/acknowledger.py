# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The acknowledger of one channel: tells the broker what became of the deliveries of that channel, and of no other."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterable

from wazo_busd.amqp.answers import Answers
from wazo_busd.amqp.copies import Copies
from wazo_busd.amqp.window import STRAGGLER_SECONDS, Window
from wazo_busd.delivery import Delivery, History
from wazo_busd.outcome import Reason

_PATIENCE_SECONDS = 0.02
"""For how long acknowledgements gather while deliveries do: no long time, for what was not told when the process is
killed comes again."""


class ChannelAcknowledger:
    """Acknowledges the deliveries of one channel, in one frame for one or several turns of the loop where that can be.

    Args:
        answers: tells the broker, on the channel that delivers.
        prefetch: how many deliveries it may have open.
        copies: makes the copies of its handler's events.
    """

    def __init__(self, answers: Answers, prefetch: int, copies: Copies) -> None:
        self._answers = answers
        self._prefetch = prefetch
        self._window = Window(prefetch)
        self.came = self._window.came
        """Notes a delivery, before it goes anywhere."""
        self._copies = copies
        self._loop = asyncio.get_running_loop()
        self._half = max(1, prefetch // 2)
        self._flushing: asyncio.Handle | None = None
        self._is_behind = False
        """Whether the broker is told when all that was read is handed on."""
        self._is_patient = False
        """Whether the broker is told later than in this turn of the loop."""
        self._straggling: asyncio.TimerHandle | None = None
        self._returned: deque[int] = deque()
        """What is to be given back, by delivery tag."""
        self._closed = False

    def ack(self, delivery: Delivery) -> None:
        """The event is done with."""
        if self._closed:
            # The broker has it back already and gives it out again: there is nobody to tell.
            return
        self._window.finished(delivery)
        if self._flushing is None and not self._is_behind:
            self._schedule()
        elif (self._is_patient or self._is_behind) and self._window.unsettled_count >= self._half:
            # The broker is not to wait until it may give out more.
            self._hurry()

    def postpone(self, delivery: Delivery, history: History) -> None:
        """Put a copy into a delay queue; when it is confirmed, acknowledge."""
        self._copies.postpone(delivery, history)

    def dead_letter(self, delivery: Delivery, reason: Reason) -> None:
        """Keep a copy with the reason; when it is confirmed, acknowledge."""
        self._copies.bury(delivery, reason)

    def leave(self, delivery: Delivery) -> None:
        """Tell nothing: when the channel closes, the broker gives the event out again."""

    def give_back(self, delivery: Delivery) -> None:
        """Let the broker have the event back now."""
        if not self._closed:
            self._window.remove(delivery.tag)
            self._returned.append(delivery.tag)
            self._schedule()
            self._hurry()

    def replace(self, old: Delivery, new: Delivery) -> None:
        """From now on `new` stands where `old` stood, under the same tag."""
        if not self._closed:
            self._window.replace(old.tag, new)

    def unsettled(self) -> Iterable[Delivery]:
        """What was never acknowledged: all of it comes again once the channel is gone."""
        return self._window.unsettled

    def doubtful(self) -> Iterable[Delivery]:
        """What was acknowledged last: some of it comes again, perhaps."""
        return self._window.doubtful

    @property
    def is_full(self) -> bool:
        """Whether the broker may give out no more before something is acknowledged."""
        return self.open >= self._prefetch

    @property
    def open(self) -> int:
        """How many deliveries are here that are not finished."""
        return self._window.open

    def oldest_seconds(self) -> float:
        """How long the delivery that has waited longest is here."""
        return self._window.oldest_seconds(time.time())

    async def settle_all(self) -> None:
        """Acknowledge everything that is finished."""
        self._tell(all_finished=True)
        await self._answers.sent()

    def close(self) -> None:
        """The channel is gone: what is not acknowledged now never will be by it."""
        self._closed = True
        self._answers.close()
        for timer in (self._straggling, self._flushing):
            if timer is not None:
                timer.cancel()

    def _schedule(self) -> None:
        """See to it that the broker is told: in this turn of the loop, or later where nothing is lost by that.

        While deliveries gather before they are read, there is another batch in a moment, and to write costs more than
        all the rest of one.
        """
        if self._flushing is not None or self._is_behind:
            return
        answers = self._answers
        can_wait = self._window.unsettled_count < self._half and not self._returned
        self._is_patient = can_wait and answers.is_gathering
        if self._is_patient:
            self._flushing = self._loop.call_later(_PATIENCE_SECONDS, self._flush)
        elif can_wait and answers.is_more:
            self._is_behind = True
            answers.behind(self._flush_behind)
        else:
            self._flushing = self._loop.call_soon(self._flush)

    def _hurry(self) -> None:
        """Tell the broker in this turn of the loop what was to be told later."""
        if self._is_patient and self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None
        if self._flushing is None:
            self._is_patient = self._is_behind = False
            self._flushing = self._loop.call_soon(self._flush)

    def _flush_behind(self) -> None:
        if self._is_behind:
            self._flush()

    def _flush(self) -> None:
        self._flushing = None
        self._is_behind = False
        self._tell(all_finished=False)
        if self._window.waiting and self._straggling is None and not self._closed:
            self._straggling = self._loop.call_later(STRAGGLER_SECONDS, self._flush_stragglers)

    def _flush_stragglers(self) -> None:
        self._straggling = None
        if self._flushing is not None:
            self._flushing.cancel()
        self._flush()

    def _tell(self, *, all_finished: bool) -> None:
        if self._closed:
            return
        # These first: one acknowledgement for many would take what is to be given back along.
        while self._returned:
            self._answers.give_back(self._returned.popleft())
        for tag, multiple in self._window.acknowledgements(time.monotonic(), all_finished=all_finished):
            self._answers.ack(tag, multiple=multiple)
