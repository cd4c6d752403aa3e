# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The command line."""

from __future__ import annotations

import signal
from types import FrameType

import click

from wazo_busd import __version__
from wazo_busd.cli.check import check
from wazo_busd.cli.control import log_level, pause, reload_command, resume
from wazo_busd.cli.dead import dead
from wazo_busd.cli.docs import docs
from wazo_busd.cli.emit import emit
from wazo_busd.cli.events import events
from wazo_busd.cli.explain import explain
from wazo_busd.cli.journal import journal
from wazo_busd.cli.run import run
from wazo_busd.cli.status import status
from wazo_busd.cli.tail import tail
from wazo_busd.cli.test import test
from wazo_busd.errors import Interrupted


@click.group(context_settings={'help_option_names': ['-h', '--help'], 'max_content_width': 100})
@click.version_option(__version__, '-V', '--version', prog_name='wazo-busd', message='%(prog)s %(version)s')
@click.pass_context
def main(context: click.Context) -> None:
    """Run handler plugins on the events of the Wazo message bus.

    Exit codes: 0 all is well, 1 a problem, 2 wrong usage, 3 the daemon does not run, 78 wrong configuration.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # A shell lets what it starts in the background ignore the signal: that stays.
        signal.signal(signal.SIGINT, _interrupt)
        context.call_on_close(lambda: signal.signal(signal.SIGINT, signal.default_int_handler))


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise Interrupted


main.add_command(check)
main.add_command(dead)
main.add_command(docs)
main.add_command(emit)
main.add_command(events)
main.add_command(explain)
main.add_command(journal)
main.add_command(log_level)
main.add_command(pause)
main.add_command(reload_command)
main.add_command(resume)
main.add_command(run)
main.add_command(status)
main.add_command(tail)
main.add_command(test)
