# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp import frame

from bench.workload import Template, workload

NAMES = ('ami', 'calls', '64000', '512000')


def parts(frames: bytes) -> list[Any]:
    """What pamqp makes of some frames."""
    found = []
    while frames:
        size, _, part = frame.unmarshal(frames)
        found.append(part)
        frames = frames[size:]
    return found


def body(frames: bytes) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(b''.join(part.value for part in parts(frames)[2:]))
    return content


def templates(name: str) -> tuple[Template, ...]:
    return workload(name).templates


@pytest.mark.parametrize('name', NAMES)
def test_every_template_is_one_publication(name: str) -> None:
    for template in templates(name):
        publish, header, *_ = parts(template.frames(0))
        assert (publish.exchange, header.body_size) == ('wazo-headers', template.size)


@pytest.mark.parametrize('name', NAMES)
def test_a_publication_is_persistent_json_with_the_headers_of_a_host_of_today(name: str) -> None:
    for template in templates(name):
        _, header, *_ = parts(template.frames(0))
        said = header.properties
        assert (said.delivery_mode, said.content_type) == (2, 'application/json')
        assert {'name', 'origin_uuid', 'timestamp', 'required_acl', 'required_access'} <= set(said.headers)


@given(line=st.integers(0, 999_999), stamp=st.integers(0, 10**10 - 1))
def test_stamp_and_line_are_in_the_body_and_nothing_else_changes(line: int, stamp: int) -> None:
    for name, fields in (('ami', ('Linkedid',)), ('calls', ('call_id',))):
        for template in templates(name):
            before, text = body(template.frames(1, b'%017.6f' % 0)), b'%017.6f' % stamp
            after = body(template.frames(line, text))
            assert float(after['data']['SentAt']) == stamp
            assert all(after['data'][field] == f'1700000000.{line:06}' for field in fields)
            changed = {key for key in after['data'] if after['data'][key] != before['data'][key]}
            assert changed <= {'SentAt', 'Linkedid', 'Uniqueid', 'call_id'}


@pytest.mark.parametrize(('name', 'size'), [('ami', 800), ('calls', 400), ('64000', 64_000), ('512000', 512_000)])
def test_bodies_have_about_the_size_they_are_said_to_have(name: str, size: int) -> None:
    assert size * 0.9 <= workload(name).mean_size <= size * 1.1


def test_an_event_that_is_not_in_the_catalogue_is_none_of_a_workload() -> None:
    with pytest.raises(ValueError, match='invalid literal'):
        workload('faxes')
