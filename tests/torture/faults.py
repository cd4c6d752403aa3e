# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The faults: what happens to connections, brokers and daemons, sooner or later."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

from tests.support import eventually_sync
from tests.torture.rig import Rig


def close_connections(rig: Rig) -> None:
    """An administrator closes every connection."""
    rig.node.ctl('close_all_connections', '--vhost', rig.broker.vhost, 'torture')


def reset_connections(rig: Rig) -> None:
    """Every connection of the daemon is reset, between a delivery and its acknowledgement as a rule."""
    rig.proxy.reset()


def half_open(rig: Rig) -> None:
    """Nothing passes any more on the daemon's connections, and nobody is told."""
    opened = rig.proxy.opened
    began = time.monotonic()
    rig.proxy.freeze()
    eventually_sync(lambda: rig.proxy.opened > opened, 60.0)
    rig.witness.silent(began, time.monotonic())
    # One that consumes and one that publishes: the daemon has found it out. The broker does so later.
    eventually_sync(lambda: rig.proxy.opened >= opened + 2, 60.0)
    rig.proxy.bury()


def restart_broker(rig: Rig) -> None:
    """The broker is stopped in order, and started again."""
    rig.node.stop_server()
    rig.node.start()


def kill_broker(rig: Rig) -> None:
    """The broker is killed, and started again."""
    rig.node.kill()
    rig.node.start()


def stop_daemon(rig: Rig) -> None:
    """The daemon is stopped in order, and started again."""
    rig.stop_daemon()
    rig.start_daemon()


def reload_daemon(rig: Rig) -> None:
    """The daemon reads a configuration in which one handler is another."""
    rig.change_configuration()
    rig.daemon.signal(signal.SIGHUP)


def kill_daemon(rig: Rig) -> None:
    """The daemon is killed, and started again."""
    rig.kill_daemon()
    rig.start_daemon()


WITHOUT_CRASH: tuple[Callable[[Rig], None], ...] = (
    reset_connections,
    close_connections,
    half_open,
    reload_daemon,
    kill_broker,
    stop_daemon,
    restart_broker,
)
"""Those that leave the daemon's process alone, or end it in order: none of them makes anything run twice, by itself."""
