# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What asyncio tells about the running task."""

from __future__ import annotations

import asyncio

import pytest

from wazo_busd.tasks import is_cancelled, raise_if_cancelled


async def test_a_cancellation_that_was_swallowed_is_raised() -> None:
    # Given a task that swallows the first cancellation that it gets
    begun = asyncio.Event()

    async def deaf() -> None:
        try:
            begun.set()
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            raise_if_cancelled()

    task = asyncio.create_task(deaf())
    await begun.wait()

    # When it is cancelled
    task.cancel()

    # Then it ends so
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_what_a_library_raises_by_itself_is_no_cancellation() -> None:
    async def lost() -> bool:
        try:
            raise asyncio.CancelledError
        except asyncio.CancelledError:
            raise_if_cancelled()
            return is_cancelled()

    assert not await asyncio.create_task(lost())
