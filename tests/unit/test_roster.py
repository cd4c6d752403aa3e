# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The roster: the handlers that a configuration asks for, and what is wrong with the others."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from wazo_busd import roster, units
from wazo_busd.conditions import Hours, schedule
from wazo_busd.config import Configuration, load
from wazo_busd.errors import Interrupted, Problem
from wazo_busd.language import Placement
from wazo_busd.options import FreeOptions
from wazo_busd.roster import Roster

HEAD = 'from wazo_busd.api import BaseOptions, handler\n'
BELL = f"{HEAD}@handler('calls.#')\ndef ring(event): ..."
OPEN_BELL = f'{HEAD}@handler\ndef ring(event): ...'
OPTIONS_BELL = f"""{HEAD}
class Options(BaseOptions):
    url: str
    volume: int = 1

@handler('calls.#', options=Options)
def ring(event): ...
"""


class Host:
    """A configuration file and the drop-ins beside it."""

    def __init__(self, directory: Path) -> None:
        self.config = directory / 'config.yml'
        self.plugins = directory / 'plugins.d'
        self.plugins.mkdir()

    def drop_in(self, name: str, code: str) -> Path:
        path = self.plugins / f'{name}.py'
        path.write_text(code)
        return path

    def call(self, handlers: str) -> Roster:
        """The roster of a configuration whose line 3 is the first of `handlers`."""
        configuration = self._load(handlers)
        assert configuration.problems == ()
        return roster.call(configuration)

    def told(self, handlers: str, top: str = 'plugin_dirs: [plugins.d]') -> list[str]:
        """Everything that is wrong with a configuration, its roster included."""
        configuration = self._load(handlers, top)
        return [each.message for each in (*configuration.problems, *roster.call(configuration).problems)]

    def _load(self, handlers: str, top: str = 'plugin_dirs: [plugins.d]') -> Configuration:
        body = '\n'.join(f'  {line}' for line in dedent(handlers).strip().splitlines())
        self.config.write_text(f'{top}\nhandlers:\n{body}\n')
        return load(self.config)

    def at(self, line: int, message: str, *, handler: str = 'bell', hint: str = '') -> Problem:
        """A problem on a line of the configuration."""
        return Problem(message, file=str(self.config), line=line, handler=handler, hint=hint)


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    """A host whose files are safe, whatever the user who runs the tests is used to."""
    monkeypatch.setattr(sys, 'path', list(sys.path))
    monkeypatch.setattr(sys, 'path_hooks', list(sys.path_hooks))
    monkeypatch.setattr(units, 'STATE', units.State())
    umask = os.umask(0o022)
    yield Host(tmp_path)
    os.umask(umask)


# ---- handlers


def test_a_handler_has_its_name_and_its_plugin(host: Host) -> None:
    host.drop_in('ringing', BELL)

    found = host.call('bell: {plugin: ringing}')

    assert [(name, each.name, each.plugin.name) for name, each in found.handlers.items()] == [
        ('bell', 'bell', 'ringing')
    ]


def test_a_roster_without_mistakes_has_no_problems_and_no_failures(host: Host) -> None:
    host.drop_in('ringing', BELL)

    found = host.call('bell: {plugin: ringing}')

    assert (found.problems, found.failures) == ([], [])


def test_two_handlers_can_use_one_plugin(host: Host) -> None:
    host.drop_in('ringing', BELL)

    found = host.call('one: {plugin: ringing}\ntwo: {plugin: ringing, match: faxes.#}')

    assert {name: each.match.items for name, each in found.handlers.items()} == {
        'one': ('calls.#',),
        'two': ('faxes.#',),
    }


def test_a_configuration_without_handlers_has_an_empty_roster(host: Host) -> None:
    host.config.write_text('plugin_dirs: [plugins.d]\n')

    assert roster.call(load(host.config)) == Roster()


def test_the_plugin_of_a_handler_that_is_disabled_is_not_loaded(host: Host) -> None:
    # Given a drop-in whose import ends everything
    host.drop_in('ringing', 'raise SystemExit')

    # When the handler that uses it is disabled
    found = host.call('bell: {plugin: ringing, enabled: false}')

    # Then nothing is wrong
    assert found == Roster()


def test_a_handler_that_is_disabled_may_name_a_plugin_that_is_not_there(host: Host) -> None:
    assert host.call('bell: {plugin: nowhere, enabled: false}') == Roster()


# ---- options


def test_options_are_checked_by_the_model_of_the_plugin(host: Host) -> None:
    host.drop_in('ringing', OPTIONS_BELL)

    found = host.call('bell: {plugin: ringing, options: {url: x, volume: 3}}')

    assert found.handlers['bell'].options.model_dump() == {'url': 'x', 'volume': 3}


def test_a_plugin_without_a_model_takes_any_options(host: Host) -> None:
    host.drop_in('ringing', BELL)

    found = host.call('bell: {plugin: ringing, options: {url: x}}')

    assert found.handlers['bell'].options == FreeOptions(url='x')


def test_an_option_that_is_missing_is_a_problem_on_the_line_of_the_options(host: Host) -> None:
    host.drop_in('ringing', OPTIONS_BELL)

    found = host.call('bell:\n  plugin: ringing\n  options:\n    volume: 3')

    assert found.problems == [
        host.at(5, "handlers.bell.options: the key 'url' is missing", hint='add a line url: …'),
    ]


def test_an_unknown_option_is_a_problem_on_its_line_with_the_one_that_was_meant(host: Host) -> None:
    host.drop_in('ringing', OPTIONS_BELL)

    found = host.call('bell:\n  plugin: ringing\n  options:\n    url: x\n    volumme: 3')

    assert found.problems == [
        host.at(7, 'handlers.bell.options.volumme: unknown key', hint="did you mean 'volume'?"),
    ]


def test_every_wrong_option_is_told(host: Host) -> None:
    host.drop_in('ringing', OPTIONS_BELL)

    found = host.call('bell:\n  plugin: ringing\n  options:\n    url: x\n    volume: loud\n    colour: red')

    assert [problem.line for problem in found.problems] == [7, 8]


def test_a_handler_with_wrong_options_is_not_on_the_roster(host: Host) -> None:
    host.drop_in('ringing', OPTIONS_BELL)

    assert host.call('bell: {plugin: ringing}').handlers == {}


CHECKING_BELL = f"""{HEAD}
from pydantic import field_validator

class Options(BaseOptions):
    url: str

    @field_validator('url')
    @classmethod
    def check(cls, value):
        raise ERROR

@handler('calls.#', options=Options)
def ring(event): ...
"""


@pytest.mark.parametrize('error', ['RuntimeError("no")', 'SystemExit(3)', 'BaseException("no")', 'KeyboardInterrupt'])
def test_a_model_that_fails_is_a_problem_of_its_handler(host: Host, error: str) -> None:
    # Given a plugin whose own check of its options fails
    host.drop_in('ringing', CHECKING_BELL.replace('ERROR', error))

    # When the roster is called
    (problem,) = host.call('bell: {plugin: ringing, options: {url: x}}').problems

    # Then it says whose fault that is
    assert problem.message.startswith("handlers.bell.options: the plugin 'ringing' cannot check its options: ")


def test_a_concurrency_of_the_options_that_is_none_is_a_problem_of_its_handler(host: Host) -> None:
    host.drop_in(
        'ringing',
        f"""{HEAD}
class Options(BaseOptions):
    @property
    def concurrency(self):
        return 0

@handler('calls.#', options=Options)
def ring(event): ...
""",
    )

    (problem,) = host.call('bell: {plugin: ringing}').problems

    assert problem.message.startswith("handlers.bell.options: the plugin 'ringing' cannot check its options: ")


def test_the_ctrl_c_of_a_person_while_options_are_checked_is_no_mistake_of_the_plugin(host: Host) -> None:
    host.drop_in(
        'ringing', 'from wazo_busd.errors import Interrupted\n' + CHECKING_BELL.replace('ERROR', 'Interrupted')
    )

    with pytest.raises(Interrupted):
        host.call('bell: {plugin: ringing, options: {url: x}}')


# ---- match


def test_a_plugin_that_takes_any_event_needs_a_match(host: Host) -> None:
    host.drop_in('ringing', OPEN_BELL)

    assert host.call('bell: {plugin: ringing}').problems == [
        host.at(
            3,
            "handlers.bell: the plugin 'ringing' takes any event, so say which",
            hint='add a line match: [calls.#]',
        )
    ]


@pytest.mark.parametrize('nothing', [' null', ' ~'])
def test_a_match_that_is_said_to_be_nothing_is_none(host: Host, nothing: str) -> None:
    host.drop_in('ringing', OPEN_BELL)

    assert host.call(f'bell:\n  plugin: ringing\n  match:{nothing}').problems == [
        host.at(
            3,
            "handlers.bell: the plugin 'ringing' takes any event, so say which",
            hint='add a line match: [calls.#]',
        )
    ]


@pytest.mark.parametrize('nothing', ['', ' #.failed'])
@pytest.mark.parametrize('bell', [BELL, OPEN_BELL])
def test_a_match_with_nothing_behind_it_is_told_once(host: Host, bell: str, nothing: str) -> None:
    host.drop_in('ringing', bell)

    assert host.told(f'bell:\n  plugin: ringing\n  match:{nothing}') == [
        'handlers.bell.match: nothing is written behind it'
    ]


def test_a_match_that_is_said_to_be_nothing_leaves_the_plugins_own(host: Host) -> None:
    host.drop_in('ringing', BELL)

    assert host.call('bell:\n  plugin: ringing\n  match: null').handlers['bell'].match.items == ('calls.#',)


def test_a_plugin_that_takes_any_event_is_content_with_a_match(host: Host) -> None:
    host.drop_in('ringing', OPEN_BELL)

    assert host.call('bell: {plugin: ringing, match: calls.#}').handlers['bell'].match.items == ('calls.#',)


# ---- what is told once

BELL_WITH = 'bell:\n  plugin: ringing\n  '


@pytest.mark.parametrize(
    ('line', 'told'),
    [
        ('on: calls.#', 'handlers.bell: YAML reads the key on as true'),
        ('events: calls.#', 'handlers.bell.events: unknown key'),
        ('routing_key: calls.#', 'handlers.bell.routing_key: unknown key'),
        ('macth: calls.#', 'handlers.bell.macth: unknown key'),
        ('match: 606', 'handlers.bell.match: expected text, found a number'),
        ('match: 0606', 'handlers.bell.match: YAML reads 0606 as the number 390'),
        ('match: [calls.#, 0606]', 'handlers.bell.match[1]: YAML reads 0606 as the number 390'),
        ('match: 2024-13-45', 'handlers.bell.match: YAML takes 2024-13-45 for a date, which it is not'),
        ('match: !exec x', 'handlers.bell.match: the tag !exec is not supported here'),
    ],
)
def test_a_match_that_is_wrong_is_told_once(host: Host, line: str, told: str) -> None:
    host.drop_in('ringing', OPEN_BELL)

    assert host.told(BELL_WITH + line) == [told]


def test_a_match_that_is_missing_is_told_beside_a_key_that_means_something_else(host: Host) -> None:
    host.drop_in('ringing', OPEN_BELL)

    assert host.told(BELL_WITH + 'timout: 5s') == [
        'handlers.bell.timout: unknown key',
        "handlers.bell: the plugin 'ringing' takes any event, so say which",
    ]


def test_a_name_that_no_event_has_is_told_beside_an_item_that_is_misread(host: Host) -> None:
    host.drop_in('ringing', OPEN_BELL)

    assert host.told(BELL_WITH + 'match: [0606, zzzzzzzz]') == [
        'handlers.bell.match[0]: YAML reads 0606 as the number 390',
        'handlers.bell.match[1]: no event is called zzzzzzzz',
    ]


def test_the_name_of_a_plugin_that_is_misread_is_told_once(host: Host) -> None:
    assert host.told('bell: {plugin: 0606}') == ['handlers.bell.plugin: YAML reads 0606 as the number 390']


def test_a_concurrency_is_not_measured_by_a_prefetch_that_is_wrong(host: Host) -> None:
    host.drop_in('ringing', BELL)

    assert host.told(
        'bell: {plugin: ringing, concurrency: 300}', 'plugin_dirs: [plugins.d]\nbus: {prefetch: 0500}'
    ) == ['bus.prefetch: YAML reads 0500 as the number 320']


def test_a_plugin_is_not_missed_where_its_directory_is_wrong(host: Host) -> None:
    host.drop_in('ringing', BELL)

    assert host.told('bell: {plugin: ringing}', 'plugin_dirs: 5') == [
        'plugin_dirs: expected a list, as in [one, two], found a number'
    ]


# ---- names of events


def test_a_handler_can_match_events_by_name(host: Host) -> None:
    host.drop_in('ringing', OPEN_BELL)

    found = host.call('bell: {plugin: ringing, match: [service_deregistered, calls.#]}')

    assert (found.problems, found.handlers['bell'].match.bindings) == (
        [],
        ('calls.#', 'service.deregistered.#', 'service.registered.#'),
    )


def test_a_name_that_no_event_has_is_a_problem_on_its_line_with_those_that_were_meant(host: Host) -> None:
    host.drop_in('ringing', OPEN_BELL)

    found = host.call('bell:\n  plugin: ringing\n  match:\n    - calls.#\n    - users_services_dnb_updated')

    assert found.problems == [
        host.at(
            7,
            'handlers.bell.match[1]: no event is called users_services_dnb_updated',
            hint='did you mean users_services_dnd_updated or users_services_incallfilter_updated or '
            'users_services_{service_name}_updated?',
        )
    ]


def test_a_family_is_named_as_yaml_wants_it(host: Host) -> None:
    host.drop_in('ringing', OPEN_BELL)

    (problem,) = host.call('bell: {plugin: ringing, match: ami_event}').problems

    assert problem.hint == "did you mean '{ami_event}'?"


def test_a_name_that_is_the_whole_match_has_its_line_as_well(host: Host) -> None:
    host.drop_in('ringing', OPEN_BELL)

    (problem,) = host.call('bell:\n  plugin: ringing\n  match: call_creatd').problems

    assert (problem.file, problem.line, problem.handler, problem.hint.startswith('did you mean call_created')) == (
        str(host.config),
        5,
        'bell',
        True,
    )


def test_a_word_that_is_like_no_name_is_told_where_they_are_listed(host: Host) -> None:
    host.drop_in('ringing', OPEN_BELL)

    found = host.call('bell:\n  plugin: ringing\n  match: [zzzzzzzz]')

    assert found.problems == [
        host.at(
            5,
            'handlers.bell.match[0]: no event is called zzzzzzzz',
            hint='wazo-busd events lists them all; a routing key of one word is written zzzzzzzz.#',
        )
    ]


@pytest.mark.parametrize(
    ('word', 'hint'),
    [
        (
            'FooBarEvent',
            'wazo-busd events lists them all; an event of AMI that is not known is written ami.FooBarEvent',
        ),
        ('AOC-Z9', 'wazo-busd events lists them all; an event of AMI that is not known is written ami.AOC-Z9'),
        (
            'QueueCalerJoin',
            'did you mean QueueCallerJoin? an event of AMI that is not known is written ami.QueueCalerJoin',
        ),
    ],
)
def test_a_word_of_camels_is_taken_for_an_event_of_ami(host: Host, word: str, hint: str) -> None:
    host.drop_in('ringing', OPEN_BELL)

    (problem,) = host.call(f'bell:\n  plugin: ringing\n  match: [{word}]').problems

    assert problem.hint == hint


def test_an_event_of_ami_that_a_plugin_names_and_nobody_knows_is_told_with_its_key(host: Host) -> None:
    host.drop_in('ringing', BELL.replace('calls.#', 'FooBarEvent'))

    (problem,) = host.call('bell: {plugin: ringing}').problems

    assert problem.hint.endswith('an event of AMI that is not known is written ami.FooBarEvent')


def test_every_name_that_no_event_has_is_told(host: Host) -> None:
    host.drop_in('ringing', OPEN_BELL)

    found = host.call(
        'bell:\n  plugin: ringing\n  match:\n    - zzzzzzzz\n    - call_created\n    - yyyyyyyy\n'
        'bell-2:\n  plugin: ringing\n  match: xxxxxxxx'
    )

    assert [(each.handler, each.line) for each in found.problems] == [('bell', 6), ('bell', 8), ('bell-2', 11)]


def test_an_event_that_was_removed_is_a_problem_with_what_to_use_instead(host: Host) -> None:
    host.drop_in('ringing', OPEN_BELL)

    found = host.call('bell:\n  plugin: ringing\n  match:\n    - user_status_update')

    assert found.problems == [
        host.at(
            6,
            'handlers.bell.match[0]: the event user_status_update is gone since Wazo 19.05',
            hint='use chatd_presence_updated instead',
        )
    ]


def test_a_handler_that_names_an_unknown_event_is_not_on_the_roster(host: Host) -> None:
    host.drop_in('ringing', OPEN_BELL)

    assert list(host.call('bad: {plugin: ringing, match: zzzz}\ngood: {plugin: ringing, match: a.b}').handlers) == [
        'good'
    ]


def test_a_name_that_no_event_has_is_told_beside_what_else_is_wrong(host: Host) -> None:
    host.drop_in('ringing', OPTIONS_BELL)

    found = host.call('bell:\n  plugin: ringing\n  match: call_creatd\n  options: {url: x, volumme: 1}')

    assert sorted(problem.line for problem in found.problems) == [5, 6]


@pytest.mark.parametrize('code', [None, 'import nowhere'])
def test_a_name_that_no_event_has_is_told_beside_a_plugin_that_cannot_be_loaded(host: Host, code: str | None) -> None:
    if code is not None:
        host.drop_in('ringing', code)

    found = host.call('bell:\n  plugin: ringing\n  match: call_creatd')

    assert sorted(problem.line for problem in (*found.problems, *found.failures)) == [4, 5]


def test_a_plugin_that_names_an_unknown_event_is_a_problem_of_its_handler(host: Host) -> None:
    file = host.drop_in('ringing', f"{HEAD}@handler('calls.#', 'users_services_dnb_updated')\ndef ring(event): ...")

    found = host.call('bell:\n  plugin: ringing')

    assert found.problems == [
        host.at(
            4,
            f"handlers.bell.plugin: plugin 'ringing' ({file}): ring matches an unknown event: "
            'no event is called users_services_dnb_updated',
            hint='did you mean users_services_dnd_updated or users_services_incallfilter_updated or '
            'users_services_{service_name}_updated?',
        )
    ]


def test_a_plugin_that_names_an_event_that_was_removed_is_told_what_to_use_instead(host: Host) -> None:
    host.drop_in('ringing', f"{HEAD}@handler('chat_message_sent')\ndef ring(event): ...")

    (problem,) = host.call('bell: {plugin: ringing}').problems

    assert problem.message.endswith('the event chat_message_sent is gone since Wazo 19.05')
    assert problem.hint == 'use chatd_user_room_message_created instead'


def test_every_method_that_names_an_unknown_event_is_told(host: Host) -> None:
    host.drop_in(
        'ringing',
        f"""{HEAD}
class Bell:
    @handler('zzzz')
    def on_z(self, event): ...

    @handler('call_created')
    def on_call(self, event): ...

    @handler('yyyy')
    def on_y(self, event): ...
""",
    )

    found = host.call('bell: {plugin: ringing}')

    assert [problem.message.split(': ')[2:] for problem in found.problems] == [
        ['on_z matches an unknown event', 'no event is called zzzz'],
        ['on_y matches an unknown event', 'no event is called yyyy'],
    ]


def test_a_plugin_that_names_an_unknown_event_is_a_problem_whatever_the_configuration_matches(host: Host) -> None:
    host.drop_in('ringing', f"{HEAD}@handler('zzzz')\ndef ring(event): ...")

    assert len(host.call('bell: {plugin: ringing, match: calls.#}').problems) == 1


def test_a_plugin_that_names_an_unknown_event_takes_out_no_other_handler(host: Host) -> None:
    host.drop_in('bad', f"{HEAD}@handler('zzzz')\ndef ring(event): ...")
    host.drop_in('ringing', BELL)

    assert list(host.call('bad: {plugin: bad}\nbell: {plugin: ringing}').handlers) == ['bell']


# ---- problems and failures


def test_a_plugin_that_is_not_there_is_a_problem_on_its_line(host: Host) -> None:
    host.drop_in('ringing', BELL)

    found = host.call('bell:\n  match: calls.#\n  plugin: rining')

    assert found.problems == [
        host.at(5, "handlers.bell.plugin: there is no plugin 'rining'", hint="did you mean 'ringing'?")
    ]


def test_a_drop_in_that_others_can_write_is_a_problem(host: Host) -> None:
    host.drop_in('ringing', BELL).chmod(0o666)

    (problem,) = host.call('bell: {plugin: ringing}').problems

    assert "plugin 'ringing' is refused: others can write" in problem.message


def test_a_plugin_that_cannot_be_imported_is_a_failure_and_no_problem(host: Host) -> None:
    host.drop_in('ringing', '1 / 0')

    found = host.call('bell:\n  plugin: ringing')

    assert (found.problems, [(each.line, each.handler) for each in found.failures]) == ([], [(4, 'bell')])


def test_a_failure_says_what_went_wrong(host: Host) -> None:
    file = host.drop_in('ringing', '1 / 0')

    (failure,) = host.call('bell: {plugin: ringing}').failures

    assert failure.message.startswith(
        f"handlers.bell.plugin: plugin 'ringing' ({file}) cannot be imported: ZeroDivisionError"
    )


def test_a_failure_takes_out_its_own_handler_and_no_other(host: Host) -> None:
    host.drop_in('broken', 'raise SystemExit')
    host.drop_in('ringing', BELL)

    assert list(host.call('bad: {plugin: broken}\nbell: {plugin: ringing}').handlers) == ['bell']


def test_problems_of_all_handlers_are_told(host: Host) -> None:
    found = host.call('one: {plugin: xylophone, match: calls.#}\ntwo: {plugin: trombone, match: calls.#}')

    assert [(each.handler, each.line) for each in found.problems] == [('one', 3), ('two', 4)]


def test_a_directory_of_drop_ins_that_cannot_be_listed_is_a_problem(host: Host) -> None:
    # Given a file in the place of the directory
    host.plugins.rmdir()
    host.plugins.write_text('')

    # When the roster is called
    found = host.call('bell: {plugin: log, match: calls.#}')

    # Then it says so, on the line that names the directory
    assert found.problems == [
        host.at(
            1,
            f'plugin_dirs: {host.plugins} cannot be listed: Not a directory',
            handler='',
            hint=f'ls -ld {host.plugins}',
        )
    ]


def test_a_directory_of_drop_ins_that_does_not_exist_is_no_problem(host: Host) -> None:
    host.plugins.rmdir()

    assert host.call('bell: {plugin: log, match: calls.#}').problems == []


# ---- what the plugin alone does not know


def test_a_wrong_match_is_not_told_a_second_time_as_a_missing_one(host: Host) -> None:
    host.drop_in('bell', OPEN_BELL)
    host.config.write_text('plugin_dirs: [plugins.d]\nhandlers: {bell: {plugin: bell, match: [ami.Queue*]}}\n')
    configuration = load(host.config)

    assert (len(configuration.problems), roster.call(configuration).problems) == (1, [])


def test_a_handler_with_a_wrong_match_is_not_on_the_roster(host: Host) -> None:
    host.drop_in('bell', OPEN_BELL)
    host.config.write_text('plugin_dirs: [plugins.d]\nhandlers: {bell: {plugin: bell, match: [ami.Queue*]}}\n')

    assert roster.call(load(host.config)).handlers == {}


def test_more_concurrency_than_prefetch_is_a_problem(host: Host) -> None:
    host.drop_in('bell', BELL)

    assert host.call('bell: {plugin: bell, concurrency: 300}').problems == [
        host.at(
            3,
            'handlers.bell.concurrency: 300 is more than bus.prefetch, 256: '
            'no more events than that are taken at a time',
            hint='bus: {prefetch: 300}',
        )
    ]


def test_as_much_concurrency_as_prefetch_is_none(host: Host) -> None:
    host.drop_in('bell', BELL)

    assert host.call('bell: {plugin: bell, concurrency: 256}').problems == []


# ---- texts and schedules

SPEAKER = f"""{HEAD}
from wazo_busd.api import PlainText

class Options(BaseOptions):
    text: PlainText

@handler('calls.#', options=Options)
def speak(event, context): ...
"""


def test_a_text_that_is_none_is_a_problem_with_its_line(host: Host) -> None:
    host.drop_in('speaker', SPEAKER)

    assert host.call('bell:\n  plugin: speaker\n  options:\n    text: "{{ dta.x }}"').problems == [
        host.at(
            6,
            "handlers.bell.options.text: there is no 'dta' in an event",
            hint="did you mean 'data'?",
        )
    ]


def test_a_handler_knows_where_its_texts_stand(host: Host) -> None:
    host.drop_in('speaker', SPEAKER)

    found = host.call('bell:\n  plugin: speaker\n  options:\n    text: "{{ data.x }}"').handlers['bell']

    assert list(found.surroundings.placements.values()) == [Placement('options.text', str(host.config), 6)]


def test_a_handler_whose_schedule_is_not_described_is_not_on_the_roster(host: Host) -> None:
    host.drop_in('bell', BELL)
    host.config.write_text('plugin_dirs: [plugins.d]\nhandlers: {bell: {plugin: bell, schedule: office}}\n')
    configuration = load(host.config)

    assert (len(configuration.problems), roster.call(configuration)) == (1, Roster())


def test_a_handler_has_its_schedule(host: Host) -> None:
    host.drop_in('bell', BELL)
    host.config.write_text(
        'plugin_dirs: [plugins.d]\nhandlers: {bell: {plugin: bell, schedule: office}}\n'
        'schedules: {office: {hours: {mon: "08:00-12:00"}}}\n'
    )

    condition = roster.call(load(host.config)).handlers['bell'].condition

    assert condition is not None
    assert condition.hours == Hours('office', schedule({'mon': ['08:00-12:00']}))


# ---- options of a plugin beside keys of its handler

DRY = f"""{HEAD}
class Options(BaseOptions):
    wait: float = 5.0
    alone: bool = False

    @property
    def burst_refusal(self):
        return 'each event is counted' if self.alone else ''

    @property
    def patience_seconds(self):
        return self.wait

@handler('calls.#', options=Options)
def ring(event): ...
"""


def test_a_plugin_can_refuse_bursts(host: Host) -> None:
    host.drop_in('ringing', DRY)

    found = host.call('bell:\n  plugin: ringing\n  collapse: 30s\n  options: {alone: true}')

    assert found.problems == [
        host.at(
            5,
            'handlers.bell.collapse: events would be lost in the burst that collapse makes of them: '
            'each event is counted',
            hint='take collapse out, then: wazo-busd check',
        )
    ]


@pytest.mark.parametrize('more', ['collapse: 30s', 'options: {alone: true}'])
def test_other_handlers_of_it_are_as_they_were(host: Host, more: str) -> None:
    host.drop_in('ringing', DRY)

    assert host.told(f'bell:\n  plugin: ringing\n  {more}') == []


@pytest.mark.parametrize(
    ('handler', 'events'),
    [
        ('plugin: journal', 'a journal keeps every event, and of a burst only the last would come to it'),
        ('plugin: webhook\n  options: {url: "https://h.example/", preset: crm}', 'a preset tells of one call'),
        ('plugin: webhook\n  options: {url: "https://h.example/", body: cloudevents}', 'a CloudEvent is one event'),
    ],
)
def test_what_tells_of_single_events_takes_no_bursts(host: Host, handler: str, events: str) -> None:
    (told,) = host.told(f'bell:\n  match: call_ended\n  collapse: 30s\n  {handler}')

    assert told == f'handlers.bell.collapse: events would be lost in the burst that collapse makes of them: {events}'


@pytest.mark.parametrize(
    'handler',
    [
        'plugin: webhook\n  options: {url: "https://h.example/"}',
        'plugin: webhook\n  options: {url: "https://h.example/", text: "{{ burst.count }} calls"}',
        'plugin: exec\n  options: {argv: ["/bin/true"]}',
    ],
)
def test_what_tells_of_bursts_takes_them(host: Host, handler: str) -> None:
    assert host.told(f'bell:\n  match: call_ended\n  collapse: 30s\n  {handler}') == []


@pytest.mark.parametrize(('timeout', 'line'), [('', 3), ('\n  timeout: 1m', 5)])
def test_a_call_that_may_take_longer_than_its_handler_lets_it_is_a_problem(host: Host, timeout: str, line: int) -> None:
    host.drop_in('ringing', DRY)

    found = host.call(f'bell:\n  plugin: ringing{timeout}\n  options: {{wait: 60}}')

    limit = '60 s' if timeout else '30 s'
    assert found.problems == [
        host.at(
            line,
            f'handlers.bell.timeout: a call is ended after {limit}, and by its options it may wait 60 s for an answer',
            hint='write timeout: 70s, or let the options wait for less, then: wazo-busd check',
        )
    ]


@pytest.mark.parametrize(
    ('handler', 'seconds'),
    [
        ('plugin: webhook\n  options: {url: "https://h.example/", answer_within: 2m}', 120),
        ('plugin: webhook\n  options: {url: "https://h.example/", answer_within: 20s, batch: {within: 15s}}', 35),
        ('plugin: mail\n  options: {to: ops@example.org, subject: x, text: x, answer_within: 2m}', 120),
    ],
)
def test_what_waits_for_a_server_says_how_long(host: Host, handler: str, seconds: int) -> None:
    (told,) = host.told(f'bell:\n  match: call_ended\n  {handler}')

    assert told.endswith(f' it may wait {seconds} s for an answer')


def test_a_timeout_that_is_misread_is_measured_by_nothing(host: Host) -> None:
    host.drop_in('ringing', DRY)

    told = host.told('bell:\n  plugin: ringing\n  timeout: soon\n  options: {wait: 60}')

    assert len(told) == 1
