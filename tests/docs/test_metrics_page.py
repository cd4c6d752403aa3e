# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The page docs/metrics.md has all figures that the code shows, and its configuration is right."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tests.contribs.rules import RuleFile
from tests.docs.figure_table import PAGE, table, with_tables
from wazo_busd import roster
from wazo_busd.config import HttpConfig, load
from wazo_busd.figure import Figure

TEXT = PAGE.read_text()
ROOT = PAGE.parents[1]


def test_its_tables_are_those_of_the_code() -> None:
    assert with_tables(TEXT) == TEXT, 'python -m tests.docs.figure_table writes it anew'


def test_a_table_has_the_labels_and_the_meaning() -> None:
    figure = Figure('wazo_busd_a_total', 'How much.', 'counter', ('kind', 'state'))

    assert table([figure]).splitlines()[2] == '| `wazo_busd_a_total` | counter | `kind`, `state` | How much. |'


@pytest.mark.parametrize('text', ['', '<!-- figures nobody -->\n<!-- end -->'])
def test_a_page_without_a_place_for_all_tables_is_refused(text: str) -> None:
    with pytest.raises(LookupError, match='the page has tables of'):
        with_tables(text)


@pytest.mark.parametrize('block', re.findall(r'```yaml\n(.*?)```', TEXT, re.DOTALL))
def test_every_configuration_that_it_shows_is_right(block: str, tmp_path: Path) -> None:
    (tmp_path / 'config.yml').write_text(block)
    configuration = load(tmp_path / 'config.yml')

    assert (configuration.problems, roster.call(configuration).problems) == ((), [])


def test_the_address_is_that_of_the_code() -> None:
    assert set(re.findall(r'127\.0\.0\.1:\d+', TEXT)) == {HttpConfig().listen}


def test_the_alerts_that_it_lists_are_those_of_the_file() -> None:
    file = RuleFile.model_validate(yaml.safe_load((ROOT / 'contribs' / 'prometheus' / 'alerts.yml').read_text()))
    severities = {alert.alert: alert.labels.severity for group in file.groups for alert in group.rules}

    assert dict(re.findall(r'^\| `(Wazo\w+)` \| (\w+) \|', TEXT, re.MULTILINE)) == severities
