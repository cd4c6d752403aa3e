# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Whether another user could have written a file that is about to be run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from wazo_busd.safety import Unsafe, walk, writable_by_others, writable_on_the_way

OTHERS, GROUP = 0o002, 0o020


@pytest.fixture(autouse=True)
def _umask() -> Iterator[None]:
    """Files that only we can write, whatever the user who runs the tests is used to."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def plugins(tmp_path: Path) -> Path:
    """A safe directory."""
    directory = tmp_path / 'plugins.d'
    directory.mkdir()
    return directory


@pytest.fixture
def package(plugins: Path) -> Path:
    """A safe package in it."""
    for name in ('bell/__init__.py', 'bell/ringing.py', 'bell/deep/__init__.py', 'bell/deep/tone.so', 'bell/notes.txt'):
        write(plugins / name)
    return plugins / 'bell'


def write(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('')
    return path


def loosen(path: Path, bits: int) -> None:
    path.chmod(path.stat().st_mode | bits)


def belongs_to(monkeypatch: pytest.MonkeyPatch, path: Path, uid: int, gid: int = 0) -> None:
    """Let a file look as if it were somebody's."""
    original = Path.stat

    def stat(self: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        found = original(self, follow_symlinks=follow_symlinks)
        if original(path).st_ino != found.st_ino:
            return found
        return os.stat_result((*found[:4], uid, gid, *found[6:10]))

    monkeypatch.setattr(Path, 'stat', stat)


def test_a_file_that_only_we_can_write_is_safe(plugins: Path) -> None:
    assert writable_by_others(write(plugins / 'bell.py')) is None


def test_a_package_that_only_we_can_write_is_safe(package: Path) -> None:
    assert writable_by_others(package) is None


def test_a_file_that_everybody_can_write_is_named(plugins: Path) -> None:
    file = write(plugins / 'bell.py')
    loosen(file, OTHERS)

    assert writable_by_others(file) == file


def test_a_directory_that_everybody_can_write_is_named(plugins: Path) -> None:
    file = write(plugins / 'bell.py')
    loosen(plugins, OTHERS)

    assert writable_by_others(file) == plugins


def test_a_sticky_directory_that_everybody_can_write_is_named_too(plugins: Path) -> None:
    file = write(plugins / 'bell.py')
    plugins.chmod(0o1777)

    assert writable_by_others(file) == plugins


@pytest.mark.parametrize('name', ['__init__.py', 'ringing.py', 'deep', 'deep/__init__.py', 'deep/tone.so', '.'])
def test_what_everybody_can_write_inside_a_package_is_named(package: Path, name: str) -> None:
    loosen(package / name, OTHERS)

    assert writable_by_others(package) == package / name


@pytest.mark.parametrize('name', ['__pycache__/ringing.cpython-311.pyc', '__pycache__', 'ringing.pyc'])
def test_compiled_code_may_be_written_by_anybody_as_none_is_run(package: Path, name: str) -> None:
    write(package / '__pycache__' / 'ringing.cpython-311.pyc')
    write(package / 'ringing.pyc')
    loosen(package / name, OTHERS)

    assert writable_by_others(package) is None


def test_what_is_no_code_may_be_written_by_anybody(package: Path) -> None:
    loosen(package / 'notes.txt', OTHERS)

    assert writable_by_others(package) is None


def test_a_file_of_another_user_is_named(plugins: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(plugins / 'bell.py')
    belongs_to(monkeypatch, file, os.geteuid() + 4711)

    assert writable_by_others(file) == file


def test_a_file_of_root_is_safe(plugins: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(plugins / 'bell.py')
    belongs_to(monkeypatch, file, 0)

    assert writable_by_others(file) is None


def test_a_file_of_our_own_is_safe(plugins: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, 'geteuid', lambda: 4711)
    file = write(plugins / 'bell.py')
    belongs_to(monkeypatch, plugins, 0)
    belongs_to(monkeypatch, file, 4711)

    assert writable_by_others(file) is None


def test_a_file_that_a_group_can_write_is_named(plugins: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(plugins / 'bell.py')
    loosen(file, GROUP)
    belongs_to(monkeypatch, file, 0, gid=50)

    assert writable_by_others(file) == file


def test_a_file_that_the_group_of_root_can_write_is_safe(plugins: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(plugins / 'bell.py')
    loosen(file, GROUP)
    belongs_to(monkeypatch, file, 0, gid=0)

    assert writable_by_others(file) is None


def test_the_target_of_a_link_that_everybody_can_write_is_found(plugins: Path, tmp_path: Path) -> None:
    target = write(tmp_path / 'elsewhere' / 'bell.py')
    (plugins / 'bell.py').symlink_to(target)
    loosen(target, OTHERS)

    assert writable_by_others(plugins / 'bell.py') == plugins / 'bell.py'


def test_the_directory_that_a_link_leads_to_is_named_if_everybody_can_write_it(plugins: Path, tmp_path: Path) -> None:
    target = write(tmp_path / 'elsewhere' / 'bell.py')
    (plugins / 'bell.py').symlink_to(target)
    loosen(target.parent, OTHERS)

    assert writable_by_others(plugins / 'bell.py') == target.parent


def test_the_directory_that_a_link_inside_a_package_leads_to_is_named_if_everybody_can_write_it(
    package: Path, tmp_path: Path
) -> None:
    target = write(tmp_path / 'elsewhere' / 'tone.py')
    (package / 'tone.py').symlink_to(target)
    loosen(target.parent, OTHERS)

    assert writable_by_others(package) == target.parent


def test_what_everybody_can_write_in_a_linked_directory_of_a_package_is_named(package: Path, tmp_path: Path) -> None:
    target = write(tmp_path / 'elsewhere' / 'tones' / '__init__.py')
    (package / 'tones').symlink_to(target.parent)
    loosen(target, OTHERS)

    assert writable_by_others(package) == package / 'tones' / '__init__.py'


def test_a_package_that_is_a_link_is_looked_into(plugins: Path, tmp_path: Path) -> None:
    target = write(tmp_path / 'elsewhere' / 'bell' / '__init__.py')
    (plugins / 'bell').symlink_to(target.parent)
    loosen(target, OTHERS)

    assert writable_by_others(plugins / 'bell') == plugins / 'bell' / '__init__.py'


def test_a_link_that_leads_back_is_followed_once(package: Path) -> None:
    (package / 'again').symlink_to(package)
    (package / 'deep' / 'again').symlink_to(package)

    assert writable_by_others(package) is None


def test_a_link_that_leads_nowhere_runs_no_code(package: Path, tmp_path: Path) -> None:
    (package / '.#ringing.py').symlink_to(tmp_path / 'somebody@host.1234')

    assert writable_by_others(package) is None


def test_a_link_that_leads_to_itself_runs_no_code(package: Path) -> None:
    (package / 'round.py').symlink_to(package / 'round.py')

    assert writable_by_others(package) is None


def test_what_is_not_there_runs_no_code(plugins: Path) -> None:
    assert writable_by_others(plugins / 'bell.py') is None


def test_a_folder_that_we_may_not_search_runs_no_code(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a folder whose entries can be listed and not looked at
    def lstat(self: Path) -> os.stat_result:
        raise PermissionError(13, 'Permission denied', str(self))

    monkeypatch.setattr(Path, 'lstat', lstat)

    # Then nothing in it is a danger
    assert writable_by_others(package) is None


# ---- the way to one file


@pytest.mark.parametrize('name', ['.', 'bell', 'bell/deep', 'bell/deep/__init__.py'])
def test_what_everybody_can_write_on_the_way_to_a_file_is_named(package: Path, name: str) -> None:
    loosen(package.parent / name, OTHERS)

    assert writable_on_the_way(package.parent, Path('bell/deep/__init__.py')) == package.parent / name


@pytest.mark.parametrize('name', ['..', 'bell/ringing.py', 'bell/deep/tone.so'])
def test_what_is_not_on_the_way_to_a_file_may_be_written_by_anybody(package: Path, name: str) -> None:
    loosen(package.parent / name, OTHERS)

    assert writable_on_the_way(package.parent, Path('bell/deep/__init__.py')) is None


def test_the_directory_that_a_link_on_the_way_leads_to_is_named(package: Path, tmp_path: Path) -> None:
    target = write(tmp_path / 'elsewhere' / 'tones' / 'tone.py')
    (package / 'tones').symlink_to(target.parent)
    loosen(tmp_path / 'elsewhere', OTHERS)

    assert writable_on_the_way(package.parent, Path('bell/tones/tone.py')) == tmp_path / 'elsewhere'


def test_what_is_unsafe_names_the_culprit_and_the_cure() -> None:
    assert (
        str(Unsafe(Path('/p/bell.py'))) == 'others can write /p/bell.py; chown root: /p/bell.py; chmod go-w /p/bell.py'
    )


def test_what_is_unsafe_is_an_import_error_for_those_who_can_do_without() -> None:
    assert issubclass(Unsafe, ImportError)


def test_a_walk_comes_to_each_directory_once(package: Path) -> None:
    (package / 'again').symlink_to(package)

    assert [path for path, _, _ in walk(package)] == [package, package / 'deep']
