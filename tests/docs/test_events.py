# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The page docs/events.md is what the catalogue says."""

from __future__ import annotations

from pathlib import Path

from wazo_busd import catalogue
from wazo_busd.catalogue.handbook import handbook

PAGE = Path(__file__).parents[2] / 'docs' / 'events.md'


def test_the_page_of_events_is_up_to_date() -> None:
    is_up_to_date = PAGE.exists() and PAGE.read_text() == handbook(catalogue.entries())

    assert is_up_to_date, 'docs/events.md is stale; make it anew: wazo-busd docs events > docs/events.md'
