# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""YAML that is ours: data that comes with the daemon, read fast and without places, and what is shown to people."""

from __future__ import annotations

from typing import Any

import yaml

_Loader: Any = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)


def parse(text: str) -> Any:
    """The data in `text`, in plain types.

    Raises:
        yaml.YAMLError: it is not YAML.
    """
    return yaml.load(text, Loader=_Loader)  # noqa: S506 — it is a safe loader


def written(value: Any) -> str:
    """YAML that says `value`, which is of plain types, for a person to read and to copy."""
    text: str = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=10_000)
    return text.removesuffix('...\n')
