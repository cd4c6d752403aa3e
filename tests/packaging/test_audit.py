# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What is said where a pin could not be audited."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def audit(directory: Path, program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    path = directory / 'pip-audit'
    path.write_text(f'#!/bin/sh\n{program}\n')
    path.chmod(0o755)
    ours = {name: value for name, value in os.environ.items() if name != 'AUDIT'}
    return subprocess.run(
        [str(ROOT / 'tools' / 'audit'), str(path)],
        env={**ours, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_reason_of_every_database_is_said(tmp_path: Path) -> None:
    done = audit(tmp_path, 'echo first; echo "wazo-x 1.0 is unknown"; exit 1')

    assert done.stderr.splitlines()[1:] == ['  pypi: wazo-x 1.0 is unknown', '  osv: wazo-x 1.0 is unknown']


@pytest.mark.parametrize(('environment', 'code'), [({}, 0), ({'AUDIT': 'required'}, 1)])
def test_it_is_an_error_where_the_audit_is_required(tmp_path: Path, environment: dict[str, str], code: int) -> None:
    assert audit(tmp_path, 'exit 1', **environment).returncode == code


def test_a_vulnerability_is_an_error(tmp_path: Path) -> None:
    assert audit(tmp_path, 'echo "Found 1 known vulnerability in 1 package"; exit 1').returncode == 1


def test_where_all_is_known_it_is_well(tmp_path: Path) -> None:
    assert audit(tmp_path, 'exit 0', AUDIT='required').returncode == 0
