# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Plugins of Wazo: installed, sometimes in vain, and removed."""

from __future__ import annotations

from wazo_busd.demo.day.host import Host, Story
from wazo_busd.demo.day.people import draw_uuid

_INSTALLED = (
    'starting', 'downloading', 'extracting', 'validating', 'building', 'packaging', 'updating', 'installing',
    'completed',
)  # fmt: skip
_BROKEN = ('starting', 'downloading', 'extracting', 'validating', 'error')
_REMOVED = ('starting', 'removing', 'completed')


def plugin(host: Host) -> Story:
    """An administrator installs a plugin, and takes it away again."""
    if host.deal('plugin', ('installed', 'installed', 'broken')) == 'broken':
        yield from _progress(host, 'plugin_install_progress', _BROKEN)
        return
    yield from _progress(host, 'plugin_install_progress', _INSTALLED)
    yield 60 + host.rng.expovariate(1 / 1200)
    yield from _progress(host, 'plugin_uninstall_progress', _REMOVED)


def _progress(host: Host, name: str, statuses: tuple[str, ...]) -> Story:
    task = draw_uuid(host.rng)
    for status in statuses:
        said = {'uuid': task, 'status': status}
        errors = {'errors': {'error_id': 'validation-error', 'message': 'no plugin.yml'}} if status == 'error' else {}
        yield host.say(name, {**said, **errors})
        yield host.rng.uniform(1, 12)
