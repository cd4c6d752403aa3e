# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What `pyproject.toml` cannot say: with `WAZO_BUSD_COMPILED=1` the modules that it lists are compiled.

Without that there is nothing to compile, and no compiler is needed.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

from setuptools import Extension, setup


def extensions() -> list[Extension]:
    """The modules that are compiled, as extension modules; their sources stay beside them.

    What is compiled is checked as `make lint` checks it, by the settings of mypy in `pyproject.toml`.
    """
    if os.environ.get('WAZO_BUSD_COMPILED') != '1':
        return []
    try:
        from mypyc.build import mypycify
    except ImportError as error:
        raise SystemExit(
            f'error: {error.name} is missing, which compiles modules for WAZO_BUSD_COMPILED=1. '
            'next: pip install --require-hashes -r requirements/compile.txt'
        ) from None
    project = tomllib.loads(Path('pyproject.toml').read_text())
    # One name whatever is compiled. Without lines for debuggers nothing in it tells where it was made.
    compiled = mypycify(
        project['tool']['wazo-busd']['compiled'],
        opt_level='3',
        debug_level='0',
        group_name='wazo_busd',
        multi_file=True,
    )
    for extension in compiled:
        # As Python itself is compiled; where CFLAGS is set setuptools leaves that out.
        extension.extra_compile_args = [*extension.extra_compile_args, '-DNDEBUG', '-fwrapv']
    return compiled


setup(ext_modules=extensions())
