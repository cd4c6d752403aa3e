# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The hostile: everything that a publisher can send and no service would. RabbitMQ passes all of it on."""

from __future__ import annotations

import gzip
import pickle
import struct
from dataclasses import dataclass

from tests.torture.wire import FRAME_LIMIT

_GOOD = b'{"name": "hostile", "data": 1}'
_FLAGS = {
    'content_type': 0x8000,
    'content_encoding': 0x4000,
    'headers': 0x2000,
    'correlation_id': 0x0400,
    'reply_to': 0x0200,
    'message_id': 0x0080,
    'timestamp': 0x0040,
    'type': 0x0020,
    'app_id': 0x0008,
    'cluster_id': 0x0004,
}
_NONE = struct.pack('>H', 0)


@dataclass(frozen=True, slots=True)
class Hostile:
    """Something that is published.

    Attributes:
        what: what is wrong with it.
        reason: a part of what its dead letter says; `''` if it is an event all the same and handled.
        body: its body.
        properties: flags and property list.
        key: its routing key; `None` for one of the test's.
    """

    what: str
    reason: str
    body: bytes = _GOOD
    properties: bytes = _NONE
    key: bytes | None = None


def _with(name: str, content: bytes) -> bytes:
    return struct.pack('>H', _FLAGS[name]) + content


def _headers(*fields: bytes) -> bytes:
    content = b''.join(fields)
    return _with('headers', struct.pack('>I', len(content)) + content)


def _nested(kind: bytes, name: bytes, depth: int) -> bytes:
    content = b''
    for _ in range(depth):
        content = name + kind + struct.pack('>I', len(content)) + content
    return content


def _long(name: bytes, text: bytes) -> bytes:
    return bytes([len(name)]) + name + b'S' + struct.pack('>I', len(text)) + text


_MANY = [
    b'\x03' + f'{chr(0x80 + number // 128)}{chr(number % 128)}'.encode() + b'V'
    for number in range((FRAME_LIMIT - 26) // 5)
]
"""As many headers as a frame has room for."""

_NOT_UTF_8 = b'\x04\xff\xfe\x80\xc0'
_SHORT = (
    'content_type',
    'content_encoding',
    'correlation_id',
    'reply_to',
    'message_id',
    'type',
    'app_id',
    'cluster_id',
)

PROPERTIES = [
    *(
        Hostile(f'{each} not UTF-8', f'the property {each} holds text', properties=_with(each, _NOT_UTF_8))
        for each in _SHORT
    ),
    Hostile(
        'a timestamp past the year 9999', 'past the year 9999', properties=_with('timestamp', struct.pack('>Q', 2**62))
    ),
    Hostile('headers 500 deep', 'nested deeper', properties=_headers(_nested(b'F', b'\x01n', 500))),
    Hostile('lists 500 deep in a header', 'nested deeper', properties=_headers(b'\x01n' + _nested(b'A', b'', 500))),
    Hostile('a header name not UTF-8', 'the property headers holds text', properties=_headers(b'\x01\xfft\x01')),
    Hostile(
        'a header timestamp past the year 9999',
        'past the year 9999',
        properties=_headers(b'\x01aT' + struct.pack('>Q', 2**63)),
    ),
    Hostile('as many headers as a frame holds', '', properties=_headers(*_MANY)),
    Hostile('the same with a body that is none', 'not JSON', b'x', _headers(*_MANY)),
    Hostile('a header that is any bytes', '', properties=_headers(_long(b'a', b'\xff\x00\xfe'))),
    Hostile('a name that is any bytes', '', properties=_headers(_long(b'name', b'\xff\x00\xfe'))),
    Hostile('the same header twice', '', properties=_headers(_long(b'a', b'1'), _long(b'a', b'2'))),
    Hostile('a header without a name', '', properties=_headers(b'\x00V')),
    Hostile('a decimal of 255 places', '', properties=_headers(b'\x01aD\xff\x7f\xff\xff\xff')),
    Hostile(
        'the headers of a copy of ours',
        '',
        properties=_headers(_long(b'busd-id', b'0' * 32), b'\x0dbusd-attemptsI\x00\x00\x00\x09'),
    ),
    Hostile('a history of deaths', '', properties=_headers(_long(b'x-first-death-queue', b'wazo-busd.hostile'))),
]

BODIES = [
    Hostile('nothing', 'empty', b''),
    Hostile('text', 'not JSON', b'hello'),
    Hostile('NULs', 'not JSON', b'\0' * 100),
    Hostile('a number', 'a number, not a JSON object', b'2'),
    Hostile('a string', 'a string, not a JSON object', b'"{}"'),
    Hostile('a list', 'a list, not a JSON object', b'[{}]'),
    Hostile('null', 'null, not a JSON object', b'null'),
    Hostile('a truth', 'a boolean, not a JSON object', b'true'),
    Hostile('NaN alone', 'a number, not a JSON object', b'NaN'),
    Hostile('two objects', 'not JSON', b'{} {}'),
    Hostile('a comma too many', 'not JSON', b'{"a": 1,}'),
    Hostile('single quotes', 'not JSON', b"{'name': 'x'}"),
    Hostile('a byte order mark', 'not JSON', b'\xef\xbb\xbf{}'),
    Hostile('not UTF-8', 'not UTF-8', b'{"name": "\xff"}'),
    Hostile('a surrogate in UTF-8', 'not UTF-8', b'{"name": "\xed\xa0\x80"}'),
    Hostile('UTF-16', 'not UTF-8', '{"name": "x"}'.encode('utf-16')),
    Hostile('gzip', 'not UTF-8', gzip.compress(_GOOD, mtime=0)),
    Hostile('pickle', 'not UTF-8', pickle.dumps({'name': 'x', 'data': 1})),
    Hostile('cut off', 'not JSON', b'{"name": "call_cre'),
    Hostile('lists 100,000 deep', 'not JSON', b'[' * 100_000 + b']' * 100_000),
    Hostile('objects 100,000 deep', 'not JSON', b'{"a":' * 100_000 + b'1' + b'}' * 100_000),
    Hostile('lists 100,000 deep and never closed', 'not JSON', b'[' * 100_000),
    Hostile('objects 65 deep', 'nested deeper', b'{"a":' * 65 + b'1' + b'}' * 65),
    Hostile('a number of 5,000 digits', 'not JSON', b'{"data": ' + b'9' * 5_000 + b'}'),
    Hostile('over the limit', 'the limit is 1,048,576', b'{"data": "' + b'x' * 1_048_576 + b'"}'),
    Hostile('64 deep', '', b'{"a":' * 64 + b'1' + b'}' * 64),
    Hostile('100,000 keys, all the same', '', b'{' + b','.join([b'"a":1'] * 100_000) + b'}'),
    Hostile('100,000 lists side by side', '', b'{"data": [' + b','.join([b'[]'] * 100_000) + b']}'),
    Hostile('NaN and infinities', '', b'{"data": [NaN, Infinity, -Infinity, 1e999]}'),
    Hostile('a lone surrogate', '', b'{"name": "\\ud800", "data": "\\udfff"}'),
    Hostile('names that are none', '', b'{"name": [], "data": {"name": {}}, "required_acl": 7}'),
    Hostile('tags of tags', '', b'{"data": {"__type__": "uuid", "__value__": {"__type__": "uuid", "__value__": {}}}}'),
]

KEYS = [
    Hostile('a key not UTF-8', '', key=b'hostile.\xff\xfe'),
    Hostile('a key of 255 bytes', '', key=b'h' * 255),
    Hostile('a key of dots', '', key=b'.' * 255),
    Hostile('a key of wildcards', '', key=b'hostile.*.#'),
    Hostile('a key not UTF-8 with a body that is none', 'not JSON', b'x', key=b'\xff'),
    Hostile('no key', '', key=b''),
]
EVERYTHING = [*PROPERTIES, *BODIES, *KEYS]
WELL_FORMED = [
    *(each for each in PROPERTIES if not each.reason or 'not JSON' in each.reason),
    *BODIES,
    *(each for each in KEYS if each.key is None or each.key.isascii()),
]
"""Those whose frames can be read by a library that refuses text that is not UTF-8, nesting, and strange times."""
