# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The sampler: runs the daemon, and looks every other millisecond of its CPU time at what it does.

Looking costs little and costs everything alike, which cProfile, with a cost for each call, does not. What is written in
C counts for the line that called it.
"""

from __future__ import annotations

import json
import signal
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from bench.recorder import recorder

_EVERY_SECONDS = 0.002
_OURS = 'wazo_busd'
_RUNNER = 'wazo_busd.runner'
"""What runs the loop, whichever: below it nothing is at work."""

_LOOP = 'the loop itself'
_PLUGIN = 'the handler'


@dataclass(frozen=True, slots=True)
class Profile:
    """Where the time went, in shares of all.

    Attributes:
        samples: how often was looked.
        modules: the share of each module of the daemon, with what it called in libraries.
        functions: the share of each function, whose ever it is, without what it called.
    """

    samples: int
    modules: dict[str, float]
    functions: dict[str, float]

    @classmethod
    def read(cls, path: Path) -> Profile:
        """The one that a sampler wrote."""
        said = json.loads(path.read_text())
        return cls(**said)


class Sampler:
    """Counts what is found at work.

    Args:
        path: where the profile is written when the last event has been handled.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._modules: Counter[str] = Counter()
        self._functions: Counter[str] = Counter()

    def start(self) -> None:
        """Begin to look."""
        signal.signal(signal.SIGPROF, self._look)
        signal.setitimer(signal.ITIMER_PROF, _EVERY_SECONDS, _EVERY_SECONDS)

    def _look(self, _: int, frame: FrameType | None) -> None:
        if recorder().is_complete:
            signal.setitimer(signal.ITIMER_PROF, 0)
            self._write()
        elif recorder().counts and frame is not None:
            self._functions[_name(frame)] += 1
            self._modules[_module(frame)] += 1

    def _write(self) -> None:
        samples = self._modules.total()
        shares = [
            {name: number / samples for name, number in found.most_common()}
            for found in (self._modules, self._functions)
        ]
        unfinished = self._path.with_suffix('.unfinished')
        unfinished.write_text(json.dumps({'samples': samples, 'modules': shares[0], 'functions': shares[1]}))
        unfinished.rename(self._path)


def _name(frame: FrameType) -> str:
    return f'{frame.f_globals.get("__name__", "?")}.{frame.f_code.co_qualname}'


def _module(frame: FrameType | None) -> str:
    """The module of ours that is at work: the innermost one, whatever library it has called."""
    while frame is not None:
        name = str(frame.f_globals.get('__name__', '?'))
        if name == _RUNNER:
            return _LOOP
        if name.partition('.')[0] == _OURS:
            return name
        if name.startswith('bench.'):
            return _PLUGIN
        frame = frame.f_back
    return _LOOP


def main() -> None:
    """Run the daemon with what follows the name of the file that the profile is written to."""
    path, *arguments = sys.argv[1:]
    Sampler(Path(path)).start()
    from wazo_busd.cli import main as run

    run(arguments)


if __name__ == '__main__':
    main()
