# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The options of `journal`: what is not possible together is a mistake, told with what to write instead."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from plugins.journal.options import JournalOptions
from tests.unit.cli.conftest import Shell, shell

__all__ = ['shell']

URL = 'postgresql://busd:s3cret@db.example.org/journal'


def test_the_options_of_before_are_right() -> None:
    options = JournalOptions.model_validate({'path': '/var/log/wazo-busd/calls.jsonl', 'format': 'jsonl'})

    assert options.path == Path('/var/log/wazo-busd/calls.jsonl')


@pytest.mark.parametrize(
    'given',
    [
        {},
        {'format': 'sqlite', 'keep': '90d'},
        {'format': 'postgresql', 'url': URL},
        {'format': 'postgresql', 'url': 'postgres:///journal?host=/run/postgresql'},
        {'rotate': 'never', 'max_size': None, 'compress': False},
        {'rotate': 'never', 'keep': '90d'},
        {'mask': ['data', 'data.a.0.b', 'headers.user_uuid:1']},
    ],
)
def test_what_is_possible_is_right(given: dict[str, Any]) -> None:
    JournalOptions.model_validate(given)


@pytest.mark.parametrize(
    ('given', 'text', 'hint'),
    [
        ({'format': 'csv'}, "expected 'jsonl', 'sqlite' or 'postgresql'", ''),
        ({'format': 'postgresql'}, 'PostgreSQL needs the option url', 'url: "${file:'),
        ({'format': 'postgresql', 'url': URL, 'path': '/x'}, 'PostgreSQL has no path', 'format: sqlite'),
        ({'format': 'sqlite', 'url': URL}, 'the format sqlite has no url', 'write path'),
        ({'url': URL}, 'the format jsonl has no url', 'write path'),
        ({'format': 'postgresql', 'url': 'mysql://x/y'}, 'this is no URL of PostgreSQL', 'postgresql://'),
        ({'format': 'postgresql', 'url': 's3cret'}, 'this is no URL of PostgreSQL', 'postgresql://'),
        ({'format': 'sqlite', 'rotate': 'never'}, 'the format sqlite has no files to rotate', 'take it out'),
        ({'format': 'sqlite', 'max_size': '1GiB'}, 'the format sqlite has no files to rotate', 'take it out'),
        ({'format': 'sqlite', 'compress': False}, 'the format sqlite has no files to rotate', 'take it out'),
        ({'max_size': 100}, 'expected at least 4KiB', '64MiB'),
        ({'keep': '1h'}, 'expected at least 1d', 'keep: 90d'),
        ({'rotate': 'never', 'max_size': None, 'keep': '9d'}, 'a file that is never rotated keeps', 'rotate: daily'),
        ({'mask': ['caller_id_number']}, 'expected fields that begin with data or headers', 'mask: [data.'),
        ({'mask': ['data..x']}, 'expected fields that begin with data or headers', 'mask: [data.'),
        ({'path': 'calls.jsonl\0'}, 'expected an absolute path', '/var/log'),
    ],
)
def test_what_is_not_possible_is_told_with_what_to_write(
    shell: Shell, given: dict[str, Any], text: str, hint: str
) -> None:
    shell.config.write_text(
        json.dumps(
            {'plugin_dirs': [], 'handlers': {'calls': {'plugin': 'journal', 'match': 'calls.#', 'options': given}}}
        )
    )

    found = shell('check', '-c', str(shell.config))

    assert (found.exit_code, text in found.stderr, hint in found.stderr) == (78, True, True), found.stderr
    assert 's3cret' not in found.output


def test_without_asyncpg_it_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, 'find_spec', lambda _: None)

    with pytest.raises(ValidationError, match='asyncpg is not installed') as raised:
        JournalOptions.model_validate({'format': 'postgresql', 'url': URL})

    assert raised.value.errors()[0]['ctx']['error'].__notes__ == ["pip install 'wazo-busd[postgresql]'"]
