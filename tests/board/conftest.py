# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What the tests of the board share: one browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.board.chromium import Chromium, program
from tests.conftest import require_chromium


@pytest.fixture(scope='session')
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """The browser."""
    require_chromium(program())
    browser = Chromium(tmp_path_factory.mktemp('chromium'))
    try:
        browser.start()
        yield browser
    finally:
        browser.stop()
