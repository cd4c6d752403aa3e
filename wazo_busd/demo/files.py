# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The files of a run of the demonstration: its configuration, with what only this run knows."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

_EXTRAS = {'mail.yml': ('mail', 'aiosmtplib'), 'chat.yml': ('notify', 'apprise')}
"""Of files that need a library: the extra that brings it, and the library."""


def write(directory: Path, values: Mapping[str, str]) -> Path:
    """Write the configuration.

    Args:
        directory: where to.
        values: what stands between @ and @.

    Returns:
        The main file.

    Raises:
        OSError: it cannot be written.
    """
    (directory / 'conf.d').mkdir()
    main = directory / 'config.yml'
    main.write_text(_filled('config.yml', values), 'utf-8')
    for name, (_, library) in _EXTRAS.items():
        if importlib.util.find_spec(library) is not None:
            (directory / 'conf.d' / name).write_text(_filled(name, values), 'utf-8')
    return main


def missing_extras() -> list[str]:
    """The extras of wazo-busd that are not installed, without which a part is left out."""
    return [extra for extra, library in _EXTRAS.values() if importlib.util.find_spec(library) is None]


def _filled(name: str, values: Mapping[str, str]) -> str:
    text = files(__package__).joinpath(name).read_text('utf-8')
    for key, value in values.items():
        text = text.replace(f'@{key}@', value)
    return text
