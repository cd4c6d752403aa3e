# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The loading: many files, one configuration, and everything that is wrong with it at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.unit.config.conftest import Files, only
from tests.unit.config.test_reader import yaml_like
from wazo_busd.config import Config, load
from wazo_busd.event import FIELDS


def test_an_empty_file_is_the_default(files: Files) -> None:
    loaded = files.load('')
    assert (loaded.config, loaded.problems, loaded.warnings) == (Config(), (), ())


def test_a_missing_main_file_is_a_problem(files: Files) -> None:
    problem = only(files.load().problems)
    assert (problem.file, problem.message) == (str(files.directory / 'config.yml'), 'the file does not exist')


def test_a_directory_as_main_file_is_a_problem(files: Files) -> None:
    (files.directory / 'config.yml').mkdir()
    assert only(files.load().problems).message == 'this is a directory, not a file'


def test_the_main_file_need_not_be_called_so(files: Files) -> None:
    assert files.load('bus: {host: rabbit}\n', name='other').config.bus.host == 'rabbit'


def test_a_file_of_conf_d_wins_over_the_main_file(files: Files) -> None:
    files.write('conf.d/50-mine.yml', 'bus: {host: mine}\n')
    assert files.load('bus: {host: main}\n').config.bus.host == 'mine'


def test_of_conf_d_the_first_in_alphabetical_order_wins(files: Files) -> None:
    files.write('conf.d/10-b.yml', 'bus: {host: ten}\n')
    files.write('conf.d/9-a.yml', 'bus: {host: nine}\n')
    files.write('conf.d/B.yml', 'bus: {host: capital}\n')
    files.write('conf.d/a.yml', 'bus: {host: a}\n')
    assert files.load('').config.bus.host == 'ten'


def test_maps_of_all_files_merge(files: Files) -> None:
    files.write('conf.d/a.yml', 'handlers: {one: {plugin: log}}\nbus: {host: a}\n')
    files.write('conf.d/b.yml', 'handlers: {one: {match: calls.#}, two: {plugin: bell}}\n')
    config = files.load('handlers: {three: {plugin: log}}\nbus: {port: 1}\n').config
    assert (sorted(config.handlers), config.handlers['one'].match, config.bus.host, config.bus.port) == (
        ['one', 'three', 'two'],
        ['calls.#'],
        'a',
        1,
    )


def test_lists_do_not_merge(files: Files) -> None:
    files.write('conf.d/a.yml', 'handlers: {one: {match: [calls.#]}}\n')
    loaded = files.load('handlers: {one: {plugin: log, match: [faxes.#, agents.#]}}\n')
    assert loaded.config.handlers['one'].match == ['calls.#']


def test_what_is_off_in_the_first_file_stays_off(files: Files) -> None:
    files.write('conf.d/a.yml', 'handlers: {one: {enabled: false}}\n')
    assert not files.load('handlers: {one: {plugin: log, enabled: true}}\n').config.handlers['one'].enabled


@pytest.mark.parametrize(
    'text', ['handlers:\n', 'handlers:\n#  one: {plugin: bell}\n', 'handlers: ~\n', 'handlers: {}\n']
)
def test_handlers_that_are_all_commented_out_hide_no_others(files: Files, text: str) -> None:
    files.write('conf.d/a.yml', text)
    files.write('conf.d/b.yml', 'handlers: {one: {plugin: log}}\n')
    loaded = files.load(text)
    assert (sorted(loaded.config.handlers), loaded.problems) == (['one'], ())


@pytest.mark.parametrize(
    'name', ['.hidden.yml', '.yml', 'a.yml.dpkg-old', 'a.yml~', 'README', 'a.json', 'a.YML', 'yml']
)
def test_hidden_files_and_other_endings_are_skipped(files: Files, name: str) -> None:
    files.write(f'conf.d/{name}', 'broken: [\n')
    loaded = files.load('')
    assert (loaded.problems, loaded.warnings) == ((), ())


def test_a_file_that_ends_in_yaml_is_skipped_with_a_warning(files: Files) -> None:
    path = files.write('conf.d/mine.yaml', 'broken: [\n')
    loaded = files.load('')
    warning = only(loaded.warnings)
    assert (loaded.problems, warning.file, warning.hint) == (
        (),
        str(path),
        f'mv -i {path} {path.with_suffix(".yml")}',
    )
    assert 'only names that end in .yml are read' in warning.message


def test_a_hidden_file_that_ends_in_yaml_is_skipped_in_silence(files: Files) -> None:
    files.write('conf.d/.mine.yaml', '')
    assert files.load('').warnings == ()


def test_another_directory_can_be_named(files: Files) -> None:
    files.write('mine/a.yml', 'bus: {host: mine}\n')
    files.write('conf.d/a.yml', 'bus: {host: conf.d}\n')
    assert files.load('extra_config_files: mine\n').config.bus.host == 'mine'


def test_another_directory_can_be_absolute(files: Files, tmp_path: Path) -> None:
    files.write('elsewhere/a.yml', 'bus: {host: mine}\n')
    assert files.load(f'extra_config_files: {tmp_path}/elsewhere\n').config.bus.host == 'mine'


@pytest.mark.parametrize('text', ['', 'extra_config_files: conf.d\n'])
def test_conf_d_may_be_missing(files: Files, text: str) -> None:
    assert files.load(text).problems == ()


def test_a_directory_that_is_named_and_missing_is_a_problem(files: Files) -> None:
    problem = only(files.load('bus: {}\nextra_config_files: mine\n').problems)
    assert (problem.line, problem.message, problem.hint) == (
        2,
        f'extra_config_files: {files.directory / "mine"} does not exist',
        f'mkdir {files.directory / "mine"}',
    )


def test_a_file_in_place_of_conf_d_is_a_problem(files: Files) -> None:
    files.write('conf.d', 'bus: {}\n')
    problem = only(files.load('').problems)
    assert 'cannot be listed: Not a directory' in problem.message
    assert problem.hint == f'ls -ld {files.directory / "conf.d"}'


def test_a_conf_d_that_may_not_be_listed_is_a_problem(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> list[Path]:
        raise PermissionError(13, 'Permission denied', str(path))

    monkeypatch.setattr(Path, 'iterdir', refuse)
    assert 'conf.d cannot be listed: Permission denied' in only(files.load('').problems).message


@pytest.mark.parametrize('written', ['"\\0"', '"\\ud800"', "''", '[mine]', '7'])
def test_what_cannot_be_a_directory_of_files_is_a_problem(files: Files, written: str) -> None:
    problems = files.load(f'bus: {{}}\nextra_config_files: {written}\n').problems
    assert 'extra_config_files: expected a path' in [each.message for each in problems]
    assert {each.line for each in problems} == {2}


def test_every_broken_file_is_told(files: Files) -> None:
    files.write('conf.d/a.yml', 'broken: [\n')
    files.write('conf.d/b.yml', b'\xff')
    (files.directory / 'conf.d/c.yml').mkdir()
    (files.directory / 'conf.d/d.yml').symlink_to('nowhere')
    assert files.places(files.load('bus: {hots: x}\n').problems) == [
        ('conf.d/a.yml', 2),
        ('conf.d/b.yml', 1),
        ('conf.d/c.yml', 0),
        ('conf.d/d.yml', 0),
        ('config.yml', 1),
    ]


def test_a_broken_main_file_does_not_hide_the_problems_of_conf_d(files: Files) -> None:
    files.write('conf.d/a.yml', 'bus:\n  hots: x\n')
    assert files.places(files.load('broken: [\n').problems) == [('conf.d/a.yml', 2), ('config.yml', 2)]


MANY = """\
bus:
  hots: rabbit
  port: 0
  heartbeat: often
on: true
handlers:
  Fax Alerts:
    plugin: log
  calls:
    match: [calls*]
    timeout: ages
    options: {to: 0606}
  faxes:
    plugin: log
    order_by: caller
    queue: {type: qourum}
state_dir: 7
bus: {}
"""
NAMING = 'a handler is named by small letters, digits, - and _, beginning with a letter or digit'
WILDCARD = 'is no wildcard: * and # stand for whole words, as in calls.#'
FIELD = f'as in data.call_id; it begins with {", ".join(FIELDS)}'


def test_every_mistake_is_told_at_once_with_its_line(files: Files) -> None:
    files.write('conf.d/a.yml', '\nlog_level: loud\n')
    problems = files.load(MANY).problems
    assert [(*place, each.message) for place, each in zip(files.places(problems), problems, strict=True)] == [
        ('conf.d/a.yml', 2, "log_level: expected 'debug', 'info', 'warning', 'error' or 'critical'"),
        ('config.yml', 5, 'YAML reads the key on as true'),
        ('config.yml', 7, f'handlers.Fax Alerts: {NAMING}'),
        ('config.yml', 9, "handlers.calls: the key 'plugin' is missing"),
        ('config.yml', 10, f"handlers.calls.match[0]: 'calls*' {WILDCARD}"),
        ('config.yml', 11, 'handlers.calls.timeout: expected a duration such as 10s, 5m or 2h'),
        ('config.yml', 12, 'handlers.calls.options.to: YAML reads 0606 as the number 390'),
        ('config.yml', 15, f'handlers.faxes.order_by: expected a field of the event, {FIELD}'),
        ('config.yml', 16, "handlers.faxes.queue.type: expected 'quorum' or 'classic'"),
        ('config.yml', 17, 'state_dir: expected a path'),
        ('config.yml', 18, "the key 'bus' is given twice, first on line 1"),
    ]


def test_problems_of_a_map_are_told_even_where_others_of_it_are(files: Files) -> None:
    problems = files.load('bus:\n  hots: rabbit\n  port: 0\n  heartbeat: often\n  hosts: [a b, c d]\n').problems
    assert [line for _, line in files.places(problems)] == [2, 3, 4, 5, 5]


def test_a_handler_with_several_mistakes_takes_no_other_with_it(files: Files) -> None:
    loaded = files.load(
        """
        handlers:
          bad: {timeout: ages, order_by: nothing, match: [7, ''], zzz: 1}
          good: {plugin: log}
        """
    )
    assert list(loaded.config.handlers) == ['good']


def test_what_is_right_of_a_map_with_mistakes_is_kept(files: Files) -> None:
    loaded = files.load('bus: {host: rabbit, hosts: [a b, c], port: 0}\n')
    assert (loaded.config.bus.host, loaded.config.bus.port, len(loaded.problems)) == ('rabbit', 5672, 2)


def test_numbers_in_a_list_of_texts_take_only_the_list_with_them(files: Files) -> None:
    loaded = files.load('bus: {host: rabbit, hosts: [1, 0, 2]}\n')
    assert (loaded.config.bus.host, loaded.config.bus.hosts, len(loaded.problems)) == ('rabbit', [], 3)


def test_a_mistake_is_told_once(files: Files) -> None:
    assert len(files.load('handlers: {calls: {plugin: 7}}\n').problems) == 1


@pytest.mark.parametrize(
    ('text', 'line', 'says', 'hint'),
    [
        ('bsu: {}\n', 1, 'bsu: unknown key', "did you mean 'bus'?"),
        ('bus:\n  passwort: x\n', 2, 'bus.passwort: unknown key', "did you mean 'password'?"),
        ('bus:\n  uri: amqp://x\n', 2, 'bus.uri: unknown key', 'write host, port, username, password and vhost'),
        ('bus:\n  exchange_name: xivo\n', 2, 'bus.exchange_name: unknown key', 'both exchanges'),
        ('bus: {tls: {verify: no}}\n', 1, 'bus.tls.verify: unknown key', 'known keys: ca_file'),
        ('bus: []\n', 1, 'bus: expected a map of keys to values, found a list', ''),
        ('bus: text\n', 1, 'bus: expected a map of keys to values, found text', ''),
        ('bus: {tls: [x]}\n', 1, 'bus.tls: expected true, false or a map, found a list', 'as in tls: {ca_file: …}'),
        ('bus: {tls: yes please}\n', 1, 'bus.tls: expected true, false or a map, found text', 'tls: true'),
        ('bus: {tls: 1}\n', 1, 'bus.tls: expected true, false or a map, found a number', 'tls: true'),
        ('handlers: [log]\n', 1, 'handlers: expected a map of keys to values, found a list', ''),
        ('handlers:\n  calls:\n', 2, 'handlers.calls: expected a map of keys to values, found nothing', ''),
        ('handlers:\n  calls: log\n', 2, 'handlers.calls: expected a map of keys to values, found text', ''),
        ('handlers:\n  calls: {}\n', 2, "handlers.calls: the key 'plugin' is missing", 'add a line plugin: …'),
        ('handlers:\n  c: {plugin: 7}\n', 2, 'handlers.c.plugin: expected text, found a number', "plugin: '7'"),
        ('handlers:\n  c: {plugin: x, macth: y}\n', 2, 'handlers.c.macth: unknown key', "did you mean 'match'?"),
        ("handlers:\n  c: {plugin: x, 'on': y}\n", 2, 'handlers.c.on: unknown key', 'match: [calls.#]'),
        ('handlers:\n  c: {plugin: x, match: calls*}\n', 2, "handlers.c.match: 'calls*' is no wildcard", 'calls.#'),
        ('handlers:\n  c: {plugin: x, timeout: 1h}\n', 2, 'expected at least 10ms and at most 15m', ''),
        ('handlers:\n  function-c: {plugin: x, zzz: 1}\n', 2, 'handlers.function-c.zzz: unknown key', 'known keys:'),
        ('plugin_dirs: /x\n', 1, 'plugin_dirs: expected a list', ''),
        ('plugin_dirs:\n  - /x\n  - 7\n', 3, 'plugin_dirs[1]: expected a path', ''),
        ('debug: 1\n', 1, 'debug: expected true or false, found a number', ''),
        ('state_dir: "\\0"\n', 1, 'state_dir: expected a path', ''),
        ("state_dir: ''\n", 1, 'state_dir: expected a path', ''),
        ("plugin_dirs: ['']\n", 1, 'plugin_dirs[0]: expected a path', ''),
        (f'drain_timeout: {"9" * 400}\n', 1, 'drain_timeout: expected a duration', ''),
    ],
)
def test_a_mistake_is_told_with_file_line_and_cure(files: Files, text: str, line: int, says: str, hint: str) -> None:
    problem = only(files.load(text).problems)
    assert (problem.file, problem.line) == (str(files.directory / 'config.yml'), line)
    assert says in problem.message
    assert hint in problem.hint
    assert hint or not problem.hint


def test_a_pattern_that_is_too_long_is_told_with_its_size(files: Files) -> None:
    text = f'handlers:\n  calls:\n    plugin: log\n    match:\n      - calls.#\n      - {"a" * 256}\n'
    problem = only(files.load(text).problems)
    assert (problem.line, problem.handler, problem.message) == (
        6,
        'calls',
        'handlers.calls.match[1]: a pattern has at most 255 bytes, this one has 256',
    )


@pytest.mark.parametrize(
    ('name', 'proposal'),
    [
        ('Fax Alerts', 'fax-alerts'),
        ('fax.alerts', 'fax-alerts'),
        ('-fax', 'fax'),
        ('_fax_', 'fax'),
        ('fäx', 'f-x'),
        ('fax\n', 'fax'),
        ('', 'calls'),
        ('***', 'calls'),
        ('x' * 101, 'x' * 100),
    ],
)
def test_a_bad_name_of_a_handler_is_told_with_a_good_one(files: Files, name: str, proposal: str) -> None:
    quoted = name.replace('\n', '\\n')
    problem = only(files.load(f'handlers:\n  "{quoted}": {{plugin: log}}\n').problems)
    assert (problem.line, problem.handler, problem.hint) == (2, name, f'for example {proposal}')
    assert 'a handler is named by small letters, digits' in problem.message


def test_a_handler_with_a_bad_name_takes_no_other_with_it(files: Files) -> None:
    assert list(files.load('handlers: {A: {plugin: log}, b: {plugin: log}}\n').config.handlers) == ['b']


def test_a_problem_is_told_of_the_file_that_won(files: Files) -> None:
    files.write('conf.d/a.yml', '\n\nbus: {port: 0}\n')
    assert files.places(files.load('bus: {port: 5672}\n').problems) == [('conf.d/a.yml', 3)]


def test_a_mistake_that_another_file_overrides_is_not_told(files: Files) -> None:
    files.write('conf.d/a.yml', 'bus: {port: 5672}\n')
    assert files.load('bus: {port: 0}\n').problems == ()


PATHS = """\
state_dir: state
plugin_dirs: [plugins.d, /usr/lib/x, ../up]
bus: {tls: {ca_file: ca.pem, certificate_file: /cert.pem, key_file: keys/key.pem}}
"""


def test_a_relative_path_begins_at_the_directory_of_its_file(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir('/')
    files.write('conf.d/a.yml', PATHS)
    config, directory = files.load('').config, files.directory / 'conf.d'
    assert (config.state_dir, config.plugin_dirs, config.bus.tls and config.bus.tls.model_dump(exclude_none=True)) == (
        directory / 'state',
        [directory / 'plugins.d', Path('/usr/lib/x'), directory / '../up'],
        {
            'ca_file': directory / 'ca.pem',
            'certificate_file': Path('/cert.pem'),
            'key_file': directory / 'keys/key.pem',
        },
    )


def test_paths_of_two_files_begin_at_each_of_them(files: Files) -> None:
    files.write('conf.d/a.yml', 'bus: {tls: {ca_file: ca.pem}}\n')
    config = files.load('bus: {tls: {key_file: key.pem}}\n').config
    assert config.bus.tls is not None
    assert (config.bus.tls.ca_file, config.bus.tls.key_file) == (
        files.directory / 'conf.d/ca.pem',
        files.directory / 'key.pem',
    )


def test_a_path_is_absolute_even_if_the_file_was_named_relatively(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.write('etc/config.yml', 'state_dir: state\n')
    monkeypatch.chdir(files.directory)
    assert load(Path('etc/config.yml')).config.state_dir == files.directory / 'etc/state'


def test_a_path_may_come_from_a_secret(files: Files) -> None:
    files.write('where', '/run/busd\n')
    assert files.load('state_dir: "${file:where}"\n').config.state_dir == Path('/run/busd')


def test_a_secret_is_filled_in(files: Files) -> None:
    files.write('secret', 'hunter2\n')
    assert files.load('bus: {password: "${file:secret}"}\n').config.bus.password == 'hunter2'


def test_a_secret_that_cannot_be_had_is_a_problem_of_its_line(files: Files) -> None:
    path = files.write('secret', 'hunter2\n', mode=0o644)
    problem = only(files.load('bus:\n  password: "${file:secret}"\n').problems)
    assert (problem.line, problem.message) == (2, f'bus.password: the secret {path} has the mode 0644')


def test_a_secret_of_a_file_that_lost_is_not_read(files: Files) -> None:
    files.write('conf.d/a.yml', 'bus: {password: mine}\n')
    assert files.load('bus: {password: "${file:/none/such}"}\n').problems == ()


@pytest.mark.parametrize(
    'text',
    [
        'bus: {port: "${file:secret}"}\n',
        'bus: {heartbeat: "${file:secret}"}\n',
        'bus: {namespace: "${file:secret}!"}\n',
        'bus: {hosts: ["${file:secret} x"]}\n',
        'log_level: "${file:secret}"\n',
        'handlers: {x: {plugin: log, match: "${file:secret}*"}}\n',
        'handlers: {x: {plugin: log, order_by: "${file:secret}"}}\n',
        'handlers: "${file:secret}"\n',
        'bus: {password: [hunter2x]}\n',
        'bus: {password: {hunter2x: 1}}\n'.replace('hunter2x: 1', 'x: hunter2x'),
        'bus: {password: *hunter2x}\n',
        'bus:\n  password: !hunter2x\n',
        'bus: {password: "${hunter2x}"}\n',
        'bus: {pasword: hunter2x}\n',
        'bus: {host: 7, password: hunter2x}\n',
    ],
)
def test_no_problem_shows_a_secret(files: Files, text: str) -> None:
    files.write('secret', 'hunter2x\n')
    problems = files.load(text).problems
    assert problems
    assert 'hunter2x' not in '\n'.join(map(str, problems))


def test_a_document_of_aliases_is_validated_like_any(files: Files) -> None:
    loaded = files.load(
        """
        handlers:
          one: &one {plugin: log, match: [calls.#]}
          two: {<<: *one, match: [faxes.#]}
          three: *one
        """
    )
    assert (loaded.problems, [each.match for each in loaded.config.handlers.values()]) == (
        (),
        [['calls.#'], ['faxes.#'], ['calls.#']],
    )


def test_a_configuration_with_problems_is_still_one(files: Files) -> None:
    assert isinstance(files.load('bus: 7\nhandlers: 8\nstate_dir: 9\nplugin_dirs: {}\n').config, Config)


lines = st.sampled_from(
    [
        'bus: []',
        'bus: {tls: [x], port: 0, hosts: [a b, 7]}',
        'bus:',
        'handlers:',
        'handlers: {a: {}, b: {plugin: log, timeout: x, match: [7, 8]}}',
        'handlers: {function-after: {plugin: 7, zzz: 1}}',
        'handlers: [7]',
        'plugin_dirs: {}',
        'plugin_dirs: [[], 7, "\\0"]',
        'state_dir: ["\\ud800"]',
        'state_dir: "${file:/none}"',
        'extra_config_files: [x]',
        'log_level: {}',
        'debug: ~',
        'on: 1',
        'drain_timeout: .nan',
    ]
)


@settings(max_examples=examples(100))
@given(text=st.lists(lines, max_size=6).map('\n'.join) | yaml_like | st.binary(max_size=20))
def test_whatever_the_files_hold_loading_only_tells(
    tmp_path_factory: pytest.TempPathFactory, text: str | bytes
) -> None:
    directory = tmp_path_factory.getbasetemp() / 'anything'
    (directory / 'conf.d').mkdir(parents=True, exist_ok=True)
    for path in (directory / 'config.yml', directory / 'conf.d/a.yml'):
        path.write_bytes(text.encode() if isinstance(text, str) else text)
    loaded = load(directory / 'config.yml')
    assert all(each.message for each in loaded.problems)
    assert isinstance(loaded.config, Config)


def test_a_map_in_one_file_and_none_in_another_is_told_with_both_files(files: Files) -> None:
    files.write('conf.d/a.yml', 'bus: {host: one}\n')

    problem = only(files.load('bus: 5\n').problems)

    assert (Path(problem.file).name, problem.message.endswith('conf.d/a.yml')) == ('config.yml', True)


def test_a_list_that_hides_a_map_of_a_later_file_is_told(files: Files) -> None:
    files.write('conf.d/a.yml', 'bus: [5]\n')

    assert any(
        each.message.startswith('bus: expected a map, as in ') for each in files.load('bus: {host: one}\n').problems
    )


@pytest.mark.parametrize('section', ['bus', 'handlers'])
def test_a_section_with_nothing_in_it_hides_nothing(files: Files, section: str) -> None:
    files.write('conf.d/a.yml', f'{section}:\n')
    loaded = files.load('bus: {host: one}\nhandlers: {a: {plugin: log}}\n')

    assert (loaded.problems, loaded.config.bus.host, list(loaded.config.handlers)) == ((), 'one', ['a'])


def test_where_the_extra_files_are_is_said_in_the_main_file_only(files: Files) -> None:
    files.write('conf.d/a.yml', 'extra_config_files: more.d\n')

    assert only(files.load('').problems).hint == 'take it out here'


def test_a_key_that_yaml_reads_as_true_is_told_with_the_key_that_was_meant(files: Files) -> None:
    assert only(files.load('handlers: {a: {plugin: log, on: calls.#}}\n').problems).hint == (
        'events are named by match: [calls.#]'
    )


def test_a_number_that_yaml_misreads_is_told_once(files: Files) -> None:
    assert only(files.load('bus: {port: 05672}\n').problems).hint == 'write 5672'


ORDERED = 'handlers: {crm: {plugin: log, match: calls.#, order_by: data.call_id'
TWO_BROKERS = '}}\nbus: {hosts: [rabbit-1, rabbit-2]}\n'


def test_an_order_that_a_second_daemon_would_break_is_warned_of_with_its_cure(files: Files) -> None:
    warning = only(files.load(f'{ORDERED}{TWO_BROKERS}').warnings)
    assert (warning.line, warning.handler, warning.hint) == (
        1,
        'crm',
        'queue: {single_active_consumer: true}, then wazo-busd queue recreate crm',
    )


@pytest.mark.parametrize(
    'text',
    [
        f'{ORDERED}, queue: {{single_active_consumer: true}}{TWO_BROKERS}',
        f'{ORDERED}}}}}\nbus: {{hosts: [rabbit-1]}}\n',
        f'{ORDERED}}}}}\n',
        f'handlers: {{crm: {{plugin: log, match: calls.#{TWO_BROKERS}',
    ],
    ids=['one at a time', 'one broker', 'as it comes', 'no order'],
)
def test_an_order_that_nobody_breaks_is_not_warned_of(files: Files, text: str) -> None:
    assert files.load(text).warnings == ()
