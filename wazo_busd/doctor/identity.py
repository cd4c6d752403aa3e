# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Whether `XIVO_UUID` is that of this host, by what the host has written down and what its events say."""

from __future__ import annotations

import contextlib
import re
import socket
import struct
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from wazo_busd.doctor.finding import Finding, ok, problem

CHECK = 'xivo-uuid'
PROFILE = 'etc/profile.d/xivo_uuid.sh'
SYSTEM = 'etc/systemd/system.conf'
"""Where a Wazo host keeps it: for shells, and for what systemd starts (Wazo fact)."""

UUID = re.compile(r'[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}')
_SAID = re.compile(r'^\s*(?!#).*?\bXIVO_UUID=["\']?([^\s"\']+)', re.MULTILINE)
_SHOWN = 3
_PATIENCE_SECONDS = 2.0
_EFFECT = 'events of this host are taken for those of another one, and derived events carry the wrong origin'


@dataclass(frozen=True, slots=True)
class Claims:
    """Who says which UUID the host has.

    Attributes:
        environment: what `XIVO_UUID` is here; `''` if it is not set.
        daemon: what it is for the running daemon; `None` where that cannot be read, `''` where it is not set.
        files: what each file of the host says, by path.
    """

    environment: str
    daemon: str | None
    files: Mapping[str, str]


def claims(environment: Mapping[str, str], daemon: str | None, root: Path = Path('/')) -> Claims:
    """Read them.

    Args:
        environment: the environment of this process.
        daemon: what it is for the running daemon.
        root: where the host's files begin.
    """
    found = {}
    drop_ins = sorted(root.glob('etc/systemd/system.conf.d/*.conf'))
    for path in (root / PROFILE, root / SYSTEM, *drop_ins):
        try:
            match = _SAID.search(path.read_text(errors='replace'))
        except OSError:
            continue
        if match:
            found[f'/{path.relative_to(root)}'] = match[1]
    return Claims(environment.get('XIVO_UUID', ''), daemon, found)


def of_process(number: int) -> str | None:
    """What `XIVO_UUID` is for a process; `None` if we may not know."""
    try:
        content = Path(f'/proc/{number}/environ').read_bytes()
    except OSError:
        return None
    said = [each[10:].decode(errors='replace') for each in content.split(b'\0') if each.startswith(b'XIVO_UUID=')]
    return said[0] if said else ''


def judge(claimed: Claims, origins: Counter[str]) -> Iterator[Finding]:
    """Whether they agree, and with what the events say.

    Args:
        claimed: who says what.
        origins: how many events were heard of each `origin_uuid`.
    """
    # The daemon is the one that counts; a shell of root, or of sudo, often has no such variable at all.
    ours = claimed.environment if claimed.daemon is None else claimed.daemon
    whose = 'here' if claimed.daemon is None else 'for the daemon'
    said = set(claimed.files.values())
    found = list(_of_files(claimed, ours, whose, said))
    origin = ours or (said.pop() if len(said) == 1 else '')
    if not found and origin and origins and origin not in origins:
        shown = ', '.join(each for each, _ in origins.most_common() if UUID.fullmatch(each))[:120] or 'none that is one'
        text = f'no event that was heard comes from {_shown(origin)}, all come from others: {shown}; {_EFFECT}'
        found.append(problem(CHECK, text, f'grep -H XIVO_UUID /{PROFILE} /{SYSTEM}'))
    if found:
        yield from found
        return
    if not origin:
        yield ok(CHECK, 'nothing on this host has one, as it is where no Wazo runs')
        return
    others = len(origins) - (origin in origins)
    yield ok(CHECK, f'{origin}{f"; events of {others} other hosts are heard too" if others else ""}')


def _of_files(claimed: Claims, ours: str, whose: str, said: set[str]) -> Iterator[Finding]:
    restart = 'systemctl daemon-reexec; systemctl restart wazo-busd'
    if ours and not UUID.fullmatch(ours):
        yield problem(CHECK, f'XIVO_UUID {whose} is no UUID; {_EFFECT}', f'cat /{PROFILE}; {restart}')
    elif len(said) > 1:
        told = ', '.join(f'{_shown(value)} in {path}' for path, value in list(claimed.files.items())[:_SHOWN])
        cure = f'grep -H XIVO_UUID {" ".join(claimed.files)}'
        yield problem(CHECK, f'the host has several UUIDs: {told}', cure)
    elif ours and said and ours not in said:
        (path, value), *_ = claimed.files.items()
        text = f'XIVO_UUID {whose} is {_shown(ours)}, and {path} says {_shown(value)}; {_EFFECT}'
        yield problem(CHECK, text, restart)
    elif not ours and said and claimed.daemon is not None:
        path = next(iter(claimed.files))
        text = f'XIVO_UUID is not set for the daemon, and {path} has it; {_EFFECT}'
        yield problem(CHECK, text, _unset_cure(claimed))


def _unset_cure(claimed: Claims) -> str:
    if f'/{SYSTEM}' in claimed.files:
        return 'systemctl daemon-reexec; systemctl restart wazo-busd'
    value = next(iter(claimed.files.values()))
    line = f'[Service]\\nEnvironment=XIVO_UUID={_shown(value)}\\n'
    place = '/etc/systemd/system/wazo-busd.service.d'
    return (
        f"mkdir -p {place}; printf '{line}' > {place}/uuid.conf; systemctl daemon-reload; systemctl restart wazo-busd"
    )


def _shown(value: str) -> str:
    return value if UUID.fullmatch(value) else '(no UUID)'


def daemon_process(control_socket: Path) -> int | None:
    """The number of the process that listens on the control socket; `None` if that is not known."""
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as asking:
        asking.settimeout(_PATIENCE_SECONDS)
        try:
            asking.connect(str(control_socket))
            number, _, _ = struct.unpack('3i', asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        except OSError:
            return None
    return int(number)
