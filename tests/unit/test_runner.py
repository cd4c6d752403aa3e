# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The runner: what plugins do wrong neither ends the daemon nor keeps it from ending."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from types import SimpleNamespace

import pytest

from tests.support import PATIENCE_SECONDS
from wazo_busd import runner
from wazo_busd.lookout import Lookout


def _process(code: str) -> subprocess.CompletedProcess[str]:
    """Run a program that has `runner`, as what it does to the process must not happen to the tests."""
    head = 'import asyncio, sys, threading, time\nfrom wazo_busd import logs, runner\nlogs.configure("info")\n'
    program = head + dedent(code)
    return subprocess.run(
        [sys.executable, '-c', program], capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS
    )


def test_the_coroutine_runs_to_its_end() -> None:
    done = []

    async def main() -> None:
        await asyncio.sleep(0)
        done.append(True)

    runner.run(main())

    assert done == [True]


def test_what_it_raises_comes_out() -> None:
    async def main() -> None:
        raise ValueError('mine')

    with pytest.raises(ValueError, match='mine'):
        runner.run(main())


@pytest.mark.parametrize('error', ['SystemExit(7)', 'KeyboardInterrupt()'])
@pytest.mark.parametrize(
    'wait', ['asyncio.gather(child())', 'asyncio.wait_for(child(), 1)', 'asyncio.create_task(child())']
)
def test_an_exit_in_a_task_that_a_plugin_starts_is_its_own_affair(error: str, wait: str) -> None:
    ended = _process(f"""
        async def child():
            raise {error}
        async def main():
            try:
                await {wait}
            except BaseException as raised:
                print('raised', type(raised).__name__)
            await asyncio.sleep(0.01)
            print('done')
        runner.run(main())
    """)

    assert (ended.returncode, ended.stdout) == (0, f'raised {error.partition("(")[0]}\ndone\n')


def test_an_exit_that_is_refused_is_told_with_the_handler(tmp_path: Path) -> None:
    (tmp_path / 'bad.py').write_text(
        'import sys\nfrom wazo_busd.api import handler\n\n@handler\nasync def leave(event):\n    sys.exit(7)\n'
    )
    ended = _process(f"""
        sys.path.insert(0, {str(tmp_path)!r})
        import bad
        from wazo_busd.config import HandlerConfig
        from wazo_busd.handler import Handler
        from wazo_busd.lookout import Lookout
        from wazo_busd.plugin import describe
        async def main():
            plugin = describe(bad, name='bad', source='a test', version='1')
            with lookout.strays.inside(Handler('bell', plugin, HandlerConfig(plugin='bad', match=['#']), None)):
                asyncio.create_task(bad.leave(None))
            await asyncio.sleep(0.01)
        lookout = Lookout()
        runner.run(main(), lookout)
    """)

    assert 'exit_refused handler=bell' in ended.stderr


def test_an_exit_in_a_callback_that_a_plugin_asks_for_ends_nothing() -> None:
    ended = _process("""
        async def main():
            asyncio.get_running_loop().call_soon(sys.exit, 7)
            await asyncio.sleep(0.01)
            print('done')
        runner.run(main())
    """)

    assert (ended.returncode, ended.stdout) == (0, 'done\n')


def test_an_exit_of_the_coroutine_itself_is_an_exit() -> None:
    ended = _process("""
        async def main():
            sys.exit(3)
        runner.run(main())
    """)

    assert ended.returncode == 3


@pytest.mark.parametrize(
    'leaves',
    [
        'asyncio.create_task(ignores(), name="stubborn")',
        'asyncio.create_task(asyncio.to_thread(time.sleep, 600))',
        'threading.Thread(target=time.sleep, args=(600,)).start()',
    ],
)
def test_what_is_left_behind_keeps_the_process_from_nothing(leaves: str) -> None:
    ended = _process(f"""
        async def ignores():
            while True:
                try:
                    await asyncio.sleep(600)
                except asyncio.CancelledError:
                    pass
        async def main():
            thing = {leaves}
            await asyncio.sleep(0.05)
            print('done')
        runner.run(main())
    """)

    assert (ended.returncode, ended.stdout.splitlines()[0], 'left_behind' in ended.stdout + ended.stderr) == (
        0,
        'done',
        True,
    )


@pytest.mark.parametrize('when', ['', 'await asyncio.sleep(0.01)'])
def test_a_task_that_fails_and_that_nobody_awaits_is_told(when: str) -> None:
    ended = _process(f"""
        class Cycle:
            async def fail(self):
                raise ValueError('unseen')
        async def main():
            cycle = Cycle()
            cycle.task = asyncio.create_task(cycle.fail())
            {when}
        runner.run(main())
    """)

    assert 'task_failed coroutine=Cycle.fail' in ended.stderr


def test_the_error_of_a_task_that_is_cancelled_in_the_end_is_told() -> None:
    ended = _process("""
        async def fail():
            try:
                await asyncio.sleep(600)
            finally:
                raise ValueError('unseen')
        async def main():
            global task
            task = asyncio.create_task(fail())
            await asyncio.sleep(0)
        runner.run(main())
    """)

    assert 'task_failed coroutine=fail' in ended.stderr


def test_an_exit_in_a_task_that_nobody_awaits_is_told_with_its_task() -> None:
    ended = _process("""
        async def leave():
            sys.exit(7)
        async def main():
            asyncio.create_task(leave())
            await asyncio.sleep(0.01)
        runner.run(main())
    """)

    assert ('exit_refused' in ended.stderr, 'task_failed coroutine=leave' in ended.stderr) == (True, True)


def test_what_blocks_the_loop_is_told() -> None:
    ended = _process("""
        from wazo_busd.lookout import Lookout
        class Impatient(Lookout):
            def _began(self, *arguments):
                super()._began(*arguments)
                told.set()
        told = threading.Event()
        async def main():
            told.wait()
        runner.run(main(), Impatient(0.01))
    """)

    assert 'loop_blocked task=main' in ended.stderr


def test_the_lookout_has_ended_when_the_coroutine_has() -> None:
    async def main() -> None:
        await asyncio.sleep(0)

    lookout = Lookout()
    runner.run(main(), lookout)

    assert not lookout._thread.is_alive()


def test_a_task_that_ends_when_it_is_cancelled_is_waited_for() -> None:
    ended = _process("""
        async def tidy():
            try:
                await asyncio.sleep(600)
            finally:
                await asyncio.sleep(0.01)
                print('tidied')
        async def main():
            global task
            task = asyncio.create_task(tidy())
            await asyncio.sleep(0)
        runner.run(main())
    """)

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, 'tidied\n', '')


@pytest.fixture
def ran_by(monkeypatch: pytest.MonkeyPatch) -> Callable[[object], asyncio.AbstractEventLoop]:
    """Says by which loop something is run, where a module stands for uvloop."""

    def run(module: object) -> asyncio.AbstractEventLoop:
        monkeypatch.setitem(sys.modules, 'uvloop', module)
        ran: list[asyncio.AbstractEventLoop] = []

        async def look() -> None:
            ran.append(asyncio.get_running_loop())

        runner.run(look())
        return ran[0]

    return run


def test_the_loop_is_that_of_uvloop_where_it_is_installed(
    ran_by: Callable[[object], asyncio.AbstractEventLoop],
) -> None:
    made = asyncio.new_event_loop()

    assert ran_by(SimpleNamespace(new_event_loop=lambda: made)) is made


def test_without_uvloop_the_loop_is_that_of_asyncio(ran_by: Callable[[object], asyncio.AbstractEventLoop]) -> None:
    assert type(ran_by(None)).__module__.startswith('asyncio.')
