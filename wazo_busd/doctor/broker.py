# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What there is to say of the broker, who may use it, and whether it takes anything."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator

from wazo_busd.amqp import Alarm, permissions
from wazo_busd.config import BusConfig
from wazo_busd.doctor.finding import Finding, ok, problem, warning
from wazo_busd.doctor.reach import address
from wazo_busd.errors import BusError

_MAY_NOT = re.compile(r'may not use the (?:exchange|queue) (\S+?): ')

_NOT_TO_TYPE = ('', 'check bus.host')
BROKER, USER, ALARM, RIGHTS = 'broker', 'user', 'alarm', 'permissions'


def judge_user(config: BusConfig) -> Iterator[Finding]:
    """Whether `guest` is used where it is refused, or where it is known to everybody.

    Args:
        config: where the broker is, and who we are.
    """
    remote = [address(host, port) for host, port in config.addresses() if not is_here(host)]
    if config.username == 'guest' and remote:
        text = (
            f'the user is guest, and {", ".join(remote)} is on another host: RabbitMQ lets guest in from its own only'
        )
        yield problem(USER, text, user_cure(config))
    elif config.username != 'guest' and config.password == 'guest':  # noqa: S105 — it is what is looked for
        text = f'the password of {config.username} is guest, which anybody tries first'
        yield warning(USER, text, f"rabbitmqctl change_password '{config.username}' NEW-PASSWORD; see bus.password")
    else:
        yield ok(USER, f'{config.username} {"on this host" if not remote else "on " + ", ".join(remote)}')


def of_error(error: BusError, config: BusConfig) -> Finding:
    """That the broker cannot be asked.

    Args:
        error: why.
        config: where it is.
    """
    host, _ = config.addresses()[0]
    return problem(BROKER, error.text, f'getent ahosts {host}' if error.cure in _NOT_TO_TYPE else error.cure)


def is_here(host: str) -> bool:
    """Whether a host is this one, by its name."""
    try:
        return ipaddress.ip_address(host.strip('[]')).is_loopback
    except ValueError:
        return host.lower().rstrip('.') in ('localhost', 'localhost.localdomain', 'ip6-localhost')


def user_cure(config: BusConfig) -> str:
    """What makes a user of its own, on the broker."""
    own = config.model_copy(update={'username': 'wazo-busd'})
    return f'rabbitmqctl add_user wazo-busd PASSWORD; {permissions(own)}; then name it in bus.username'


def judge_refusals(refused: Iterable[BusError], config: BusConfig) -> Iterator[Finding]:
    """Whether the user may do what the daemon does.

    Args:
        refused: what the broker refuses.
        config: who we are.
    """
    texts: dict[str, list[str]] = {}
    for each in refused:
        texts.setdefault(each.cure, []).append(each.text)
    for cure, found in texts.items():
        if cure == permissions(config):
            yield problem(RIGHTS, _not_allowed(found, config), cure)
        else:
            yield problem(BROKER, '; '.join(dict.fromkeys(found)), cure)
    if permissions(config) not in texts:
        yield ok(RIGHTS, f'{config.username} may do all that the daemon does on {config.vhost}')


def _not_allowed(texts: Iterable[str], config: BusConfig) -> str:
    """What the user may not use, each once; what the doctor made for itself stands for what is called like it."""
    own = f'{config.namespace}.doctor.'
    named = [match[1] for text in texts if (match := _MAY_NOT.search(text))]
    shown = [f'what is called {config.namespace}.…' if own in each else each for each in named]
    return f'the user {config.username!r} may not use {", ".join(dict.fromkeys(shown))}'


def judge_alarm(alarm: Alarm) -> Iterator[Finding]:
    """Whether the broker takes what is published.

    Args:
        alarm: what came of publishing.
    """
    if not alarm.is_blocked:
        yield ok(ALARM, 'the broker confirms what is published')
        return
    reason = f', as it is {alarm.reason}' if alarm.reason else ', and confirms nothing'
    text = f'the broker takes nothing from those who publish{reason}: no service of Wazo can tell anything'
    cure = 'rabbitmqctl list_alarms'
    if 'memory' in alarm.reason:
        cure = 'rabbitmq-diagnostics memory_breakdown; rabbitmqctl list_queues name messages memory'
    elif 'disk' in alarm.reason:
        cure = 'df -h /var/lib/rabbitmq; journalctl --vacuum-size=200M'
    yield problem(ALARM, text, cure)
