# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The daemon: the installed one, whole, as a process with a configuration of its own."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.build import INTERPRETED, Build
from bench.consumer import Consumer, Process
from bench.wire import Place
from wazo_busd.catalogue.publication import ORIGIN
from wazo_busd.config.model import BusConfig, HandlerConfig

_PLUGINS = Path(__file__).absolute().parent / 'plugins.d'
_NAMESPACE = 'wazo-busd'
_START_SECONDS = 60.0
_NO_UVLOOP = "raise ImportError('hidden by the benchmark')\n"
_MATCH = ['ami.#', 'calls.#']

FAIL_ATTEMPTS = 2 if 'retry' in HandlerConfig.model_fields else 1
"""How often a handler is tried before its event becomes a dead letter."""

CAN_GATHER = 'max_latency' in BusConfig.model_fields
"""Whether it can let events gather, and be told not to."""


@dataclass(frozen=True, slots=True)
class Case:
    """What a daemon is configured for.

    Attributes:
        name: what it is called in the results.
        handlers: the handlers, as in the configuration.
        bus: what the configuration says of the bus, beside where it is.
    """

    name: str
    handlers: Mapping[str, Mapping[str, Any]]
    bus: Mapping[str, Any] = field(default_factory=dict)


def handler(plugin: str, **keys: Any) -> dict[str, Any]:
    """A handler of the configuration.

    Args:
        plugin: one of those in `bench/plugins.d`.
        keys: whatever else is to be configured.
    """
    return {'plugin': plugin, 'match': _MATCH, **keys}


def plain(name: str = 'wazo-busd', kind: str = 'quorum', **bus: Any) -> Case:
    """One handler that does nothing."""
    return Case(name, {'count': handler('count', queue={'type': kind})}, bus)


def many(name: str, count: int, **keys: Any) -> Case:
    """Handlers that all do nothing, and all take every event."""
    return Case(name, {f'count-{number}': handler('count', **keys) for number in range(count)})


def full(name: str, order_by: str) -> Case:
    """Three handlers with all that a handler can have: order, conditions, a timeout."""
    return many(name, 3, order_by=order_by, timeout='10s', concurrency=4, **_conditions())


def waiting(name: str) -> Case:
    """One handler that waits for a web service, sixteen at a time."""
    return Case(name, {'wait': handler('wait', concurrency=16)})


def failing(name: str) -> Case:
    """One handler that fails at every event until that is a dead letter."""
    retry = {'retry': {'attempts': FAIL_ATTEMPTS, 'backoff': '100ms..100ms', 'in_place': 0}}
    return Case(name, {'fail': handler('fail', **(retry if FAIL_ATTEMPTS > 1 else {}))})


def sending(name: str, url: str) -> Case:
    """One handler that sends every event to a web server."""
    return Case(name, {'hook': handler('hook', options={'url': url, 'allow_networks': ['127.0.0.0/8']})})


def gathering(name: str, order_by: str, prefetch: int) -> Case:
    """One handler whose lanes fill up before it begins."""
    return Case(name, {'gather': handler('gather', order_by=order_by)}, {'prefetch': prefetch})


def _conditions() -> dict[str, Any]:
    """Conditions that all events of the workloads meet."""
    if {'where', 'when'} <= set(HandlerConfig.model_fields):
        return {'where': {'origin_uuid': ORIGIN}, 'when': "data.SentAt != ''"}
    return {'acl': ['events.#', '!events.calls.*.secret']}


class Daemon(Consumer):
    """A daemon with a configuration.

    Args:
        case: what it is configured for.
        place: the virtual host that is its own.
        directory: where its configuration, state and drop-ins are; of its own.
        uvloop: whether it may use uvloop if that is installed.
        profile: where it writes what its time went into, if it is to be sampled.
        build: the way its modules are run.
    """

    settles_all = True

    def __init__(
        self,
        case: Case,
        place: Place,
        directory: Path,
        *,
        uvloop: bool = True,
        profile: Path | None = None,
        build: Build = INTERPRETED,
    ) -> None:
        super().__init__(case.name, place, tuple(f'{_NAMESPACE}.{name}' for name in case.handlers))
        self.case = case
        self._directory = directory
        self._uvloop = uvloop
        self._profile = profile
        self._build = build

    @property
    def dead_queues(self) -> list[str]:
        """The queues of its dead letters."""
        return [f'{queue}.dead' for queue in self.queues]

    def prepare(self) -> None:
        """Write its configuration, and let it declare its queues."""
        self._directory.mkdir()
        shutil.copytree(_PLUGINS, self._directory / 'plugins.d', ignore=shutil.ignore_patterns('__pycache__'))
        place = {'host': self.place.host, 'port': self.place.port, 'vhost': self.place.vhost}
        config = {
            'bus': {**place, **self.case.bus},
            'log_level': 'warning',
            'plugin_dirs': ['plugins.d'],
            'state_dir': 'state',
            'handlers': self.case.handlers,
        }
        # JSON is YAML.
        self.config.write_text(json.dumps(config, indent=2))
        if not self._uvloop:
            (self._directory / 'hidden').mkdir()
            (self._directory / 'hidden' / 'uvloop.py').write_text(_NO_UVLOOP)
        first = self._directory / 'first'
        first.mkdir()
        with Process(self, first, broker=0, target=0) as process:
            process.wait_until_consuming(_START_SECONDS)
            process.stop()

    def command(self) -> list[str]:
        """What starts it: the installed command, or the sampler around it."""
        run = ['run', '-c', str(self.config)]
        if self._profile is not None:
            return [sys.executable, '-m', 'bench.sampler', str(self._profile), *run]
        return [str(Path(sys.executable).with_name('wazo-busd')), *run]

    def environment(self) -> Mapping[str, str]:
        """Where it finds its modules and the recorder, and no uvloop if it may not use it."""
        hidden = [] if self._uvloop else [str(self._directory / 'hidden')]
        return {'PYTHONPATH': ':'.join([*hidden, str(self._build.tree)])}

    @property
    def config(self) -> Path:
        """Its configuration file."""
        return self._directory / 'config.yml'
