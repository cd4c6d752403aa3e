# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`wazo-busd emit`: what it publishes, what can be changed about it, and what it says of mistakes."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click.testing
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.unit.cli.conftest import Shell
from wazo_busd import catalogue
from wazo_busd.catalogue.publication import TENANT, USER, example
from wazo_busd.config import BusConfig
from wazo_busd.errors import BusError


def shown(shell: Shell, *arguments: str, stdin: str | None = None) -> Any:
    """What `--dry-run` shows."""
    done = shell('emit', *arguments, '--dry-run', stdin=stdin)
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


def data(shell: Shell, *arguments: str, stdin: str | None = None) -> Any:
    return shown(shell, *arguments, stdin=stdin)['body']['data']


CHECK = 'next: wazo-busd check'
FORCED = 'wazo-busd events; --force publishes it all the same'


def refused(done: click.testing.Result) -> tuple[int, str, str]:
    """The exit code, what stands on standard output, and the last line on standard error."""
    return done.exit_code, done.stdout, done.stderr.splitlines()[-1]


class Broker:
    """Takes what is published, or raises."""

    def __init__(self) -> None:
        self.config: BusConfig | None = None
        self.published: list[tuple[str, str, Any, Mapping[str, Any]]] = []
        self.error: BusError | None = None

    async def publish(
        self, config: BusConfig, exchange: str, routing_key: str, body: bytes, headers: Mapping[str, Any]
    ) -> None:
        if self.error:
            raise self.error
        self.config = config
        self.published.append((exchange, routing_key, json.loads(body), headers))


@pytest.fixture
def broker(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Broker:
    broker = Broker()
    # The package has the command under the name of its module.
    monkeypatch.setattr(importlib.import_module('wazo_busd.cli.emit'), 'publish_upstream', broker.publish)
    shell.config.write_text('bus: {host: rabbit.example.org}\n')
    return broker


# ---- what is published


def test_a_complete_example_is_published_where_a_host_of_today_does(shell: Shell) -> None:
    said = shown(shell, 'call_held')
    headers = said['headers'] | {'timestamp': ''}

    assert (said['exchange'], said['routing_key'], headers, said['body']['data']) == (
        'wazo-headers',
        'calls.hold.created',
        {
            'name': 'call_held',
            'origin_uuid': headers['origin_uuid'],
            'timestamp': '',
            'required_acl': f'events.calls.{USER}',
            'required_access': 'event.call_held',
            'tenant_uuid': TENANT,
            f'user_uuid:{USER}': True,
            'busd-test': True,
        },
        {'call_id': '1777629422.8', 'user_uuid': USER},
    )


def test_it_is_marked_as_a_test_in_the_headers_and_not_in_the_body(shell: Shell) -> None:
    said = shown(shell, 'call_created')

    assert (said['headers']['busd-test'], 'busd-test' in said['body']) == (True, False)


def test_a_host_of_2019_publishes_otherwise(shell: Shell) -> None:
    said = shown(shell, 'service_deregistered', '--era', '2019')

    assert (said['exchange'], said['routing_key'], said['headers']['name'], sorted(said['body'])) == (
        'xivo',
        'service.deregistered.wazo-dird',
        'service_deregistered_event',
        ['data', 'name', 'origin_uuid'],
    )


@pytest.mark.parametrize(
    ('name', 'era', 'called'),
    [
        ('auth_tenant_created', 'now', 'auth_tenant_created'),
        ('auth_tenant_created', '2019', 'auth_tenant_created'),
        ('service_registered_event', 'now', 'service_registered_event'),
        ('service_registered_event', '2019', 'service_registered_event'),
        ('service_registered', 'now', 'service_registered'),
        ('service_registered', '2019', 'service_registered_event'),
    ],
)
def test_an_alias_that_is_asked_for_is_the_name(shell: Shell, name: str, era: str, called: str) -> None:
    said = shown(shell, name, '--era', era)

    assert (said['headers']['name'], said['body']['name']) == (called, called)


def test_one_of_a_family_is_an_example_of_it(shell: Shell) -> None:
    assert shown(shell, '{ami_event}', 'Event=Cdr')['routing_key'] == 'ami.Cdr'


def test_exchange_and_key_can_be_named(shell: Shell) -> None:
    said = shown(shell, 'fax_outbound_failed', '--exchange', 'xivo', '--key', 'faxes.outbound.failed')

    assert (said['exchange'], said['routing_key']) == ('xivo', 'faxes.outbound.failed')


@pytest.mark.parametrize('era', ['now', '2019'])
def test_every_event_that_can_come_can_be_emitted(shell: Shell, era: str) -> None:
    names = [entry.name for entry in catalogue.entries() if entry.on_page and entry.routing_keys]

    assert [name for name in names if not isinstance(data(shell, name, '--era', era), dict)] == []


def test_what_the_bus_is_given_is_what_a_dry_run_shows(shell: Shell, broker: Broker) -> None:
    done = shell('emit', 'call_held', '-c', str(shell.config))
    ((exchange, key, body, headers),) = broker.published
    said = shown(shell, 'call_held')

    assert (done.exit_code, done.stdout, exchange, key, body['data'], sorted(headers)) == (
        0,
        'published call_held on wazo-headers with the key calls.hold.created\n',
        said['exchange'],
        said['routing_key'],
        said['body']['data'],
        sorted(said['headers']),
    )


def test_the_bus_is_that_of_the_configuration(shell: Shell, broker: Broker) -> None:
    shell('emit', 'call_held', '-c', str(shell.config))

    assert broker.config == BusConfig(host='rabbit.example.org')


def test_a_dry_run_publishes_nothing_and_needs_no_configuration(shell: Shell, broker: Broker) -> None:
    shell.config.unlink()

    done = shell('emit', 'call_held', '--dry-run', '-c', str(shell.config))

    assert (done.exit_code, broker.published) == (0, [])


# ---- fields


@pytest.mark.parametrize(
    ('field', 'value'),
    [
        ('error=no answer', 'no answer'),
        ('error=', ''),
        ('error=a=b', 'a=b'),
        ('error=5', 5),
        ('error="5"', '5'),
        ('error=1.5', 1.5),
        ('error=true', True),
        ('error=True', 'True'),
        ('error=null', None),
        ('error=[1, "x"]', [1, 'x']),
        ('error={"a": 1}', {'a': 1}),
        ('error={a: 1}', '{a: 1}'),
        ('error=NaN', 'NaN'),
        ('error=-Infinity', '-Infinity'),
        ('error=1234567.89', 1234567.89),
        ('error= x ', ' x '),
        ('error=Zoë', 'Zoë'),
    ],
)
def test_a_value_that_is_json_is_taken_as_such(shell: Shell, field: str, value: Any) -> None:
    assert data(shell, 'fax_outbound_failed', field)['error'] == value


@given(st.text(st.characters(exclude_categories=['Cs'])))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=examples(30))
def test_a_text_in_quotes_is_that_text(shell: Shell, text: str) -> None:
    assert data(shell, 'call_held', f'call_id={json.dumps(text)}')['call_id'] == text


def test_other_fields_stay_as_they_are(shell: Shell) -> None:
    entry = catalogue.find('fax_outbound_failed')
    assert entry

    assert data(shell, 'fax_outbound_failed', 'error=x', 'extension="9"') == {
        **example(entry),
        'error': 'x',
        'extension': '9',
    }


def test_a_dot_goes_into_a_map(shell: Shell) -> None:
    said = data(shell, 'user_voicemail_message_created', 'message.folder.name=old', 'message.extra.deep=1')['message']

    assert (said['folder']['name'], said['folder']['type'], said['extra']) == ('old', 'new', {'deep': 1})


def test_a_field_of_the_key_is_in_the_key(shell: Shell) -> None:
    assert shown(shell, 'fax_outbound_failed', 'id="7.8"')['routing_key'] == 'faxes.outbound.7__DOT__8.failed'


def test_a_user_in_the_data_is_in_headers_and_access(shell: Shell) -> None:
    headers = shown(shell, 'call_created', 'user_uuid=someone')['headers']

    assert (headers['user_uuid:someone'], headers['required_acl']) == (True, 'events.calls.someone')


def test_what_is_for_a_whole_tenant_is_for_all_users(shell: Shell) -> None:
    said = shown(shell, 'fax_outbound_failed')

    assert (said['headers']['user_uuid:*'], said['body']['user_uuid:*']) == (True, True)


def test_a_call_without_a_user_has_the_access_of_none(shell: Shell) -> None:
    headers = shown(shell, 'call_created', 'user_uuid=null')['headers']

    assert (headers['required_acl'], [key for key in headers if key.startswith('user_uuid')]) == (
        'events.calls.None',
        [],
    )


@pytest.mark.parametrize('field', ['extension', '=x', '.a=1', 'a.=1', 'a..b=1', '.=1', ''])
def test_what_is_no_field_and_value_is_refused(shell: Shell, field: str) -> None:
    done = shell('emit', 'fax_outbound_failed', field, '--dry-run')

    assert refused(done) == (2, '', f'Error: {field!r} is no FIELD=VALUE, as in extension=1234')


def test_a_dot_into_what_is_no_map_is_refused(shell: Shell) -> None:
    done = shell('emit', 'fax_outbound_failed', 'error.text=1', '--dry-run')

    assert refused(done) == (2, '', "Error: 'error' in 'error.text' is no map")


# ---- a file


def test_the_data_can_come_from_a_file(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / 'data.json').write_text('{"call_id": "1.2"}')

    assert data(shell, 'call_held', '--file', str(tmp_path / 'data.json')) == {'call_id': '1.2'}


def test_the_data_can_come_from_standard_input(shell: Shell) -> None:
    assert data(shell, 'call_held', '--file', '-', stdin='{"call_id": "1.2"}') == {'call_id': '1.2'}


def test_fields_change_what_the_file_says(shell: Shell) -> None:
    assert data(shell, 'call_held', 'call_id="3.4"', 'x=1', '--file', '-', stdin='{"call_id": "1.2"}') == {
        'call_id': '3.4',
        'x': 1,
    }


@pytest.mark.parametrize('content', ['[1]', '"x"', '3', 'null', 'true'])
def test_a_file_that_holds_no_object_is_refused(shell: Shell, content: str) -> None:
    done = shell('emit', 'call_held', '--file', '-', '--dry-run', stdin=content)

    assert refused(done) == (2, '', 'Error: <stdin> is no JSON object, which the data of an event is')


@pytest.mark.parametrize(
    'content', [b'', b'{', b'\xff\xfe', b'{"a": NaN}', b'[' * 100_000, b'{"a":' * 5_000 + b'1' + b'}' * 5_000]
)
def test_a_file_that_holds_no_json_is_refused(shell: Shell, content: bytes) -> None:
    done = shell('emit', 'call_held', '--file', '-', '--dry-run', stdin=content)

    assert (done.exit_code, done.stderr.splitlines()[-1].startswith('Error: <stdin> is no JSON: ')) == (2, True)


@pytest.mark.parametrize('name', ['nothing.json', '.'])
def test_a_file_that_cannot_be_read_is_refused(shell: Shell, name: str) -> None:
    done = shell('emit', 'call_held', '--file', name, '--dry-run')

    assert (done.exit_code, "Invalid value for '--file'" in done.stderr) == (2, True)


def test_a_name_that_is_wrong_is_told_before_the_file_is_read(shell: Shell) -> None:
    assert shell('emit', 'call_hld', '--file', '-', stdin='{').exit_code == 1


# ---- what cannot be sent


@pytest.mark.parametrize(
    'arguments',
    [
        ['call_held', 'call_id="\\ud800"'],
        ['call_held', 'call_id=\udcff'],
        ['call_held', '\udcff=1'],
        ['call_held', '--exchange', '\udcff'],
        ['call_held', '--key', '\udcff'],
        ['\udcff', '--force'],
    ],
    ids=ascii,
)
def test_what_is_no_utf_8_is_refused(shell: Shell, arguments: list[str]) -> None:
    done = shell('emit', *arguments, '--dry-run')

    assert refused(done) == (
        2,
        '',
        'Error: all that is published is UTF-8, and this has bytes or escapes that are not',
    )


def test_data_that_no_daemon_would_take_are_refused(shell: Shell) -> None:
    done = shell('emit', 'call_held', f'{"a." * 300}b=1', '--dry-run')

    assert refused(done) == (2, '', 'Error: the data is nested deeper than 200 levels')


def test_data_that_a_daemon_may_take_are_not(shell: Shell) -> None:
    assert shell('emit', 'call_held', f'{"a." * 198}b=1', '--dry-run').exit_code == 0


@given(
    st.text(st.characters(codec='utf-8', exclude_characters='\0'), min_size=1).filter(lambda text: text[0] != '-'),
    st.lists(st.text(max_size=20).filter(lambda text: not text.startswith('-')), max_size=3),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_typed_ends_without_a_traceback(shell: Shell, name: str, fields: list[str]) -> None:
    assert shell('emit', '--force', '--dry-run', '--', name, *fields).exit_code in (0, 2)


# ---- names


def test_an_unknown_name_is_told_with_near_ones(shell: Shell) -> None:
    near = 'fax_outbound_failed or fax_outbound_user_failed or fax_outbound_created'
    text = f'no event is called fax_outbound_faild (did you mean {near}?)'

    assert refused(shell('emit', 'fax_outbound_faild')) == (1, '', f'error: {text}. next: {FORCED}')


def test_a_removed_event_is_told_with_what_to_use_instead(shell: Shell) -> None:
    text = 'the event user_status_update is gone since Wazo 19.05 (use chatd_presence_updated instead)'

    assert refused(shell('emit', 'user_status_update')) == (1, '', f'error: {text}. next: {FORCED}')


def test_an_unknown_event_can_be_forced(shell: Shell) -> None:
    said = shown(shell, 'my_event', '--force', '--key', 'my.event', 'text=hello')

    assert (said['routing_key'], said['headers']['name'], said['body']['data']) == (
        'my.event',
        'my_event',
        {'text': 'hello'},
    )


def test_the_key_of_a_forced_event_is_its_name(shell: Shell) -> None:
    assert shown(shell, 'my_event', '--force')['routing_key'] == 'my_event'


@pytest.mark.parametrize('force', [[], ['--force']])
def test_an_empty_name_is_refused(shell: Shell, force: list[str]) -> None:
    assert refused(shell('emit', '', '--dry-run', *force)) == (2, '', 'Error: the NAME is empty')


def test_without_a_name_the_usage_is_told(shell: Shell) -> None:
    assert shell('emit').exit_code == 2


def test_an_era_that_there_is_none_of_is_refused(shell: Shell) -> None:
    assert shell('emit', 'call_held', '--era', '1999').exit_code == 2


# ---- the broker


def test_what_the_broker_refuses_is_told_with_the_cure(shell: Shell, broker: Broker) -> None:
    broker.error = BusError('there is no exchange', 'make one\x1b[31m')

    assert refused(shell('emit', 'call_held', '-c', str(shell.config))) == (
        1,
        '',
        'error: there is no exchange. next: make one\\x1b[31m',
    )


def test_a_configuration_that_is_wrong_is_told(shell: Shell, broker: Broker) -> None:
    shell.config.write_text('bus: {prot: 1}\n')

    done = shell('emit', 'call_held', '-c', str(shell.config))

    assert (done.exit_code, done.stderr.startswith(f'error: {shell.config}:1: '), broker.published) == (78, True, [])


def test_a_configuration_that_is_not_there_is_told(shell: Shell) -> None:
    done = shell('emit', 'call_held', '-c', str(shell.config))

    assert (done.exit_code, done.stderr) == (
        78,
        f'error: {shell.config}: the file does not exist (name another with -c FILE)\n{CHECK} -c {shell.config}\n',
    )


def test_handlers_that_are_wrong_are_no_matter(shell: Shell, broker: Broker) -> None:
    shell.handlers('calls: {plugin: nonexistent, match: calls.#}')

    assert shell('emit', 'call_held', '-c', str(shell.config)).exit_code == 0


# ---- for programs


def test_programs_are_told_what_was_published_and_not_what_it_says(shell: Shell, broker: Broker) -> None:
    done = shell('emit', 'call_held', '-c', str(shell.config), '-o', 'json')

    assert (done.exit_code, json.loads(done.stdout)) == (
        0,
        {'published': True, 'name': 'call_held', 'exchange': 'wazo-headers', 'routing_key': 'calls.hold.created'},
    )


def test_a_dry_run_is_the_same_json_with_and_without_the_option(shell: Shell) -> None:
    said = shown(shell, 'call_held', '-o', 'json')

    assert sorted(said) == sorted(shown(shell, 'call_held'))


def test_what_the_broker_refuses_leaves_standard_output_empty_for_programs(shell: Shell, broker: Broker) -> None:
    broker.error = BusError('there is no exchange', 'make one')

    assert refused(shell('emit', 'call_held', '-c', str(shell.config), '-o', 'json')) == (
        1,
        '',
        'error: there is no exchange. next: make one',
    )
