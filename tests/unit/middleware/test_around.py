# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What is around every call of a handler, and in which order."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from tests.unit.rig import make_handler, make_work
from wazo_busd import middleware
from wazo_busd.handler import Handler
from wazo_busd.middleware.context import context
from wazo_busd.middleware.telemetry import telemetry
from wazo_busd.plugin import handler
from wazo_busd.work import Work

Run = Callable[[Work], Awaitable[None]]


@handler
def nothing(event: object) -> None: ...


def test_context_is_around_telemetry() -> None:
    assert (context, telemetry) == middleware.MIDDLEWARE


async def test_the_first_of_the_list_is_outermost_and_the_call_innermost(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given two middlewares
    passed: list[str] = []

    def named(name: str) -> Callable[[Handler, Run], Run]:
        def wrap(handler_: Handler, call: Run) -> Run:
            async def run(work: Work) -> None:
                passed.append(f'into {name}')
                await call(work)
                passed.append(f'out of {name}')

            return run

        return wrap

    monkeypatch.setattr(middleware, 'MIDDLEWARE', (named('first'), named('second')))

    async def call(work: Work) -> None:
        passed.append('call')

    # When work passes them
    await middleware.around(make_handler(nothing), call)(make_work())

    # Then it passes them in the order of the list
    assert passed == ['into first', 'into second', 'call', 'out of second', 'out of first']


async def test_what_the_call_raises_comes_out_of_all_of_them() -> None:
    async def fail(work: Work) -> None:
        raise ValueError('it does not fit')

    with pytest.raises(ValueError, match='it does not fit'):
        await middleware.around(make_handler(nothing), fail)(make_work())


async def test_the_call_gets_the_work() -> None:
    got: list[Work] = []

    async def call(work: Work) -> None:
        got.append(work)

    work = make_work()
    await middleware.around(make_handler(nothing), call)(work)

    assert got == [work]
