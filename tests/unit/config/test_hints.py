# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The hints: every mistake ends with what to write next, and what is then written is right."""

from __future__ import annotations

import pytest

from tests.unit.config.conftest import Files, only
from wazo_busd.config import load
from wazo_busd.errors import Problem

LOOK = 'look at this line and the one above it'
BRACES = 'put it in quotes, as in password: "${file:/path}"'
HANDLER = 'handlers: {calls: {plugin: log, '


@pytest.mark.parametrize(
    ('text', 'line', 'message', 'hint'),
    [
        # numbers where a number is expected
        ('bus:\n  port: 05672\n', 2, 'bus.port: YAML reads 05672 as the number 3002', 'write 5672'),
        ('bus: {port: +5672}\n', 1, 'bus.port: YAML reads +5672 as the number 5672', 'write 5672'),
        ('bus: {port: 08}\n', 1, 'bus.port: expected a whole number, found text', 'write 8'),
        ('bus: {port: "5672"}\n', 1, 'bus.port: expected a whole number, found text', 'write 5672'),
        ('bus: {max_body_size: 010}\n', 1, 'bus.max_body_size: YAML reads 010 as the number 8', 'write 10'),
        ('drain_timeout: 030\n', 1, 'drain_timeout: YAML reads 030 as the number 24', 'write 30'),
        ('drain_timeout: 1:30\n', 1, 'drain_timeout: YAML reads 1:30 as the number 90', 'write 90'),
        (
            HANDLER + 'concurrency: 010}}\n',
            1,
            'handlers.calls.concurrency: YAML reads 010 as the number 8',
            'write 10',
        ),
        (
            HANDLER + 'queue: {max_length: 0250}}}\n',
            1,
            'handlers.calls.queue.max_length: YAML reads 0250 as the number 168',
            'write 250',
        ),
        ('bus: {username: 0606}\n', 1, 'bus.username: YAML reads 0606 as the number 390', "quotes: username: '0606'"),
        (
            HANDLER + 'options: {to: 0606}}}\n',
            1,
            'handlers.calls.options.to: YAML reads 0606 as the number 390',
            "quotes: to: '0606'",
        ),
        # keys that YAML does not read as text
        ('on: calls.#\n', 1, 'YAML reads the key on as true', 'events are named by match: [calls.#], in a handler'),
        ('handlers: {a: {plugin: log, on: x}}\n', 1, 'handlers.a: YAML reads the key on as true', 'match: [calls.#]'),
        ('handlers: {on: {plugin: log}}\n', 1, 'handlers: YAML reads the key on as true', "in quotes: 'on':"),
        ('bus: {7: x}\n', 1, 'bus: YAML reads the key 7 as 7, which is no text', 'known keys: host, port'),
        (HANDLER + 'options: {1: x}}}\n', 1, 'handlers.calls.options: YAML reads the key 1 as 1', "in quotes: '1':"),
        ('? [a]\n: b\n', 1, 'a key is a text, not a list or a map', 'as in host: localhost'),
        # patterns
        (HANDLER + 'match: 606}}\n', 1, 'handlers.calls.match: expected text, found a number', "match: '606'"),
        (HANDLER + 'match: yes}}\n', 1, 'handlers.calls.match: expected text, found true or false', "match: 'yes'"),
        (
            HANDLER + 'match: [null]}}\n',
            1,
            'handlers.calls.match[0]: expected text, found nothing',
            'write a text, or take it out',
        ),
        (
            HANDLER + 'match: []}}\n',
            1,
            'handlers.calls.match: expected at least 1 item, found 0',
            'as in match: [one, two]',
        ),
        (
            HANDLER + "match: ['']}}\n",
            1,
            'handlers.calls.match[0]: a pattern has at least one word',
            "as in calls.# or '*.ended'",
        ),
        (
            HANDLER + f'match: {"a" * 256}' + '}}\n',
            1,
            'handlers.calls.match: a pattern has at most 255 bytes, this one has 256',
            'shorten it: # stands for any number of words, as in calls.#',
        ),
        (
            'handlers:\n  calls:\n    plugin: log\n    match:\n      - #.failed\n',
            5,
            'handlers.calls.match[0]: expected text, found nothing',
            'one that begins with # is put in quotes',
        ),
        # texts
        ("bus: {vhost: ''}\n", 1, 'bus.vhost: expected a text that is not empty', 'write a text, or take it out'),
        ("bus: {password: ''}\n", 1, 'bus.password: expected a text that is not empty', 'write a text, or take it out'),
        (
            "handlers: {calls: {plugin: ''}}\n",
            1,
            'handlers.calls.plugin: expected a text that is not empty',
            'write a text',
        ),
        ('bus: {host: }\n', 1, 'bus.host: expected text, found nothing', 'write a text, or take it out'),
        (
            f'bus: {{vhost: {"a" * 128}}}\n',
            1,
            'bus.vhost: expected at most 127 bytes, found 128',
            'rabbitmqctl list_vhosts',
        ),
        (f'bus: {{vhost: {"é" * 64}}}\n', 1, 'bus.vhost: expected at most 127 bytes, found 128', 'rabbitmqctl'),
        # YAML
        ('bus: {}\nbus: {}\n', 2, "the key 'bus' is given twice, first on line 1", 'keep one of them'),
        ('bus: {password: ${file:/x}}\n', 1, 'this is not YAML: while parsing a flow mapping', BRACES),
        ('bus:\n  hosts: [one, ${credential:X}]\n', 2, 'this is not YAML: while parsing a flow sequence', BRACES),
        ('bus: {host: x\nport: 1\n', 2, 'this is not YAML: while parsing a flow mapping', 'close'),
        ('bus: {hosts: [a, b}\n', 1, 'this is not YAML: while parsing a flow sequence', 'close'),
        ('bus: b: c\n', 1, 'this is not YAML: mapping values are not allowed here', 'quotes'),
        ('bus: "open\n', 2, 'this is not YAML: while scanning a quoted scalar', 'close the quotation mark'),
        ('debug: true\n---\ndebug: true\n', 2, 'this is not YAML: expected a single document', 'take the line --- out'),
        ('a: 1\nb: @x\n', 2, "this is not YAML: while scanning for the next token, found character '@'", 'in quotes'),
        (HANDLER + 'match: *.ended}}\n', 1, 'this is not YAML: while scanning an alias', "match: '*.ended'"),
        (HANDLER + 'match: [*]}}\n', 1, 'this is not YAML: while scanning an alias', "match: '*.ended'"),
        (HANDLER + 'match: &.ended}}\n', 1, 'this is not YAML: while scanning an anchor', 'is put in quotes'),
        ('a: *ended\n', 1, 'this is not YAML: found undefined alias', "match: '*.ended'"),
        (
            'handlers:\n  calls:\n    match: [calls.#, #.failed]\n    plugin: log\n',
            5,
            'this is not YAML: while parsing a flow sequence',
            '# in front',
        ),
        ('a: 1\n b: 1\n', 2, 'this is not YAML: mapping values are not allowed here', 'indent'),
        ('%YAML 3.0\n---\na: 1\n', 1, 'this is not YAML: found incompatible YAML document', LOOK),
        ('<<: 7\n', 1, 'this is not YAML: while constructing a mapping, expected a mapping', 'as in <<: *name'),
        ('a: 1\nb: &b [*b]\n', 2, 'this is not YAML: an anchor that contains itself', 'take the alias out'),
        (b'b: caf\xe9\n', 1, 'this is not YAML: invalid continuation byte (#xe9)', 'save it as UTF-8'),
        (b'a: 1\nb: \x00\n', 2, 'this is not YAML: special characters are not allowed (#x00)', 'take the character'),
        ('[' * 3000, 0, 'this is not YAML: nested too deep', 'nest less'),
    ],
)
def test_a_mistake_ends_with_what_to_write(files: Files, text: str | bytes, line: int, message: str, hint: str) -> None:
    problem = only(files.load(text).problems)
    assert (problem.line, problem.message[: len(message)]) == (line, message)
    assert hint in problem.hint


@pytest.mark.parametrize('written', ['05672', '"5672"', '+5672'])
def test_a_number_is_not_proposed_where_it_may_be_a_secret(files: Files, written: str) -> None:
    text = f'handlers: {{tokens: {{plugin: log, concurrency: {written}}}}}\n'
    assert '5672' not in str(only(files.load(text).problems))


def test_a_number_from_a_secret_is_not_shown(files: Files) -> None:
    files.write('secret', '05672')
    assert '5672' not in str(only(files.load('bus: {port: "${file:secret}"}\n').problems))


def test_a_part_of_a_broken_line_is_not_shown(files: Files) -> None:
    assert 'hunter2' not in str(only(files.load('bus: {password: ${file:/x}hunter2}\n').problems))


def test_a_tag_in_place_of_a_text_is_told_once(files: Files) -> None:
    assert 'is not supported here' in only(files.load('bus: {password: !exec x}\n').problems).message


def test_a_tag_in_place_of_a_map_is_told_once(files: Files) -> None:
    assert 'is not supported here' in only(files.load('bus: !x {host: a}\n').problems).message


def test_what_yaml_misreads_in_a_file_that_lost_hides_no_other_mistake(files: Files) -> None:
    files.write('conf.d/a.yml', 'bus: {password: 7}\n')
    assert len(files.load('bus: {password: !exec x}\n').problems) == 2


@pytest.mark.parametrize(
    ('key', 'hint'),
    [
        ('match', "# begins a comment: match: '#.failed'; or take the line out"),
        ('acl', "# begins a comment: acl: '#'; or take the line out"),
        ('tenants', 'write tenants: [UUID, …]; or take the line out, which lets all through'),
        ('users', 'write users: [UUID, …]; or take the line out, which lets all through'),
    ],
)
@pytest.mark.parametrize('comment', ['', ' #.failed', ' # [x]', '\n#      - x'])
def test_what_narrows_a_handler_is_not_emptied_in_silence(files: Files, key: str, comment: str, hint: str) -> None:
    path = files.write('config.yml', f'handlers:\n  calls:\n    plugin: log\n    {key}:{comment}\n')
    assert load(path).problems == (
        Problem(f'handlers.calls.{key}: nothing is written behind it', str(path), 4, handler='calls', hint=hint),
    )


@pytest.mark.parametrize('key', ['match', 'acl', 'tenants', 'users'])
@pytest.mark.parametrize('null', ['null', '~'])
def test_what_narrows_a_handler_may_be_said_to_be_nothing(files: Files, key: str, null: str) -> None:
    loaded = files.load(f'handlers: {{calls: {{plugin: log, {key}: {null}}}}}\n')
    assert (loaded.problems, getattr(loaded.config.handlers['calls'], key)) == ((), None)


def test_a_key_that_is_emptied_in_the_file_that_wins_is_told_there(files: Files) -> None:
    won = files.write('conf.d/a.yml', 'handlers: {fax: {tenants: }}\n')
    text = 'handlers: {fax: {plugin: log, tenants: 2e752722-0864-4665-887d-a78a024cf7c7}}\n'
    assert only(files.load(text).problems).file == str(won)


def test_a_key_that_is_emptied_in_a_file_that_loses_is_not_told(files: Files) -> None:
    files.write('conf.d/a.yml', 'handlers: {fax: {tenants: 2e752722-0864-4665-887d-a78a024cf7c7}}\n')
    assert files.load('handlers: {fax: {plugin: log, tenants: }}\n').problems == ()


def test_a_tag_in_place_of_tenants_is_told_once(files: Files) -> None:
    assert 'is not supported here' in only(files.load(HANDLER + 'tenants: !x {}}}\n').problems).message


def test_encryption_is_not_emptied_in_silence(files: Files) -> None:
    problem = only(files.load('bus:\n  tls:\n#    ca_file: /etc/ssl/wazo.pem\n').problems)
    assert (problem.line, problem.message, problem.hint) == (
        2,
        'bus.tls: nothing is written behind it',
        'write tls: true, or tls: false',
    )


@pytest.mark.parametrize('text', ['bus:\n', 'bus: ~\n', 'bus:\n#  host: x\n'])
def test_a_bus_with_nothing_under_it_is_the_default(files: Files, text: str) -> None:
    loaded = files.load(text)
    assert (loaded.problems, loaded.config.bus.host) == ((), 'localhost')


def test_a_broken_link_in_conf_d_is_told_as_one(files: Files) -> None:
    path = files.directory / 'conf.d/a.yml'
    path.parent.mkdir()
    path.symlink_to('../nowhere.yml')
    problem = only(files.load('').problems)
    assert (problem.file, problem.message, problem.hint) == (
        str(path),
        'a broken link: ../nowhere.yml does not exist',
        f'ls -l {path}',
    )


def test_the_command_for_a_file_that_is_skipped_leaves_it_in_its_directory(files: Files) -> None:
    path = files.write('conf.d/two words.yaml', '')
    assert only(files.load('').warnings).hint == f"mv -i '{path}' '{path.with_suffix('.yml')}'"


# ---- the broker's address

URL = 'write host, port, username, password and vhost instead of a URL'


@pytest.mark.parametrize(
    ('written', 'hint'),
    [
        ('', 'as in host: localhost'),
        ('localhost:5673', 'host: takes the name alone, port: the number'),
        ('guest:12345', 'host: takes the name alone, port: the number'),
        ('amqp://u:hunter2@localhost', URL),
        ('u:hunter2@localhost', URL),
        ('localhost/vhost', URL),
        ('a b', 'as in host: localhost'),
        ('[::1]', 'without brackets, as in host: ::1'),
        ('a..b', 'as in host: localhost'),
        ('a' * 64, 'as in host: localhost'),
        ('1::2::3', 'as in host: localhost'),
        ('a\\0', 'as in host: localhost'),
    ],
)
def test_a_host_that_is_none_is_a_problem_with_the_way_to_write_it(files: Files, written: str, hint: str) -> None:
    problem = only(files.load(f'bus:\n  host: "{written}"\n').problems)
    assert (problem.line, problem.message) == (2, 'bus.host: expected the name or address of a host, without a port')
    assert hint in problem.hint
    assert not any(part in str(problem) for part in ('hunter2', '12345', '5673'))


@pytest.mark.parametrize(
    'host', ['::1', 'fe80::1%eth0', '127.0.0.1', 'rabbit', 'rabbit.example.org.', 'rabbit_1', 'bé']
)
def test_a_host_may_be_a_name_or_an_address(files: Files, host: str) -> None:
    loaded = files.load(f'bus: {{host: "{host}"}}\n')
    assert (loaded.problems, loaded.config.bus.addresses()) == ((), [(host, 5672)])


def test_each_of_several_brokers_is_told_by_its_line(files: Files) -> None:
    text = 'bus:\n  hosts:\n    - a:b:c\n    - one:5672\n    - x:99999\n    - ""\n    - amqp://u:hunter2@x\n    - ::1\n'
    problems = files.load(text).problems
    assert [(each.line, each.message.partition(':')[0], each.hint) for each in problems] == [
        (3, 'bus.hosts[0]', 'as in rabbit, rabbit:5673 or [::1]:5673'),
        (5, 'bus.hosts[2]', 'as in rabbit, rabbit:5673 or [::1]:5673'),
        (6, 'bus.hosts[3]', 'as in rabbit, rabbit:5673 or [::1]:5673'),
        (7, 'bus.hosts[4]', 'username, password and vhost have keys of their own; as in rabbit:5673'),
        (8, 'bus.hosts[5]', 'as in rabbit, rabbit:5673 or [::1]:5673'),
    ]
    assert 'hunter2' not in '\n'.join(map(str, problems))
