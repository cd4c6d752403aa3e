# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The files that Debian's and Wazo's tools read fit each other and the rest of the tree."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DEBIAN = ROOT / 'debian'
PROJECT = tomllib.loads((ROOT / 'pyproject.toml').read_text())['project']
SCRIPTS = [
    DEBIAN / 'postinst',
    DEBIAN / 'prerm',
    DEBIAN / 'postrm',
    ROOT / 'wazo' / 'rules',
    *(ROOT / 'tools' / name for name in ('stage', 'build-deb', 'need-packaging', 'need-compiler', 'compile', 'audit')),
]


def paragraphs(path: Path) -> list[dict[str, str]]:
    """The fields of a control file, with what is continued on the next lines."""
    found = []
    for text in re.split(r'\n\n+', path.read_text().strip()):
        fields = re.split(r'^([A-Za-z-]+):', text, flags=re.MULTILINE)[1:]
        found.append(dict(zip(fields[::2], (each.strip() for each in fields[1::2]), strict=True)))
    return found


SOURCE, PACKAGE = paragraphs(DEBIAN / 'control')


def test_the_version_is_that_of_the_project() -> None:
    head = (DEBIAN / 'changelog').read_text().partition('\n')[0]

    assert re.match(r'wazo-busd \((\S+)\) bookworm; urgency=\w+$', head), head
    assert re.findall(r'\((\S+)\)', head) == [PROJECT['version']]


def test_wazos_installer_gets_the_same_version() -> None:
    assert yaml.safe_load((ROOT / 'wazo' / 'plugin.yml').read_text())['version'] == PROJECT['version']


def test_the_changelog_is_one_that_debian_can_read() -> None:
    entry = (DEBIAN / 'changelog').read_text()

    assert re.search(r'\n\n  \* .+\n\n -- .+ <\S+>  \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}\n$', entry)


def test_it_is_built_as_the_standard_of_debian_12_says() -> None:
    assert 'debhelper-compat (= 13)' in SOURCE['Build-Depends']


def test_it_needs_the_python_that_it_is_built_for_and_what_its_libraries_need() -> None:
    needed = {each.strip() for each in PACKAGE['Depends'].split(',')}

    assert needed >= {'python3 (>= 3.11)', 'python3 (<< 3.12)', '${shlibs:Depends}', '${misc:Depends}'}


def test_it_does_not_need_the_broker_on_the_same_host() -> None:
    assert ('rabbitmq' in PACKAGE['Depends'], 'rabbitmq' in PACKAGE['Recommends']) == (False, True)


@pytest.mark.parametrize(
    'name', ['wazo-busd.service', 'wazo-busd@.service', 'wazo-busd.sysusers', 'wazo-busd.tmpfiles']
)
def test_the_units_are_those_of_the_tree(name: str) -> None:
    assert (DEBIAN / name).resolve().parent == ROOT / 'systemd'


@pytest.mark.parametrize('script', SCRIPTS, ids=lambda path: path.name)
def test_every_script_is_one(script: Path) -> None:
    shell = script.read_text().partition('\n')[0].removeprefix('#!')
    done = subprocess.run([shell, '-n', str(script)], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, '')


@pytest.mark.parametrize('name', ['postinst', 'prerm', 'postrm'])
def test_every_script_of_the_package_stops_at_an_error_and_has_room_for_debhelper(name: str) -> None:
    lines = (DEBIAN / name).read_text().splitlines()

    assert ('set -e' in lines, '#DEBHELPER#' in lines) == (True, True)


def test_nothing_is_started_before_it_is_checked() -> None:
    text = (DEBIAN / 'postinst').read_text()

    assert 0 < text.index('wazo-busd check') < text.index('deb-systemd-invoke restart')


@pytest.mark.parametrize('script', [DEBIAN / 'postinst', ROOT / 'wazo' / 'rules'], ids=lambda path: path.name)
def test_it_is_checked_as_the_user_of_the_daemon(script: Path) -> None:
    lines = [line for line in script.read_text().replace('\\\n', '').splitlines() if 'wazo-busd check' in line]

    assert lines
    assert [line for line in lines if not re.search('systemd-run .*-p User=wazo-busd .*LoadCredential=', line)] == []


@pytest.mark.parametrize(
    ('script', 'restart'),
    [('debian/postinst', 'restart wazo-busd.service /etc'), ('wazo/rules', 'systemctl restart wazo-busd')],
)
def test_systemd_reads_the_new_unit_before_it_starts_it(script: str, restart: str) -> None:
    text = (ROOT / script).read_text()

    assert 0 < text.index('daemon-reload') < text.index(restart)


def test_a_purge_takes_the_link_along_with_which_nginx_would_not_start() -> None:
    page = (ROOT / 'docs' / 'install.md').read_text()
    (directory,) = re.findall(r'^ln -s ../https-available/wazo-busd (\S+)$', page, re.MULTILINE)

    assert f'rm -f {directory}wazo-busd ' in (DEBIAN / 'postrm').read_text()


@pytest.mark.parametrize('name', ['namespace', 'name'])
def test_wazos_installer_takes_its_name(name: str) -> None:
    # As its schema has it: of a name - is a part too.
    allowed = {'namespace': '[a-z0-9]+', 'name': '[a-z0-9-]+'}[name]

    assert re.fullmatch(allowed, yaml.safe_load((ROOT / 'wazo' / 'plugin.yml').read_text())[name])


def test_the_page_names_what_wazos_installer_needs_before() -> None:
    page = (ROOT / 'docs' / 'install.md').read_text()

    assert 'apt install -y binutils gcc python3-dev python3-venv' in page.partition('## Other ways')[2]


@pytest.mark.parametrize('step', ['build', 'package', 'install', 'uninstall', 'postrm'])
def test_wazos_installer_finds_every_step(step: str) -> None:
    assert f'\n    {step})\n' in (ROOT / 'wazo' / 'rules').read_text()


def test_the_package_has_the_extras_that_the_handlers_of_the_project_need() -> None:
    lock = (ROOT / 'requirements' / 'package.txt').read_text()
    wanted = {re.split('[<>=]', each)[0].lower() for each in PROJECT['dependencies']}
    for extra in ('mail', 'notify', 'postgresql'):
        wanted |= {re.split('[<>=]', each)[0].lower() for each in PROJECT['optional-dependencies'][extra]}

    assert wanted - set(re.findall(r'^([a-z0-9-]+)==', lock, re.MULTILINE)) == set()


@pytest.mark.parametrize('lock', ['package.txt', 'compile.txt'])
def test_the_package_has_the_versions_that_are_tested(lock: str) -> None:
    locks = [
        dict(re.findall(r'^([a-z0-9-]+)==(\S+)', (ROOT / 'requirements' / name).read_text(), re.MULTILINE))
        for name in (lock, 'development.txt')
    ]

    assert {name: version for name, version in locks[0].items() if locks[1].get(name) != version} == {}


def test_the_user_has_no_shell() -> None:
    assert re.search(
        r'^u wazo-busd - ".+" /var/lib/wazo-busd /usr/sbin/nologin$',
        (ROOT / 'systemd' / 'sysusers.conf').read_text(),
        re.MULTILINE,
    )
