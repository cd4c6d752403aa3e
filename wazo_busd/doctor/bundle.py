# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The bundle: an archive for those who help, with what the doctor has seen and nothing that must not be shown."""

from __future__ import annotations

import importlib.metadata
import io
import json
import os
import platform
import sys
import tarfile
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wazo_busd import __version__, catalogue
from wazo_busd.config import BusConfig, written
from wazo_busd.doctor.daemon import QUOTED
from wazo_busd.doctor.doctor import Examined
from wazo_busd.doctor.redaction import HIDDEN, Redaction, pattern
from wazo_busd.topology import UPSTREAMS, Hub

DIRECTORY = 'wazo-busd-support'
_OS_FILES = (Path('/etc/os-release'), Path('/usr/share/wazo/WAZO-VERSION'))
_LONGEST = 2_000
_MOST_NAMES = 30

_README = """\
What wazo-busd doctor has seen on a host, for those who help.

findings.json       what it found, with the cures
versions.json       wazo-busd, Python, its packages, the system, the broker
configuration.yml   what the configuration says
status.json         what the daemon says of itself, if it runs
topology.json       the exchanges, queues and bindings that are asked for, and how many events lie in them
plugins.json        the plugins that could be loaded
heard.json          how many events were heard, by exchange and name

Read it before you send it: it holds names of hosts, of handlers and of files. Not in it are: passwords and other
secrets, the texts of options and conditions, telephone numbers and addresses as far as they can be told, what plugins
and servers say in words of their own, lines of the log, and anything that an event says. What was taken out is \
written …
"""


class Exists(FileExistsError):
    """Raised where something lies at the path already: a bundle replaces nothing."""


def contents(examined: Examined, bus: BusConfig, redaction: Redaction) -> dict[str, str]:
    """The files of the archive, by name.

    Args:
        examined: what the doctor has seen.
        bus: the broker.
        redaction: knows what must not be shown.
    """
    # What is quoted stays here.
    findings = [
        {'check': each.check, 'severity': each.severity.value, 'text': each.text, 'cure': each.cure}
        for each in examined.findings
    ]
    plugins = [{'name': each.name, 'source': each.source} for each in examined.candidates]
    files = {
        'README.txt': _README,
        'findings.json': _json(redaction.plain(findings)),
        'versions.json': _json(_versions(examined.broker)),
        # What is to be hidden in it is hidden one by one.
        'configuration.yml': written(redaction.plain(redaction.configuration)),
        'topology.json': _json(redaction.plain(_topology(examined, bus))),
        'plugins.json': _json(redaction.plain(plugins)),
        'heard.json': _json(_heard(examined)),
    }
    if examined.told.status:
        files['status.json'] = _json(redaction.plain(_status(examined.told.status)))
    return files


def write(path: Path, files: Mapping[str, str]) -> int:
    """Write the archive, for nobody else to read.

    Args:
        path: where to; nothing must lie there.
        files: what is in it, by name.

    Returns:
        How many bytes it has.

    Raises:
        Exists: something lies there.
        OSError: it cannot be written; what was begun is removed.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise Exists(path) from None
    try:
        with os.fdopen(descriptor, 'wb') as file:
            with tarfile.open(fileobj=file, mode='w:gz') as archive:
                for name, text in files.items():
                    body = text.encode('utf-8', 'backslashreplace')
                    about = tarfile.TarInfo(f'{DIRECTORY}/{name}')
                    about.size, about.mode, about.mtime = len(body), 0o600, int(time.time())
                    archive.addfile(about, io.BytesIO(body))
            return file.tell()
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _versions(broker: str) -> dict[str, Any]:
    packages = {str(each.metadata['Name']): each.version for each in importlib.metadata.distributions()}
    return {
        'wazo-busd': __version__,
        'python': sys.version,
        'platform': platform.platform(),
        'processors': os.cpu_count(),
        'broker': broker,
        'system': {str(path): _start_of(path) for path in _OS_FILES},
        'packages': dict(sorted(packages.items())),
    }


def _start_of(path: Path) -> str | None:
    try:
        return path.read_text(errors='replace')[:_LONGEST]
    except OSError:
        return None


def _topology(examined: Examined, bus: BusConfig) -> dict[str, Any]:
    hub = Hub(bus.namespace)
    exchanges = [*(each.exchange for each in UPSTREAMS), *hub.exchanges]
    queues = [queue for each in examined.wanted for queue in (each.queue, each.dead)]
    return {
        'exchanges': {each.name: each.type for each in exchanges},
        'queues': {each.name: dict(each.arguments) for each in queues},
        'bindings': {each.queue.name: [pattern(one) for one in each.patterns] for each in examined.wanted},
        'depths': {
            name: {'ready': depth.ready, 'consumers': depth.consumers} if depth is not None else None
            for name, depth in examined.depths.items()
        },
    }


def _heard(examined: Examined) -> dict[str, Any]:
    hearing = examined.hearing
    if hearing is None:
        return {}
    names = Counter(each.name for each in hearing.sample).most_common(_MOST_NAMES)
    return {
        'seconds': round(hearing.seconds, 1),
        # Only what is known is told: whoever publishes can call exchanges and events anything.
        'upstream': {each.exchange.name: hearing.upstream[each.exchange.name] for each in UPSTREAMS},
        'hub': {each.exchange.name: hearing.hub[each.exchange.name] for each in UPSTREAMS},
        'names': {name: number for name, number in names if catalogue.find(name) is not None},
    }


def _status(status: Mapping[str, Any]) -> dict[str, Any]:
    """The status without what plugins say in words of their own."""
    told = {key: value for key, value in status.items() if key != 'reasons'}
    told['handlers'] = [
        {**each, 'why': HIDDEN if each['state'] in QUOTED and each['why'] else each['why']}
        for each in status['handlers']
    ]
    return told


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + '\n'
