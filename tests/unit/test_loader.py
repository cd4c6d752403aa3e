# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The loader: finds plugins, imports those that are used, and lets none of them take anything else down."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from textwrap import dedent
from typing import IO, Any

import pytest
from stevedore import ExtensionManager, _cache

from wazo_busd import loader, units
from wazo_busd.errors import Interrupted, PluginError, PluginImportError
from wazo_busd.event import Event
from wazo_busd.loader import GROUP, Loader
from wazo_busd.plugin import Plugin

HEAD = 'from wazo_busd.api import handler\n'
BELL = f"{HEAD}@handler('calls.#')\ndef ring(event): return 'ding'\n"


@pytest.fixture(autouse=True)
def _same_as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a test imports is forgotten, and what it writes is safe, whatever the user who runs it is used to."""
    monkeypatch.setattr(sys, 'path', list(sys.path))
    monkeypatch.setattr(sys, 'dont_write_bytecode', False)
    monkeypatch.setattr(sys, 'path_hooks', list(sys.path_hooks))
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


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dedent(text))
    return path


def install(
    directory: Path,
    name: str,
    *,
    version: str = '1.0',
    plugins: Mapping[str, str] | None = None,
    files: Mapping[str, str] | None = None,
    requires: Sequence[str] = (),
) -> None:
    """Leave what `pip install --target` leaves.

    Args:
        directory: the target.
        name: the name of the distribution.
        version: its version.
        plugins: its entry points in our group, such as `{'bell': 'bells:Bell'}`.
        files: its files.
        requires: what it needs.
    """
    info = f'{name.replace("-", "_")}-{version}.dist-info'
    needs = ''.join(f'Requires-Dist: {each}\n' for each in requires)
    metadata = {f'{info}/METADATA': f'Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}'}
    if plugins is not None:
        lines = [f'{key} = {value}' for key, value in plugins.items()]
        metadata[f'{info}/entry_points.txt'] = '\n'.join([f'[{GROUP}]', *lines, ''])
    written = {**(files or {}), **metadata}
    for path, text in written.items():
        write(directory / path, text)
    record = ''.join(f'{path},,\n' for path in [*written, f'{info}/RECORD', '../../bin/something'])
    write(directory / info / 'RECORD', record)


def ring(plugin: Plugin, event: Event | None = None) -> Any:
    """What the first method of a plugin of functions gives."""
    return plugin.methods[0].function(event or Event('call_created'))


# ---- what comes with the installation


def test_the_plugins_of_the_installation_are_known() -> None:
    assert {'journal', 'log'} <= set(Loader([]).names)


def test_a_plugin_of_the_installation_has_its_distribution_for_a_source() -> None:
    plugin = Loader([]).load('log')

    assert plugin.source == f'wazo-busd {plugin.version}'


def test_a_plugin_that_another_distribution_announces_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a distribution on the path of the interpreter
    install(tmp_path, 'wazo-bells', plugins={'bell': 'bells_of_wazo'}, files={'bells_of_wazo.py': BELL})
    monkeypatch.syspath_prepend(str(tmp_path))

    # When its plugin is loaded
    plugin = Loader([]).load('bell')

    # Then it is the distribution's
    assert (ring(plugin), plugin.source, plugin.version) == ('ding', 'wazo-bells 1.0', '1.0')


def test_a_distribution_that_is_found_twice_on_the_path_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a distribution on two places of the path, as with an editable installation
    for place in ('one', 'two'):
        install(tmp_path / place, 'wazo-bells', plugins={'bell': 'bells_of_wazo'}, files={'bells_of_wazo.py': BELL})
        monkeypatch.syspath_prepend(str(tmp_path / place))

    # Then its plugin is no duplicate
    assert ring(Loader([]).load('bell')) == 'ding'


def test_the_cache_of_stevedore_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a cache that knows of nothing, and another on disk that must not be read
    def stale(*_: object, **__: object) -> list[Any]:
        pytest.fail('the cache was asked')

    monkeypatch.setattr(ExtensionManager, 'ENTRY_POINT_CACHE', {GROUP: []})
    monkeypatch.setattr(_cache, 'get_group_all', stale)

    # When a plugin is loaded
    plugin = Loader([]).load('log')

    # Then it is found all the same
    assert plugin.name == 'log'


def test_a_plugin_that_is_installed_while_the_process_runs_is_found(plugins: Path) -> None:
    # Given a directory that was looked at when it was empty
    before = Loader([plugins]).names

    # When something is installed there
    install(plugins, 'wazo-bells', plugins={'bell': 'bells_of_wazo'}, files={'bells_of_wazo.py': BELL})

    # Then it is found
    assert set(Loader([plugins]).names) - set(before) == {'bell'}


# ---- drop-ins


def test_a_loose_file_is_a_plugin_that_is_called_by_its_stem(plugins: Path) -> None:
    write(plugins / 'bell.py', BELL)

    assert ring(Loader([plugins]).load('bell')) == 'ding'


def test_a_loose_file_has_itself_for_a_source(plugins: Path) -> None:
    file = write(plugins / 'bell.py', BELL)

    assert Loader([plugins]).load('bell').source == str(file)


def test_the_version_of_a_loose_file_is_that_of_its_content(plugins: Path) -> None:
    write(plugins / 'one.py', BELL)
    write(plugins / 'two.py', f'{BELL}# with a remark\n')
    known = Loader([plugins])

    versions = {known.load(name).version for name in ('one', 'two')}

    assert len(versions) == 2
    assert all(version.startswith('sha256:') for version in versions)


def test_a_package_is_a_plugin(plugins: Path) -> None:
    write(plugins / 'bell' / '__init__.py', BELL)

    assert ring(Loader([plugins]).load('bell')) == 'ding'


def test_a_package_can_import_its_own_modules(plugins: Path) -> None:
    # Given a package with relative imports
    write(
        plugins / 'bell' / '__init__.py', f'{HEAD}from .deep.tone import TONE\n@handler\ndef ring(event): return TONE'
    )
    write(plugins / 'bell' / 'deep' / '__init__.py', '')
    write(plugins / 'bell' / 'deep' / 'tone.py', 'from ..pitch import A\nTONE = A * 2')
    write(plugins / 'bell' / 'pitch.py', 'A = 440')

    # When it is loaded
    plugin = Loader([plugins]).load('bell')

    # Then it has what they hold
    assert ring(plugin) == 880


def test_a_package_can_take_its_plugin_from_one_of_its_modules(plugins: Path) -> None:
    write(plugins / 'bell' / '__init__.py', 'from .ringing import ring')
    write(plugins / 'bell' / 'ringing.py', BELL)

    assert ring(Loader([plugins]).load('bell')) == 'ding'


async def test_a_class_of_a_drop_in_is_made_and_called_as_any_other(plugins: Path) -> None:
    # Given a drop-in with a class
    write(plugins / 'bell.py', f"{HEAD}class Bell:\n    @handler('calls.#')\n    def ring(self, event): return self")
    plugin = Loader([plugins]).load('bell')

    # When it is made
    assert plugin.factory is not None
    instance = plugin.factory()

    # Then its methods are there
    assert plugin.methods[0].function(instance, Event('x')) is instance


def test_a_drop_in_can_import_what_lies_beside_it(plugins: Path) -> None:
    write(plugins / 'tones_of_bells.py', 'TONE = 440')
    write(plugins / 'bell.py', f'{HEAD}from tones_of_bells import TONE\n@handler\ndef ring(event): return TONE')

    assert ring(Loader([plugins]).load('bell')) == 440


def test_what_lies_beside_a_drop_in_replaces_nothing_of_the_installation(
    plugins: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a file that is called like a module of the standard library, which nobody has imported yet
    monkeypatch.delitem(sys.modules, 'colorsys', raising=False)
    write(plugins / 'colorsys.py', 'raise AssertionError')
    write(plugins / 'bell.py', f'{HEAD}import colorsys\n@handler\ndef ring(event): return colorsys.__file__')

    # When a drop-in imports that module
    found = ring(Loader([plugins]).load('bell'))

    # Then it is the one of the standard library
    assert not found.startswith(str(plugins))


@pytest.mark.parametrize(
    'name',
    ['.hidden.py', '_helper.py', 'notes.txt', 'bell.py.bak', 'empty/notes.txt', '_private/__init__.py', 'dir.py/x.txt'],
)
def test_what_is_no_plugin_is_not_offered(plugins: Path, name: str) -> None:
    before = Loader([plugins]).names

    write(plugins / name, '')

    assert Loader([plugins]).names == before


def test_a_directory_that_does_not_exist_is_passed_over(tmp_path: Path) -> None:
    assert Loader([tmp_path / 'nowhere']).names == Loader([]).names


def test_a_directory_that_is_named_twice_is_looked_at_once(plugins: Path) -> None:
    write(plugins / 'bell.py', BELL)

    assert ring(Loader([plugins, plugins]).load('bell')) == 'ding'


def test_nothing_is_imported_before_it_is_loaded(plugins: Path) -> None:
    # Given two drop-ins that would end the process
    write(plugins / 'bell.py', 'raise SystemExit')
    install(plugins, 'wazo-bells', plugins={'other': 'other_bells'}, files={'other_bells.py': 'raise SystemExit'})

    # Then they can be listed
    assert {'bell', 'other'} <= set(Loader([plugins]).names)


def test_names_are_sorted(plugins: Path) -> None:
    for name in ('zebra', 'alarm'):
        write(plugins / f'{name}.py', BELL)

    names = Loader([plugins]).names

    assert names == sorted(names)


# ---- what pip install --target leaves


def test_what_pip_leaves_in_a_directory_is_offered_by_its_entry_points(plugins: Path) -> None:
    install(
        plugins, 'wazo-bells', version='2.1', plugins={'bell': 'bells_of_wazo:ring'}, files={'bells_of_wazo.py': BELL}
    )

    plugin = Loader([plugins]).load('bell')

    assert (ring(plugin), plugin.source, plugin.version) == ('ding', 'wazo-bells 2.1', '2.1')


def test_what_pip_leaves_can_be_a_package(plugins: Path) -> None:
    install(
        plugins,
        'wazo-bells',
        plugins={'bell': 'bells_of_wazo.ringing'},
        files={'bells_of_wazo/__init__.py': '', 'bells_of_wazo/ringing.py': BELL},
    )

    assert ring(Loader([plugins]).load('bell')) == 'ding'


def test_a_distribution_can_announce_several_plugins(plugins: Path) -> None:
    install(
        plugins,
        'wazo-bells',
        plugins={'bell': 'bells_of_wazo:ring', 'other': 'bells_of_wazo:ring'},
        files={'bells_of_wazo.py': BELL},
    )

    assert {Loader([plugins]).load(name).name for name in ('bell', 'other')} == {'bell', 'other'}


def test_the_modules_of_a_distribution_are_not_offered_as_plugins(plugins: Path) -> None:
    # Given a distribution with a plugin, and what it depends on: a module and a package
    before = Loader([plugins]).names
    install(plugins, 'wazo-bells', plugins={'bell': 'bells_of_wazo'}, files={'bells_of_wazo.py': BELL})
    install(plugins, 'tones', files={'tones.py': 'TONE = 440'})
    install(plugins, 'pitches', files={'pitches/__init__.py': 'A = 440', 'pitches/deep/__init__.py': ''})

    # Then only what is announced is offered
    assert set(Loader([plugins]).names) - set(before) == {'bell'}


def test_a_plugin_finds_the_dependencies_that_pip_left_beside_it(plugins: Path) -> None:
    install(plugins, 'tones', files={'tones_for_bells.py': 'TONE = 440'})
    install(
        plugins,
        'wazo-bells',
        plugins={'bell': 'bells_of_wazo'},
        files={'bells_of_wazo.py': f'{HEAD}from tones_for_bells import TONE\n@handler\ndef ring(event): return TONE'},
    )

    assert ring(Loader([plugins]).load('bell')) == 440


def test_entry_points_of_other_groups_are_not_ours(plugins: Path) -> None:
    before = Loader([plugins]).names
    install(plugins, 'other', files={'other_thing.py': BELL})
    write(plugins / 'other-1.0.dist-info' / 'entry_points.txt', '[console_scripts]\nother = other_thing:ring\n')

    assert Loader([plugins]).names == before


def test_a_distribution_whose_module_is_missing_takes_out_its_own_plugin(plugins: Path) -> None:
    install(plugins, 'wazo-bells', plugins={'bell': 'bells_of_nobody'})

    with pytest.raises(PluginImportError, match=r"plugin 'bell'.*No module named 'bells_of_nobody'"):
        Loader([plugins]).load('bell')


BROKEN = {
    'no value': b'[wazo_busd.plugins]\nbell\n',
    'no name of a module': b'[wazo_busd.plugins]\nbell = a b c\n',
    'nothing': b'[wazo_busd.plugins]\nbell =\n',
    'not UTF-8': b'[wazo_busd.plugins]\n\xff = a\n',
}


@pytest.fixture(params=list(BROKEN.values()), ids=list(BROKEN))
def broken(request: pytest.FixtureRequest, plugins: Path) -> None:
    """A distribution whose entry points cannot be read."""
    install(plugins, 'wazo-bells', plugins={})
    (plugins / 'wazo_bells-1.0.dist-info' / 'entry_points.txt').write_bytes(request.param)


@pytest.mark.usefixtures('broken')
def test_a_distribution_that_is_broken_takes_nothing_else_out(plugins: Path) -> None:
    write(plugins / 'other.py', BELL)

    assert ring(Loader([plugins]).load('other')) == 'ding'


@pytest.mark.usefixtures('broken')
def test_a_plugin_that_is_not_found_is_told_with_the_distributions_that_are_broken(plugins: Path) -> None:
    with pytest.raises(PluginError) as caught:
        Loader([plugins]).load('bell')

    assert f'; wazo-bells in {plugins} cannot be read: ' in caught.value.hint


def test_a_broken_distribution_of_the_installation_takes_nothing_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given something broken on the path of the interpreter
    install(tmp_path, 'wazo-bells', plugins={})
    write(tmp_path / 'wazo_bells-1.0.dist-info' / 'entry_points.txt', '[wazo_busd.plugins]\nbell\n')
    monkeypatch.syspath_prepend(str(tmp_path))

    # Then what is not is loaded
    assert Loader([]).load('log').name == 'log'


def test_a_directory_that_is_no_longer_configured_offers_nothing(plugins: Path) -> None:
    # Given a directory whose plugin was loaded
    install(plugins, 'wazo-bells', plugins={'bell': 'bells_of_wazo'}, files={'bells_of_wazo.py': BELL})
    Loader([plugins]).load('bell')

    # When the configuration does not name it any more
    names = Loader([]).names

    # Then its plugin is gone
    assert 'bell' not in names


# ---- duplicates and names that are not there


def test_two_drop_ins_of_one_name_are_refused_naming_both(plugins: Path, tmp_path: Path) -> None:
    one = write(plugins / 'bell.py', BELL)
    two = write(tmp_path / 'more' / 'bell.py', BELL)

    with pytest.raises(PluginError) as caught:
        Loader([plugins, tmp_path / 'more']).load('bell')

    assert caught.value.text == f"there is more than one plugin 'bell': {one} and {two}"


def test_a_file_and_a_package_of_one_name_are_refused(plugins: Path) -> None:
    write(plugins / 'bell.py', BELL)
    write(plugins / 'bell' / '__init__.py', BELL)

    with pytest.raises(PluginError, match="more than one plugin 'bell'"):
        Loader([plugins]).load('bell')


def test_a_drop_in_that_is_called_like_a_plugin_of_ours_is_refused_naming_both(plugins: Path) -> None:
    file = write(plugins / 'log.py', BELL)

    with pytest.raises(PluginError) as caught:
        Loader([plugins]).load('log')

    assert caught.value.text.endswith(f'and {file}')
    assert 'wazo-busd' in caught.value.text


def test_two_distributions_that_announce_one_name_are_refused_naming_both(plugins: Path) -> None:
    for name in ('wazo-bells', 'other-bells'):
        install(plugins, name, plugins={'bell': f'{name[:4]}_bell'}, files={f'{name[:4]}_bell.py': BELL})

    with pytest.raises(
        PluginError, match=r'(wazo-bells 1\.0 and other-bells 1\.0|other-bells 1\.0 and wazo-bells 1\.0)'
    ):
        Loader([plugins]).load('bell')


def test_a_duplicate_takes_nothing_else_out(plugins: Path) -> None:
    write(plugins / 'log.py', BELL)
    write(plugins / 'bell.py', BELL)

    assert ring(Loader([plugins]).load('bell')) == 'ding'


def test_a_name_that_is_not_there_gets_the_one_that_was_meant(plugins: Path) -> None:
    write(plugins / 'bell.py', BELL)

    with pytest.raises(PluginError) as caught:
        Loader([plugins]).load('bel')

    assert (caught.value.text, caught.value.hint) == ("there is no plugin 'bel'", "did you mean 'bell'?")


def test_a_name_that_is_not_there_is_told_with_the_directories_that_are_not_there_either(
    plugins: Path, tmp_path: Path
) -> None:
    write(plugins / 'bell.py', BELL)
    wrong = tmp_path / 'plugin.d'

    with pytest.raises(PluginError) as caught:
        Loader([wrong, plugins]).load('bel')

    assert caught.value.hint == f"did you mean 'bell'?; of plugin_dirs, {wrong} does not exist"


@pytest.mark.parametrize('file', ['tone.py', 'notes.txt'])
def test_a_folder_without_an_init_is_told_as_such(plugins: Path, file: str) -> None:
    write(plugins / 'bell' / file, BELL)

    with pytest.raises(PluginError) as caught:
        Loader([plugins]).load('bell')

    assert (caught.value.text, caught.value.hint) == (
        f"there is no plugin 'bell': the folder {plugins / 'bell'} has no __init__.py",
        f'touch {plugins / "bell" / "__init__.py"}',
    )


def test_a_name_that_resembles_none_gets_those_that_are_there() -> None:
    with pytest.raises(PluginError) as caught:
        Loader([]).load('xylophone')

    assert caught.value.hint == f'known plugins: {", ".join(Loader([]).names)}'


# ---- files that others can write


@pytest.mark.parametrize('name', ['bell.py', '.'])
def test_a_drop_in_that_others_can_write_is_refused(plugins: Path, name: str) -> None:
    # Given a drop-in that must not run
    write(plugins / 'bell.py', 'raise SystemExit')
    (plugins / name).chmod(0o777)

    # When it is to be loaded
    with pytest.raises(PluginError) as caught:
        Loader([plugins]).load('bell')

    # Then it is refused, and what to type is said
    unsafe = plugins / name
    assert (caught.value.text, caught.value.hint) == (
        f"plugin 'bell' is refused: others can write {unsafe}",
        f'chown root: {unsafe}; chmod go-w {unsafe}',
    )


def test_a_package_with_a_file_that_others_can_write_is_refused(plugins: Path) -> None:
    write(plugins / 'bell' / '__init__.py', 'raise SystemExit')
    write(plugins / 'bell' / 'tone.py', '').chmod(0o666)

    with pytest.raises(PluginError, match=r'others can write .*/bell/tone\.py'):
        Loader([plugins]).load('bell')


def test_a_link_to_a_file_that_others_can_write_is_refused(plugins: Path, tmp_path: Path) -> None:
    target = write(tmp_path / 'elsewhere' / 'bell.py', 'raise SystemExit')
    target.chmod(0o666)
    (plugins / 'bell.py').symlink_to(target)

    with pytest.raises(PluginError, match='is refused'):
        Loader([plugins]).load('bell')


def test_a_link_into_a_directory_that_others_can_write_is_refused(plugins: Path, tmp_path: Path) -> None:
    target = write(tmp_path / 'elsewhere' / 'bell.py', 'raise SystemExit')
    target.parent.chmod(0o777)
    (plugins / 'bell.py').symlink_to(target)

    with pytest.raises(PluginError, match='is refused'):
        Loader([plugins]).load('bell')


@pytest.mark.parametrize('files', [{'bells_of_wazo.py': BELL}, {'bells_of_wazo/__init__.py': BELL}])
def test_what_pip_left_is_refused_if_others_can_write_it(plugins: Path, files: Mapping[str, str]) -> None:
    install(plugins, 'wazo-bells', plugins={'bell': 'bells_of_wazo'}, files=files)
    for name in files:
        (plugins / name).chmod(0o666)

    with pytest.raises(PluginError, match='is refused'):
        Loader([plugins]).load('bell')


def test_a_refused_drop_in_takes_nothing_else_out(plugins: Path) -> None:
    write(plugins / 'bad.py', BELL).chmod(0o666)
    write(plugins / 'bell.py', BELL)

    assert ring(Loader([plugins]).load('bell')) == 'ding'


# ---- imports that fail

FAILURES = {
    'ImportError': 'import no_such_module_at_all',
    'SyntaxError': 'def ring(event)',
    'SystemExit': 'import sys; sys.exit(3)',
    'AssertionError': 'assert False',
    'BaseException': 'raise BaseException("everything")',
    'ZeroDivisionError': '1 / 0',
    'CancelledError': 'import asyncio; raise asyncio.CancelledError',
    'GeneratorExit': 'raise GeneratorExit',
    'KeyboardInterrupt': 'raise KeyboardInterrupt',
    'RecursionError': 'def f(): f()\nf()',
    'StopIteration': 'next(iter(()))',
    'ValueError': 'import \x00',
    'Odd': 'class Odd(Exception):\n    def __str__(self): raise ValueError\nraise Odd',
}


@pytest.fixture(params=list(FAILURES.values()), ids=list(FAILURES))
def failing(request: pytest.FixtureRequest) -> str:
    """Code whose import fails."""
    return str(request.param)


def test_an_import_that_fails_names_plugin_and_file(plugins: Path, failing: str) -> None:
    file = write(plugins / 'bell.py', failing)

    with pytest.raises(PluginImportError) as caught:
        Loader([plugins]).load('bell')

    assert caught.value.text.startswith(f"plugin 'bell' ({file}) cannot be imported: ")


def test_an_import_that_fails_in_a_distribution_names_plugin_and_distribution(plugins: Path, failing: str) -> None:
    install(plugins, 'wazo-bells', plugins={'bell': 'bells_of_wazo'}, files={'bells_of_wazo.py': failing})

    with pytest.raises(PluginImportError) as caught:
        Loader([plugins]).load('bell')

    assert caught.value.text.startswith("plugin 'bell' (wazo-bells 1.0) cannot be imported: ")


def test_an_import_that_fails_takes_nothing_else_out(plugins: Path, failing: str) -> None:
    # Given a plugin that fails and another
    write(plugins / 'bad.py', failing)
    write(plugins / 'bell.py', BELL)
    known = Loader([plugins])
    with pytest.raises(PluginImportError):
        known.load('bad')

    # Then the other one is loaded
    assert ring(known.load('bell')) == 'ding'


def test_an_import_that_fails_leaves_no_half_of_a_module(plugins: Path, failing: str) -> None:
    # Given a plugin that fails
    write(plugins / 'bell.py', failing)
    before = {name for name in sys.modules if 'dropin' in name}
    with pytest.raises(PluginImportError):
        Loader([plugins]).load('bell')

    # Then its module is gone
    assert {name for name in sys.modules if 'dropin' in name} == before


def test_an_import_that_fails_says_on_which_line(plugins: Path) -> None:
    file = write(plugins / 'bell.py', 'x = 1\n\n1 / 0\n')

    with pytest.raises(PluginImportError, match=rf'ZeroDivisionError: division by zero \(line 3 of {file}\)'):
        Loader([plugins]).load('bell')


def test_a_mistake_of_syntax_is_told_with_its_line(plugins: Path) -> None:
    write(plugins / 'bell.py', 'x = 1\n\ndef ring(event)\n')

    with pytest.raises(PluginImportError, match=r'SyntaxError: .*\(bell\.py, line 3\)'):
        Loader([plugins]).load('bell')


def test_a_module_that_is_missing_is_told_with_how_to_install_it(plugins: Path) -> None:
    write(plugins / 'bell.py', 'import no_such_module_at_all')

    with pytest.raises(PluginImportError) as caught:
        Loader([plugins]).load('bell')

    assert caught.value.hint == f'pip install --target {plugins} no_such_module_at_all'


def test_the_ctrl_c_of_a_person_is_no_failure_of_the_plugin(plugins: Path) -> None:
    write(plugins / 'bell.py', 'from wazo_busd.errors import Interrupted; raise Interrupted')

    with pytest.raises(Interrupted):
        Loader([plugins]).load('bell')


def test_a_mistake_of_syntax_is_told_with_what_shows_it(plugins: Path) -> None:
    file = write(plugins / 'bell.py', 'def ring(event)')

    with pytest.raises(PluginImportError) as caught:
        Loader([plugins]).load('bell')

    assert caught.value.hint == f'python3 -m py_compile {file}'


def test_a_mistake_of_syntax_in_a_helper_is_told_with_the_file_of_the_helper(plugins: Path) -> None:
    write(plugins / 'bell.py', f'import tones_of_bells\n{BELL}')
    helper = write(plugins / 'tones_of_bells.py', 'TONE =')

    with pytest.raises(PluginImportError) as caught:
        Loader([plugins]).load('bell')

    assert caught.value.hint == f'python3 -m py_compile {helper}'


def test_a_mistake_of_syntax_in_code_that_is_no_file_is_told_with_the_file_that_runs_it(plugins: Path) -> None:
    file = write(plugins / 'bell.py', 'exec("def")')

    with pytest.raises(PluginImportError) as caught:
        Loader([plugins]).load('bell')

    assert caught.value.hint == f'mend {file}'


@pytest.mark.parametrize('code', ['from os import nothing', '1 / 0', 'from .tone import TONE', 'import json.tone'])
def test_an_import_that_fails_otherwise_is_told_with_the_file_to_mend(plugins: Path, code: str) -> None:
    file = write(plugins / 'bell' / '__init__.py', code)

    with pytest.raises(PluginImportError) as caught:
        Loader([plugins]).load('bell')

    assert caught.value.hint == f'mend {file}'


def test_an_import_that_fails_in_a_helper_is_told_with_the_file_of_the_helper(plugins: Path) -> None:
    write(plugins / 'bell.py', f'import tones_of_bells\n{BELL}')
    helper = write(plugins / 'tones_of_bells.py', '1 / 0')

    with pytest.raises(PluginImportError) as caught:
        Loader([plugins]).load('bell')

    assert caught.value.hint == f'mend {helper}'


def test_a_module_that_a_distribution_misses_is_told_with_how_to_install_it(plugins: Path) -> None:
    files = {'bells_of_wazo.py': 'import no_such_module_at_all'}
    install(plugins, 'wazo-bells', plugins={'bell': 'bells_of_wazo'}, files=files)

    with pytest.raises(PluginImportError) as caught:
        Loader([plugins]).load('bell')

    assert caught.value.hint == f'pip install --target {plugins} no_such_module_at_all'


def test_a_module_that_a_distribution_of_the_installation_misses_is_told_with_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {'bells_of_wazo.py': 'import no_such_module_at_all'}
    install(tmp_path, 'wazo-bells', plugins={'bell': 'bells_of_wazo'}, files=files)
    monkeypatch.syspath_prepend(str(tmp_path))

    with pytest.raises(PluginImportError) as caught:
        Loader([]).load('bell')

    assert caught.value.hint == 'pip install no_such_module_at_all'


def test_a_module_that_an_extra_brings_is_told_with_that_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {'bells_of_wazo.py': 'import no_such_module_at_all'}
    requires = ['other>=1', 'no-such-module-at-all<6,>=4; extra == "sound"']
    install(tmp_path, 'wazo-bells', plugins={'bell': 'bells_of_wazo'}, files=files, requires=requires)
    monkeypatch.syspath_prepend(str(tmp_path))

    with pytest.raises(PluginImportError) as caught:
        Loader([]).load('bell')

    assert caught.value.hint == "pip install 'wazo-bells[sound]'"


@pytest.mark.parametrize('name', ['bell.py', 'bell/__init__.py'])
def test_a_file_that_we_may_not_read_takes_out_its_own_plugin(
    plugins: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a file that only somebody else may read
    file = write(plugins / name, BELL)
    original = io.open_code

    def open_code(path: str) -> IO[bytes]:
        if path == str(file):
            raise PermissionError(13, 'Permission denied', path)
        return original(path)

    monkeypatch.setattr(io, 'open_code', open_code)

    # Then that is a failure of this plugin
    with pytest.raises(PluginImportError, match=r"plugin 'bell'.*PermissionError"):
        Loader([plugins]).load('bell')


def test_a_file_that_is_gone_takes_out_its_own_plugin(plugins: Path) -> None:
    # Given a file that is removed after it was found
    file = write(plugins / 'bell.py', BELL)
    known = Loader([plugins])
    file.unlink()

    # Then that is a failure of this plugin
    with pytest.raises(PluginImportError, match="plugin 'bell'"):
        known.load('bell')


def test_a_link_of_an_editor_that_leads_nowhere_does_not_matter(plugins: Path) -> None:
    write(plugins / 'bell' / '__init__.py', BELL)
    (plugins / 'bell' / '.#__init__.py').symlink_to(plugins / 'somebody@host.1234')

    assert ring(Loader([plugins]).load('bell')) == 'ding'


def test_a_file_without_a_plugin_is_told_with_what_to_write(plugins: Path) -> None:
    file = write(plugins / 'bell.py', 'def ring(event): ...')

    with pytest.raises(PluginError) as caught:
        Loader([plugins]).load('bell')

    assert not isinstance(caught.value, PluginImportError)
    assert caught.value.text == f"plugin 'bell' ({file}) has nothing that takes events"


def test_code_that_fails_when_it_is_looked_at_takes_out_its_own_plugin(plugins: Path) -> None:
    # Given a module that holds an object which cannot be asked for anything, as some proxies do
    write(
        plugins / 'bell.py',
        f"""
        {HEAD}
        class Proxy:
            @property
            def __class__(self):
                raise RuntimeError('outside of a request')

        proxy = Proxy()
        """,
    )

    # Then that is a failure of this plugin
    with pytest.raises(PluginImportError, match=r"plugin 'bell'.*outside of a request"):
        Loader([plugins]).load('bell')


# ---- what changes


def test_changed_content_gives_a_new_version(plugins: Path) -> None:
    write(plugins / 'bell.py', BELL)
    before = Loader([plugins]).load('bell').version

    write(plugins / 'bell.py', f'{BELL}# changed\n')

    assert Loader([plugins]).load('bell').version != before


@pytest.mark.parametrize('name', ['bell.py', 'bell/__init__.py'])
def test_changed_content_gives_new_code_even_with_the_same_size_and_time(plugins: Path, name: str) -> None:
    # Given a drop-in that was loaded
    file = write(plugins / name, BELL)
    os.utime(file, (1_700_000_000, 1_700_000_000))
    Loader([plugins]).load('bell')

    # When it is replaced with something as long, and as old, as tools that unpack archives do
    write(file, BELL.replace('ding', 'dong'))
    os.utime(file, (1_700_000_000, 1_700_000_000))

    # Then the new code is run
    assert ring(Loader([plugins]).load('bell')) == 'dong'


def test_a_changed_module_of_a_package_gives_new_code_even_with_the_same_size_and_time(plugins: Path) -> None:
    # Given a package that was loaded
    write(plugins / 'bell' / '__init__.py', f'{HEAD}from .tone import TONE\n@handler\ndef ring(event): return TONE')
    tone = write(plugins / 'bell' / 'tone.py', 'TONE = 440')
    os.utime(tone, (1_700_000_000, 1_700_000_000))
    before = Loader([plugins]).load('bell')

    # When one of its modules is replaced with something as long, and as old
    write(tone, 'TONE = 660')
    os.utime(tone, (1_700_000_000, 1_700_000_000))
    after = Loader([plugins]).load('bell')

    # Then the new code is run, and the version says so
    assert (ring(before), ring(after), before.version == after.version) == (440, 660, False)


def test_changed_content_does_not_change_what_was_loaded_before(plugins: Path) -> None:
    write(plugins / 'bell.py', BELL)
    before = Loader([plugins]).load('bell')

    write(plugins / 'bell.py', BELL.replace('ding', 'dong'))
    Loader([plugins]).load('bell')

    assert ring(before) == 'ding'


def test_the_same_content_is_not_imported_twice(plugins: Path) -> None:
    write(plugins / 'bell.py', BELL)

    one, two = (Loader([plugins]).load('bell') for _ in '12')

    assert one.methods[0].function is two.methods[0].function


def test_a_touch_is_no_change(plugins: Path) -> None:
    # Given a drop-in that was loaded
    file = write(plugins / 'bell.py', BELL)
    before = Loader([plugins]).load('bell')

    # When only its time changes
    os.utime(file, (1, 1))

    # Then it is the same
    assert Loader([plugins]).load('bell') == before


def test_two_drop_ins_of_the_same_content_are_two(plugins: Path) -> None:
    write(plugins / 'one.py', BELL)
    write(plugins / 'two.py', BELL)
    known = Loader([plugins])

    one, two = known.load('one'), known.load('two')

    assert one.methods[0].function is not two.methods[0].function


def test_loading_leaves_nothing_in_the_directory(plugins: Path) -> None:
    write(plugins / 'bell.py', BELL)

    Loader([plugins]).load('bell')

    assert [path.name for path in plugins.iterdir()] == ['bell.py']


@pytest.mark.parametrize('code', [BELL, 'raise SystemExit'])
def test_loading_lets_others_keep_their_compiled_code(plugins: Path, code: str) -> None:
    write(plugins / 'bell.py', code)

    with contextlib.suppress(PluginImportError):
        Loader([plugins]).load('bell')

    assert not sys.dont_write_bytecode


# ---- directories that cannot be listed


@pytest.mark.parametrize('error', [PermissionError(13, 'Permission denied'), OSError(5, 'Input/output error')])
def test_a_directory_that_cannot_be_listed_is_told_with_the_reason(
    plugins: Path, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    # Given a directory that we may not read
    original = Path.iterdir

    def iterdir(self: Path) -> Iterator[Path]:
        if self == plugins:
            raise error
        return original(self)

    monkeypatch.setattr(Path, 'iterdir', iterdir)

    # Then the loader says so
    assert Loader([plugins]).unreadable == {plugins: error.strerror}


def test_a_file_in_the_place_of_a_directory_is_told(tmp_path: Path) -> None:
    file = write(tmp_path / 'plugins.d', '')

    assert Loader([file]).unreadable == {file: 'Not a directory'}


def test_a_directory_that_does_not_exist_is_no_problem(tmp_path: Path) -> None:
    assert Loader([tmp_path / 'nowhere']).unreadable == {}


# ---- entries that cannot be looked at


@pytest.fixture
def locked(plugins: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that only somebody else may search."""
    folder = plugins / 'backup'
    folder.mkdir()
    lock(monkeypatch, folder)
    return folder


def lock(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    original = Path.stat

    def stat(self: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        if folder in self.parents:
            raise PermissionError(13, 'Permission denied', str(self))
        return original(self, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(Path, 'stat', stat)


@pytest.mark.usefixtures('locked')
def test_a_folder_that_we_may_not_search_takes_nothing_else_out(plugins: Path) -> None:
    write(plugins / 'bell.py', BELL)

    assert ring(Loader([plugins]).load('bell')) == 'ding'


def test_a_plugin_in_a_folder_that_we_may_not_search_is_told_with_the_reason(plugins: Path, locked: Path) -> None:
    with pytest.raises(PluginError) as caught:
        Loader([plugins]).load('backup')

    assert (caught.value.text, caught.value.hint) == (
        f"plugin 'backup' cannot be looked at: {locked}: Permission denied",
        f'ls -ld {plugins} {locked}; id',
    )


def test_a_plugin_in_a_directory_that_can_be_listed_and_not_searched_is_told_with_the_reason(
    plugins: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(plugins / 'bell.py', BELL)
    lock(monkeypatch, plugins)

    with pytest.raises(PluginError, match=f"plugin 'bell' cannot be looked at: {file}: Permission denied"):
        Loader([plugins]).load('bell')


def test_a_directory_that_can_be_listed_and_not_searched_takes_nothing_else_out(
    plugins: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(plugins / 'bell.py', BELL)
    lock(monkeypatch, plugins)

    assert Loader([plugins]).load('log').name == 'log'


@pytest.fixture
def unreadable_record(plugins: Path) -> None:
    """A distribution whose list of files is no text."""
    install(plugins, 'wazo-bells', plugins={}, files={'bells_of_wazo.py': BELL})
    (plugins / 'wazo_bells-1.0.dist-info' / 'RECORD').write_bytes(b'\xff\xfe,,\n')


@pytest.mark.usefixtures('unreadable_record')
def test_a_distribution_whose_files_cannot_be_read_takes_nothing_else_out(plugins: Path) -> None:
    write(plugins / 'bell.py', BELL)

    assert ring(Loader([plugins]).load('bell')) == 'ding'


@pytest.mark.usefixtures('unreadable_record')
def test_a_plugin_that_is_not_found_is_told_with_the_distributions_whose_files_cannot_be_read(plugins: Path) -> None:
    with pytest.raises(PluginError) as caught:
        Loader([plugins]).load('bell')

    assert f'; wazo-bells in {plugins} cannot be read: UnicodeDecodeError' in caught.value.hint


# ---- in a process of its own


def test_loading_writes_no_cache_of_stevedore(plugins: Path, tmp_path: Path) -> None:
    # Given a process with a cache directory of its own
    install(plugins, 'wazo-bells', plugins={'bell': 'bells_of_wazo'}, files={'bells_of_wazo.py': BELL})
    cache = tmp_path / 'cache'
    code = (
        f'from pathlib import Path; from wazo_busd.loader import Loader; Loader([Path({str(plugins)!r})]).load("bell")'
    )

    # When it loads a plugin
    subprocess.run([sys.executable, '-c', code], env=os.environ | {'XDG_CACHE_HOME': str(cache)}, check=True)

    # Then nothing was written there
    assert not cache.exists()


async def test_a_plugin_can_be_loaded_while_the_loop_runs(plugins: Path) -> None:
    # Given a drop-in that looks for a loop when it is imported
    write(
        plugins / 'bell.py',
        f'{HEAD}import asyncio\nLOOP = asyncio.get_running_loop()\n@handler\ndef ring(event): return LOOP',
    )

    # Then it finds the one that runs
    assert ring(Loader([plugins]).load('bell')) is asyncio.get_running_loop()
