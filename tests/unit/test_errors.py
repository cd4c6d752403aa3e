# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The errors: what they carry and how they read."""

from __future__ import annotations

import inspect

import pytest

from wazo_busd import errors
from wazo_busd.errors import (
    BusError,
    ConfigurationError,
    Discard,
    PluginError,
    PluginImportError,
    Problem,
    Retry,
    in_order,
)


@pytest.mark.parametrize(
    'error', [each for _, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, Exception)]
)
def test_every_error_is_one_of_ours(error: type[BaseException]) -> None:
    assert issubclass(error, errors.WazoBusdError)


def test_a_retry_leaves_the_delay_to_the_policy() -> None:
    assert Retry('the web server is away').after is None


def test_a_retry_says_how_long_and_why() -> None:
    retry = Retry('the web server is away', after=3.5)
    assert (retry.reason, retry.after, str(retry)) == ('the web server is away', 3.5, 'the web server is away')


def test_a_discard_says_why() -> None:
    discard = Discard('not our tenant')
    assert (discard.reason, str(discard)) == ('not our tenant', 'not our tenant')


def test_a_discard_needs_no_reason() -> None:
    assert Discard().reason == ''


@pytest.mark.parametrize(
    ('error', 'text'),
    [
        (BusError('refused', 'rabbitmqctl add_user'), 'refused; rabbitmqctl add_user'),
        (BusError('refused'), 'refused'),
    ],
)
def test_an_error_of_the_bus_reads_with_its_cure(error: BusError, text: str) -> None:
    assert str(error) == text


def test_an_import_error_of_a_plugin_is_an_error_of_the_plugin() -> None:
    error = PluginImportError('it raises', 'mend it')
    assert (isinstance(error, PluginError), error.text, error.hint) == (True, 'it raises', 'mend it')


@pytest.mark.parametrize(
    ('problem', 'text'),
    [
        (Problem('wrong'), 'wrong'),
        (Problem('wrong', hint='mend it'), 'wrong (mend it)'),
        (Problem('wrong', 'a.yml'), 'a.yml: wrong'),
        (Problem('wrong', 'a.yml', 7), 'a.yml:7: wrong'),
        (Problem('wrong', 'a.yml', 7, 'calls', 'mend it'), 'a.yml:7: wrong (mend it)'),
        (Problem('wrong', '', 7), 'wrong'),
    ],
)
def test_a_problem_reads_as_place_mistake_and_cure(problem: Problem, text: str) -> None:
    assert str(problem) == text


def test_a_problem_does_not_change() -> None:
    with pytest.raises(AttributeError):
        Problem('wrong').message = 'right'  # type: ignore[misc]


def test_problems_are_told_in_the_order_of_files_and_lines() -> None:
    problems = [Problem('4', 'b.yml', 1), Problem('3', 'a.yml', 10), Problem('2', 'a.yml', 9), Problem('1')]
    assert [each.message for each in in_order(problems)] == ['1', '2', '3', '4']


def test_problems_of_one_line_keep_their_order() -> None:
    problems = [Problem('z', 'a.yml', 1), Problem('a', 'a.yml', 1)]
    assert in_order(problems) == problems


def test_a_configuration_error_holds_every_problem_in_order() -> None:
    one, two = Problem('one', 'a.yml', 1), Problem('two', 'b.yml', 2)
    error = ConfigurationError([two, one])
    assert (error.problems, str(error)) == ((one, two), 'a.yml:1: one\nb.yml:2: two')
