# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Sites that are closed in the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.torture.site import Site

MakeSite = Callable[..., Site]


@pytest.fixture
def make_site(tmp_path: Path) -> Iterator[MakeSite]:
    """Makes a site; see `Site`."""
    sites: list[Site] = []

    def make(broker: object, **arguments: object) -> Site:
        sites.append(Site(broker, tmp_path, **arguments))  # type: ignore[arg-type]
        return sites[-1]

    yield make
    for site in sites:
        site.close()
