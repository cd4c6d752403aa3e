# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The secrets: read from files and systemd's credentials, and never shown."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.config.conftest import Files, only
from tests.unit.impatience import impatience
from wazo_busd.config.document import Document
from wazo_busd.config.reader import read
from wazo_busd.config.secrets import fill
from wazo_busd.errors import Problem


def filled(value: Any) -> Document:
    """A document that says `value` under a key that sounds of no secret."""
    document = Document(tree={'to': value})
    fill(document)
    return document


def refused(value: str) -> Problem:
    return only(filled(value).problems)


def test_a_file_is_read(files: Files) -> None:
    assert filled(f'${{file:{files.write("secret", "hunter2")}}}').tree == {'to': 'hunter2'}


@pytest.mark.parametrize(
    ('content', 'secret'),
    [
        (b'hunter2\n', 'hunter2'),
        (b'hunter2\r\n', 'hunter2'),
        (b'hunter2\n\n', 'hunter2'),
        (b' hunter2 \n', ' hunter2 '),
        (b'two\nlines\n', 'two\nlines'),
        (b'', ''),
        ('pâté'.encode(), 'pâté'),
        (b'${file:/etc/passwd}', '${file:/etc/passwd}'),
    ],
)
def test_a_secret_is_the_file_without_its_last_line_ends(files: Files, content: bytes, secret: str) -> None:
    assert filled(f'${{file:{files.write("secret", content)}}}').tree == {'to': secret}


def test_a_secret_may_stand_inside_a_text(files: Files) -> None:
    path = files.write('secret', 'hunter2')
    assert filled(f'https://me:${{file:{path}}}@host/${{file:{path}}}').tree == {
        'to': 'https://me:hunter2@host/hunter2'
    }


def test_secrets_are_filled_in_maps_and_lists_alike(files: Files) -> None:
    reference = f'${{file:{files.write("secret", "hunter2")}}}'
    assert filled({'a': [reference, {'b': reference}], 'c': 7, 'd': None}).tree == {
        'to': {'a': ['hunter2', {'b': 'hunter2'}], 'c': 7, 'd': None}
    }


def test_a_relative_file_lies_beside_the_file_that_names_it(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    files.write('conf.d/hooks/ops', 'hunter2')
    monkeypatch.chdir('/')
    document = read(files.write('conf.d/a.yml', 'to: ${file:hooks/ops}\n'))
    fill(document)
    assert (document.tree, document.problems) == ({'to': 'hunter2'}, [])


def test_a_credential_is_read_from_the_directory_of_systemd(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('CREDENTIALS_DIRECTORY', str(files.directory))
    files.write('bus_password', 'hunter2\n', mode=0o400)
    assert filled('${credential:bus_password}').tree == {'to': 'hunter2'}


def test_a_credential_of_the_directory_that_the_unit_loads_is_called_by_its_own_name(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('CREDENTIALS_DIRECTORY', str(files.directory))
    files.write('credentials_bus', 'hunter2\n', mode=0o400)
    assert filled('${credential:bus}').tree == {'to': 'hunter2'}


def test_without_systemd_a_credential_is_read_from_where_the_unit_takes_it(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv('CREDENTIALS_DIRECTORY', raising=False)
    document = Document(tree={'to': '${credential:bus}'})
    fill(document, files.write('credentials/bus', 'hunter2\n', mode=0o600).parent)
    assert document.tree == {'to': 'hunter2'}


def test_with_systemd_a_credential_that_it_did_not_load_is_read_from_nowhere(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('CREDENTIALS_DIRECTORY', str(files.directory))
    document = Document(tree={'to': '${credential:bus}'})
    fill(document, files.write('credentials/bus', 'hunter2\n', mode=0o600).parent)
    assert "there is no credential 'bus': systemd gave this process none" in only(document.problems).message


def test_a_credential_that_is_nowhere_is_a_problem_that_says_where_to_write_it(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv('CREDENTIALS_DIRECTORY', raising=False)
    document = Document(tree={'to': '${credential:bus}'})
    fill(document, files.directory)
    assert only(document.problems) == Problem(
        f"to: there is no credential 'bus': no {files.directory}/bus is there",
        hint=f'write it to {files.directory}/bus, then systemctl restart wazo-busd',
    )


def test_a_credential_that_anybody_can_read_is_none(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv('CREDENTIALS_DIRECTORY', raising=False)
    document = Document(tree={'to': '${credential:bus}'})
    fill(document, files.write('credentials/bus', 'hunter2\n', mode=0o644).parent)
    assert 'has the mode 0644' in only(document.problems).message


@pytest.mark.parametrize('name', ['../shadow', '/etc/shadow', 'a b', ''])
def test_a_credential_is_a_name_and_no_path(files: Files, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv('CREDENTIALS_DIRECTORY', str(files.directory / 'inside'))
    files.write('shadow', 'hunter2')
    assert 'neither a file nor a credential' in refused(f'${{credential:{name}}}').message


@pytest.mark.parametrize('mode', [0o600, 0o400, 0o640, 0o440, 0o700, 0o750])
def test_a_file_that_only_its_owner_and_group_can_read_is_a_secret(files: Files, mode: int) -> None:
    path = files.write('secret', 'hunter2', mode=mode)
    assert filled(f'${{file:{path}}}').problems == []


@pytest.mark.parametrize('mode', [0o644, 0o604, 0o660, 0o620, 0o602, 0o666, 0o777])
def test_a_file_that_others_can_read_or_write_is_no_secret(files: Files, mode: int) -> None:
    path = files.write('secret', 'hunter2', mode=mode)
    problem = refused(f'${{file:{path}}}')
    assert (problem.message, problem.hint) == (f'to: the secret {path} has the mode {mode:04o}', f'chmod 0640 {path}')


def test_a_file_that_is_no_secret_is_not_filled_in(files: Files) -> None:
    path = files.write('secret', 'hunter2', mode=0o644)
    assert filled(f'${{file:{path}}}').tree == {'to': f'${{file:{path}}}'}


def test_a_missing_file_is_a_problem(tmp_path: Path) -> None:
    problem = refused(f'${{file:{tmp_path / "none"}}}')
    assert (problem.message, problem.hint) == (
        f'to: the secret {tmp_path / "none"} cannot be read: No such file or directory',
        f'ls -l {tmp_path / "none"}',
    )


def test_a_file_that_may_not_be_read_is_a_problem(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, flags: int) -> int:
        raise PermissionError(13, 'Permission denied', str(path))

    path = files.write('secret', 'hunter2')
    monkeypatch.setattr('wazo_busd.config.secrets.os.open', refuse)
    problem = refused(f'${{file:{path}}}')
    monkeypatch.undo()
    assert problem.message == f'to: the secret {path} cannot be read: Permission denied'


@pytest.mark.parametrize('kind', ['directory', 'pipe', 'device'])
def test_what_is_no_regular_file_is_refused_without_waiting(tmp_path: Path, kind: str) -> None:
    path = tmp_path
    if kind == 'pipe':
        path = tmp_path / 'pipe'
        os.mkfifo(path, 0o600)
    elif kind == 'device':
        path = Path('/dev/zero')
    with impatience():
        assert refused(f'${{file:{path}}}').message == f'to: the secret {path} is no regular file'


def test_no_descriptor_is_left_behind(files: Files) -> None:
    def descriptors() -> list[str]:
        return sorted(each.name for each in Path('/proc/self/fd').iterdir())

    good, bad = files.write('good', 'hunter2'), files.write('bad', 'hunter2', mode=0o644)
    before = descriptors()
    filled([f'${{file:{good}}}', f'${{file:{bad}}}', f'${{file:{files.directory}}}'])
    assert descriptors() == before


@pytest.mark.parametrize('path', ['/etc/x\0y', '/etc/\ud800'])
def test_what_is_no_path_is_a_problem(path: str) -> None:
    assert 'this is no path' in refused(f'${{file:{path}}}').message


def test_a_secret_that_is_no_text_is_a_problem(files: Files) -> None:
    path = files.write('secret', b'\xff\xfe')
    assert refused(f'${{file:{path}}}').message == f'to: the secret {path} is not UTF-8'


def test_the_largest_secret_is_read_whole(files: Files) -> None:
    path = files.write('secret', 'x' * 65_536)
    assert len(filled(f'${{file:{path}}}').tree['to']) == 65_536


def test_a_secret_too_large_is_a_problem_and_not_cut_off(files: Files) -> None:
    path = files.write('secret', 'é' * 40_000)
    assert refused(f'${{file:{path}}}').message == f'to: the secret {path} has more than 65536 bytes'


@pytest.mark.parametrize('reference', ['', 'HOME', 'env:HOME', 'file:', 'file', 'credential:', 'exec:ls', 'FILE:/x'])
def test_another_reference_is_a_problem_that_says_what_there_is(reference: str) -> None:
    problem = refused(f'a ${{{reference}}} b')
    assert problem.message == f'to: ${{{reference}}} is neither a file nor a credential'
    assert '${file:/path} or ${credential:NAME}; $${ for ${' in problem.hint


@pytest.mark.parametrize(
    ('written', 'read_as'),
    [
        ('$${file:/x}', '${file:/x}'),
        ('a$${b', 'a${b'),
        ('$${', '${'),
        ('$${}$${}', '${}${}'),
        ('$$${file:/x}', '$${file:/x}'),
        ('${', '${'),
        ('${file:/x', '${file:/x'),
        ('$', '$'),
        ('$$', '$$'),
        ('$file:/x', '$file:/x'),
        ('{{ data.x }}', '{{ data.x }}'),
        ('{file:/x}', '{file:/x}'),
    ],
)
def test_a_doubled_dollar_stands_for_itself(written: str, read_as: str) -> None:
    document = filled(written)
    assert (document.tree, document.problems) == ({'to': read_as}, [])


def test_a_doubled_dollar_does_not_hide_a_secret_behind_it(files: Files) -> None:
    path = files.write('secret', 'hunter2')
    assert filled(f'$${{ ${{file:{path}}}').tree == {'to': '${ hunter2'}


@given(st.text('${}:a'))
def test_a_text_with_every_brace_escaped_is_read_as_it_was_meant(text: str) -> None:
    assert filled(text.replace('${', '$${')).tree == {'to': text}


def test_every_problem_is_told(tmp_path: Path) -> None:
    document = filled([f'${{file:{tmp_path / "one"}}}', '${two}', '${credential:/}'])
    assert [each.message.partition(':')[0] for each in document.problems] == ['to[0]', 'to[1]', 'to[2]']


def test_a_problem_names_file_line_and_handler(files: Files) -> None:
    document = read(files.write('a.yml', 'handlers:\n  calls:\n    options:\n      to: ${file:/none/x}\n'))
    fill(document)
    problem = only(document.problems)
    assert (problem.file, problem.line, problem.handler) == (str(files.directory / 'a.yml'), 4, 'calls')


def test_a_password_that_looks_like_a_reference_is_not_shown() -> None:
    document = Document(tree={'password': 'ab${hunter2}cd'})
    fill(document)
    assert only(document.problems).message == 'password: ${…} is neither a file nor a credential'


def test_a_filled_secret_is_known_to_the_document(files: Files) -> None:
    document = filled(f'${{file:{files.write("secret", "hunter2")}}}')
    assert document.problem(('to',), "'hunter2' is no number", 'not hunter2') == Problem(
        "to: '…' is no number", hint='not …'
    )


def test_a_representation_of_a_document_tells_no_list_of_secrets(files: Files) -> None:
    document = filled(f'${{file:{files.write("secret", "hunter2")}}}')
    document.tree.clear()
    assert 'hunter2' not in repr(document)
