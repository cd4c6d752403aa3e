# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What the README says is so."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from wazo_busd import roster
from wazo_busd.config import load
from wazo_busd.loader import Loader

ROOT = Path(__file__).parents[2]
README = (ROOT / 'README.md').read_text()
DOCUMENTS = [ROOT / 'README.md', *sorted((ROOT / 'docs').rglob('*.md'))]


def blocks(language: str) -> list[str]:
    return re.findall(rf'```{language}\n(.*?)```', README, re.DOTALL)


@pytest.mark.parametrize('target', sorted(set(re.findall(r'\bmake ([a-z]+)', README))))
def test_every_make_target_that_it_names_is_there(target: str) -> None:
    assert re.search(rf'^{target}:.*## ', (ROOT / 'Makefile').read_text(), re.MULTILINE)


def test_a_bare_make_lists_the_targets() -> None:
    listed = subprocess.run(['make'], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert {line.split()[1] for line in listed.splitlines()} >= {'install', 'run', 'test', 'lint', 'lock', 'clean'}


@pytest.mark.parametrize('block', blocks('yaml'))
def test_every_configuration_that_it_shows_is_right(block: str, tmp_path: Path) -> None:
    directory = tmp_path / 'plugins.d'
    directory.mkdir()
    (directory / 'bell.py').write_text(blocks('python')[0])
    (tmp_path / 'config.yml').write_text(f'plugin_dirs: [plugins.d]\n{block}')
    configuration = load(tmp_path / 'config.yml')

    assert (configuration.problems, roster.call(configuration).problems) == ((), [])


def test_the_plugin_that_it_shows_is_one_of_four_lines(tmp_path: Path) -> None:
    (code,) = blocks('python')
    (tmp_path / 'bell.py').write_text(code)

    plugin = Loader([tmp_path]).load('bell')

    lines = [line for line in code.splitlines() if line]
    assert (plugin.match, len(lines)) == (('call_ended',), 4)


@pytest.mark.parametrize('document', DOCUMENTS, ids=lambda path: path.name)
def test_every_file_that_a_document_links_to_is_there(document: Path) -> None:
    links = re.findall(r'\]\((?!https?://)([^)#]+)', document.read_text())

    assert [link for link in links if not (document.parent / link).exists()] == []


@pytest.mark.parametrize('command', [['--help'], *([name, '--help'] for name in ('run', 'check', 'events', 'emit'))])
def test_help_shows_examples_that_are_commands(command: list[str]) -> None:
    shown = subprocess.run(
        [sys.executable, '-m', 'wazo_busd', *command], capture_output=True, text=True, check=True
    ).stdout

    examples = re.findall(r'^ +wazo-busd (\w+)', shown, re.MULTILINE)
    assert set(examples) <= {command[0]}
    assert (len(examples) >= 2) == (command != ['--help'])
