# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`wazo-busd run`: the daemon."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from wazo_busd import core_dump, logs, roster, runner
from wazo_busd.amqp import AmqpBus
from wazo_busd.bus import Bus, Gap, MakeBus
from wazo_busd.cli.options import EXIT_CONFIGURATION, command, config_option, plural, print_problems
from wazo_busd.config import Config, load
from wazo_busd.daemon import Daemon
from wazo_busd.errors import ConfigurationError, Problem


@click.command(short_help='Connect to the bus and run the handlers.')
@config_option
@click.option('-d', '--debug', is_flag=True, help='Log everything, the libraries included.')
@click.option(
    '-l',
    '--log-level',
    type=click.Choice(['debug', 'info', 'warning', 'error', 'critical'], case_sensitive=False),
    help='Log from this level on, instead of log_level of the configuration.',
)
def run(path: Path, debug: bool, log_level: str | None) -> None:
    """Connect to the bus and run the handlers, in the foreground, until a signal.

    SIGTERM or Ctrl-C finishes what runs and stops; a second one does not wait. SIGHUP reads the configuration again and
    changes only the handlers that changed.

    \b
    Examples:
      wazo-busd run
      wazo-busd run -c ./config.yml -l debug
    """
    sys.exit(serve(path, _amqp, level=log_level, debug=debug))


def serve(path: Path, make_bus: MakeBus, *, level: str | None = None, debug: bool = False) -> int:
    """Run the daemon until a signal.

    Args:
        path: the main configuration file.
        make_bus: makes the bus.
        level: the log level, if the command line gives one.
        debug: whether the command line asks for debugging.

    Returns:
        The exit code.
    """
    configuration = load(path)
    config = configuration.config
    # Before any plugin is imported, which may take a logger with it.
    logs.configure(
        level or config.log_level, debug=debug or config.debug, form=config.log_format, secrets=configuration.secrets
    )
    core_dump.forbid()
    names = roster.call(configuration)
    problems = [*configuration.problems, *names.problems]
    print_problems(configuration.warnings, 'warning')
    # With no handler left there is nothing to be the daemon of.
    if problems or (names.failures and not names.handlers):
        return _refuse([*problems, *names.failures], path)
    try:
        daemon = Daemon(path, make_bus, level=level, debug=debug)
        runner.run(daemon.run(configuration, names), daemon.lookout)
    except ConfigurationError as error:
        return _refuse([*error.problems, *names.failures], path)
    return 0


def _amqp(config: Config, on_change: Callable[[], None], on_gap: Callable[[Gap], None]) -> Bus:
    return AmqpBus(config.bus, config.state_dir, on_change, on_gap)


def _refuse(problems: Sequence[Problem], path: Path) -> int:
    print_problems(problems)
    click.echo(f'{plural(len(problems), "error")}; nothing was started. next: {command("check", path)}', err=True)
    return EXIT_CONFIGURATION
