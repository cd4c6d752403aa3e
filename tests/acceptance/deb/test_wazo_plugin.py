# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What Wazo's plugin installer does with this tree: build, package, install, uninstall."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.acceptance.deb.conftest import ROOT
from tests.acceptance.deb.host import Host


def listed(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob('*') if not path.is_dir()}


@pytest.fixture(scope='module')
def staged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `build` and `package` make."""
    work = tmp_path_factory.mktemp('plugin')
    tree, into = work / 'tree', work / 'pkg'
    into.mkdir()
    shutil.copytree(ROOT, tree, symlinks=True, ignore=shutil.ignore_patterns('.*', 'dist', 'build'))
    for step in ('build', 'package'):
        subprocess.run(['wazo/rules', step], cwd=tree, env={**os.environ, 'pkgdir': str(into)}, check=True)
    return into


def test_it_has_the_files_of_the_package(staged: Path, package: Path, tmp_path: Path) -> None:
    subprocess.run(['dpkg-deb', '-x', str(package), str(tmp_path)], check=True)
    # What only Debian's own tools make of them.
    ours = {path.removesuffix('.gz') for path in listed(tmp_path) if 'lintian' not in path}

    assert ours - listed(staged) == {'usr/share/doc/wazo-busd/changelog', 'usr/share/doc/wazo-busd/copyright'}


def test_it_is_installed_runs_and_is_taken_away(host: Host, staged: Path) -> None:
    # As dpkg unpacks: /lib is a link there, and stays one.
    subprocess.run(
        f'tar -C {staged} -cf - . | tar -C {host.root} --keep-directory-symlink --no-overwrite-dir -xf -',
        shell=True,
        check=True,
    )
    subprocess.run(['cp', '-a', str(ROOT / 'wazo'), str(host.root / 'root')], check=True)
    host.run('/root/wazo/rules install')
    active = host.show('ActiveState')
    host.run('/root/wazo/rules uninstall')

    assert (active, host.show('ActiveState')) == ('active', 'inactive')
