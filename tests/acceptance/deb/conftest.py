# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The package, built once; a Debian, made once; and what could not be tried here, said in the end."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.acceptance.deb.host import Host, make_tree

ROOT = Path(__file__).parents[3]
VERSION = '0.1.0'
_NOT_TRIED: list[str] = []

# Minutes, root and the network: only who asks for it has it.
collect_ignore_glob = [] if os.environ.get('DEB_TEST') else ['test_*.py']


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what this machine does not allow to be tried."""
    for each in _NOT_TRIED:
        terminalreporter.write_line(f'NOT TRIED HERE: {each}', yellow=True)


@pytest.fixture(scope='session')
def not_tried() -> Callable[[str], None]:
    """Notes what this machine does not allow to be tried; it is said in the end."""
    return _NOT_TRIED.append


@pytest.fixture(scope='session')
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package of this tree; that of DEB_TEST_PACKAGE, for who works on the tests."""
    if 'DEB_TEST_PACKAGE' in os.environ:
        return Path(os.environ['DEB_TEST_PACKAGE'])
    into = tmp_path_factory.mktemp('package')
    subprocess.run([str(ROOT / 'tools' / 'build-deb'), str(into)], check=True)
    return into / f'wazo-busd_{VERSION}_amd64.deb'


@pytest.fixture(scope='session')
def older_package(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as if it were of before: to upgrade from."""
    work = tmp_path_factory.mktemp('older')
    subprocess.run(['dpkg-deb', '-R', str(package), str(work / 'tree')], check=True)
    control = work / 'tree' / 'DEBIAN' / 'control'
    control.write_text(control.read_text().replace(f'Version: {VERSION}', f'Version: {VERSION}~before'))
    unit = next((work / 'tree').rglob('wazo-busd.service'))
    unit.write_text(unit.read_text().replace('Description=', 'Description=Before: '))
    older = work / f'wazo-busd_{VERSION}~before_amd64.deb'
    subprocess.run(['dpkg-deb', '--root-owner-group', '-b', str(work / 'tree'), str(older)], check=True)
    return older


@pytest.fixture(scope='session')
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Debian without the package; that of DEB_TEST_TREE, for who works on the tests.

    Where none can be made, that is a failure and no skip.
    """
    if os.geteuid() != 0:
        pytest.fail('a Debian of its own takes root: sudo make deb-test')
    tree = Path(os.environ.get('DEB_TEST_TREE') or tmp_path_factory.mktemp('debian') / 'tree')
    if not tree.exists():
        make_tree(tree)
    return tree


@pytest.fixture(scope='module')
def host(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A running Debian, for the tests of a file, which go on where the one before has ended."""
    made = Host(template, tmp_path_factory.mktemp('host') / 'busd-host')
    try:
        made.start()
        yield made
    finally:
        made.stop()
