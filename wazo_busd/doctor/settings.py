# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Whether the configuration can be used, and the code of the plugins that it names."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from wazo_busd.doctor.finding import Finding, ok, problem
from wazo_busd.errors import Problem, in_order

CHECK = 'configuration'


def judge(problems: Sequence[Problem], failures: Sequence[Problem], path: Path) -> Iterator[Finding]:
    """Whether there are mistakes.

    Args:
        problems: what is wrong with the configuration: the daemon does not start with it.
        failures: the plugins that cannot be imported: their handlers do not run.
        path: the main file.
    """
    cure = shlex.join(['wazo-busd', 'check', '-c', str(path)])
    for each in in_order(problems):
        place = f'{each.file}:{each.line}' if each.file and each.line else each.file or str(path)
        yield problem(
            CHECK, f'there is a mistake in {place}', cure, f'{each.message}{f" ({each.hint})" if each.hint else ""}'
        )
    for each in in_order(failures):
        text = f'the plugin of the handler {each.handler} cannot be imported, so that it does not run'
        yield problem(CHECK, text, cure, f'{each.message}{f" ({each.hint})" if each.hint else ""}')
    if not problems and not failures:
        yield ok(CHECK, f'{path} and what is read with it can be used')
