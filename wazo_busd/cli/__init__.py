# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The command line."""

from __future__ import annotations

import click

from wazo_busd import __version__
from wazo_busd.cli.check import check
from wazo_busd.cli.run import run


@click.group(context_settings={'help_option_names': ['-h', '--help'], 'max_content_width': 100})
@click.version_option(__version__, '-V', '--version', prog_name='wazo-busd', message='%(prog)s %(version)s')
def main() -> None:
    """Run handler plugins on the events of the Wazo message bus.

    Exit codes: 0 all is well, 1 a problem, 2 wrong usage, 78 wrong configuration.
    """


main.add_command(check)
main.add_command(run)
