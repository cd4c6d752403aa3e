# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What the configuration can say of a journal."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import SecretStr, ValidationInfo, field_validator

from wazo_busd.api import BaseOptions, Duration, Size

_FIELD = re.compile(r'(data|headers)(\.[^.\s]+)*')
_DAY_SECONDS = 86_400.0
_LEAST_SIZE = 4096


class JournalOptions(BaseOptions):
    """The options of `journal`.

    Attributes:
        format: `jsonl` is files of JSON lines, `sqlite` a SQLite database, `postgresql` a table in PostgreSQL.
        path: the file, absolute, as in `/var/log/wazo-busd/calls.jsonl`; `journal.jsonl` or `journal.sqlite` in the
            handler's state directory unless said. Not for `postgresql`.
        url: where PostgreSQL is, as in `postgresql://user:password@host/database`, taken from a file:
            `"${file:/etc/wazo-busd/credentials/journal}"`. Only for `postgresql`, which needs it.
        mask: fields whose digits are not kept, as in `[data.caller_id_number]`.
        keep: how long records are kept, as in `90d`; for ever unless said.
        rotate: `daily` begins a new file every day, `never` does not. Only for `jsonl`.
        max_size: a file that would become larger is rotated, too; `null` is no limit. Only for `jsonl`.
        compress: whether rotated files are compressed with gzip. Only for `jsonl`.
    """

    format: Literal['jsonl', 'sqlite', 'postgresql'] = 'jsonl'
    path: Path | None = None
    url: SecretStr | None = None
    mask: tuple[str, ...] = ()
    rotate: Literal['daily', 'never'] = 'daily'
    max_size: Size | None = 268_435_456
    compress: bool = True
    keep: Duration | None = None

    @property
    def burst_refusal(self) -> str:
        """That every event is kept."""
        return 'a journal keeps every event, and of a burst only the last would come to it'

    @field_validator('path')
    @classmethod
    def _path(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        """A relative path would begin wherever the daemon was started."""
        if value is None:
            return None
        if info.data.get('format') == 'postgresql':
            raise _mistake('PostgreSQL has no path', 'write url: "${file:/path}", or format: sqlite')
        if not value.is_absolute() or '\0' in str(value):
            raise _mistake('expected an absolute path', 'as in path: /var/log/wazo-busd/calls.jsonl')
        return value

    @field_validator('url')
    @classmethod
    def _url(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        given = info.data.get('format')
        if value is None:
            if given == 'postgresql':
                raise _mistake('PostgreSQL needs the option url', 'url: "${file:/etc/wazo-busd/credentials/journal}"')
            return None
        if given != 'postgresql':
            raise _mistake(f'the format {given} has no url', 'write path: /absolute/path, or format: postgresql')
        if importlib.util.find_spec('asyncpg') is None:
            raise _mistake('asyncpg is not installed', "pip install 'wazo-busd[postgresql]'")
        if not _is_url(value.get_secret_value()):
            raise _mistake('this is no URL of PostgreSQL', 'as in postgresql://user:password@host:5432/database')
        return value

    @field_validator('mask')
    @classmethod
    def _mask(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for field in value:
            if not _FIELD.fullmatch(field):
                raise _mistake('expected fields that begin with data or headers', 'as in mask: [data.caller_id_number]')
        return value

    @field_validator('rotate', 'max_size', 'compress')
    @classmethod
    def _only_lines(cls, value: object, info: ValidationInfo) -> object:
        given = info.data.get('format')
        if given in ('sqlite', 'postgresql') and value != cls.model_fields[str(info.field_name)].default:
            raise _mistake(f'the format {given} has no files to rotate', 'take it out; keep: 90d removes old records')
        return value

    @field_validator('max_size')
    @classmethod
    def _max_size(cls, value: int | None) -> int | None:
        if value is not None and value < _LEAST_SIZE:
            raise _mistake('expected at least 4KiB', 'as in max_size: 64MiB')
        return value

    @field_validator('keep')
    @classmethod
    def _keep(cls, value: float | None, info: ValidationInfo) -> float | None:
        if value is None:
            return None
        if value < _DAY_SECONDS:
            raise _mistake('expected at least 1d', 'as in keep: 90d')
        given = info.data
        if given.get('format') == 'jsonl' and given.get('rotate') == 'never' and given.get('max_size') is None:
            raise _mistake('a file that is never rotated keeps everything', 'write rotate: daily')
        return value


def _mistake(text: str, hint: str) -> ValueError:
    error = ValueError(text)
    error.add_note(hint)
    return error


def _is_url(text: str) -> bool:
    try:
        return urlsplit(text).scheme in ('postgresql', 'postgres')
    except ValueError:
        return False
