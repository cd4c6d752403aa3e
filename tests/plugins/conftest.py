# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""A web server for the tests of plugins that need one."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.plugins.webserver import WebServer


@pytest.fixture
async def server() -> AsyncIterator[WebServer]:
    """A web server that accepts everything unless a test wants otherwise."""
    async with WebServer() as server:
        yield server
