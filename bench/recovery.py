# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""How long it takes from a fault until the daemon handles events again.

python -m bench.recovery --times 50

A real daemon on a private broker, with an event every few milliseconds. A recovery lasts from the fault to the first
event handled that was published after it; where the broker itself was away, from the moment its listener is back.
"""

from __future__ import annotations

import contextlib
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from tests.conftest import Broker
from tests.torture.rig import ProxyThread
from tests.torture.site import Site
from tests.torture.wire import Wire
from tools.rabbitmq_node import RabbitmqNode

_EVERY_SECONDS = 0.005
_STEADY_SECONDS = 11.0
"""Between two faults: after one that comes sooner the daemon waits longer before it tries again."""

_PATIENCE_SECONDS = 60.0
_DAEMONS_CONNECTIONS = """
T = erlang:system_time(microsecond),
[rabbit_networking:close_connection(P, <<"by the benchmark">>)
 || P <- rabbit_networking:connections(), rabbit_networking:connection_info(P, [user]) =:= [{user, <<"daemon">>}]],
T.
"""

_CLOCK = """
import time
from pathlib import Path
from wazo_busd.api import handler

@handler('calls.#')
async def clock(event, context):
    with Path(context.options['home'], 'times').open('a') as file:
        file.write(f'{event.data} {time.time()}\\n')
"""


class Load(threading.Thread):
    """Publishes the time every few milliseconds, over as many connections as it takes.

    Args:
        broker: the broker.
    """

    def __init__(self, broker: Broker) -> None:
        super().__init__(name='load', daemon=True)
        self._broker = broker

    def run(self) -> None:
        """Publish until the program ends."""
        while True:
            with contextlib.suppress(OSError, EOFError, AssertionError), Wire(self._broker) as wire:
                while True:
                    wire.publish(b'{"name": "x", "data": %.6f}' % time.time())
                    wire.flush()
                    time.sleep(_EVERY_SECONDS)
            time.sleep(_EVERY_SECONDS)


class Bench:
    """A daemon under load, and what can happen to it.

    Args:
        node: its broker.
        directory: where everything is put.
    """

    def __init__(self, node: RabbitmqNode, directory: Path) -> None:
        self._node = node
        self._broker = Broker(node, '/')
        node.add_user('daemon', 'secret')
        node.set_permissions('/', 'daemon', '.*', '.*', '.*')
        self.proxy = ProxyThread(node.host, node.port)
        self.proxy.start()
        self._site = Site(
            self._broker,
            directory,
            plugins={'clock': _CLOCK},
            handlers='clock: {plugin: clock, options: {HOME}}',
            bus='username: daemon, password: secret',
            port=self.proxy.port,
        )
        (self._site.home / 'times').touch()
        self._site.start()
        self._times = (self._site.home / 'times').open()
        Load(self._broker).start()

    def close(self) -> None:
        """End everything."""
        self._times.close()
        self._site.close()
        self.proxy.stop()

    def measure(self, fault: Callable[[Bench], float], *, is_away: bool) -> float:
        """Let a fault happen.

        Args:
            fault: makes it, and gives the time when it did.
            is_away: whether it is over only then: the first event that is handled afterwards counts, whenever it was
                published.

        Returns:
            How long it took until events were handled again, in seconds.
        """
        time.sleep(_STEADY_SECONDS)
        self._times.read()
        began = fault(self)
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < deadline:
            for line in self._lines():
                published, handled = map(float, line.split())
                if (handled if is_away else published) >= began:
                    return handled - began
            time.sleep(0.01)
        raise TimeoutError(f'no event was handled within {_PATIENCE_SECONDS:g} s')

    def reset(self) -> float:
        """The connections are reset."""
        began = time.time()
        self.proxy.reset()
        return began

    def close_connections(self) -> float:
        """The broker closes them."""
        return int(self._node.ctl('eval', _DAEMONS_CONNECTIONS).split()[-1]) / 1_000_000

    def delete_queue(self) -> float:
        """Somebody deletes the handler's queue."""
        with Wire(self._broker) as wire:
            began = time.time()
            wire.delete_queue('wazo-busd.clock')
        return began

    def restart_broker(self) -> float:
        """The broker is stopped and started.

        Returns:
            When its listener was back.
        """
        self._node.stop_server()
        back: list[float] = []
        looking = threading.Thread(target=lambda: back.append(_listens_at(self._node)))
        looking.start()
        self._node.start()
        looking.join()
        return back[0]

    def freeze(self) -> float:
        """Nothing passes any more on the connections there are, and nobody is told."""
        began = time.time()
        self.proxy.freeze()
        return began

    def _lines(self) -> Sequence[str]:
        text = self._times.read()
        # What is not whole yet is read again.
        whole, _, rest = text.rpartition('\n')
        if rest:
            self._times.seek(self._times.tell() - len(rest))
        return whole.splitlines()


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault.

    Attributes:
        name: what it is called in the table.
        fault: makes one.
        goal_seconds: how long the recovery is to take at most.
        share: of how often it is asked for, so often it is made.
        is_away: see `Bench.measure`.
    """

    name: str
    fault: Callable[[Bench], float]
    goal_seconds: float
    share: float = 1.0
    is_away: bool = False


KINDS = (
    Kind('connection reset', Bench.reset, 0.25),
    Kind('connection closed by the broker', Bench.close_connections, 0.25, share=0.4),
    Kind('queue deleted', Bench.delete_queue, 0.5, share=0.4),
    Kind('half-open', Bench.freeze, 2.5, share=0.4),
    Kind('broker back after its listener', Bench.restart_broker, 1.0, share=0.1, is_away=True),
)


@click.command()
@click.option('--times', default=50, show_default=True, help='How often the first kind of fault happens.')
def main(times: int) -> None:
    """Print how long recoveries take, with the goals beside."""
    with tempfile.TemporaryDirectory(prefix='recovery-') as place:
        node = RabbitmqNode(Path(place) / 'rabbitmq')
        node.start()
        try:
            bench = Bench(node, Path(place))
            try:
                _report(bench, times)
            finally:
                bench.close()
        finally:
            node.stop()


def _report(bench: Bench, times: int) -> None:
    click.echo(f'{"fault":<33} {"times":>5}  {"p50":>7}  {"p99":>7}  {"goal":>6}')
    for kind in KINDS:
        number = max(1, round(times * kind.share))
        took = sorted(bench.measure(kind.fault, is_away=kind.is_away) for _ in range(number))
        half, most = _quantile(took, 0.5), _quantile(took, 0.99)
        verdict = '' if most <= kind.goal_seconds else '  missed'
        click.echo(f'{kind.name:<33} {number:>5}  {half:>5.3f} s  {most:>5.3f} s  {kind.goal_seconds:>4g} s{verdict}')


def _quantile(values: Sequence[float], part: float) -> float:
    """The smallest of sorted values that `part` of them do not exceed."""
    return values[min(len(values) - 1, max(0, -int(-part * len(values) // 1) - 1))]


def _listens_at(node: RabbitmqNode) -> float:
    while True:
        with contextlib.suppress(OSError):
            socket.create_connection((node.host, node.port), 0.5).close()
            return time.time()
        time.sleep(0.005)


if __name__ == '__main__':
    main()
