# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bench.build import compiled
from bench.consumer import ROOT
from bench.errors import BenchError


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """What `make compiled` makes, as far as it matters here."""
    shutil.copytree(ROOT / 'wazo_busd', tmp_path / 'wazo_busd')
    for name in ('pyproject.toml', 'setup.py'):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / 'compiled-with').write_text('mypyc 2\nabc\n')
    return tmp_path


def test_it_says_what_the_modules_were_compiled_with(copy: Path) -> None:
    assert compiled(copy).way == 'compiled with mypyc 2'


def test_without_compiled_modules_it_says_what_to_type(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match='not compiled; next: make compiled'):
        compiled(tmp_path)


@pytest.mark.parametrize('name', ['wazo_busd/codec.py', 'pyproject.toml', 'setup.py'])
def test_other_sources_than_those_of_the_tree_are_not_measured(copy: Path, name: str) -> None:
    (copy / name).write_text('')

    with pytest.raises(BenchError, match='have changed since they were compiled; next: make compiled'):
        compiled(copy)
