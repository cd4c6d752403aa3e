# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Journals in each of the formats."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.plugins.journal.book import Book


@pytest.fixture
def sqlite(tmp_path: Path) -> Book:
    """A journal in SQLite."""
    return Book(tmp_path, format='sqlite', path=tmp_path / 'calls.sqlite')


@pytest.fixture
def lines(tmp_path: Path) -> Book:
    """A journal of JSON lines."""
    return Book(tmp_path, path=tmp_path / 'calls.jsonl')


@pytest.fixture
def postgresql(tmp_path: Path, database: str) -> Book:
    """A journal in PostgreSQL."""
    return Book(tmp_path, format='postgresql', url=database)


@pytest.fixture(params=['lines', 'sqlite', 'postgresql'])
def book(request: pytest.FixtureRequest) -> Book:
    """A journal in each of the formats."""
    found: Book = request.getfixturevalue(request.param)
    return found


@pytest.fixture(params=['sqlite', 'postgresql'])
def table(request: pytest.FixtureRequest) -> Book:
    """A journal in each of the databases."""
    found: Book = request.getfixturevalue(request.param)
    return found
