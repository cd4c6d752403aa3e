# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The service manager: what systemd is told, and when it wants to hear that the daemon lives (sd_notify(3))."""

from __future__ import annotations

import os
import socket
import time

import structlog

from wazo_busd.text import escape

_PATIENCE_SECONDS = 0.2
"""How long the loop waits for a service manager that is behind, before it goes on without having told it."""

_RESERVE_SECONDS = 30.0
"""How long everything may take that follows the drain: to settle, to stop the plugins, to close the connections."""

log = structlog.stdlib.get_logger(__name__)


class Notifier:
    """Tells systemd how the daemon fares. Outside systemd it does nothing."""

    def __init__(self) -> None:
        address = os.environ.get('NOTIFY_SOCKET', '')
        self._address = f'\0{address[1:]}' if address.startswith('@') else address
        self._status = ''
        self.watchdog_seconds = _watchdog_seconds()
        """How often systemd must hear `alive`; 0 if it does not ask for it."""

    def ready(self) -> None:
        """The daemon is up and supervising; after a reload: the reload is over."""
        self._send('READY=1')

    def status(self, text: str) -> None:
        """Say in one line how it fares, for `systemctl status`."""
        text = escape(text)
        if text != self._status and self._send(f'STATUS={text}'):
            self._status = text

    def alive(self) -> None:
        """The event loop turns."""
        self._send('WATCHDOG=1')

    def reloading(self) -> None:
        """A reload begins; `ready` ends it."""
        self._send(f'RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}')

    def stopping(self, drain_seconds: float) -> None:
        """The daemon drains. Systemd is asked to wait for it, if that is longer than its unit says.

        Args:
            drain_seconds: how long running handlers may take.
        """
        microseconds = round((drain_seconds + _RESERVE_SECONDS) * 1_000_000)
        self._send(f'STOPPING=1\nEXTEND_TIMEOUT_USEC={microseconds}')

    def _send(self, message: str) -> bool:
        """Whether it was told, or there is nobody to tell."""
        if not self._address:
            return True
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as connection:
                # A status or a sign of life is said again; what the manager waits for is said once.
                connection.settimeout(0.0 if message.startswith(('STATUS=', 'WATCHDOG=')) else _PATIENCE_SECONDS)
                connection.connect(self._address)
                connection.sendall(message.encode('utf-8', 'replace'))
        except OSError as error:
            log.warning('systemd_not_told', message=message.partition('\n')[0], error=str(error))
            return False
        return True


def _watchdog_seconds() -> float:
    wanted = os.environ.get('WATCHDOG_USEC', '')
    for_us = os.environ.get('WATCHDOG_PID', str(os.getpid())) == str(os.getpid())
    return int(wanted) / 1_000_000 if wanted.isdecimal() and for_us else 0.0
