# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The copy of the tree with compiled modules is one, and is made anew only where it has to be."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCK = 'requirements/development.txt'
PYTHON = """#!/bin/sh
case "$*" in
    *version\\(*) echo mypyc 2 ;;
    *sys.version*) echo 3 ;;
    *) echo compiled >>"$DIARY"; [ ! -e broken ] || { echo 'it is broken'; exit 1; }; touch wazo_busd/work.so ;;
esac
"""


class Tree:
    """A clone with some files, and a Python that only notes when it is to compile."""

    def __init__(self, directory: Path) -> None:
        self.root = directory / 'tree'
        self.copy = self.root / 'build' / 'compiled'
        self._diary = directory / 'diary'
        self._python = directory / 'python'
        for name in ('.gitignore', 'docs/page.md', 'pyproject.toml', LOCK, 'setup.py', 'wazo_busd/work.py'):
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            (self.root / name).write_text('build/\n')
        (self.root / 'tools').mkdir()
        shutil.copy(ROOT / 'tools' / 'compile', self.root / 'tools')
        self._python.write_text(PYTHON)
        self._python.chmod(0o755)
        subprocess.run(['git', 'init', '-q'], cwd=self.root, check=True, env=self._environment)

    def compile(self) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ['bash', 'tools/compile', 'build/compiled', str(self._python)],
            cwd=self.root,
            capture_output=True,
            text=True,
            check=False,
            env=self._environment,
        )

    @property
    def times(self) -> int:
        """How often it was compiled."""
        return len(self._diary.read_text().splitlines())

    @property
    def copied(self) -> set[str]:
        return {str(path.relative_to(self.copy)) for path in self.copy.rglob('*') if path.is_file()}

    @property
    def _environment(self) -> dict[str, str]:
        ours = {name: value for name, value in os.environ.items() if not name.startswith('GIT_')}
        return {**ours, 'DIARY': str(self._diary)}


@pytest.fixture(params=['git', 'no git'])
def tree(request: pytest.FixtureRequest, tmp_path: Path) -> Tree:
    made = Tree(tmp_path)
    if request.param == 'no git':
        shutil.rmtree(made.root / '.git')
        # What is known of it above is none of its own.
        (made.root / '.gitignore').unlink()
    return made


def test_the_copy_has_the_files_of_the_tree_and_what_is_compiled(tree: Tree) -> None:
    tree.compile()

    assert tree.copied - {'.gitignore'} == {
        '.copy',
        'compiled-with',
        'docs/page.md',
        'pyproject.toml',
        LOCK,
        'setup.py',
        'tools/compile',
        'wazo_busd/work.py',
        'wazo_busd/work.so',
    }


def test_what_has_not_changed_is_not_compiled_again(tree: Tree) -> None:
    for _ in range(2):
        tree.compile()

    assert (tree.times, 'wazo_busd/work.so' in tree.copied) == (1, True)


@pytest.mark.parametrize('name', ['wazo_busd/work.py', 'wazo_busd/other.py', 'pyproject.toml', 'setup.py', LOCK])
def test_what_has_changed_is(tree: Tree, name: str) -> None:
    tree.compile()
    (tree.root / name).write_text('changed\n')
    tree.compile()

    assert (tree.times, (tree.copy / name).read_text()) == (2, 'changed\n')


def test_a_page_is_copied_and_nothing_compiled(tree: Tree) -> None:
    tree.compile()
    (tree.root / 'docs' / 'page.md').write_text('changed\n')
    tree.compile()

    assert (tree.times, (tree.copy / 'docs' / 'page.md').read_text()) == (1, 'changed\n')


def test_what_is_deleted_in_the_tree_is_deleted_in_the_copy(tree: Tree) -> None:
    tree.compile()
    shutil.rmtree(tree.root / 'docs')
    tree.compile()

    assert not (tree.copy / 'docs').exists()


def test_what_is_no_copy_is_left_alone(tree: Tree) -> None:
    tree.copy.mkdir(parents=True)
    (tree.copy / 'mine.txt').write_text('mine\n')
    done = tree.compile()

    assert (done.returncode, tree.copied) == (1, {'mine.txt'})
    assert f'next, if nothing in it is needed: rm -r {tree.copy}' in done.stderr


def test_what_cannot_be_compiled_is_told_and_tried_again(tree: Tree) -> None:
    tree.compile()
    (tree.root / 'broken').touch()
    (tree.root / 'wazo_busd' / 'work.py').write_text('changed\n')
    done = tree.compile()
    left = tree.copied & {'compiled-with', 'wazo_busd/work.so'}
    (tree.root / 'broken').unlink()
    again = tree.compile()

    assert (done.returncode, done.stderr.splitlines()[0], left) == (1, 'it is broken', set())
    assert (again.returncode, tree.times) == (0, 3)
