# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What the package is made of is listed, and may be given away with it."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

import pytest

from tools.sbom import Part, bill, compiled_in, licences, parts

LOCK = Path(__file__).parents[2] / 'requirements' / 'package.txt'
PARTS = parts(LOCK)
RUNTIME = compiled_in(LOCK.with_name('compile.txt'))

FREE = re.compile(r'MIT|BSD|Apache|MPL-2\.0|PSF|Python|ISC|0BSD|CNRI|LGPL|Unlicense', re.IGNORECASE)


def test_every_pin_of_the_lock_is_in_the_bill() -> None:
    components = bill('1', PARTS)['components']

    assert {(each['name'], each['version']) for each in components} == set(
        re.findall(r'^([a-z0-9-]+)==(\S+)', LOCK.read_text(), re.MULTILINE)
    )


@pytest.mark.parametrize('part', [*PARTS, RUNTIME], ids=lambda part: part.name)
def test_every_part_has_a_licence_that_goes_with_the_gpl(part: Part) -> None:
    assert FREE.search(part.licence)


def test_the_same_parts_make_the_same_bill(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('SOURCE_DATE_EPOCH', '0')

    assert bill('1', PARTS) == bill('1', PARTS)


def test_other_parts_make_another_bill() -> None:
    assert bill('1', PARTS)['serialNumber'] != bill('1', PARTS[1:])['serialNumber']


def test_the_runtime_of_the_compiler_has_the_version_that_compiles() -> None:
    assert (RUNTIME.name, RUNTIME.version) == ('mypy', metadata.version('mypy'))


def test_the_list_for_people_has_every_part() -> None:
    rows = [line for line in licences(PARTS) if line.startswith('| ')]

    assert len(rows) == len(PARTS) + 1


def test_a_pin_that_is_not_what_is_installed_is_no_part_of_a_bill(tmp_path: Path) -> None:
    (tmp_path / 'lock.txt').write_text('click==0.1\n')

    with pytest.raises(LookupError, match=r'click 0\.1'):
        parts(tmp_path / 'lock.txt')
