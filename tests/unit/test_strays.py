# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The strays: what a plugin leaves running is counted, told, and ended with its handler; what is not its own stays."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextvars import Context
from io import StringIO
from types import ModuleType, coroutine
from typing import Any

import pytest

from tests.unit.rig import log_lines, make_handler, make_work, patiently, turn
from wazo_busd import strays as module
from wazo_busd.event import Event
from wazo_busd.outcome import Outcome
from wazo_busd.plugin import handler
from wazo_busd.strays import Strays, coroutine_of, handler_of
from wazo_busd.work import Work, current_work

LIBRARY = """
import asyncio

async def idle():
    await asyncio.Event().wait()

def ask(coro):
    return asyncio.get_running_loop().create_task(coro)
"""


@handler
async def bell(event: Event) -> None:
    """Take an event and do nothing."""


async def idle() -> None:
    await asyncio.Event().wait()


@pytest.fixture
def library() -> ModuleType:
    """Code that is no plugin's."""
    made = ModuleType('library')
    exec(compile(LIBRARY, '/usr/lib/library.py', 'exec'), vars(made))
    return made


@pytest.fixture
async def strays() -> AsyncIterator[Strays]:
    """The loop's; they know the handler bell, whose plugin's code is all of the tests."""
    made = Strays()
    asyncio.get_running_loop().set_task_factory(made)
    with made.inside(make_handler(bell, name='bell')):
        pass
    yield made
    asyncio.get_running_loop().set_task_factory(None)


class Call:
    """A call of a handler: what it makes is its own until the event is settled, and afterwards."""

    def __init__(self, handler: str = 'bell') -> None:
        self.work: Work = make_work(handler=handler)
        self.tasks: list[asyncio.Task[Any]] = []

    def make(
        self,
        coro: Callable[[], Coroutine[Any, Any, Any]] = idle,
        ask: Callable[[Coroutine[Any, Any, Any]], Any] = asyncio.create_task,
    ) -> asyncio.Task[Any]:
        """Make a task in the call."""
        token = current_work.set(self.work)
        task: asyncio.Task[Any] = ask(coro())
        current_work.reset(token)
        self.tasks.append(task)
        return task

    def settle(self) -> Call:
        self.work.delivery.settle(Outcome.DONE)
        return self


@pytest.fixture
async def call(strays: Strays) -> AsyncIterator[Call]:
    """A call of bell; the tasks that it makes are cancelled in the end."""
    made = Call()
    yield made
    for task in made.tasks:
        task.cancel()
    await turn()


# ---- whose


async def test_a_task_that_a_call_makes_is_the_handlers(call: Call) -> None:
    assert handler_of(call.make()) == 'bell'


async def test_a_task_that_is_made_by_a_task_of_a_call_is_the_handlers(call: Call) -> None:
    async def outer() -> asyncio.Task[None]:
        return asyncio.create_task(idle())

    inner = await call.make(outer)
    call.tasks.append(inner)

    assert handler_of(inner) == 'bell'


async def test_a_task_that_nobody_calls_for_is_nobodys(strays: Strays) -> None:
    task = asyncio.create_task(turn())
    await task

    assert handler_of(task) is None


async def test_what_a_library_makes_for_itself_in_a_call_is_nobodys(call: Call, library: ModuleType) -> None:
    assert handler_of(call.make(library.idle, library.ask)) is None


async def test_what_a_call_makes_of_a_librarys_coroutine_is_the_handlers(call: Call, library: ModuleType) -> None:
    assert handler_of(call.make(library.idle)) == 'bell'


async def test_what_a_library_makes_of_the_plugins_coroutine_is_the_handlers(call: Call, library: ModuleType) -> None:
    assert handler_of(call.make(idle, library.ask)) == 'bell'


async def test_what_a_call_gathers_is_the_handlers(call: Call, library: ModuleType) -> None:
    before = asyncio.all_tasks()
    token = current_work.set(call.work)
    gathering = asyncio.gather(library.idle())
    current_work.reset(token)
    (task,) = asyncio.all_tasks() - before

    assert handler_of(task) == 'bell'

    gathering.cancel()
    await asyncio.wait([task])


async def test_what_is_made_in_a_start_is_the_handlers(strays: Strays) -> None:
    with strays.inside(make_handler(bell, name='bell')):
        task = asyncio.create_task(turn())
    await task

    assert handler_of(task) == 'bell'


async def test_what_is_made_after_a_start_is_nobodys(strays: Strays) -> None:
    with strays.inside(make_handler(bell, name='bell')):
        pass
    task = asyncio.create_task(turn())
    await task

    assert handler_of(task) is None


async def test_a_task_can_be_made_in_a_context_and_with_a_name(call: Call) -> None:
    def ask(coro: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        return asyncio.get_running_loop().create_task(coro, name='mine', context=Context())

    assert (handler_of(call.make(idle, ask)), call.tasks[0].get_name()) == ('bell', 'mine')


async def test_a_generator_of_old_can_be_made_a_task_of(strays: Strays) -> None:
    @coroutine
    def old() -> Any:
        yield

    assert await asyncio.get_running_loop().create_task(old()) is None


async def test_a_handler_that_is_not_known_has_no_tasks(strays: Strays) -> None:
    call = Call('gong')
    task = call.make(turn)
    await task

    assert handler_of(task) is None


# ---- own code


class Base:
    """A class in a package that plugins share."""


Base.__module__ = 'shared.base'


class Heir(Base):
    """A plugin that inherits from it."""

    @handler
    async def on_event(self, event: Event) -> None:
        """Take an event and do nothing."""


def installed(monkeypatch: pytest.MonkeyPatch, name: str, file: str | None, *, package: bool = True) -> None:
    """Let a module be imported."""
    made = ModuleType(name)
    if file is not None:
        made.__file__ = file
    if package:
        made.__path__ = []
    monkeypatch.setitem(sys.modules, name, made)


def knowing(module_name: str) -> Strays:
    """Strays that know the handler bell, whose function is in a module of that name."""

    @handler
    async def function(event: Event) -> None:
        """Take an event and do nothing."""

    function.__module__ = module_name
    made = Strays()
    with made.inside(make_handler(function, name='bell')):
        return made


def test_the_code_of_a_single_file_is_that_file(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, 'dropped', '/plugins/dropped.py', package=False)
    strays = knowing('dropped')

    assert [strays.handlers_in(file) for file in ('/plugins/dropped.py', '/plugins/other.py')] == [['bell'], []]


def test_the_code_of_a_package_is_all_that_is_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, 'acme', '/plugins/acme/__init__.py')
    strays = knowing('acme.bells.small')

    assert [strays.handlers_in(file) for file in ('/plugins/acme/bells/x.py', '/plugins/acme2/x.py')] == [['bell'], []]


def test_a_namespace_is_nobodys_own(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, 'acme', None)
    installed(monkeypatch, 'acme.bells', '/plugins/acme/bells/__init__.py')
    strays = knowing('acme.bells')

    assert [strays.handlers_in(file) for file in ('/plugins/acme/bells/x.py', '/plugins/acme/x.py')] == [['bell'], []]


def test_the_code_that_a_plugin_inherits_is_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, 'shared', '/plugins/shared/__init__.py')
    strays = Strays()
    with strays.inside(make_handler(Heir, name='bell')):
        pass

    assert strays.handlers_in('/plugins/shared/base.py') == ['bell']


@pytest.mark.parametrize('foreign', [asyncio.__file__, module.__file__])
def test_python_and_wazo_busd_are_no_plugins_own(foreign: str) -> None:
    strays = Strays()
    with strays.inside(make_handler(Heir, name='bell')):
        pass

    assert strays.handlers_in(foreign) == []


def test_a_plugin_of_no_file_has_no_code_of_its_own() -> None:
    assert knowing('nowhere').handlers_in(__file__) == []


# ---- left


async def test_a_task_of_an_event_that_is_not_done_with_is_not_left(strays: Strays, call: Call) -> None:
    call.make()

    assert strays.left('bell') == 0


async def test_a_task_that_outlives_its_event_is_left(strays: Strays, call: Call) -> None:
    call.make()
    call.settle()

    assert strays.left('bell') == 1


async def test_a_task_that_has_ended_is_not_left(strays: Strays, call: Call) -> None:
    await call.make(turn)
    call.settle()

    assert strays.left('bell') == 0


async def test_a_task_that_nobody_keeps_is_not_kept_for_being_counted(strays: Strays, call: Call) -> None:
    await call.make(turn)
    call.tasks.clear()
    call.settle()
    await turn(1)

    assert len(strays._own['bell'].tasks) == 0


async def test_a_handler_that_is_not_known_has_left_nothing(strays: Strays) -> None:
    assert strays.left('gong') == 0


async def test_a_hundred_tasks_that_are_left_are_no_news(strays: Strays, call: Call, log: StringIO) -> None:
    for _ in range(100):
        call.make()
    call.settle()

    strays.look()

    assert log_lines(log, 'tasks_left_running') == []


async def test_more_than_a_hundred_are_told_with_what_they_run(strays: Strays, call: Call, log: StringIO) -> None:
    for _ in range(101):
        call.make()
    call.settle()

    strays.look()

    (line,) = log_lines(log, 'tasks_left_running')
    assert (line['handler'], line['count'], line['tasks']) == ('bell', '101', 'idle: 101')


async def test_the_names_that_a_plugin_gives_its_tasks_are_not_told(strays: Strays, call: Call, log: StringIO) -> None:
    for _ in range(101):
        call.make(idle, lambda coro: asyncio.create_task(coro, name='+15551234'))
    call.settle()

    strays.look()

    assert '+15551234' not in log.getvalue()


async def test_it_is_looked_again_and_again(strays: Strays, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, '_LOOK_SECONDS', 0.0)
    looks = []
    enough = asyncio.Event()

    def look() -> None:
        looks.append(True)
        if len(looks) == 3:
            enough.set()

    monkeypatch.setattr(strays, 'look', look)
    looking = asyncio.create_task(strays.run())

    assert await patiently(enough.wait())

    looking.cancel()


# ---- the end


async def test_the_end_of_a_handler_cancels_what_it_left(strays: Strays, call: Call) -> None:
    task = call.make()
    await turn(1)

    await strays.end('bell')

    assert task.cancelled()


async def test_the_end_of_a_handler_tells_how_many_it_left(strays: Strays, call: Call, log: StringIO) -> None:
    call.make()
    call.make()

    await strays.end('bell')

    (line,) = log_lines(log, 'tasks_cancelled')
    assert (line['handler'], line['count'], line['tasks']) == ('bell', '2', 'idle: 2')


async def test_the_end_of_a_handler_that_left_nothing_says_nothing(strays: Strays, call: Call, log: StringIO) -> None:
    await call.make(turn)

    await strays.end('bell')

    assert log.getvalue() == ''


async def test_the_end_of_a_handler_leaves_the_tasks_of_others_alone(strays: Strays, call: Call) -> None:
    with strays.inside(make_handler(bell, name='gong')):
        pass
    task = call.make()

    await strays.end('gong')

    assert not task.done()


async def test_the_end_of_a_handler_leaves_a_librarys_tasks_alone(
    strays: Strays, call: Call, library: ModuleType
) -> None:
    task = call.make(library.idle, library.ask)

    await strays.end('bell')

    assert not task.done()


async def test_the_end_of_a_handler_is_waited_for(strays: Strays, call: Call) -> None:
    tidied = []

    async def tidy() -> None:
        try:
            await idle()
        finally:
            await turn()
            tidied.append(True)

    call.make(tidy)
    await turn(1)

    await strays.end('bell')

    assert tidied == [True]


async def test_what_ignores_its_cancellation_is_told_and_not_waited_for(
    strays: Strays, call: Call, log: StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, '_GRACE_SECONDS', 0.0)
    release = asyncio.Event()

    async def stubborn() -> None:
        try:
            await idle()
        except asyncio.CancelledError:
            await release.wait()

    call.make(stubborn)
    await turn(1)

    await strays.end('bell')
    release.set()

    assert log_lines(log, 'tasks_ignore_cancellation')[0]['handler'] == 'bell'


async def test_a_handler_that_has_ended_is_known_no_more(strays: Strays) -> None:
    await strays.end('bell')

    assert not strays.knows('bell')


async def test_the_end_of_a_handler_that_is_not_known_is_nothing(strays: Strays, log: StringIO) -> None:
    await strays.end('gong')

    assert log.getvalue() == ''


async def test_a_task_is_called_by_its_coroutine(call: Call) -> None:
    assert coroutine_of(call.make()) == 'idle'
