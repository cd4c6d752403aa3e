# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`wazo-busd docs`: the catalogue as documents."""

from __future__ import annotations

import json

import pytest

from tests.unit.cli.conftest import Shell
from wazo_busd import __version__, catalogue
from wazo_busd.catalogue.handbook import handbook


def test_asyncapi_is_json_of_this_version(shell: Shell) -> None:
    done = shell('docs', 'asyncapi')
    document = json.loads(done.stdout)

    assert (done.exit_code, document['asyncapi'], document['info']['version']) == (0, '3.0.0', __version__)


def test_the_page_is_printed_as_it_is(shell: Shell) -> None:
    assert shell('docs', 'events').stdout == handbook(catalogue.entries())


@pytest.mark.parametrize('arguments', [['docs'], ['docs', 'evnts'], ['docs', 'events', 'x']])
def test_wrong_usage_is_told(shell: Shell, arguments: list[str]) -> None:
    assert shell(*arguments).exit_code == 2


@pytest.mark.parametrize('arguments', [['events'], ['emit'], ['check'], ['docs', 'events'], ['docs', 'asyncapi']])
def test_every_help_has_an_example(shell: Shell, arguments: list[str]) -> None:
    done = shell(*arguments, '--help')

    assert (done.exit_code, f'  wazo-busd {" ".join(arguments)}' in done.stdout) == (0, True)
