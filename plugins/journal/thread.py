# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The thread of a store, in which all that blocks is done, one thing after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar('T')


class OwnThread:
    """One thread.

    Args:
        name: what it is called, for a person who looks at the process.
        begin: what it does first.
    """

    def __init__(self, name: str, begin: Callable[[], None] | None = None) -> None:
        self._executor = ThreadPoolExecutor(1, name, begin)

    async def run(self, function: Callable[[], T]) -> T:
        """Run a function in it, behind what it was given before.

        Raises:
            Exception: whatever the function raises.
        """
        return await asyncio.get_running_loop().run_in_executor(self._executor, function)

    def end(self, last: Callable[[], None]) -> None:
        """Let it run one more function and end. Nobody has to wait for that."""
        self._executor.submit(last)
        self._executor.shutdown(wait=False)
