# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Every guarantee names the test that shows it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / 'docs' / 'guarantees.md').read_text()
LINES = [line for line in PAGE.splitlines() if line.startswith('| ') and 'shown by' not in line]
NAMED = re.compile(r'`([\w/.]+\.py)::(test_\w+)`')


@pytest.mark.parametrize(('file', 'test'), sorted(set(NAMED.findall(PAGE))))
def test_every_test_that_it_names_is_there(file: str, test: str) -> None:
    assert re.search(rf'^(async )?def {test}\(', (ROOT / file).read_text(), re.MULTILINE)


@pytest.mark.parametrize('line', LINES, ids=lambda line: line.split('|')[1].strip())
def test_every_line_names_a_test(line: str) -> None:
    assert NAMED.search(line.split('|')[-2])


def test_the_readme_links_to_it() -> None:
    assert '](docs/guarantees.md)' in (ROOT / 'README.md').read_text()
