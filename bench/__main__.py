# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`python -m bench`: measure what an event costs, and write it down."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from bench.broker import Broker
from bench.build import INTERPRETED, compiled
from bench.errors import BenchError
from bench.lineup import VHOSTS, Lineup
from bench.machine import look
from bench.measure import Measure
from bench.plan import FULL, QUICK
from bench.report import report
from bench.suite import STEPS, Say, Suite
from tools.rabbitmq_node import NodeError, RabbitmqNode, is_installed

_ROOT = Path(__file__).absolute().parents[1]


@click.command(context_settings={'max_content_width': 100})
@click.option(
    '--quick', is_flag=True, help='Measure less, in about two minutes, and write nothing unless --out says where.'
)
@click.option('--only', 'steps', multiple=True, type=click.Choice(STEPS), help='Only this step; may be repeated.')
@click.option('--peer', 'peers', multiple=True, help='Only this peer beside kombu; may be repeated.')
@click.option('--without-uvloop', is_flag=True, help='Hide uvloop from the daemon, if it is installed.')
@click.option('--interpreted', is_flag=True, help='Measure the modules of the daemon as they stand, and not compiled.')
@click.option('--out', type=click.Path(path_type=Path, dir_okay=False), help='Where the page goes; bench/RESULTS.md.')
@click.option(
    '--peer-python',
    type=click.Path(path_type=Path),
    default=_ROOT / '.venv-bench' / 'bin' / 'python',
    help='The Python that has the libraries of the peers; make bench sees to it.',
)
def main(
    quick: bool,
    steps: tuple[str, ...],
    peers: tuple[str, ...],
    without_uvloop: bool,
    interpreted: bool,
    out: Path | None,
    peer_python: Path,
) -> None:
    """Measure what an event costs in the daemon and in its peers, on a private RabbitMQ."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    # Drop-ins that others could write are refused.
    os.umask(0o022)
    if not is_installed():
        sys.exit('error: RabbitMQ is missing; next: apt install rabbitmq-server')
    say = _clock()
    try:
        build = INTERPRETED if interpreted else compiled()
        with TemporaryDirectory(prefix='busd-bench-') as directory, _node(Path(directory), say) as node:
            broker = Broker(node, VHOSTS)
            lineup = Lineup(
                broker,
                Path(directory),
                peer_python=peer_python,
                uvloop=not without_uvloop,
                build=build,
                only=peers,
            )
            found = look(broker.version, peer_python, build, uvloop=not without_uvloop)
            plan = QUICK if quick else FULL
            suite = Suite(plan, Measure(broker, Path(directory)), lineup, say, Path(directory))
            for step in steps or STEPS:
                suite.do(step)
            page = report(suite.results, found, plan)
    except (BenchError, NodeError) as error:
        sys.exit(f'error: {error}')
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    if out is None and not quick and not steps:
        out = _ROOT / 'bench' / 'RESULTS.md'
    if out is None:
        click.echo(f'\n{page}')
    else:
        out.write_text(page)
        say(f'written: {out.name}')


def _clock() -> Say:
    """What tells a person how it goes on, and how long it has taken."""
    began = time.monotonic()

    def say(text: str) -> None:
        passed = int(time.monotonic() - began)
        click.echo(f'[{passed // 60}:{passed % 60:02}] {text}')

    return say


@contextmanager
def _node(directory: Path, say: Say) -> Iterator[RabbitmqNode]:
    """A private RabbitMQ that is stopped at the end, however that comes."""
    node = RabbitmqNode(directory / 'rabbitmq')
    say('starting a private RabbitMQ …')
    try:
        node.start()
        yield node
    finally:
        # A second Ctrl-C must not leave the node behind.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        node.stop()


if __name__ == '__main__':
    main()
