# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The control: the pages that say how the daemon fares, and the deeds that change something while it runs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict
from typing import Protocol, get_args

from wazo_busd.config import Config, near
from wazo_busd.errors import Problem
from wazo_busd.http.page import Ask, Deed, Page, json_page
from wazo_busd.status import DaemonStatus

LEVELS: tuple[str, ...] = get_args(Config.model_fields['log_level'].annotation)
"""From which the log can be written."""

_NOT_READY = 503


class Controlled(Protocol):
    """The daemon, as far as it can be asked and changed."""

    def status(self) -> DaemonStatus:
        """How it fares."""

    def pausable(self) -> Collection[str]:
        """The handlers that can be paused."""

    def pause(self, handler: str, *, is_paused: bool) -> None:
        """Let a handler take no more events, or take them again.

        Args:
            handler: its name.
            is_paused: whether it is to be paused.
        """

    def log_from(self, level: str) -> None:
        """Write the log from a level on, until the daemon ends."""

    async def reread(self) -> Sequence[Problem]:
        """Read the configuration again, and wait for what comes of it.

        Returns:
            What is wrong with it; then nothing was changed.
        """


class Control:
    """Makes pages and does deeds.

    Args:
        daemon: what they are about.
    """

    def __init__(self, daemon: Controlled) -> None:
        self._daemon = daemon

    def pages(self, *, in_full: bool) -> dict[str, Ask]:
        """The pages, by paths.

        Args:
            in_full: whether they go to somebody who may see what plugins say in their own words.
        """

        async def ready() -> Page:
            reasons = self._daemon.status().reasons(in_full=in_full)
            return json_page({'ready': not reasons, 'reasons': reasons}, _NOT_READY if reasons else 200)

        async def status() -> Page:
            return json_page(self._daemon.status().plain(in_full=in_full))

        return {'/health': _health, '/ready': ready, '/status': status, '/1.0/status': self._as_wazo}

    def deeds(self) -> dict[str, Deed]:
        """What changes something, by paths."""
        return {
            '/handlers/{name}/pause': self._pause,
            '/handlers/{name}/resume': self._resume,
            '/log-level': self._log_level,
            '/reload': self._reload,
        }

    async def _as_wazo(self) -> Page:
        """As the services of a Wazo host say it: always with 200."""
        is_well = not self._daemon.status().reasons(in_full=False)
        return json_page({'bus_consumer': {'status': 'ok' if is_well else 'fail'}, 'rest_api': {'status': 'ok'}})

    async def _pause(self, name: str, body: str) -> Page:
        return self._paused(name, is_paused=True)

    async def _resume(self, name: str, body: str) -> Page:
        return self._paused(name, is_paused=False)

    def _paused(self, name: str, *, is_paused: bool) -> Page:
        known = self._daemon.pausable()
        if name not in known:
            hint = near(name, known)
            return json_page({'error': f'no handler that runs is called {name!r}', 'hint': hint}, 404)
        self._daemon.pause(name, is_paused=is_paused)
        return json_page({'handler': name, 'paused': is_paused})

    async def _log_level(self, name: str, body: str) -> Page:
        level = body.strip().lower()
        if level not in LEVELS:
            return json_page({'error': f'expected one of {", ".join(LEVELS)}', 'hint': near(level, LEVELS)}, 400)
        self._daemon.log_from(level)
        return json_page({'log_level': level})

    async def _reload(self, name: str, body: str) -> Page:
        problems = await self._daemon.reread()
        found = [asdict(each) for each in problems]
        return json_page({'applied': not found, 'problems': found}, 409 if found else 200)


async def _health() -> Page:
    """That the loop turns."""
    return Page(b'ok\n')
