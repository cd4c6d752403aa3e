# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The package as a file."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.acceptance.deb.conftest import ROOT


@pytest.fixture(scope='module')
def content(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is in it."""
    into = tmp_path_factory.mktemp('content')
    subprocess.run(['dpkg-deb', '-x', str(package), str(into)], check=True)
    return into


def test_lintian_finds_no_error_and_warns_of_nothing(package: Path) -> None:
    done = subprocess.run(
        ['lintian', '--allow-root', '--fail-on=error,warning', str(package.with_suffix('.changes'))],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, re.findall(r'^[EW]: .*', done.stdout, re.MULTILINE)) == (0, [])


def test_every_override_of_lintian_has_its_reason() -> None:
    lines = (ROOT / 'debian' / 'wazo-busd.lintian-overrides').read_text().splitlines()

    assert [
        line for before, line in zip(['', *lines], lines, strict=False) if line[0] != '#' and before[:1] != '#'
    ] == []


def test_two_builds_give_the_same_package(package: Path, tmp_path: Path) -> None:
    subprocess.run([str(ROOT / 'tools' / 'build-deb'), str(tmp_path)], check=True)

    assert (tmp_path / package.name).read_bytes() == package.read_bytes()


def test_a_build_leaves_nothing_in_the_tree(package: Path) -> None:
    told = subprocess.run(
        ['git', 'status', '--porcelain', '--ignored', 'debian', 'build'],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    assert [line for line in told.stdout.splitlines() if line.startswith(('??', '!!'))] == []


def test_nothing_in_it_knows_where_it_was_made(content: Path) -> None:
    found = subprocess.run(
        ['grep', '-rlE', '/tmp/tmp[.]|debian/wazo-busd/usr', str(content / 'usr' / 'lib'), str(content / 'etc')],
        capture_output=True,
        text=True,
        check=False,
    )

    assert found.stdout == ''


def test_nothing_in_it_is_compiled_for_another_python(content: Path) -> None:
    assert [path for path in content.rglob('*') if path.name == '__pycache__' or path.suffix == '.pyc'] == []


def test_nobody_else_than_root_owns_or_writes_anything_in_it(package: Path) -> None:
    listed = subprocess.run(['dpkg-deb', '-c', str(package)], capture_output=True, text=True, check=True).stdout

    assert [
        line for line in listed.splitlines() if not re.match(r'(l\S+|[d-]rw[x-]r-[x-]r-[x-]) root/root ', line)
    ] == []


def test_the_pages_link_to_what_is_there(content: Path) -> None:
    pages = content / 'usr' / 'share' / 'doc' / 'wazo-busd'
    links = {
        (page, link)
        for page in pages.rglob('*.md')
        for link in re.findall(r'\]\(([^)#\s:]+)(?:#[^)]*)?\)', page.read_text())
    }

    assert links
    assert [f'{page.name}: {link}' for page, link in sorted(links) if not (page.parent / link).exists()] == []
