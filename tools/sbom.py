# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`python -m tools.sbom LOCK COMPILE_LOCK DIRECTORY`: what the package is made of, for programs (CycloneDX) and people.

It describes the pins of a lock, by what the environment that runs it knows of them, and what the compiler that another
lock pins leaves in what it compiles.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

_NAME = 'wazo-busd'
_LICENCE = 'GPL-3.0-or-later'
_PIN = re.compile(r'^([A-Za-z0-9._-]+)==(\S+)', re.MULTILINE)
_CLASSIFIER = 'License :: OSI Approved :: '
_COMPILER = 'mypy'
_RUNTIME_LICENCE = 'MIT AND PSF-2.0 AND 0BSD'
"""Of the C that mypyc puts into every extension: its own, and what it has from Python."""

_LONGEST = 60
"""Letters: what is longer is the licence itself, and not its name."""


@dataclass(frozen=True, slots=True)
class Part:
    """One distribution in the package.

    Attributes:
        name: its name, as registries write it.
        version: its version.
        licence: what its licence is called.
    """

    name: str
    version: str
    licence: str

    @property
    def purl(self) -> str:
        """Its name in every registry (package URL)."""
        return f'pkg:pypi/{self.name}@{self.version}'


def parts(lock: Path) -> list[Part]:
    """What a lock pins.

    Raises:
        LookupError: one is not installed here, or in another version.
    """
    found = []
    for name, version in sorted(_PIN.findall(lock.read_text())):
        installed = metadata.distribution(name)
        if installed.version != version:
            raise LookupError(f'{lock} has {name} {version}, and {installed.version} is installed')
        found.append(Part(name, version, licence(installed)))
    return found


def compiled_in(lock: Path) -> Part:
    """The compiler that a lock pins, for the sake of its runtime. Where the package is, it need not be installed."""
    return Part(_COMPILER, dict(_PIN.findall(lock.read_text()))[_COMPILER], _RUNTIME_LICENCE)


def licence(distribution: metadata.Distribution) -> str:
    """What the licence of a distribution is called: its expression, else what it says, else its classifiers."""
    told = distribution.metadata
    named = [text for key in ('License-Expression', 'License') for text in told.get_all(key) or ()]
    short = [text.strip() for text in named if text.strip() and '\n' not in text.strip() and len(text) <= _LONGEST]
    classified = [text.removeprefix(_CLASSIFIER) for text in told.get_all('Classifier') or () if _CLASSIFIER in text]
    return short[0] if short else ' AND '.join(classified) or 'unknown'


def bill(version: str, found: Sequence[Part]) -> dict[str, Any]:
    """The software bill of materials, in CycloneDX 1.5; the same for the same parts."""
    root = {'type': 'application', 'name': _NAME, 'version': version, 'bom-ref': f'{_NAME}@{version}'}
    stamp = time.gmtime(int(os.environ.get('SOURCE_DATE_EPOCH', time.time())))
    identity = '\n'.join(['', version, *(each.purl for each in found)])
    return {
        'bomFormat': 'CycloneDX',
        'specVersion': '1.5',
        'serialNumber': f'urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, identity)}',
        'version': 1,
        'metadata': {
            'timestamp': time.strftime('%Y-%m-%dT%H:%M:%SZ', stamp),
            'component': {**root, 'licenses': [{'license': {'id': _LICENCE}}]},
        },
        'components': [
            {
                'type': 'library',
                'name': each.name,
                'version': each.version,
                'bom-ref': each.purl,
                'purl': each.purl,
                'licenses': [{'license': {'name': each.licence}}],
            }
            for each in found
        ],
        'dependencies': [{'ref': root['bom-ref'], 'dependsOn': [each.purl for each in found]}],
    }


def licences(found: Sequence[Part]) -> Iterator[str]:
    """The list for people, in Markdown; the texts are beside each distribution."""
    yield f'# What {_NAME} brings with it\n'
    yield f'wazo-busd itself is {_LICENCE}. The texts of these licences are in the .dist-info directories below'
    yield '/usr/lib/wazo-busd/lib/python3.11/site-packages. Of mypy there is the runtime of mypyc, in the'
    yield 'extensions of wazo-busd; its text is beside that of wazo-busd.\n'
    yield '| distribution | version | licence |'
    yield '|---|---|---|'
    for each in found:
        yield f'| {each.name} | {each.version} | {each.licence} |'


def _write(lock: Path, compile_lock: Path, directory: Path) -> None:
    found = [*parts(lock), compiled_in(compile_lock)]
    directory.mkdir(parents=True, exist_ok=True)
    (directory / 'sbom.cdx.json').write_text(json.dumps(bill(metadata.version(_NAME), found), indent=2) + '\n')
    (directory / 'licences.md').write_text('\n'.join([*licences(found), '']))


if __name__ == '__main__':
    _write(*map(Path, sys.argv[1:]))
