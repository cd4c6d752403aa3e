# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What is compiled is what the list says, and it is compiled where it is to be, and nowhere else.

`make test-compiled` says with `WAZO_BUSD_COMPILED=1` that these tests run where the modules are compiled.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
import tomllib
from collections.abc import Callable
from importlib import import_module
from importlib.machinery import ExtensionFileLoader
from pathlib import Path
from typing import Any

import pytest

from tests.support import DaemonProcess

ROOT = Path(__file__).parents[2]
LISTED: list[str] = tomllib.loads((ROOT / 'pyproject.toml').read_text())['tool']['wazo-busd']['compiled']
MODULES = {name: name.removesuffix('.py').replace('/', '.') for name in LISTED}
IS_COMPILED = os.environ.get('WAZO_BUSD_COMPILED') == '1'

PROBE = f"""
import json
from importlib import import_module
from pathlib import Path

from wazo_busd.api import handler

@handler('calls.#')
def probe(event):
    pass

found = {{name: import_module(name).__spec__.origin for name in {list(MODULES.values())!r}}}
Path(__file__).with_name('found.json').write_text(json.dumps(found))
"""

Declared = Callable[[str], list[str]]


@pytest.fixture
def declared(monkeypatch: pytest.MonkeyPatch) -> Declared:
    """The files that `setup.py` compiles, where the environment variable is this, without compiling them."""

    class Extension:
        extra_compile_args = ('-O3',)

        def __init__(self, name: str) -> None:
            self.name = name

    monkeypatch.setattr('mypyc.build.mypycify', lambda files, **_: [Extension(name) for name in files])

    def run(variable: str) -> list[str]:
        given: dict[str, Any] = {}
        monkeypatch.chdir(ROOT)
        monkeypatch.setenv('WAZO_BUSD_COMPILED', variable)
        monkeypatch.setattr('setuptools.setup', lambda **arguments: given.update(arguments))
        runpy.run_path(str(ROOT / 'setup.py'))
        return [extension.name for extension in given['ext_modules']]

    return run


def is_as_expected(origin: str | None) -> bool:
    """Whether a module comes from what it is to come from, in this tree."""
    path = Path(origin or '')
    return path.is_relative_to(ROOT) and path.suffix == ('.so' if IS_COMPILED else '.py')


def test_every_file_of_the_list_is_there_once_and_in_its_place() -> None:
    assert [name for name in LISTED if not (ROOT / name).is_file()] == []
    assert sorted(set(LISTED)) == LISTED


def test_with_the_variable_all_of_the_list_is_compiled(declared: Declared) -> None:
    assert declared('1') == LISTED


@pytest.mark.parametrize('variable', ['', '0'])
def test_without_it_nothing_is(declared: Declared, variable: str) -> None:
    assert declared(variable) == []


def test_without_a_compiler_it_says_what_to_install(declared: Declared, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, 'mypyc.build', None)

    with pytest.raises(SystemExit, match=r'error: mypyc\.build is missing.* next: pip install .*compile\.txt'):
        declared('1')


@pytest.mark.parametrize('name', MODULES.values())
def test_these_tests_run_on_what_they_are_to_run_on(name: str) -> None:
    specification = import_module(name).__spec__

    assert specification is not None
    assert is_as_expected(specification.origin)
    assert isinstance(specification.loader, ExtensionFileLoader) == IS_COMPILED


def test_so_does_a_daemon_that_they_start(tmp_path: Path) -> None:
    plugins = tmp_path / 'plugins.d'
    plugins.mkdir(mode=0o755)
    (plugins / 'probe.py').write_text(PROBE)
    config = tmp_path / 'config.yml'
    config.write_text(
        'bus: {host: 127.0.0.1, port: 1}\nhttp: {listen: off, socket: off}\nplugin_dirs: [plugins.d]\n'
        'state_dir: state\nhandlers: {probe: {plugin: probe}}\n'
    )
    with DaemonProcess(config, tmp_path / 'run') as daemon:
        daemon.wait_told('READY=1')
        assert daemon.stop() == 0
    found: dict[str, str] = json.loads((plugins / 'found.json').read_text())

    assert (len(found), [name for name in found if not is_as_expected(found[name])]) == (len(MODULES), [])
