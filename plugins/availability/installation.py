# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The installation: one task of wazo-plugind, which installs or removes a plugin of Wazo step by step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ..tracking import Derivation
from ..tracking.moment import iso, seconds_between
from ..tracking.said import text

Key = tuple[str, str, str]
"""The host, `install` or `uninstall`, and the task."""

_FIRST = 'starting'
_LAST = frozenset(('completed', 'error'))
_DONE = {'install': 'installed', 'uninstall': 'removed'}
_WORDS = {'install': 'installation', 'uninstall': 'removal'}
_REASONS = 5
_LONGEST_REASON = 500


@dataclass(slots=True)
class Installation:
    """A task, as far as it has told.

    Attributes:
        origin: the host.
        action: `install` or `uninstall`.
        uuid: the task.
        began_at: when it began; `None` if that was not seen.
        step: the last step that it reached, without how it ended; `''` if none was seen.
        moved_at: when it told something last.
        is_over: whether it has ended.
    """

    origin: str
    action: str
    uuid: str
    began_at: float | None
    step: str
    moved_at: float
    is_over: bool = False

    @property
    def key(self) -> Key:
        """What it is known by among those of all hosts."""
        return self.origin, self.action, self.uuid

    def advance(self, status: str, errors: Any, at: float) -> Derivation | None:
        """Reach a step.

        Args:
            status: the step.
            errors: what went wrong, as the host says it.
            at: when, in Unix seconds.

        Returns:
            How it ended, if it did.
        """
        self.moved_at = at
        if status == _FIRST and self.began_at is None:
            self.began_at = at
        if status not in _LAST:
            self.step = status
            return None
        self.is_over = True
        if status == 'completed':
            return self._told(_DONE[self.action], at, None, f'A plugin of Wazo was {_DONE[self.action]}')
        reason = reason_in(errors) or None
        words = f'The {_WORDS[self.action]} of a plugin of Wazo failed{self._where}'
        return self._told('failed', at, reason, f'{words}: {reason}' if reason else words)

    def stuck(self, at: float) -> Derivation:
        """That it makes no progress.

        Args:
            at: when that has been so for long enough.
        """
        words = f'The {_WORDS[self.action]} of a plugin of Wazo is stuck{self._where}'
        return self._told('stuck', at, None, f'{words}, nothing since {iso(self.moved_at)}')

    @property
    def _where(self) -> str:
        return f' in the step {self.step}' if self.step else ''

    def dump(self) -> dict[str, Any]:
        """What `Installation` takes."""
        return asdict(self)

    def _told(self, word: str, at: float, reason: str | None, sentence: str) -> Derivation:
        data = {
            'action': self.action,
            'uuid': self.uuid,
            'step': self.step or None,
            'since': None if self.began_at is None else iso(self.began_at),
            'seconds': seconds_between(self.began_at, at),
            'error': reason,
            'sentence': f'{sentence} (task {self.uuid})',
            'origin_uuid': self.origin or None,
        }
        return Derivation(
            f'busd.plugin.{word}', data, '/'.join((*self.key, iso(self.moved_at))), None, (), self.origin or None
        )


def reason_in(errors: Any) -> str:
    """What went wrong, in words.

    Args:
        errors: what a host says of it: a map with `error_id` and `message`, a text, or several of them.

    Returns:
        The words; `''` if there are none.
    """
    if isinstance(errors, (list, tuple)):
        return '; '.join(filter(None, map(_words, errors[:_REASONS])))[:_LONGEST_REASON]
    return _words(errors)[:_LONGEST_REASON]


def _words(error: Any) -> str:
    if not isinstance(error, Mapping):
        return text(error, _LONGEST_REASON)
    kind, message = text(error.get('error_id')), text(error.get('message'), _LONGEST_REASON)
    if kind or message:
        return ': '.join(filter(None, (kind, message)))
    pairs = ((text(key), text(value)) for key, value in list(error.items())[:_REASONS])
    return ', '.join(f'{key}: {value}' for key, value in pairs if key and value)
