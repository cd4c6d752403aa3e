# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What is to be typed names the configuration, where that is not the usual one."""

from __future__ import annotations

from pathlib import Path

import pytest

from wazo_busd.cli.options import DEFAULT_CONFIG, with_config


@pytest.mark.parametrize(
    ('cure', 'typed'),
    [
        ('wazo-busd reload', "wazo-busd reload -c '/a b.yml'"),
        ('mend that, then: wazo-busd reload', "mend that, then: wazo-busd reload -c '/a b.yml'"),
        ('wazo-busd dead list --handler crm', "wazo-busd dead list -c '/a b.yml' --handler crm"),
        ('wazo-busd queue list', "wazo-busd queue list -c '/a b.yml'"),
        ('wazo-busd top', "wazo-busd top -c '/a b.yml'"),
        # The daemon of systemd reads the usual one.
        ('systemctl start wazo-busd', "wazo-busd run -c '/a b.yml'"),
        ('wazo-busd check -c /x', 'wazo-busd check -c /x'),
        ('journalctl -u wazo-busd -n 50', 'journalctl -u wazo-busd -n 50'),
        ('rabbitmqctl delete_queue -p / wazo-busd.run', 'rabbitmqctl delete_queue -p / wazo-busd.run'),
    ],
)
def test_each_of_our_commands_names_it(cure: str, typed: str) -> None:
    assert with_config(cure, Path('/a b.yml')) == typed


def test_the_usual_one_is_not_named() -> None:
    assert with_config('systemctl start wazo-busd; wazo-busd status', DEFAULT_CONFIG) == (
        'systemctl start wazo-busd; wazo-busd status'
    )
