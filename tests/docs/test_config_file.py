# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The packaged configuration documents every key at its default."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from wazo_busd.config import BusConfig, Config, HandlerConfig, QueueConfig, TlsConfig, load

ROOT = Path(__file__).parents[2]
FILE = ROOT / 'etc' / 'wazo-busd' / 'config.yml'


def documented_handler() -> dict[str, Any]:
    """The handler that the comments show, as if it were none."""
    text = FILE.read_text()
    start = text.index('handlers: {}')
    lines = ['handlers:']
    for line in text[start:].splitlines()[1:]:
        if not line.startswith('#  '):
            break
        lines.append(line[1:])
    handlers: dict[str, dict[str, Any]] = yaml.safe_load('\n'.join(lines))['handlers']
    (handler,) = handlers.values()
    return handler


def test_the_file_is_right() -> None:
    assert load(FILE).problems == ()


def test_every_value_is_the_default() -> None:
    assert load(FILE).config == Config()


@pytest.mark.parametrize('key', [name for name in Config.model_fields if name != 'handlers'])
def test_every_key_of_the_top_level_stands_there(key: str) -> None:
    assert key in yaml.safe_load(FILE.read_text())


@pytest.mark.parametrize('key', BusConfig.model_fields)
def test_every_key_of_the_bus_stands_there(key: str) -> None:
    assert key in yaml.safe_load(FILE.read_text())['bus']


@pytest.mark.parametrize('key', TlsConfig.model_fields)
def test_every_key_of_tls_is_named(key: str) -> None:
    assert re.search(rf'tls: false .*\b{key}: …', FILE.read_text())


@pytest.mark.parametrize('key', HandlerConfig.model_fields)
def test_every_key_of_a_handler_is_shown(key: str) -> None:
    assert key in documented_handler()


@pytest.mark.parametrize(
    ('model', 'shown'),
    [(HandlerConfig, documented_handler()), (QueueConfig, documented_handler()['queue'])],
)
def test_a_handler_is_shown_at_its_defaults(model: type[BaseModel], shown: dict[str, Any]) -> None:
    examples = {'plugin', 'match', 'order_by', 'concurrency'}
    given = model.model_validate(shown).model_dump(exclude=examples)
    required = {key: value for key, value in shown.items() if key == 'plugin'}

    assert given == model.model_validate(required).model_dump(exclude=examples)


@pytest.mark.parametrize('key', QueueConfig.model_fields)
def test_every_key_of_a_queue_is_shown(key: str) -> None:
    assert key in documented_handler()['queue']
