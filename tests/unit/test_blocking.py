# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Blocking calls: what the code of a plugin shows of what would hold up the loop."""

from __future__ import annotations

from textwrap import dedent, indent

import pytest

from wazo_busd.blocking import blocking_calls


def found(code: str, imports: str = 'import os, time, subprocess, socket, requests') -> list[str]:
    """What is called in an async function of this code."""
    return [
        each.called for each in blocking_calls(f'{imports}\nasync def ring(event):\n{indent(dedent(code), "  ")}\n')
    ]


@pytest.mark.parametrize(
    ('code', 'called'),
    [
        ('time.sleep(1)', 'time.sleep'),
        ('requests.get("x").json()', 'requests.get'),
        ('subprocess.run(["x"])', 'subprocess.run'),
        ('os.system("x")', 'os.system'),
        ('socket.create_connection(("x", 1))', 'socket.create_connection'),
        ('with open("x") as file: pass', 'open'),
        ('x = [requests.session().get(y) for y in z]', 'requests.session'),
        ('await other(time.sleep(1))', 'time.sleep'),
        ('if x:\n  for y in z:\n    time.sleep(1)', 'time.sleep'),
    ],
)
def test_a_call_that_blocks_is_found(code: str, called: str) -> None:
    assert found(code) == [called]


@pytest.mark.parametrize(
    ('imports', 'code', 'called'),
    [
        ('from time import sleep', 'sleep(1)', 'time.sleep'),
        ('from time import sleep as rest', 'rest(1)', 'time.sleep'),
        ('import requests as r', 'r.post("x")', 'requests.post'),
        ('import urllib.request', 'urllib.request.urlopen("x")', 'urllib.request.urlopen'),
        ('from urllib.request import urlopen', 'urlopen("x")', 'urllib.request.urlopen'),
        ('import http.client as h', 'h.HTTPConnection("x")', 'http.client.HTTPConnection'),
    ],
)
def test_it_is_found_by_whatever_name_it_was_imported(imports: str, code: str, called: str) -> None:
    assert found(code, imports) == [called]


@pytest.mark.parametrize(
    'code',
    [
        'await asyncio.sleep(1)',
        'await context.http.get("x")',
        'await asyncio.to_thread(time.sleep, 1)',
        'time.monotonic()',
        'os.path.join("x")',
        'event.open()',
        'self.requests.get("x")',
        'def inside():\n  time.sleep(1)',
        'x = lambda: time.sleep(1)',
        'pass',
    ],
)
def test_what_does_not_block_is_not(code: str) -> None:
    assert found(code) == []


def test_a_plain_function_may_block() -> None:
    assert blocking_calls('import time\ndef ring(event):\n  time.sleep(1)\n') == []


def test_a_call_is_told_with_its_line_its_function_and_what_to_write_instead() -> None:
    (call,) = blocking_calls('import time\nclass Bell:\n  async def ring(self, event):\n    time.sleep(1)\n')
    assert (call.line, call.function, call.cure) == (4, 'ring', 'await asyncio.sleep(…)')


def test_an_async_function_inside_of_another_is_told_once() -> None:
    assert found('async def inside():\n  time.sleep(1)\nawait inside()') == ['time.sleep']
