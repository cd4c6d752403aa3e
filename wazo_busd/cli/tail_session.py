# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The session of `wazo-busd tail`: listens until it is told to end, and says then what there was."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable, Iterator

from wazo_busd.amqp import Cut, Ear
from wazo_busd.cli.options import plural
from wazo_busd.cli.tail_backlog import Backlog
from wazo_busd.cli.tail_output import Form, Output
from wazo_busd.cli.tail_selection import Selection
from wazo_busd.codec import Limits
from wazo_busd.config import Config

_FINISH_SECONDS = 1.0


class Session:
    """One run of the command.

    Args:
        config: the configuration.
        selection: which events are meant.
        form: how an event is written.
        most: how many are enough; `None` for all.
        told: called with a sentence for the operator, from any thread.
    """

    def __init__(
        self, config: Config, selection: Selection, form: Form, most: int | None, told: Callable[[str], None]
    ) -> None:
        self._config = config
        self._selection = selection
        self._form = form
        self._most = most
        self._told = told
        self._backlog = Backlog()
        self._output: Output | None = None
        self.seconds = 0.0
        """For how long it listened."""

    @property
    def is_closed(self) -> bool:
        """Whether it ended because nobody reads any more."""
        return self._output is not None and self._output.is_closed

    @property
    def shown(self) -> int:
        """How many events were written, or counted."""
        return self._output.shown if self._output is not None else 0

    @property
    def summary(self) -> str:
        """What there was, in one line."""
        parts = [f'{plural(self.shown, "event")} in {self.seconds:.1f} s']
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
        output = self._output = self._make_output(_from_thread(stop.set))
        ear = Ear(bus, self._config.state_dir, self._selection.bindings, self._hear, self._told)
        stopping = asyncio.create_task(stop.wait())
        with _signals(stop.set):
            opening = asyncio.create_task(ear.open())
            try:
                await asyncio.wait([opening, stopping], return_when=asyncio.FIRST_COMPLETED)
                if opening.done():
                    opening.result()
                    self._told(self._listening(ear))
                    await self._listen(ear, output, stopping, seconds)
            finally:
                opening.cancel()
                stopping.cancel()
                await asyncio.wait([opening])
                await ear.close()
        if output.error is not None:
            raise output.error

    def _make_output(self, ended: Callable[[], None]) -> Output:
        bus = self._config.bus
        return Output(
            self._backlog,
            Limits(bus.max_body_size, bus.max_depth),
            wanted=self._selection.has,
            form=self._form,
            most=self._most,
            told=self._told,
            ended=ended,
        )

    async def _listen(self, ear: Ear, output: Output, stopping: asyncio.Task[bool], seconds: float | None) -> None:
        began = time.monotonic()
        output.start()
        running = asyncio.create_task(ear.run())
        try:
            await asyncio.wait([running, stopping], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                running.result()
        finally:
            running.cancel()
            await asyncio.wait([running])
            self.seconds = time.monotonic() - began
            await asyncio.to_thread(output.finish, _FINISH_SECONDS)

    def _hear(self, cuts: list[Cut]) -> None:
        shown = self._selection.unhidden(cuts)
        if shown:
            self._backlog.put(shown, time.time())

    def _listening(self, ear: Ear) -> str:
        count = len(self._selection.bindings)
        what = ', '.join(self._selection.bindings) if count <= 3 else plural(count, 'pattern')
        hidden = '; events of AMI are hidden: --ami shows them' if self._selection.hides_ami else ''
        return f'listening on {ear.address} for {what}{hidden}; Ctrl-C ends it'


@contextlib.contextmanager
def _signals(stop: Callable[[], None]) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end it, but what is ignored since before."""
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    heeded = {number: handler for number, handler in before.items() if handler not in (signal.SIG_IGN, None)}
    for number in heeded:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number, handler in heeded.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)


def _from_thread(function: Callable[[], None]) -> Callable[[], None]:
    loop = asyncio.get_running_loop()

    def call() -> None:
        # Whoever was stuck in writing may outlive the loop.
        if not loop.is_closed():
            loop.call_soon_threadsafe(function)

    return call
