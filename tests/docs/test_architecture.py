# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What the documents say of the code is so."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tokenize
import tomllib
from functools import cache
from pathlib import Path

import pytest

from wazo_busd.amqp.connection import permissions
from wazo_busd.config import BusConfig
from wazo_busd.outcome import Outcome

ROOT = Path(__file__).parents[2]
ARCHITECTURE = (ROOT / 'docs' / 'architecture.md').read_text()
JOURNEY = ARCHITECTURE.partition('## The journey')[2].partition('## Start')[0]
GLOSSARY = (ROOT / 'docs' / 'glossary.md').read_text()
PROJECT = tomllib.loads((ROOT / 'pyproject.toml').read_text())
FLOORS = next(each for each in PROJECT['tool']['importlinter']['contracts'] if each['id'] == 'floors')

FORBIDDEN = ('message', 'job', 'envelope', 'subscriber', 'listener', 'manager', 'engine')
"""Words that the glossary has others for."""


def floors_of_the_contract() -> dict[str, list[str]]:
    """The modules of each floor, which a comment in the contract begins."""
    contract = (ROOT / 'pyproject.toml').read_text().split("id = 'floors'")[1].split('\n]')[0]
    floors = re.split(r'^ *# (\d \w+)$', contract, flags=re.MULTILINE)[1:]
    layers = [re.findall("'(.*)'", floor) for floor in floors[1::2]]
    return {
        name: sorted(module for layer in found for module in layer.split(' | '))
        for name, found in zip(floors[::2], layers, strict=True)
    }


def floors_of_the_table(document: str) -> dict[str, list[str]]:
    rows = re.findall(r'^\| (\d \w+) \| (.*) \|$', document, re.MULTILINE)
    return {name: sorted(module.strip('/') for module in re.findall(r'`([a-z/_]+)`', row)) for name, row in rows}


def test_every_floor_of_the_table_has_the_modules_of_the_contract() -> None:
    assert floors_of_the_table(ARCHITECTURE) == floors_of_the_contract()


def test_a_module_on_a_wrong_floor_of_the_table_is_found() -> None:
    moved = ARCHITECTURE.replace('`dispatcher` · ', '').replace('| 4 edges | ', '| 4 edges | `dispatcher` · ')

    assert floors_of_the_table(moved) != floors_of_the_contract()


def test_every_layer_of_the_contract_is_on_a_floor() -> None:
    on_floors = [module for modules in floors_of_the_contract().values() for module in modules]

    assert sorted(on_floors) == sorted(name for layer in FLOORS['layers'] for name in layer.split(' | '))


@pytest.mark.parametrize('outcome', Outcome)
def test_every_outcome_is_shown(outcome: Outcome) -> None:
    assert outcome.name in ARCHITECTURE
    assert outcome.name in GLOSSARY


def test_the_rights_that_are_shown_are_those_that_errors_tell() -> None:
    assert permissions(BusConfig(username='wazo-busd')).replace("'/'", '/').replace("'wazo-busd'", 'wazo-busd', 1) in (
        ARCHITECTURE
    )


@pytest.mark.parametrize('path', re.findall(r'`((?:amqp/)?[a-z_]+)(?:\.[a-z_]+)?`', JOURNEY))
def test_every_module_of_the_journey_is_there(path: str) -> None:
    known = {'match', 'xivo', 'order_by', 'await', 'none'}
    module = ROOT / 'wazo_busd' / path

    assert path in known or module.is_dir() or module.with_suffix('.py').exists()


@cache
def prose() -> str:
    """What the sources say in words: docstrings, comments, and the names of what they define."""
    texts = []
    for path in (each for name in ('wazo_busd', 'plugins') for each in (ROOT / name).rglob('*.py')):
        with path.open('rb') as file:
            texts += [token.string for token in tokenize.tokenize(file.readline) if token.type == tokenize.COMMENT]
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
                name = path.stem if isinstance(node, ast.Module) else node.name
                texts += [re.sub('_|(?<=[a-z])(?=[A-Z])', ' ', name), ast.get_docstring(node) or '']
    return ' '.join('\n'.join(texts).lower().split())


@pytest.mark.parametrize('word', re.findall(r'^\| \*\*(.+?)\*\* \|', GLOSSARY, re.MULTILINE))
def test_every_word_of_the_glossary_is_one_that_the_sources_speak_in(word: str) -> None:
    assert re.search(rf'\b{re.escape(word)}(s|es|d|ed)?\b', prose())


@pytest.mark.parametrize('path', sorted((ROOT / 'wazo_busd').rglob('*.py')), ids=lambda path: path.name)
def test_no_module_or_class_is_called_by_a_word_that_the_glossary_has_another_for(path: Path) -> None:
    names = [path.stem, *re.findall(r'^class (\w+)', path.read_text(), re.MULTILINE)]

    assert [name for name in names for word in FORBIDDEN if word in name.lower()] == []


def test_the_floors_hold_and_a_planted_violation_is_found(tmp_path: Path) -> None:
    for name in ('wazo_busd', 'plugins'):
        shutil.copytree(ROOT / name, tmp_path / {'plugins': 'wazo_busd_plugins'}.get(name, name))
    shutil.copy(ROOT / 'pyproject.toml', tmp_path)
    with (tmp_path / 'wazo_busd' / 'dispatcher.py').open('a') as module:
        module.write('\nfrom wazo_busd.amqp.bus import AmqpBus\n')

    done = subprocess.run(
        [Path(sys.executable).with_name('lint-imports'), '--no-cache'],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, re.findall(r'^(.*) BROKEN$', done.stdout, re.MULTILINE)) == (
        1,
        ['A module imports only from lower floors', 'The dispatcher and what is below it never see AMQP'],
    )
