# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What every file of the sources has, and what none may have."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = [
    ROOT / name
    for name in subprocess.run(
        ['git', 'ls-files', '--cached', '--others', '--exclude-standard'],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    if (ROOT / name).is_file()
]
SOURCES = [path for path in FILES if path.suffix in ('.py', '.yml', '.service') or path.name == 'Makefile']
PROJECT = tomllib.loads((ROOT / 'pyproject.toml').read_text())
LOCKS = sorted((ROOT / 'requirements').glob('*.txt'))


@pytest.mark.parametrize('path', SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_source_names_its_licence_and_its_authors(path: Path) -> None:
    head = path.read_text()[:300]

    assert ('SPDX-License-Identifier: GPL-3.0-or-later' in head, 'The wazo-busd Authors' in head) == (True, True)


@pytest.mark.parametrize('path', LOCKS, ids=lambda path: path.name)
def test_every_pin_has_a_hash_and_no_registry_is_named(path: Path) -> None:
    text = path.read_text()
    pins = re.findall(r'^[a-z0-9-]+==\S+ \\\n    --hash=sha256:', text, re.MULTILINE)

    assert (len(pins), '://' in text) == (len(re.findall(r'^[a-z0-9-]+==', text, re.MULTILINE)), False)


def test_every_package_is_installed() -> None:
    files = [path for name in ('wazo_busd', 'plugins') for path in (ROOT / name).rglob('__init__.py')]
    found = {'.'.join(path.parent.relative_to(ROOT).parts) for path in files}

    assert {
        re.sub('^wazo_busd_plugins', 'plugins', name) for name in PROJECT['tool']['setuptools']['packages']
    } == found


def test_every_directory_with_a_file_in_it_is_a_package() -> None:
    directories = {path.parent for path in FILES if path.is_relative_to(ROOT / 'wazo_busd')}

    assert [path for path in directories if not (path / '__init__.py').exists()] == []


def test_the_licence_is_named_as_the_sources_name_it() -> None:
    assert PROJECT['project']['license'] == 'GPL-3.0-or-later'
