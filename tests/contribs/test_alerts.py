# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The alerts have the form that Prometheus wants, ask for figures that are there, and say what to type next."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import click
import pytest
import yaml
from pydantic import ValidationError

from tests.contribs.exported import complaints, labels_of
from tests.contribs.query import parsed
from tests.contribs.rules import Alert, RuleFile
from wazo_busd import catalogue
from wazo_busd.cli import main
from wazo_busd.config import HttpConfig

DIRECTORY = Path(__file__).parents[2] / 'contribs' / 'prometheus'
TEXT = (DIRECTORY / 'alerts.yml').read_text()
SCRAPE = yaml.safe_load((DIRECTORY / 'scrape.yml').read_text())
FILE = RuleFile.model_validate(yaml.safe_load(TEXT))
ALERTS = [alert for group in FILE.groups for alert in group.rules]
COMMANDS = {alert.annotations.description.rpartition(': ')[2] for alert in ALERTS}
FAILURES = {
    'Absent', 'NotConnected', 'HandlerNotConsuming', 'HandlerRests', 'DeadLetters', 'Backlog', 'Late', 'TrunkDown',
    'ServiceDown', 'QueueWithoutAgents', 'QueueManyGiveUp', 'FaxesFail', 'VoicemailUnread', 'Risky', 'TrackerBeganAnew',
}  # fmt: skip

every_alert = pytest.mark.parametrize('alert', ALERTS, ids=lambda each: each.alert)


@every_alert
def test_an_alert_asks_for_what_is_there(alert: Alert) -> None:
    assert complaints(parsed(alert.expr)) == []


@every_alert
def test_an_alert_names_labels_that_it_has(alert: Alert) -> None:
    said = alert.annotations.summary + alert.annotations.description
    named = set(re.findall(r'\$labels\.(\w+)', said))

    assert named - labels_of(parsed(alert.expr)) == set()


@every_alert
def test_an_alert_ends_with_the_next_command(alert: Alert) -> None:
    assert re.search(
        r': (systemctl|journalctl|rabbitmqctl|wazo-busd|wazo-service|asterisk) [^:]+[^:.]$',
        alert.annotations.description,
    )


@every_alert
def test_nothing_of_the_bus_is_in_the_command(alert: Alert) -> None:
    assert '{{' not in alert.annotations.description.rpartition(': ')[2]


@pytest.mark.parametrize('command', sorted(each for each in COMMANDS if each.startswith('wazo-busd ')))
def test_a_command_of_ours_is_one(command: str) -> None:
    found: click.Command = main
    for word in command.split()[1:]:
        found = found.commands[word] if isinstance(found, click.Group) else found

    assert not isinstance(found, click.Group)


@pytest.mark.parametrize('name', sorted(set(re.findall(r'wazo-busd explain (\S+)', TEXT))))
def test_an_event_that_is_to_be_explained_is_one(name: str) -> None:
    assert catalogue.find(name) is not None


def test_names_are_unique() -> None:
    assert [name for name, count in Counter(alert.alert for alert in ALERTS).items() if count > 1] == []


def test_every_failure_has_an_alert() -> None:
    assert FAILURES - {re.sub('^Wazo(Busd)?', '', alert.alert) for alert in ALERTS} == set()


@pytest.mark.parametrize('change', [{'fro': '5m'}, {'for': '5 minutes'}, {'for': ''}, {'labels': {'severity': 'high'}}])
def test_the_form_is_strict(change: dict[str, object]) -> None:
    rule = yaml.safe_load(TEXT)['groups'][0]['rules'][0]

    with pytest.raises(ValidationError):
        Alert.model_validate({**rule, **change})


def test_the_job_that_alerts_know_is_the_one_that_is_scraped() -> None:
    (job,) = SCRAPE['scrape_configs']

    assert set(re.findall(r'job="([^"]*)"', TEXT)) == {job['job_name']}


def test_the_address_that_is_scraped_is_the_one_that_is_listened_on() -> None:
    (job,) = SCRAPE['scrape_configs']

    assert job['static_configs'] == [{'targets': [HttpConfig().listen]}]


def test_the_rules_that_are_loaded_are_there() -> None:
    assert [name for name in SCRAPE['rule_files'] if not (DIRECTORY / name).exists()] == []
