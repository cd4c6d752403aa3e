# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What a plugin may import."""

from __future__ import annotations

import subprocess
import sys
from types import ModuleType

import pytest

from wazo_busd import api, codec, config, context, errors, event, options, outcome, plugin, retry, text

WORDS = {
    'BaseOptions',
    'Burst',
    'ChatText',
    'Context',
    'Counter',
    'Destination',
    'Discard',
    'Duration',
    'Event',
    'Fact',
    'Field',
    'Figure',
    'Guard',
    'HeaderText',
    'Histogram',
    'HtmlText',
    'JsonText',
    'MarkdownText',
    'Meter',
    'Network',
    'Outcome',
    'Panel',
    'Panels',
    'Peer',
    'Permanent',
    'PlainText',
    'Preview',
    'Retry',
    'Row',
    'Size',
    'Stop',
    'Text',
    'TextOption',
    'Tone',
    'Total',
    'UrlText',
    'encode_json',
    'escape',
    'event_names',
    'handler',
    'is_emergency',
    'phone',
    'phone_kind',
    'retry_after',
}


def test_the_api_is_these_words_and_a_change_is_meant() -> None:
    assert set(api.__all__) == WORDS


@pytest.mark.parametrize('word', sorted(WORDS))
def test_every_word_of_the_api_is_there(word: str) -> None:
    assert hasattr(api, word)


@pytest.mark.parametrize(
    ('word', 'module', 'original'),
    [
        ('BaseOptions', options, 'BaseOptions'),
        ('Context', context, 'Context'),
        ('Discard', errors, 'Discard'),
        ('Duration', config, 'Duration'),
        ('Event', event, 'Event'),
        ('Outcome', outcome, 'Outcome'),
        ('Permanent', errors, 'Permanent'),
        ('Retry', errors, 'Retry'),
        ('Size', config, 'Size'),
        ('Stop', errors, 'Stop'),
        ('encode_json', codec, 'encode'),
        ('escape', text, 'escape'),
        ('handler', plugin, 'handler'),
        ('retry_after', retry, 'retry_after'),
    ],
)
def test_a_word_of_the_api_is_what_the_daemon_itself_uses(word: str, module: ModuleType, original: str) -> None:
    assert getattr(api, word) is getattr(module, original)


def test_the_example_in_its_docstring_is_a_plugin() -> None:
    # Given the example
    example = api.__doc__ or ''
    example = example[example.index('from wazo_busd.api') :]
    module = ModuleType('example')

    # When it is run as a drop-in's code is
    exec(compile(example, 'example', 'exec', dont_inherit=True), vars(module))

    # Then it is a plugin with the match that it says
    assert plugin.describe(module, name='bell', source='a test', version='1').match == ('calls.call.ended',)


def test_a_plugin_that_imports_the_api_gets_no_amqp_with_it() -> None:
    code = "import sys, wazo_busd.api; sys.exit('aio_pika' in sys.modules)"

    assert subprocess.run([sys.executable, '-c', code], check=False).returncode == 0
