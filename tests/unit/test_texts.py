# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The texts of a handler, with the place where each was written."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel, Field

from wazo_busd.config import Config, load
from wazo_busd.language import Destination, Placement, PlainText, Text
from wazo_busd.options import BaseOptions
from wazo_busd.texts import surroundings, texts_in


class Button(BaseModel):
    label: PlainText


class Options(BaseOptions):
    text: PlainText
    title: PlainText = Text('{{ name }}')
    buttons: list[Button] = Field(default_factory=list)
    by_language: dict[str, PlainText] = Field(default_factory=dict)
    number: int = 1


GIVEN = {'text': 'a', 'buttons': [{'label': 'b'}], 'by_language': {'fr': 'c'}}


def test_every_text_is_found_with_the_way_to_it() -> None:
    found = {way: text.source for way, text in texts_in(Options.model_validate(GIVEN))}

    assert found == {
        ('text',): 'a',
        ('title',): '{{ name }}',
        ('buttons', 0, 'label'): 'b',
        ('by_language', 'fr'): 'c',
    }


@pytest.mark.parametrize('options', [None, {}, {'text': '{{ name }}'}, 'text', 7])
def test_what_is_no_text_is_none(options: object) -> None:
    assert list(texts_in(options)) == []


def test_the_place_of_each_is_the_nearest_that_was_written(tmp_path: Path) -> None:
    path = tmp_path / 'config.yml'
    path.write_text(
        'handlers:\n  alerts:\n    plugin: log\n    options:\n      text: a\n      buttons:\n        - label: b\n'
    )
    configuration = load(path)
    options = Options.model_validate(configuration.config.handlers['alerts'].options)

    found = surroundings(configuration.config, options, name='alerts', document=configuration.document)

    assert set(found.placements.values()) == {
        Placement('options.text', str(path), 5),
        Placement('options.title', str(path), 4),
        Placement('options.buttons.0.label', str(path), 7),
    }


def test_the_names_and_the_region_are_those_of_the_configuration() -> None:
    found = surroundings(Config.model_validate({'names': {'1': 'Anna'}, 'region': 'FR'}))

    assert (found.names, found.region, found.placements) == ({'1': 'Anna'}, 'FR', {})


def test_a_text_keeps_its_destination() -> None:
    assert Text('<b>', Destination.PLAIN).destination is Destination.PLAIN
