# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The session of `wazo-busd tail`: listens until it is told to end, and says then what there was."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from wazo_busd.amqp import Cut, Ear, Heard
from wazo_busd.cli.options import plural
from wazo_busd.cli.stopping import signals
from wazo_busd.cli.tail_backlog import Backlog
from wazo_busd.cli.tail_output import Form, Output
from wazo_busd.cli.tail_past import Past
from wazo_busd.cli.tail_selection import Selection
from wazo_busd.codec import Limits
from wazo_busd.config import Config

_FINISH_SECONDS = 1.0
_JOURNAL_SECONDS = 1.0


class Session:
    """One run of the command.

    Args:
        config: the configuration.
        selection: which events are meant.
        form: how an event is written.
        most: how many are enough; `None` for all.
        told: called with a sentence for the operator, from any thread.
        sink: writes lines; to standard output if `None`.
        past: what is shown before; `None` for nothing.
    """

    def __init__(
        self,
        config: Config,
        selection: Selection,
        form: Form,
        most: int | None,
        told: Callable[[str], None],
        *,
        sink: Callable[[bytes], None] | None = None,
        past: Past | None = None,
    ) -> None:
        self._config = config
        self._selection = selection
        self._form = form
        self._most = most
        self._told = told
        self._sink = sink
        self._past = past
        self._backlog = Backlog()
        self._output: Output | None = None
        self.seconds = 0.0
        """For how long it listened."""

    @property
    def is_closed(self) -> bool:
        """Whether it ended because nobody reads any more."""
        is_past_closed = self._past is not None and self._past.is_closed
        return is_past_closed or (self._output is not None and self._output.is_closed)

    @property
    def shown(self) -> int:
        """How many events were written, or counted."""
        return self._output.shown if self._output is not None else 0

    @property
    def summary(self) -> str:
        """What there was, in one line."""
        parts = [f'{plural(self.shown, "event")} in {self.seconds:.1f} s']
        if self._past is not None:
            parts.insert(0, self._past.summary)
        if self._output is not None and self._output.skipped:
            parts.append(f'{self._output.skipped} skipped')
        if self._output is not None and self._output.stuck:
            parts.append(f'{self._output.stuck} more are stuck in what reads them too slowly')
        if self._selection.hidden:
            parts.append(f'{self._selection.hidden} of AMI hidden')
        if self._selection.unclear:
            parts.append(f'of {self._selection.unclear} it cannot be worked out whether --when is true')
        return '; '.join(parts)

    async def run(self, seconds: float | None) -> None:
        """Listen until a signal, until enough was shown, or until nobody reads.

        Args:
            seconds: for how long at most; `None` for ever.

        Raises:
            BusError: in the beginning, nobody answers or the broker refuses.
            OSError: it cannot be written.
        """
        bus, stop = self._config.bus, asyncio.Event()
        ear = Ear(bus, self._config.state_dir, self._selection.bindings, self._hear, self._told)
        stopping = asyncio.create_task(stop.wait())
        with signals(stop.set):
            opening = asyncio.create_task(ear.open())
            try:
                await asyncio.wait([opening, stopping], return_when=asyncio.FIRST_COMPLETED)
                if opening.done():
                    opening.result()
                    self._told(self._listening(ear))
                    await self._listen(ear, stop, stopping, seconds)
            finally:
                opening.cancel()
                stopping.cancel()
                await asyncio.wait([opening])
                await ear.close()
        for each in (self._past, self._output):
            if each is not None and each.error is not None:
                raise each.error

    def _make_output(self, ended: Callable[[], None]) -> Output:
        bus = self._config.bus
        return Output(
            self._backlog,
            Limits(bus.max_body_size, bus.max_depth),
            wanted=self._selection.has if self._past is None else self._is_news,
            form=self._form,
            most=None if self._most is None else self._most - (self._past.shown if self._past is not None else 0),
            told=self._told,
            ended=ended,
            sink=self._sink,
        )

    async def _listen(self, ear: Ear, stop: asyncio.Event, stopping: asyncio.Task[bool], seconds: float | None) -> None:
        began = time.monotonic()
        running = asyncio.create_task(ear.run())
        try:
            if self._past is not None and not await self._show_past(self._past, stopping):
                return
            self._output = self._make_output(_from_thread(stop.set))
            self._output.start()
            await asyncio.wait([running, stopping], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                running.result()
        finally:
            running.cancel()
            await asyncio.wait([running])
            self.seconds = time.monotonic() - began
            if self._output is not None:
                await asyncio.to_thread(self._output.finish, _FINISH_SECONDS)

    async def _show_past(self, past: Past, stopping: asyncio.Task[bool]) -> bool:
        """Show what the journal has, while what comes waits.

        Returns:
            Whether there is more to show.
        """
        listening_since, shown = time.time(), asyncio.Event()
        # What came just before is written into the journal by then.
        await asyncio.wait([stopping], timeout=_JOURNAL_SECONDS)
        past.start(
            self._selection,
            self._form,
            listening_since=listening_since,
            most=self._most,
            told=self._told,
            ended=_from_thread(shown.set),
        )
        showing = asyncio.create_task(shown.wait())
        await asyncio.wait([showing, stopping], return_when=asyncio.FIRST_COMPLETED)
        past.stop()
        showing.cancel()
        is_enough = self._most is not None and past.shown >= self._most
        if stopping.done() or past.is_closed or past.error is not None or is_enough:
            return False
        self._told(f'{past.summary}; now what comes')
        return True

    def _is_news(self, heard: Heard) -> bool:
        return self._selection.has(heard) and not (self._past is not None and self._past.has_shown(heard.event))

    def _hear(self, cuts: list[Cut]) -> None:
        shown = self._selection.unhidden(cuts)
        if shown:
            self._backlog.put(shown, time.time())

    def _listening(self, ear: Ear) -> str:
        count = len(self._selection.bindings)
        what = ', '.join(self._selection.bindings) if count <= 3 else plural(count, 'pattern')
        hidden = '; events of AMI are hidden: --ami shows them' if self._selection.hides_ami else ''
        return f'listening on {ear.address} for {what}{hidden}; Ctrl-C ends it'


def _from_thread(function: Callable[[], None]) -> Callable[[], None]:
    loop = asyncio.get_running_loop()

    def call() -> None:
        # Whoever was stuck in writing may outlive the loop.
        if not loop.is_closed():
            loop.call_soon_threadsafe(function)

    return call
