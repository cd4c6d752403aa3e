# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Plugins that need a library which is not installed with the daemon."""

from __future__ import annotations

import subprocess
import sys

import pytest

CODE = """
import sys
sys.modules[sys.argv[2]] = None
from wazo_busd.errors import PluginImportError
from wazo_busd.loader import Loader
try:
    Loader([]).load(sys.argv[1])
except PluginImportError as error:
    print(error.text)
    print(error.hint)
"""


@pytest.mark.parametrize(('plugin', 'library'), [('mail', 'aiosmtplib'), ('notify', 'apprise')])
def test_a_plugin_without_its_library_says_what_to_install(plugin: str, library: str) -> None:
    ran = subprocess.run([sys.executable, '-c', CODE, plugin, library], capture_output=True, text=True, check=True)

    text, hint = ran.stdout.splitlines()
    assert (library in text, hint) == (True, f"pip install 'wazo-busd[{plugin}]'")
