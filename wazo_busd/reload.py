# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The reload: who asks that the configuration is read again, and who waits for what comes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from pathlib import Path

from wazo_busd import roster
from wazo_busd.config import Configuration, load
from wazo_busd.errors import Problem
from wazo_busd.roster import Roster
from wazo_busd.threads import Threads


class Reload:
    """One reload after the other. What is asked for while one is under way is the next one."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        """Set while one is asked for."""
        self._waiting: list[asyncio.Future[Sequence[Problem]]] = []

    def ask(self) -> None:
        """Ask for one, and do not wait for it."""
        self.asked.set()

    async def result(self) -> Sequence[Problem]:
        """Ask for one and wait for it.

        Returns:
            What is wrong with the configuration; then nothing was changed.
        """
        told: asyncio.Future[Sequence[Problem]] = asyncio.get_running_loop().create_future()
        self._waiting.append(told)
        self.ask()
        return await told

    async def run(self, reload: Awaitable[Sequence[Problem]]) -> None:
        """Do what is asked for, and tell whoever waits for it.

        Args:
            reload: does it, and gives what is wrong.
        """
        self.asked.clear()
        waiting, self._waiting = self._waiting, []
        problems = await reload
        for told in waiting:
            # Who has gone away meanwhile has cancelled it.
            if not told.done():
                told.set_result(problems)


async def read(path: Path) -> tuple[Configuration, Roster]:
    """Read the configuration and load its plugins in a thread, which hangs instead of the loop if one of them does.

    A plugin's code is imported there too: it may raise anything, and take any time.

    Args:
        path: the main configuration file.
    """

    def both(path: Path) -> tuple[Configuration, Roster]:
        configuration = load(path)
        return configuration, roster.call(configuration)

    threads = Threads('reload', 1)
    try:
        found: tuple[Configuration, Roster] = await threads.run(both, path)
        return found
    finally:
        threads.close()
