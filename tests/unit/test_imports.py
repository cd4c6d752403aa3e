# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What is imported from a plugin directory: it is safe, it is what the files say, and it is new when they are."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import py_compile
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.test_loader import BELL, HEAD, install, ring, write
from wazo_busd import imports, loader, units
from wazo_busd.errors import PluginError
from wazo_busd.loader import Loader

HELPED = f'{HEAD}from tones_of_bells import TONE\n@handler\ndef ring(event): return TONE\n'
LAZY = f'{HEAD}@handler\ndef ring(event):\n    import tones_of_bells\n    return tones_of_bells.TONE\n'


@pytest.fixture(autouse=True)
def _same_as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a test imports is forgotten, and what it writes is safe, whatever the user who runs it is used to."""
    monkeypatch.setattr(sys, 'path', list(sys.path))
    monkeypatch.setattr(sys, 'path_hooks', list(sys.path_hooks))
    monkeypatch.setattr(sys, 'dont_write_bytecode', False)
    monkeypatch.setattr(units, 'STATE', units.State())
    monkeypatch.setattr(loader, '_claims', {})
    modules = set(sys.modules)
    umask = os.umask(0o022)
    yield
    os.umask(umask)
    for name in set(sys.modules) - modules:
        del sys.modules[name]


@pytest.fixture
def plugins(tmp_path: Path) -> Path:
    """A directory for drop-ins."""
    directory = tmp_path / 'plugins.d'
    directory.mkdir()
    return directory


def package(plugins: Path) -> Path:
    """A package that a drop-in named bell takes its tone from."""
    write(plugins / 'bell.py', HELPED)
    write(plugins / 'tones_of_bells' / '__init__.py', 'from tones_of_bells.deep.tone import TONE')
    write(plugins / 'tones_of_bells' / 'deep' / '__init__.py', '')
    write(plugins / 'tones_of_bells' / 'deep' / 'tone.py', 'TONE = 440')
    return plugins / 'tones_of_bells'


def refused(plugins: Path, name: str = 'bell') -> PluginError:
    """The error with which a plugin is refused."""
    with pytest.raises(PluginError) as caught:
        Loader([plugins]).load(name)
    return caught.value


def plant(source: Path, code: str) -> Path:
    """Leave compiled code that Python takes for that of a file."""
    other = write(source.parent / 'other.txt', code)
    compiled = Path(importlib.util.cache_from_source(str(source)))
    py_compile.compile(str(other), str(compiled), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    other.unlink()
    return compiled


# ---- files that others can write


def test_a_helper_that_others_can_write_is_refused_with_what_to_type(plugins: Path) -> None:
    write(plugins / 'bell.py', HELPED)
    helper = write(plugins / 'tones_of_bells.py', 'TONE = 440')
    helper.chmod(0o666)

    error = refused(plugins)

    assert (type(error), error.text, error.hint) == (
        PluginError,
        f"plugin 'bell' is refused: others can write {helper}",
        f'chown root: {helper}; chmod go-w {helper}',
    )


@pytest.mark.parametrize('name', ['.', 'deep', '__init__.py', 'deep/__init__.py', 'deep/tone.py'])
def test_a_package_beside_a_drop_in_that_others_can_write_is_refused(plugins: Path, name: str) -> None:
    unsafe = package(plugins) / name
    unsafe.chmod(0o777)

    assert refused(plugins).text == f"plugin 'bell' is refused: others can write {unsafe}"


def test_a_package_without_an_init_that_others_can_write_is_refused(plugins: Path) -> None:
    write(plugins / 'bell.py', HELPED.replace('tones_of_bells', 'bells.tones'))
    write(plugins / 'bells' / 'tones.py', 'TONE = 440')
    (plugins / 'bells').chmod(0o777)

    assert refused(plugins).text == f"plugin 'bell' is refused: others can write {plugins / 'bells'}"


def test_a_link_to_a_helper_in_a_directory_that_others_can_write_is_refused(plugins: Path, tmp_path: Path) -> None:
    write(plugins / 'bell.py', HELPED)
    target = write(tmp_path / 'elsewhere' / 'tone.py', 'TONE = 440')
    target.parent.chmod(0o777)
    (plugins / 'tones_of_bells.py').symlink_to(target)

    assert refused(plugins).text == f"plugin 'bell' is refused: others can write {target.parent}"


def test_a_dependency_that_pip_left_and_others_can_write_is_refused(plugins: Path) -> None:
    install(plugins, 'tones', files={'tones_of_bells.py': 'TONE = 440'})
    install(plugins, 'wazo-bells', plugins={'bell': 'bells_of_wazo'}, files={'bells_of_wazo.py': HELPED})
    (plugins / 'tones_of_bells.py').chmod(0o666)

    assert refused(plugins).text == f"plugin 'bell' is refused: others can write {plugins / 'tones_of_bells.py'}"


def test_a_helper_that_others_can_write_is_refused_in_the_middle_of_an_event_too(plugins: Path) -> None:
    # Given a drop-in that imports it only then
    write(plugins / 'bell.py', LAZY)
    helper = write(plugins / 'tones_of_bells.py', 'raise SystemExit')
    helper.chmod(0o666)
    plugin = Loader([plugins]).load('bell')

    # When the event comes, then the error names file and cure
    with pytest.raises(ImportError, match=f'others can write {helper}; chown root: {helper}; chmod go-w {helper}'):
        ring(plugin)


def test_machine_code_that_others_can_write_is_refused(plugins: Path) -> None:
    write(plugins / 'bell.py', HELPED)
    helper = write(plugins / f'tones_of_bells{importlib.machinery.EXTENSION_SUFFIXES[0]}', 'no machine code')
    helper.chmod(0o666)

    assert refused(plugins).text == f"plugin 'bell' is refused: others can write {helper}"


def test_a_helper_that_others_can_write_takes_nothing_else_out(plugins: Path) -> None:
    write(plugins / 'alarm.py', HELPED)
    write(plugins / 'tones_of_bells.py', 'TONE = 440').chmod(0o666)
    write(plugins / 'bell.py', BELL)
    known = Loader([plugins])
    with pytest.raises(PluginError):
        known.load('alarm')

    assert ring(known.load('bell')) == 'ding'


def test_a_helper_that_nobody_can_write_any_more_is_imported(plugins: Path) -> None:
    write(plugins / 'bell.py', HELPED)
    helper = write(plugins / 'tones_of_bells.py', 'TONE = 440')
    helper.chmod(0o666)
    refused(plugins)

    helper.chmod(0o644)

    assert ring(Loader([plugins]).load('bell')) == 440


def test_a_file_that_nobody_imports_harms_nobody(plugins: Path) -> None:
    write(plugins / 'bell.py', BELL)
    write(plugins / 'tones_of_bells.py', 'raise SystemExit').chmod(0o666)

    assert ring(Loader([plugins]).load('bell')) == 'ding'


def test_what_comes_with_the_installation_may_lie_below_a_plugin_directory(
    plugins: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given an interpreter whose own modules lie below the plugin directory
    helper = write(plugins / 'venv' / 'tones_of_bells.py', 'TONE = 440')
    monkeypatch.setattr(units, 'INTERPRETER', (helper.parent,))
    monkeypatch.syspath_prepend(str(helper.parent))
    helper.parent.chmod(0o777)
    write(plugins / 'bell.py', HELPED)

    # Then they are not ours to judge
    assert ring(Loader([plugins]).load('bell')) == 440


@pytest.mark.parametrize('name', ['.', 'bell'])
def test_a_plugin_directory_can_be_where_the_command_was_given(plugins: Path, name: str) -> None:
    # Given a package in a plugin directory
    write(plugins / 'bell' / '__init__.py', BELL)
    code = (
        f'from pathlib import Path; from wazo_busd.loader import Loader; Loader([Path({str(plugins)!r})]).load("bell")'
    )

    # When a person in one of its directories starts a process
    done = subprocess.run([sys.executable, '-c', code], cwd=plugins / name, check=False)

    # Then it is loaded all the same
    assert done.returncode == 0


def test_a_directory_of_its_own_that_a_drop_in_adds_to_the_path_is_judged(plugins: Path) -> None:
    path = 'import os, sys; sys.path.insert(0, os.path.join(os.path.dirname(__file__), "lib"))\n'
    write(plugins / 'bell.py', path + HELPED)
    helper = write(plugins / 'lib' / 'tones_of_bells.py', 'TONE = 440')
    helper.chmod(0o666)

    assert refused(plugins).text == f"plugin 'bell' is refused: others can write {helper}"


def test_a_link_to_a_plugin_directory_is_judged_by_either_name(plugins: Path, tmp_path: Path) -> None:
    (tmp_path / 'link').symlink_to(plugins)
    path = 'import os, sys; sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))\n'
    write(plugins / 'bell.py', path + HELPED)
    helper = write(plugins / 'tones_of_bells.py', 'TONE = 440')
    helper.chmod(0o666)

    assert refused(tmp_path / 'link').text == f"plugin 'bell' is refused: others can write {helper}"


# ---- compiled code and archives


@pytest.mark.parametrize('name', ['bell/__init__.py', 'bell/tone.py', 'tones_of_bells.py'])
def test_compiled_code_that_somebody_left_is_not_run(plugins: Path, name: str) -> None:
    write(plugins / 'bell' / '__init__.py', f'import tones_of_bells\nfrom . import tone\n{BELL}')
    write(plugins / 'bell' / 'tone.py', '')
    write(plugins / 'tones_of_bells.py', '')
    plant(plugins / name, 'raise SystemExit').parent.chmod(0o777)

    assert ring(Loader([plugins]).load('bell')) == 'ding'


def test_compiled_code_without_a_source_is_not_run(plugins: Path) -> None:
    write(plugins / 'bell.py', HELPED)
    shutil.move(plant(plugins / 'tones_of_bells.py', 'TONE = 440'), plugins / 'tones_of_bells.pyc')

    assert "No module named 'tones_of_bells'" in refused(plugins).text


def test_an_archive_is_not_imported_from(plugins: Path) -> None:
    path = 'import os, sys; sys.path.insert(0, os.path.join(os.path.dirname(__file__), "lib.zip"))\n'
    write(plugins / 'bell.py', path + HELPED)
    with zipfile.ZipFile(plugins / 'lib.zip', 'w') as archive:
        archive.writestr('tones_of_bells.py', 'TONE = 440')

    assert "No module named 'tones_of_bells'" in refused(plugins).text


def test_no_compiled_code_is_left(plugins: Path) -> None:
    package(plugins)

    Loader([plugins]).load('bell')

    assert [*plugins.rglob('*.pyc')] == []


def test_machine_code_is_imported(plugins: Path) -> None:
    # Given machine code in a plugin directory
    original = importlib.util.find_spec('multidict._multidict')
    assert original is not None
    assert original.origin is not None
    helper = plugins / Path(original.origin).name
    shutil.copyfile(original.origin, helper)
    write(plugins / 'bell.py', f'{HEAD}import _multidict\n@handler\ndef ring(event): return _multidict.__file__')

    # Then it is imported
    assert ring(Loader([plugins]).load('bell')) == str(helper)


# ---- the hook


def test_the_hook_is_there_once(plugins: Path, tmp_path: Path) -> None:
    for directory in (plugins, plugins, tmp_path):
        Loader([directory])

    assert sys.path_hooks.count(imports._hook) == 1


def test_a_directory_that_python_knew_before_is_judged(plugins: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a directory that Python has looked at
    monkeypatch.syspath_prepend(str(plugins))
    importlib.util.find_spec('tones_of_bells')
    write(plugins / 'tones_of_bells.py', 'TONE = 440').chmod(0o666)
    write(plugins / 'bell.py', HELPED)

    # Then what is imported from it is judged all the same
    assert 'is refused' in refused(plugins).text


def test_what_is_elsewhere_is_imported_as_ever(plugins: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Loader([plugins])
    write(tmp_path / 'elsewhere' / 'tones_of_bells.py', '').chmod(0o666)
    monkeypatch.syspath_prepend(str(tmp_path / 'elsewhere'))

    spec = importlib.util.find_spec('tones_of_bells')

    assert spec is not None
    assert type(spec.loader) is importlib.machinery.SourceFileLoader


def test_the_source_of_a_plugin_can_be_read(plugins: Path) -> None:
    write(plugins / 'bell.py', f'{HEAD}import inspect\n@handler\ndef ring(event): return inspect.getsource(ring)')

    assert ring(Loader([plugins]).load('bell')) == '@handler\ndef ring(event): return inspect.getsource(ring)\n'


# ---- what changes


def test_a_changed_helper_gives_new_code(plugins: Path) -> None:
    write(plugins / 'bell.py', HELPED)
    helper = write(plugins / 'tones_of_bells.py', 'TONE = 440')
    before = Loader([plugins]).load('bell')

    write(helper, 'TONE = 660')
    after = Loader([plugins]).load('bell')

    assert (ring(before), ring(after), before.version == after.version) == (440, 660, False)


def test_a_changed_helper_gives_new_code_even_with_the_same_size_and_time(plugins: Path) -> None:
    write(plugins / 'bell.py', HELPED)
    helper = write(plugins / 'tones_of_bells.py', 'TONE = 440')
    os.utime(helper, (1_700_000_000, 1_700_000_000))
    Loader([plugins]).load('bell')

    write(helper, 'TONE = 660')
    os.utime(helper, (1_700_000_000, 1_700_000_000))

    assert ring(Loader([plugins]).load('bell')) == 660


def test_a_changed_module_of_a_helping_package_gives_new_code(plugins: Path) -> None:
    helper = package(plugins)
    Loader([plugins]).load('bell')

    write(helper / 'deep' / 'tone.py', 'TONE = 660')

    assert ring(Loader([plugins]).load('bell')) == 660


def test_a_helper_of_a_helper_that_changed_gives_new_code(plugins: Path) -> None:
    write(plugins / 'bell.py', HELPED)
    write(plugins / 'tones_of_bells.py', 'from pitch_of_bells import TONE')
    pitch = write(plugins / 'pitch_of_bells.py', 'TONE = 440')
    before = Loader([plugins]).load('bell')

    write(pitch, 'TONE = 660')
    after = Loader([plugins]).load('bell')

    assert (ring(after), before.version == after.version) == (660, False)


def test_a_helper_that_another_drop_in_imported_first_counts_as_well(plugins: Path) -> None:
    # Given two drop-ins with the same helper
    for name in ('alarm', 'bell'):
        write(plugins / f'{name}.py', HELPED)
    helper = write(plugins / 'tones_of_bells.py', 'TONE = 440')
    known = Loader([plugins])
    before = [known.load(name).version for name in ('alarm', 'bell')]

    # When the helper changes
    write(helper, 'TONE = 660')
    known = Loader([plugins])
    after = [known.load(name).version for name in ('alarm', 'bell')]

    # Then both are new
    assert [one == two for one, two in zip(before, after, strict=True)] == [False, False]


def test_a_helper_that_is_imported_by_name_counts_as_well(plugins: Path) -> None:
    by_name = f'{HEAD}import importlib\nTONE = importlib.import_module("tones_of_bells").TONE\n'
    write(plugins / 'bell.py', f'{by_name}@handler\ndef ring(event): return TONE')
    helper = write(plugins / 'tones_of_bells.py', 'TONE = 440')
    Loader([plugins]).load('bell')

    write(helper, 'TONE = 660')

    assert ring(Loader([plugins]).load('bell')) == 660


def test_a_changed_helper_leaves_other_drop_ins_alone(plugins: Path) -> None:
    write(plugins / 'bell.py', HELPED)
    helper = write(plugins / 'tones_of_bells.py', 'TONE = 440')
    write(plugins / 'alarm.py', f'import pitch_of_bells\n{BELL}')
    write(plugins / 'pitch_of_bells.py', '')
    known = Loader([plugins])
    before = known.load('alarm')
    known.load('bell')

    write(helper, 'TONE = 660')

    assert Loader([plugins]).load('alarm') == before


def test_a_changed_helper_leaves_modules_that_do_not_need_it_alone(plugins: Path) -> None:
    write(plugins / 'bell.py', f'import pitch_of_bells\n{HELPED}')
    helper = write(plugins / 'tones_of_bells.py', 'TONE = 440')
    write(plugins / 'pitch_of_bells.py', '')
    Loader([plugins]).load('bell')
    before = sys.modules['pitch_of_bells']

    write(helper, 'TONE = 660')
    Loader([plugins]).load('bell')

    assert sys.modules['pitch_of_bells'] is before


def test_a_helper_that_is_imported_late_is_no_change(plugins: Path) -> None:
    # Given a drop-in that imports its helper only when an event comes
    write(plugins / 'bell.py', LAZY)
    write(plugins / 'tones_of_bells.py', 'TONE = 440')
    before = Loader([plugins]).load('bell')

    # When one has come
    ring(before)

    # Then the drop-in is the same
    assert Loader([plugins]).load('bell') == before


def test_a_helper_that_is_imported_late_and_changed_makes_the_drop_in_another(plugins: Path) -> None:
    write(plugins / 'bell.py', LAZY)
    helper = write(plugins / 'tones_of_bells.py', 'TONE = 440')
    before = Loader([plugins]).load('bell')
    ring(before)

    write(helper, 'TONE = 660')
    after = Loader([plugins]).load('bell')

    assert (ring(after), before == after) == (660, False)


def test_a_touched_helper_is_no_change(plugins: Path) -> None:
    write(plugins / 'bell.py', HELPED)
    helper = write(plugins / 'tones_of_bells.py', 'TONE = 440')
    before = Loader([plugins]).load('bell')

    os.utime(helper, (1, 1))

    assert Loader([plugins]).load('bell') == before


def test_a_helper_that_is_gone_is_missed(plugins: Path) -> None:
    write(plugins / 'bell.py', HELPED)
    helper = write(plugins / 'tones_of_bells.py', 'TONE = 440')
    Loader([plugins]).load('bell')

    helper.unlink()

    assert "No module named 'tones_of_bells'" in refused(plugins).text


def test_a_helper_that_was_mended_is_imported_again(plugins: Path) -> None:
    write(plugins / 'bell.py', HELPED)
    helper = write(plugins / 'tones_of_bells.py', 'TUNE = 440')
    assert 'cannot import name' in refused(plugins).text

    write(helper, 'TONE = 440')

    assert ring(Loader([plugins]).load('bell')) == 440


def test_a_changed_module_of_a_package_without_an_init_gives_new_code(plugins: Path) -> None:
    write(plugins / 'bell.py', f'{HEAD}from bells_of_home import tones\n@handler\ndef ring(event): return tones.TONE')
    helper = write(plugins / 'bells_of_home' / 'tones.py', 'TONE = 440')
    Loader([plugins]).load('bell')

    write(helper, 'TONE = 660')

    assert ring(Loader([plugins]).load('bell')) == 660


def test_a_drop_in_that_is_what_it_was_is_imported_again(plugins: Path) -> None:
    # Given a drop-in that changed
    file = write(plugins / 'bell.py', BELL)
    version = Loader([plugins]).load('bell').version
    write(file, BELL.replace('ding', 'dong'))
    Loader([plugins]).load('bell')

    # When it is what it was again
    write(file, BELL)
    plugin = Loader([plugins]).load('bell')

    # Then so is its version
    assert (ring(plugin), plugin.version) == ('ding', version)


# ---- what is upgraded

BELLS = {'bells_of_wazo/__init__.py': '', 'bells_of_wazo/ringing.py': 'from bells_of_wazo.tone import ring'}


def upgrade(directory: Path, version: str, tone: str) -> None:
    """Leave what `pip install --target --upgrade` leaves."""
    for old in directory.glob('wazo_bells-*.dist-info'):
        shutil.rmtree(old)
    files = {**BELLS, 'bells_of_wazo/tone.py': BELL.replace('ding', tone)}
    install(directory, 'wazo-bells', version=version, plugins={'bell': 'bells_of_wazo.ringing:ring'}, files=files)


def test_an_upgraded_plugin_has_its_new_code_and_version(plugins: Path) -> None:
    upgrade(plugins, '1', 'ding')
    before = Loader([plugins]).load('bell')

    upgrade(plugins, '2', 'dong')
    after = Loader([plugins]).load('bell')

    assert [(ring(each), each.version, each.source) for each in (before, after)] == [
        ('ding', '1', 'wazo-bells 1'),
        ('dong', '2', 'wazo-bells 2'),
    ]


def test_an_upgraded_plugin_of_the_same_code_has_its_new_version(plugins: Path) -> None:
    upgrade(plugins, '1', 'ding')
    Loader([plugins]).load('bell')

    upgrade(plugins, '2', 'ding')

    assert Loader([plugins]).load('bell').version == '2'


def test_a_plugin_that_is_installed_again_with_other_code_is_another(plugins: Path) -> None:
    upgrade(plugins, '1', 'ding')
    before = Loader([plugins]).load('bell')

    upgrade(plugins, '1', 'dong')
    after = Loader([plugins]).load('bell')

    assert (ring(after), before == after) == ('dong', False)


def test_a_plugin_whose_dependency_was_upgraded_has_the_new_one(plugins: Path) -> None:
    install(plugins, 'tones', files={'tones_of_bells.py': 'TONE = 440'})
    install(plugins, 'wazo-bells', plugins={'bell': 'bells_of_wazo'}, files={'bells_of_wazo.py': HELPED})
    Loader([plugins]).load('bell')

    install(plugins, 'tones', files={'tones_of_bells.py': 'TONE = 660'})

    assert ring(Loader([plugins]).load('bell')) == 660


def test_an_installed_plugin_that_is_what_it_was_is_the_same(plugins: Path) -> None:
    upgrade(plugins, '1', 'ding')

    assert Loader([plugins]).load('bell') == Loader([plugins]).load('bell')


def test_an_upgrade_of_the_installation_waits_for_a_restart_and_claims_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a plugin of the installation that was loaded
    upgrade(tmp_path, '1', 'ding')
    monkeypatch.syspath_prepend(str(tmp_path))
    before = Loader([]).load('bell')

    # When it is upgraded
    upgrade(tmp_path, '2', 'dong')

    # Then the one that was loaded goes on
    assert Loader([]).load('bell') == before


def test_a_package_with_machine_code_is_kept_as_that_cannot_be_imported_a_second_time(plugins: Path) -> None:
    # Given a package of which machine code was imported
    helper = package(plugins)
    Loader([plugins]).load('bell')
    units.note(helper / 'fast.so', 'tones_of_bells.fast', is_fixed=True)

    # When a module of it changes
    before = sys.modules['tones_of_bells']
    write(helper / 'deep' / 'tone.py', 'TONE = 660')
    Loader([plugins])

    # Then all of it stays as it is until the next start
    assert sys.modules['tones_of_bells'] is before


def test_a_running_plugin_keeps_what_it_imported(plugins: Path) -> None:
    write(plugins / 'bell.py', HELPED)
    helper = write(plugins / 'tones_of_bells.py', 'TONE = 440')
    before = Loader([plugins]).load('bell')

    write(helper, 'TONE = 660')
    Loader([plugins]).load('bell')

    assert ring(before) == 440


def test_a_package_of_ours_that_still_runs_can_import_its_modules_late(plugins: Path) -> None:
    # Given a package that imports a module of its own only when an event comes
    late = f'{HEAD}@handler\ndef ring(event):\n    from . import tone\n    return tone.TONE\n'
    file = write(plugins / 'bell' / '__init__.py', late)
    write(plugins / 'bell' / 'tone.py', 'TONE = 440')
    before = Loader([plugins]).load('bell')

    # When a new one was loaded beside it
    write(file, f'{late}# changed\n')
    Loader([plugins]).load('bell')

    # Then the old one still can
    assert ring(before) == 440


def test_a_plugin_directory_in_a_process_of_its_own_takes_no_planted_code(plugins: Path) -> None:
    # Given compiled code that others have left
    write(plugins / 'bell.py', f'import tones_of_bells\n{BELL}')
    plant(write(plugins / 'tones_of_bells.py', ''), 'raise SystemExit(3)').parent.chmod(0o777)
    code = (
        f'from pathlib import Path; from wazo_busd.loader import Loader; Loader([Path({str(plugins)!r})]).load("bell")'
    )

    # When a process loads the plugin, then it does not end by that
    assert subprocess.run([sys.executable, '-c', code], check=False).returncode == 0
