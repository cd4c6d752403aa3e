# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Tries, from inside the daemon, what its unit forbids, and writes down what came of it."""

from __future__ import annotations

import asyncio
import json
import mmap
import os
import socket
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from wazo_busd.api import Context, Event, handler


def _attempt(deed: Callable[[], Any]) -> str:
    try:
        return f'done: {deed()}'
    except OSError as error:
        return type(error).__name__


def _processes() -> list[str]:
    return sorted(Path('/proc', each, 'comm').read_text().strip() for each in os.listdir('/proc') if each.isdigit())  # noqa: PTH208


@handler('probe.#')
async def probe(event: Event, context: Context) -> None:
    """Do what the event asks for."""
    asked = event.data
    if asked.get('block'):
        time.sleep(asked['block'])
    if asked.get('wait'):
        await asyncio.sleep(asked['wait'])
    found = {f'write {path}': _attempt(partial(Path(path, 'x').write_text, 'x')) for path in asked['write']}
    found |= {f'read {path}': _attempt(Path(path).read_text) for path in asked['read']}
    found |= {
        'processes': _attempt(_processes),
        'netlink': _attempt(lambda: socket.socket(socket.AF_NETLINK)),
        'code': _attempt(lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)),
        'root': _attempt(lambda: os.setuid(0)),
        'signal': _attempt(lambda: os.kill(1, 0)),
        'victim': _attempt(Path('/proc/self/oom_score_adj').read_text),
    }
    (context.state_dir / f'{asked["name"]}.json').write_text(json.dumps(found))
