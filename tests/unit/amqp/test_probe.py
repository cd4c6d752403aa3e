# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The probe: a connection that is half open is dropped, one that is alive never is, and a busy one is left alone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from io import StringIO
from typing import cast

import pytest
from pamqp.commands import Channel

from tests.unit.amqp.broker import PATIENCE_SECONDS, listening
from tests.unit.rig import log_lines, patiently, turn
from wazo_busd.amqp import probe
from wazo_busd.amqp.channel import control
from wazo_busd.amqp.connection import Link, connect
from wazo_busd.amqp.probe import Probe


@pytest.fixture(autouse=True)
def pace(monkeypatch: pytest.MonkeyPatch) -> None:
    """A probe that asks at once."""
    monkeypatch.setattr('wazo_busd.amqp.probe._SILENCE_SECONDS', 0.0)


@pytest.fixture
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A probe that does not wait long for an answer that the test does not let come."""
    monkeypatch.setattr('wazo_busd.amqp.probe._SLICE_SECONDS', 0.01)


class Line:
    """A connection that is heard of when the test says so."""

    address = 'pbx:5672'
    dropped = False
    _heard_at = 0.0

    @property
    def transport(self) -> Line:
        return self

    @property
    def heard_at(self) -> float:
        return self._heard_at

    def hear(self) -> None:
        self._heard_at = time.monotonic()

    def abort(self) -> None:
        self.dropped = True


class Bench:
    """A probe that runs, its connection, and how often it has asked."""

    def __init__(self, line: Line, ask: Callable[[Line], Awaitable[None]], *, needed: bool = True) -> None:
        self.line = line
        self.needed = needed
        self.questions = 0
        self.given_up = asyncio.Event()
        """Set when a question is cancelled."""
        self._ask = ask
        self._asked = asyncio.Event()
        self.running = asyncio.create_task(Probe(cast('Link', line), self._question, lambda: self.needed).run())

    async def asked(self, number: int = 1) -> None:
        """Wait until the probe has asked so many times."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while self.questions < number:
                self._asked.clear()
                await self._asked.wait()

    async def dropped(self) -> bool:
        """Wait until the probe gives the connection up."""
        await patiently(self.running)
        return self.line.dropped

    async def _question(self) -> None:
        self.questions += 1
        self._asked.set()
        try:
            await self._ask(self.line)
        except asyncio.CancelledError:
            self.given_up.set()
            raise


@asynccontextmanager
async def probing(
    ask: Callable[[Line], Awaitable[None]], *, line: Line | None = None, needed: bool = True
) -> AsyncIterator[Bench]:
    bench = Bench(line or Line(), ask, needed=needed)
    try:
        yield bench
    finally:
        bench.running.cancel()
        await asyncio.wait([bench.running])


async def silence(line: Line) -> None:
    await asyncio.Event().wait()


async def a_last_word(line: Line) -> None:
    line.hear()
    await asyncio.Event().wait()


async def an_answer(line: Line) -> None:
    line.hear()


@pytest.mark.usefixtures('impatience')
@pytest.mark.parametrize('ask', [silence, a_last_word])
async def test_a_broker_that_does_not_answer_is_dropped(ask: Callable[[Line], Awaitable[None]]) -> None:
    async with probing(ask) as bench:
        assert await bench.dropped()


@pytest.mark.usefixtures('impatience')
async def test_a_broker_that_does_not_answer_is_told(log: StringIO) -> None:
    async with probing(silence) as bench:
        await bench.dropped()

        assert log_lines(log, 'connection_half_open')[0]['broker'] == 'pbx:5672'


@pytest.mark.usefixtures('impatience')
async def test_a_broker_that_does_not_answer_is_asked_no_longer() -> None:
    async with probing(silence) as bench:
        await bench.dropped()

        assert await patiently(bench.given_up.wait())


@pytest.mark.usefixtures('impatience')
async def test_the_socket_of_a_broker_that_does_not_answer_is_gone() -> None:
    async with listening() as broker:
        link = await connect(broker.config, 'test')
        session = await broker.session()
        broker.silent = True

        await patiently(Probe(link, lambda: open_and_close(link)).run())

        await session.ended()
        await link.close()


async def open_and_close(link: Link) -> None:
    async with control(link):
        pass


async def test_a_broker_is_asked_with_what_it_is_to_be_asked() -> None:
    async with listening() as broker:
        link = await connect(broker.config, 'test')
        running = asyncio.create_task(Probe(link, lambda: open_and_close(link)).run())

        assert await (await broker.session()).heard(Channel.Close, 3)

        running.cancel()
        await asyncio.wait([running])
        await link.close()


def test_a_connection_is_found_to_be_half_open_within_two_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()

    assert probe._SILENCE_SECONDS + probe._SLICES * probe._SLICE_SECONDS <= 2.0


async def test_a_broker_that_answers_is_asked_again_and_again() -> None:
    async with probing(an_answer) as bench:
        await bench.asked(20)

        assert not bench.running.done()


REFUSALS = [RuntimeError('the connection is closed'), asyncio.CancelledError(), ConnectionError('lost')]
"""What a question ends with: the broker says no, or the library has lost the channel or the connection."""


@pytest.mark.usefixtures('impatience')
@pytest.mark.parametrize('error', REFUSALS, ids=repr)
async def test_a_question_that_fails_is_asked_again(error: BaseException) -> None:
    async def fail(line: Line) -> None:
        raise error

    async with probing(fail) as bench:
        await bench.asked(10)

        assert (bench.running.done(), bench.line.dropped) == (False, False)


async def test_a_question_that_fails_at_once_is_not_asked_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('wazo_busd.amqp.probe._SLICE_SECONDS', 3600.0)

    async def fail(line: Line) -> None:
        raise RuntimeError('the connection is closed')

    async with probing(fail) as bench:
        await bench.asked()
        await turn(50)

        assert bench.questions == 1


class Chatty(Line):
    """A connection that, once it is asked, is heard of whenever one looks, so many times, and only then answers."""

    def __init__(self, looks: int) -> None:
        self.asked = False
        self.answered = asyncio.Event()
        self._looks = looks

    @property
    def heard_at(self) -> float:
        if not self.asked:
            return 0.0
        self._looks -= 1
        if self._looks == 0:
            self.answered.set()
        return time.monotonic()


@pytest.mark.usefixtures('impatience')
async def test_a_broker_that_talks_of_something_else_is_waited_for() -> None:
    chatty = Chatty(looks=3 * probe._SLICES)

    async def ask(line: Line) -> None:
        chatty.asked = True
        await chatty.answered.wait()

    async with probing(ask, line=chatty) as bench:
        await patiently(chatty.answered.wait())
        await turn()

        assert (bench.running.done(), bench.given_up.is_set()) == (False, False)


@pytest.mark.usefixtures('impatience')
async def test_a_loop_that_is_blocked_is_not_held_for_silence() -> None:
    answered = asyncio.Event()

    async def ask(line: Line) -> None:
        await answered.wait()
        await turn()

    async with probing(ask) as bench:
        await bench.asked()
        await turn()
        time.sleep(2 * probe._SLICES * probe._SLICE_SECONDS)
        answered.set()
        await bench.asked(2)

        assert not bench.line.dropped


async def test_a_connection_that_has_just_been_heard_of_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('wazo_busd.amqp.probe._SILENCE_SECONDS', 1_000.0)
    line = Line()
    line.hear()
    async with probing(an_answer, line=line) as bench:
        await turn(50)

        assert bench.questions == 0


async def test_a_connection_that_was_heard_of_is_asked_when_it_has_been_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('wazo_busd.amqp.probe._SILENCE_SECONDS', 0.05)
    silences: list[float] = []

    async def ask(line: Line) -> None:
        silences.append(time.monotonic() - line.heard_at)
        line.hear()

    async with probing(ask) as bench:
        await bench.asked(5)

        assert min(silences) >= 0.05


async def test_what_need_not_be_known_is_not_asked() -> None:
    async with probing(an_answer, needed=False) as bench:
        await turn(50)

        assert bench.questions == 0


async def test_what_need_not_be_known_is_asked_when_it_does() -> None:
    async with probing(an_answer, needed=False) as bench:
        await turn()
        bench.needed = True
        await bench.asked()

        assert not bench.running.done()


@pytest.mark.usefixtures('impatience')
async def test_a_broker_whose_answer_need_not_be_known_any_more_is_not_dropped() -> None:
    async with probing(silence) as bench:
        await bench.asked()
        bench.needed = False
        await patiently(bench.given_up.wait())
        bench.needed = True
        await bench.asked(2)

        assert not bench.line.dropped


async def test_a_probe_that_is_cancelled_ends() -> None:
    async with probing(silence) as bench:
        await bench.asked()
        bench.running.cancel()
        await asyncio.wait([bench.running])

        assert bench.running.cancelled()


async def test_a_probe_that_is_cancelled_asks_no_longer() -> None:
    async with probing(silence) as bench:
        await bench.asked()
        bench.running.cancel()

        assert await patiently(bench.given_up.wait())
