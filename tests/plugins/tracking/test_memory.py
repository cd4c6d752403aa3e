# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The memory: what a tracker knows while it does not run."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plugins.tracking.memory import Memory

KNOWN = {'calls': [1, 2], 'names': {'Zoë': None}}


def memory(path: Path, version: int = 1) -> Memory:
    return Memory(path / 'memory.json', version, structlog.stdlib.get_logger())


def test_what_was_kept_is_read(tmp_path: Path) -> None:
    memory(tmp_path).write(KNOWN)

    assert memory(tmp_path).read(60.0) == KNOWN


def test_what_was_read_is_gone(tmp_path: Path) -> None:
    memory(tmp_path).write(KNOWN)
    memory(tmp_path).read(60.0)

    assert (memory(tmp_path).read(60.0), list(tmp_path.iterdir())) == (None, [])


def test_where_nothing_was_kept_there_is_nothing(tmp_path: Path) -> None:
    assert memory(tmp_path).read(60.0) is None


def test_what_another_version_kept_is_not_read(tmp_path: Path) -> None:
    memory(tmp_path).write(KNOWN)

    assert memory(tmp_path, version=2).read(60.0) is None


@pytest.mark.parametrize('age_seconds', [61.0, -120.0], ids=['too old', 'of the future'])
def test_what_is_too_old_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, age_seconds: float) -> None:
    memory(tmp_path).write(KNOWN)
    now = time.time()
    monkeypatch.setattr('time.time', lambda: now + age_seconds)

    assert memory(tmp_path).read(60.0) is None


def test_nobody_else_can_read_it(tmp_path: Path) -> None:
    memory(tmp_path).write(KNOWN)

    assert (tmp_path / 'memory.json').stat().st_mode & 0o007 == 0


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary()
    | st.recursive(st.none() | st.floats() | st.text(), st.lists).map(lambda said: json.dumps(said).encode())
)
def test_what_is_damaged_is_not_read(tmp_path: Path, content: bytes) -> None:
    (tmp_path / 'memory.json').write_bytes(content)

    assert memory(tmp_path).read(60.0) is None


@pytest.mark.parametrize('kept', [None, [], 'x', 7])
def test_what_is_no_map_is_not_read(tmp_path: Path, kept: Any) -> None:
    said = {'version': 1, 'saved_at': time.time(), 'kept': kept}
    (tmp_path / 'memory.json').write_text(json.dumps(said))

    assert memory(tmp_path).read(60.0) is None
