# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The command line."""

from __future__ import annotations

import signal
from types import FrameType

import click

from wazo_busd import __version__
from wazo_busd.cli import completion as _completion  # noqa: F401 — it makes itself known to click
from wazo_busd.cli.commands import Commands, Group
from wazo_busd.errors import Interrupted


@click.group(
    cls=Group,
    commands=Commands(),
    context_settings={'help_option_names': ['-h', '--help'], 'max_content_width': 100},
)
@click.version_option(__version__, '-V', '--version', prog_name='wazo-busd', message='%(prog)s %(version)s')
@click.pass_context
def main(context: click.Context) -> None:
    """Run handler plugins on the events of the Wazo message bus.

    To begin, type check, then run. When something is wrong, type status, then doctor, which say what to type next, and
    tail to see what comes over the bus.

    Exit codes: 0 all is well, 1 a problem, 2 wrong usage, 3 the daemon does not run, 78 wrong configuration.
    """
    # Not above, for a Tab must not wait for it.
    from wazo_busd import logs

    # What is wrong is told by the command itself, with the cure. Until somebody says how, structlog shows on the
    # terminal what stood in the variables of whoever raised, be it a password.
    logs.configure('critical')
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # A shell lets what it starts in the background ignore the signal: that stays.
        signal.signal(signal.SIGINT, _interrupt)
        context.call_on_close(lambda: signal.signal(signal.SIGINT, signal.default_int_handler))


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise Interrupted
