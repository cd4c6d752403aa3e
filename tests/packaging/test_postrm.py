# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What a purge does at the broker, with a `rabbitmqctl` that only writes down what it is told."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = (ROOT / 'debian' / 'postrm').read_text()
PROGRAM = r"""#!/bin/sh
printf '%s\0' "$*" >>"$DIARY"
case "$*" in
    *list_vhosts*) cat "$VHOSTS" ;;
    *list_queues*) printf 'wazo-busd.calls\nwazo-busd-second.calls\nother\n' ;;
    *list_exchanges*) printf 'wazo-busd\nwazo-busd.retry\nxivo\n' ;;
esac
"""


def purged(directory: Path, vhost: str) -> list[str]:
    """What the program is told where the broker has one virtual host of this name."""
    program = directory / 'bin' / 'rabbitmqctl'
    program.parent.mkdir()
    program.write_text(PROGRAM)
    program.chmod(0o755)
    (directory / 'vhosts').write_text(f'{vhost}\n')
    functions = SCRIPT[SCRIPT.index('ctl() {') : SCRIPT.index('if [ "$1" = purge ]; then\n    if')]
    environment = {
        **os.environ,
        'PATH': f'{program.parent}:{os.environ["PATH"]}',
        'DIARY': str(directory / 'diary'),
        'VHOSTS': str(directory / 'vhosts'),
    }
    subprocess.run(['sh', '-ec', f'{functions}\npurge_broker'], env=environment, check=True, stdin=subprocess.DEVNULL)
    return (directory / 'diary').read_text().split('\0')[:-1]


@pytest.mark.parametrize('vhost', ['/', 'x">>,exchange,<<"y">>),os:cmd("id"),(<<"', 'café', '$(id)', ' two  words '])
def test_no_name_of_a_virtual_host_becomes_code(tmp_path: Path, vhost: str) -> None:
    code = [each for each in purged(tmp_path, vhost) if ' eval ' in each]
    named = ','.join(str(byte) for byte in vhost.encode())

    assert [re.findall(r'rabbit_misc:r\((<<[0-9,]+>>), exchange, <<[0-9,]+>>\)', each) for each in code] == [
        [f'<<{named}>>'],
        [f'<<{named}>>'],
    ]


def test_only_what_is_ours_goes(tmp_path: Path) -> None:
    told = purged(tmp_path, '/')

    assert [each.rpartition(' ')[2] for each in told if 'delete_queue' in each] == ['wazo-busd.calls']
    assert len([each for each in told if 'rabbit_exchange:delete' in each]) == 2


def test_nothing_waits_for_a_broker_that_hangs(tmp_path: Path) -> None:
    assert [each for each in purged(tmp_path, '/') if '--timeout 20' not in each] == []
