# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The guide for authors of plugins: its code does what it says, against a broker where that is what it is about."""

from __future__ import annotations

import asyncio
import re
import sys
import tomllib
from collections.abc import AsyncIterator
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Any

import aio_pika
import pytest

from tests.conftest import Broker
from tests.proxy import Proxy
from tests.unit.rig import make_context, patiently
from wazo_busd import roster
from wazo_busd.config import load
from wazo_busd.errors import Permanent, Retry
from wazo_busd.loader import Loader
from wazo_busd.testing import Outcome, deliver, make_event

PAGE = (Path(__file__).parents[2] / 'docs' / 'plugins.md').read_text()
BELL, TELL, TEST, REPUBLISH = re.findall(r'```python\n(.*?)```', PAGE, re.DOTALL)
OF_BELL, OF_REPUBLISH = re.findall(r'```yaml\n(.*?)```', PAGE, re.DOTALL)
(PACKAGING,) = re.findall(r'```toml\n(.*?)```', PAGE, re.DOTALL)
CALL = make_event('call_ended', {'call_id': '1'})


def module(name: str, code: str) -> ModuleType:
    made = ModuleType(name)
    exec(compile(code, f'{name}.py', 'exec', dont_inherit=True), vars(made))
    return made


# ---- a plugin of a few lines


@pytest.mark.parametrize(('name', 'code', 'config'), [('bell', BELL, OF_BELL), ('republish', REPUBLISH, OF_REPUBLISH)])
def test_a_plugin_and_its_configuration_are_right(tmp_path: Path, name: str, code: str, config: str) -> None:
    directory = tmp_path / 'plugins.d'
    directory.mkdir(mode=0o755)
    (directory / f'{name}.py').write_text(code)
    (directory / f'{name}.py').chmod(0o644)
    (tmp_path / 'secret').write_text('amqp://localhost')
    (tmp_path / 'secret').chmod(0o600)
    used = re.sub(r'\$\{file:[^}]*\}', f'${{file:{tmp_path}/secret}}', config)
    (tmp_path / 'config.yml').write_text(f'plugin_dirs: [plugins.d]\n{used}')
    configuration = load(tmp_path / 'config.yml')

    found = roster.call(configuration)
    assert (configuration.problems, found.problems, found.failures, len(found.handlers)) == ((), [], [], 1)


async def test_the_test_that_it_shows_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, 'bell', module('bell', BELL.replace('10.0.0.5', '127.0.0.1:9')))

    await vars(module('test_bell', TEST))['test_a_bell_that_is_not_there_is_rung_later']()


def test_the_options_that_it_shows_are_those_of_a_plugin(tmp_path: Path) -> None:
    (tmp_path / 'tell.py').write_text(TELL)
    (tmp_path / 'tell.py').chmod(0o644)

    options = Loader([tmp_path]).load('tell').options

    assert options is not None
    assert list(options.model_fields) == ['url', 'text', 'pause']


def test_the_entry_point_leads_to_the_plugin_in_the_group_that_is_looked_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, 'bell', module('bell', BELL))
    ((group, points),) = tomllib.loads(PACKAGING)['project']['entry-points'].items()

    assert (group, list(points)) == ('wazo_busd.plugins', ['bell'])
    assert EntryPoint('bell', points['bell'], group).load().__name__ == 'ring_the_bell'


# ---- another broker


class Other:
    """Another broker: a queue that what is republished comes to, and a network in between."""

    def __init__(self, proxy: Proxy, vhost: str, queue: aio_pika.abc.AbstractQueue) -> None:
        self.proxy = proxy
        self.queue = queue
        self.options = {'url': f'amqp://guest:guest@127.0.0.1:{proxy.port}/{vhost}', 'exchange': 'wazo'}

    async def came(self) -> aio_pika.abc.AbstractIncomingMessage:
        """The message that has come; as it was confirmed, it is there."""
        message = await self.queue.get(no_ack=True, timeout=20)
        assert message is not None
        return message


@pytest.fixture
async def other(broker: Broker) -> AsyncIterator[Other]:
    """A broker whose exchange has a queue for calls."""
    async with (
        Proxy(broker.host, broker.port) as proxy,
        await aio_pika.connect(broker.url) as connection,
        connection.channel() as channel,
    ):
        exchange = await channel.declare_exchange('wazo', 'topic', durable=True)
        queue = await channel.declare_queue('calls', durable=True)
        await queue.bind(exchange, 'calls.#')
        yield Other(proxy, broker.vhost, queue)


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module of the example, which does not wait for long."""
    made: Any = module('republish', REPUBLISH)
    made.WAIT_SECONDS = 1.0
    return made


def of(example: Any, other: Other) -> Any:
    """An instance of the plugin."""
    return example.Republish(make_context(options=example.Republish.Options(**other.options)))


async def test_an_event_is_on_the_other_broker_when_it_is_done_with(example: Any, other: Other) -> None:
    example.WAIT_SECONDS = 10.0

    assert await patiently(deliver(example.Republish, CALL, options=other.options)) == [Outcome.DONE]
    message = await other.came()
    assert (message.body, message.message_id, message.routing_key, message.delivery_mode, message.headers['name']) == (
        CALL.body,
        CALL.id,
        CALL.routing_key,
        aio_pika.DeliveryMode.PERSISTENT,
        'call_ended',
    )


async def test_many_go_on_one_connection(example: Any, other: Other) -> None:
    calls = [make_event('call_ended', {'call_id': str(number)}) for number in range(30)]

    assert await patiently(deliver(example.Republish, *calls, options=other.options)) == [Outcome.DONE] * 30
    assert other.proxy.opened == 1


async def test_an_event_that_no_queue_takes_is_a_dead_letter(example: Any, other: Other) -> None:
    outcomes = await patiently(deliver(example.Republish, make_event('fax_outbound_failed'), options=other.options))

    assert [each.text for each in outcomes.reasons] == ['no queue of the other broker takes it: bind one to wazo']


async def test_a_broker_that_is_not_there_is_tried_again(example: Any, other: Other) -> None:
    options = {**other.options, 'url': 'amqp://127.0.0.1:9/'}

    outcomes = await patiently(deliver(example.Republish, CALL, options=options))

    assert [each.first_error.partition(': ')[0] for each in outcomes.retries] == ['Retry']


async def test_what_is_not_confirmed_is_not_done_with(example: Any, other: Other) -> None:
    # Given a connection that is half open
    plugin = of(example, other)
    await plugin.on_event(CALL)
    other.proxy.freeze()

    # When an event is published on it, nothing confirms it
    with pytest.raises(Retry):
        await patiently(plugin.on_event(CALL))

    # Then it is tried again on another connection, which confirms
    await patiently(plugin.on_event(CALL))
    assert other.proxy.opened == 2
    other.proxy.bury()
    await plugin.stop()


async def test_a_connection_that_is_lost_is_made_again(example: Any, other: Other) -> None:
    plugin = of(example, other)
    await plugin.on_event(CALL)

    other.proxy.reset()
    while True:
        try:
            await patiently(plugin.on_event(CALL))
            break
        except Retry:
            await asyncio.sleep(0)

    assert other.proxy.opened == 2
    await plugin.stop()


async def test_an_event_that_is_at_fault_leaves_the_connection(example: Any, other: Other) -> None:
    plugin = of(example, other)

    with pytest.raises(Permanent):
        await plugin.on_event(make_event('fax_outbound_failed'))
    await plugin.on_event(CALL)

    assert other.proxy.opened == 1
    await plugin.stop()
