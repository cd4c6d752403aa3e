# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The redaction: what of an installation is shown to those who help, without secrets, telephone numbers and names.

What an option may hold nobody knows, so no text of one is shown, but for words that the plugin itself gives to choose
from. What was hidden in one place is hidden wherever it comes up again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_network
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel

from wazo_busd.config import Configuration, HandlerConfig
from wazo_busd.plugin import Plugin

HIDDEN = '…'

_SHOWN_OF_HANDLER = set(HandlerConfig.model_fields) - {'match', 'options', 'tenants', 'users', 'acl', 'where', 'when'}
_SHOWN_USERS = ('guest', 'wazo-busd')
_LARGEST = 100
"""From this number on it may be somebody's extension."""
_QUANTITY = re.compile(r'\d{1,4}(ms|s|m|h|d|k|M|B|KiB|MiB|GiB)(\.\.\d{1,4}(ms|s|m|h|d))?')
_NUMBERED = re.compile(r'.*\d{3}')
_LEAST_LETTERS, _LEAST_DIGITS = 4, 3
_SENSITIVE = re.compile(
    r'(?P<keep>\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b|\b\d{4}-\d\d-\d\d\b|:\d{1,5}\b)'
    r'|[\w.+-]+@[\w-]+(?:\.[\w-]+)*'
    r'|\+?\(?\d(?:[ ()/-]{0,2}\d){4,}'
    r'|\b\d{3}\.\d{3}\.\d{4}\b'
)
"""Addresses of mail and SIP, and what may be a telephone number; but neither a UUID, nor a day, nor a port."""


class Redaction:
    """Knows what must not be shown of a configuration.

    Args:
        configuration: what the files say.
        plugins: the plugins of the handlers, by handler; of those that are not there, no option is shown.
    """

    def __init__(self, configuration: Configuration, plugins: Mapping[str, Plugin]) -> None:
        self._plugins = plugins
        self._hidden: set[str] = set(configuration.document.secrets)
        self.configuration = self._configuration(configuration)
        """The configuration, as far as it may be shown, in plain types."""
        self._pattern = _any_of(self._hidden)

    def text(self, text: str) -> str:
        """A text without what is hidden, and without what may be a telephone number or an address."""
        if self._pattern is not None:
            text = self._pattern.sub(HIDDEN, text)
        return _SENSITIVE.sub(lambda match: match['keep'] or HIDDEN, text)

    def plain(self, value: Any) -> Any:
        """A value of plain types, with every text in it redacted, those of keys too."""
        if isinstance(value, Mapping):
            return {self.text(str(key)): self.plain(child) for key, child in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.plain(child) for child in value]
        return self.text(value) if isinstance(value, str) else value

    def _configuration(self, configuration: Configuration) -> dict[str, Any]:
        config = configuration.config
        shown: dict[str, Any] = config.model_dump(
            exclude_unset=True, mode='python', exclude={'bus', 'handlers', 'names'}
        )
        bus = config.bus.model_dump(exclude_unset=True)
        for key in ('password', 'username'):
            if key in bus and bus[key] not in _SHOWN_USERS:
                self._hide(bus[key])
                bus[key] = HIDDEN
        handlers = {name: self._handler(name, each) for name, each in config.handlers.items()}
        for number, name in config.names.items():
            self._hide(number)
            self._hide(name)
        names = {'names': f'{HIDDEN} ({len(config.names)} of them)'} if config.names else {}
        return {'bus': _written(bus), **_written(shown), **names, 'handlers': _written(handlers)}

    def _handler(self, name: str, config: HandlerConfig) -> dict[str, Any]:
        said = config.model_dump(exclude_unset=True)
        plugin = self._plugins.get(name)
        keys, words = (
            vocabulary(plugin.options) if plugin is not None and plugin.options is not None else (set(), set())
        )
        shown: dict[str, Any] = {}
        for key, value in said.items():
            if key in _SHOWN_OF_HANDLER:
                shown[key] = value
            elif key == 'match':
                shown[key] = [pattern(each) for each in value or ()]
            else:
                shown[key] = self._masked(value, keys, words)
        return shown

    def _masked(self, value: Any, keys: set[str], words: set[str], key: str = '') -> Any:
        if isinstance(value, Mapping):
            shown = {}
            for number, (name, child) in enumerate(value.items(), 1):
                if name not in keys:
                    self._hide(name)
                shown[name if name in keys else f'{HIDDEN} {number}'] = self._masked(child, keys, words, str(name))
            return shown
        if isinstance(value, (list, tuple)):
            return [self._masked(child, keys, words, key) for child in value]
        if value is None or isinstance(value, bool) or key in ('port', 'host') or str(value) in words:
            return value
        if isinstance(value, (int, float)) and abs(value) < _LARGEST:
            return value
        if isinstance(value, str) and (_QUANTITY.fullmatch(value) or _is_network(value)):
            return value
        self._hide(value)
        return f'{HIDDEN} ({len(value)} letters)' if isinstance(value, str) else HIDDEN

    def _hide(self, value: Any) -> None:
        """Show it nowhere; what is shorter is a part of words that are none."""
        for text in {str(value), *str(value).splitlines()}:
            if len(text) >= (_LEAST_DIGITS if text.isdecimal() else _LEAST_LETTERS):
                self._hidden.add(text)


def _is_network(text: str) -> bool:
    """Whether it is an address, or a network."""
    try:
        ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def pattern(text: str) -> str:
    """A pattern of routing keys, or a name of an event, without words that may stand for somebody."""
    return '.'.join(HIDDEN if _NUMBERED.match(word) else word for word in text.split('.'))


def vocabulary(model: type[BaseModel]) -> tuple[set[str], set[str]]:
    """The keys of a model and of those in it, and the words that their values can be chosen from.

    Args:
        model: the options of a plugin.
    """
    keys: set[str] = set()
    words: set[str] = set()
    waiting: list[Any] = [model]
    seen: set[Any] = set()
    while waiting:
        kind = waiting.pop()
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            if kind in seen:
                continue
            seen.add(kind)
            for name, field in kind.model_fields.items():
                keys |= {name, *([field.alias] if field.alias else [])}
                waiting.append(field.annotation)
        elif get_origin(kind) is Literal:
            words |= {str(each) for each in get_args(kind)}
        else:
            waiting += [each for each in get_args(kind) if not isinstance(each, (str, bytes))]
    return keys, words


def _written(value: Any) -> Any:
    """A value in the types that YAML has."""
    if isinstance(value, Mapping):
        return {str(key): _written(child) for key, child in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_written(child) for child in value]
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def _any_of(hidden: Iterable[str]) -> re.Pattern[str] | None:
    """What finds any of them, the longest first; a number only where it stands alone."""
    forms = sorted({form for each in hidden for form in _forms(each)}, key=len, reverse=True)
    return re.compile('|'.join(forms)) if forms else None


def _forms(text: str) -> Iterator[str]:
    form = re.escape(text)
    yield rf'(?<!\w){form}(?!\w)' if text[:1].isalnum() and text[-1:].isalnum() else form
