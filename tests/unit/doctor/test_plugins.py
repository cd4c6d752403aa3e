# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Plugins of one name: neither can be had, and which one hides the other is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.doctor.made import only, severities
from wazo_busd.candidate import Candidate, Loaded
from wazo_busd.config import HandlerConfig
from wazo_busd.doctor.finding import Severity
from wazo_busd.doctor.plugins import judge, judge_modules, modules


def _none() -> Loaded:
    raise AssertionError('nothing is imported')


def loose(name: str, directory: str = '/etc/p') -> Candidate:
    path = Path(directory, f'{name}.py')
    return Candidate(name, str(path), path.parent, path, _none)


def installed(name: str, directory: Path | None = None) -> Candidate:
    return Candidate(name, 'wazo-busd 0.1.0', directory, directory and directory / 'x.py', _none)


CRM = {'crm': HandlerConfig(plugin='log')}


@pytest.mark.parametrize(
    ('handlers', 'severity'),
    [
        (CRM, Severity.PROBLEM),
        ({}, Severity.WARNING),
        ({'crm': HandlerConfig(plugin='log', enabled=False)}, Severity.WARNING),
    ],
)
def test_two_of_one_name_are_a_problem_for_a_handler_that_wants_it(
    handlers: dict[str, HandlerConfig], severity: Severity
) -> None:
    assert severities(judge([installed('log'), loose('log')], handlers)) == [severity]


def test_both_places_and_the_handler_are_named() -> None:
    text = only(judge([installed('log'), loose('log')], CRM)).text

    assert [word in text for word in ('wazo-busd 0.1.0', '/etc/p/log.py', 'crm')] == [True] * 3


@pytest.mark.parametrize(
    ('one', 'other', 'cure'),
    [
        (installed('log'), loose('log'), 'mv -i /etc/p/log.py /etc/p/_log.py'),
        (installed('log'), installed('log'), 'pip uninstall wazo-busd'),
        (installed('log'), installed('log', Path('/etc/p')), 'ls -d /etc/p/*, and remove those of wazo-busd'),
    ],
)
def test_the_cure_takes_one_away_a_loose_file_first(one: Candidate, other: Candidate, cure: str) -> None:
    assert only(judge([one, other], {})).cure == cure


def test_different_names_are_well() -> None:
    assert only(judge([installed('log'), loose('bell')], CRM)).severity is Severity.OK


def test_a_module_that_hides_another_is_a_warning(tmp_path: Path) -> None:
    for name in ('one', 'two'):
        (tmp_path / name).mkdir()
        (tmp_path / name / '_numbers.py').write_text('')
    found = only(judge_modules(modules([tmp_path / 'one', tmp_path / 'two']), ()))

    assert found.text == (
        f'whoever imports _numbers gets {tmp_path}/one/_numbers.py, which hides {tmp_path}/two/_numbers.py'
    )


def test_what_we_may_not_look_at_is_no_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / 'closed').mkdir()

    def refuse(self: Path) -> bool:
        raise PermissionError(13, 'Permission denied')

    monkeypatch.setattr(Path, 'is_file', refuse)

    assert modules([tmp_path]) == {}


def test_what_is_told_as_a_plugin_is_not_told_as_a_module(tmp_path: Path) -> None:
    paths = [tmp_path / 'one' / 'log.py', tmp_path / 'two' / 'log.py']

    assert list(judge_modules({'log': paths}, ['log'])) == []
