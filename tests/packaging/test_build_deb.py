# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What gets into the package: what git knows, and nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BUILDER = """#!/bin/sh
find . -type f >../wazo-busd_0_amd64.deb
"""
IDENTITY = {f'GIT_{who}_{what}': 'a@b.invalid' for who in ('AUTHOR', 'COMMITTER') for what in ('NAME', 'EMAIL')}


class Tree:
    """A clone with some files, and a builder that only lists what it is given."""

    def __init__(self, directory: Path) -> None:
        self.root = directory / 'tree'
        self._into = directory / 'dist'
        self._programs = directory / 'bin'
        for name in ('tools/build-deb', 'docs/page.md', 'wazo_busd/work.py'):
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            (self.root / name).write_text(f'{name}\n')
        shutil.copy(ROOT / 'tools' / 'build-deb', self.root / 'tools')
        self._programs.mkdir()
        (self._programs / 'dpkg-buildpackage').write_text(BUILDER)
        (self._programs / 'dpkg-buildpackage').chmod(0o755)
        self.git('init', '-q')
        self.git('add', '-A')
        self.git('commit', '-qm', 'first')

    def git(self, *arguments: str) -> None:
        subprocess.run(['git', *arguments], cwd=self.root, check=True, env=self._environment)

    def build(self) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ['bash', 'tools/build-deb', str(self._into)],
            cwd=self.root,
            capture_output=True,
            text=True,
            check=False,
            env=self._environment,
        )

    @property
    def packed(self) -> set[str]:
        return set((self._into / 'wazo-busd_0_amd64.deb').read_text().split())

    @property
    def _environment(self) -> dict[str, str]:
        ours = {name: value for name, value in os.environ.items() if not name.startswith('GIT_')}
        return {**ours, **IDENTITY, 'PATH': f'{self._programs}:{os.environ["PATH"]}'}


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def test_what_git_knows_is_packed(tree: Tree) -> None:
    tree.build()

    assert tree.packed == {'./tools/build-deb', './docs/page.md', './wazo_busd/work.py'}


@pytest.mark.parametrize('name', ['docs/notes.md', 'plugins/scratch/a.py'])
def test_a_file_that_could_have_been_meant_and_that_git_does_not_know_is_named(tree: Tree, name: str) -> None:
    (tree.root / name).parent.mkdir(parents=True, exist_ok=True)
    (tree.root / name).write_text('x\n')
    done = tree.build()

    assert (done.returncode, name in done.stderr, 'next: git add them' in done.stderr) == (1, True, True)


def test_a_file_that_lies_in_the_tree_by_chance_is_not_packed(tree: Tree) -> None:
    (tree.root / 'notes').write_text('x\n')

    assert (tree.build().returncode, './notes' in tree.packed) == (0, False)


def test_a_file_that_is_deleted_and_not_yet_committed_is_left_out(tree: Tree) -> None:
    # The last one of the list, by which the list ended.
    (tree.root / 'wazo_busd' / 'work.py').unlink()

    assert (tree.build().returncode, './wazo_busd/work.py' in tree.packed) == (0, False)
