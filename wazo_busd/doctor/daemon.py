# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What the running daemon says of itself and its handlers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from wazo_busd import __version__
from wazo_busd.doctor.finding import Finding, ok, problem, warning

CHECK = 'daemon'
_LOG = 'journalctl -u wazo-busd -n 50'
_OWN_LOG = 'journalctl -u wazo-busd BUSD_HANDLER={handler} -n 20'
_CURES = {
    'broken': 'wazo-busd check',
    'resting': _OWN_LOG,
    'starting': _OWN_LOG,
    'stopped': f'{_OWN_LOG}; mend that, then: wazo-busd reload',
    'paused': 'wazo-busd resume {handler}',
}
QUOTED = ('stopped', 'starting', 'broken')
"""Why it is so is said in the plugin's own words."""


@dataclass(frozen=True, slots=True)
class Told:
    """What the daemon says.

    Attributes:
        status: its status; empty where it does not say it.
        lack: why it does not; `''` if it does.
        cure: what to type then.
        runs: whether somebody listens on its socket, or may: `None` where that cannot be known.
    """

    status: Mapping[str, Any] = field(default_factory=dict)
    lack: str = ''
    cure: str = ''
    runs: bool | None = None

    @property
    def states(self) -> dict[str, str]:
        """How the handlers fare, by name."""
        return {each['handler']: each['state'] for each in self.status.get('handlers', ())}

    @property
    def unmatched(self) -> dict[str, int]:
        """How many events came to each handler that were not for it; nothing of a daemon that does not count them."""
        return {each['handler']: each['unmatched'] for each in self.status.get('handlers', ()) if 'unmatched' in each}


def judge(told: Told) -> Iterator[Finding]:
    """Whether it runs and all its handlers are well.

    Args:
        told: what it says.
    """
    if not told.status:
        yield (warning if told.runs is None else problem)(CHECK, told.lack, told.cure)
        return
    status = told.status
    found = []
    if not status['connected']:
        text, _, cure = str(status['summary']).partition('; ')
        found.append(problem(CHECK, f'it is not connected: {text}', cure or _LOG))
    if status.get('cannot_publish'):
        text, _, cure = str(status['cannot_publish']).partition('; ')
        what = 'it cannot publish, so retries, dead letters and derived events wait'
        found.append(problem(CHECK, f'{what}: {text}', cure or _LOG))
    for each in status['handlers']:
        found += _of_handler(each)
    if status['version'] != __version__:
        text = f'it is version {status["version"]}, and this is {__version__}: it was not restarted after the upgrade'
        found.append(warning(CHECK, text, 'systemctl restart wazo-busd'))
    yield from found
    if not found:
        number = len(status['handlers'])
        yield ok(
            CHECK,
            f'it runs, is connected, and {"its handler consumes" if number == 1 else f"all {number} handlers consume"}',
        )


def _of_handler(each: Mapping[str, Any]) -> Iterator[Finding]:
    state, handler = each['state'], each['handler']
    # Those that only wait for the broker need not be named: it is said that there is none.
    if state in ('consuming', 'waiting'):
        return
    why, _, cure = str(each['why']).partition('; ')
    quoted, shown = (str(each['why']), '') if state in QUOTED else ('', f': {why}' if why else '')
    typed = _CURES.get(state, '').format(handler=handler) or (cure if state == 'refused' else '') or _LOG
    told = warning if state in ('resting', 'paused') else problem
    yield told(CHECK, f'the handler {handler} is {state}{shown}', typed, quoted)
