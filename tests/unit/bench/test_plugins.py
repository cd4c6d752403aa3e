# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The plugins of the benchmark: what would be imported beside the first events has been imported with them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bench.consumer import ROOT

LATE = 'wazo_busd.http.server'
IMPORTS = f'import runpy, sys; runpy.run_path(sys.argv[1]); print({LATE!r} in sys.modules)'


@pytest.mark.parametrize('plugin', sorted((ROOT / 'bench' / 'plugins.d').glob('*.py')), ids=lambda path: path.stem)
def test_a_plugin_imports_the_server_that_the_daemon_imports_late(plugin: Path) -> None:
    said = subprocess.run([sys.executable, '-c', IMPORTS, str(plugin)], cwd=ROOT, capture_output=True, check=True)

    assert said.stdout.strip() == b'True'
