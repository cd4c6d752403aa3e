# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The bus: it comes back whatever is lost, and what fails on the way fails nobody who asks it for something."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from pamqp.body import ContentBody
from pamqp.commands import Basic, Channel, Confirm, Connection, Exchange, Queue
from pamqp.header import ContentHeader
from pamqp.heartbeat import Heartbeat

from tests.unit.amqp.broker import PATIENCE_SECONDS, SILENCE, ScriptedBroker, Session, listening
from tests.unit.rig import log_lines, make_history, turn
from wazo_busd.amqp.bus import AmqpBus
from wazo_busd.amqp.ledger import Ledger
from wazo_busd.bus import ConsumerState
from wazo_busd.config import BusConfig, QueueConfig
from wazo_busd.delivery import Delivery
from wazo_busd.errors import BusError
from wazo_busd.outcome import Outcome, Reason
from wazo_busd.topology import Hub

REASON = Reason(
    handler='fax',
    plugin='notify',
    plugin_version='1',
    error='ValueError',
    text='it does not fit',
    traceback='',
    attempts=1,
    first_at=1.0,
    last_at=2.0,
    event_id='a' * 32,
)
CONSUMING, PUBLISHING = 'wazo-busd: consuming', 'wazo-busd: publishing'


class Bench:
    """A bus that runs, the broker that it is connected to, and what came."""

    def __init__(self, broker: ScriptedBroker, path: Path) -> None:
        self.broker = broker
        self.path = path
        self.came: list[Delivery] = []
        self.bus = AmqpBus(broker.config, path, self._changed)
        self.running = asyncio.create_task(self.bus.run())
        self._happened = asyncio.Event()

    def attach(
        self, handler: str = 'fax', *patterns: str, started: bool = True, delays_seconds: tuple[float, ...] = ()
    ) -> None:
        queue = Hub('wazo-busd').handler_queue(handler, patterns or ('faxes.#',), QueueConfig(), delays_seconds)
        self.bus.attach(queue, self._accept if started else None)

    async def session(self, name: str, number: int = 1) -> Session:
        """Wait for the connection that is called so, the first if no number is given."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            opened = 0
            while True:
                session = await self.broker.session(opened + 1)
                _, hello = await session.heard(Connection.StartOk)
                number -= (hello.client_properties or {})['connection_name'] == name
                if number == 0:
                    return session
                opened += 1

    async def consuming(self, number: int = 1, handler: str = 'fax') -> tuple[Session, int]:
        """Wait until a handler's queue is consumed, on the first connection if no number is given.

        Returns:
            The connection and the number of the channel.
        """
        session = await self.session(CONSUMING, number)
        channel, _ = await session.heard(Basic.Consume)
        await self.until(lambda: self.bus.status().consumers[handler].state is ConsumerState.CONSUMING)
        return session, channel

    async def got(self, number: int) -> list[Delivery]:
        await self.until(lambda: len(self.came) >= number)
        return self.came

    async def until(self, condition: Callable[[], Any]) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not condition():
                self._happened.clear()
                await self._happened.wait()

    async def end(self) -> bool:
        """Close the bus; true when it has ended."""
        await self.bus.close()
        await asyncio.wait_for(self.running, PATIENCE_SECONDS)
        return self.running.done()

    def _accept(self, came: Delivery) -> None:
        self.came.append(came)
        self._happened.set()

    def _changed(self) -> None:
        self._happened.set()


@asynccontextmanager
async def running(path: Path) -> AsyncIterator[Bench]:
    async with listening() as broker:
        bench = Bench(broker, path)
        try:
            yield bench
        finally:
            await bench.end()


async def test_a_beat_goes_over_both_connections(tmp_path: Path) -> None:
    async with running(tmp_path) as bench:
        sessions = [await bench.session(name) for name in (CONSUMING, PUBLISHING)]
        await bench.until(lambda: bench.bus.status().connected)
        await sessions[1].heard(Confirm.Select)

        bench.bus.beat()

        for session in sessions:
            await session.heard(Heartbeat)


async def test_a_bus_without_a_broker_does_not_beat(tmp_path: Path) -> None:
    bus = AmqpBus(BusConfig(), tmp_path, lambda: None)

    bus.beat()

    assert not bus.status().connected


async def test_a_bus_uses_one_connection_to_consume_and_one_to_publish(tmp_path: Path) -> None:
    async with running(tmp_path) as bench:
        assert await bench.session(CONSUMING) is not await bench.session(PUBLISHING)


async def test_a_bus_that_is_connected_says_to_whom(tmp_path: Path) -> None:
    async with running(tmp_path) as bench:
        await bench.until(lambda: bench.bus.status().connected)

        assert bench.bus.status().summary == f'connected to 127.0.0.1:{bench.broker.port}'


async def test_a_bus_that_can_publish_says_of_no_obstacle(tmp_path: Path) -> None:
    async with running(tmp_path) as bench:
        await (await bench.session(PUBLISHING)).heard(Confirm.Select)
        await bench.until(lambda: bench.bus.status().connected)

        assert bench.bus.status().cannot_publish == ''


async def test_a_bus_whose_broker_is_in_alarm_says_so_with_what_to_type_until_it_is_over(tmp_path: Path) -> None:
    async with running(tmp_path) as bench:
        await bench.until(lambda: bench.bus.status().connected)
        session = await bench.session(PUBLISHING)
        await session.heard(Confirm.Select)
        said = []
        for frame in (Connection.Blocked('low on memory'), Connection.Unblocked()):
            session.send(0, frame)
            before = bench.bus.status().cannot_publish
            async with asyncio.timeout(PATIENCE_SECONDS):
                while bench.bus.status().cannot_publish == before:
                    await asyncio.sleep(0)
            said.append(bench.bus.status().cannot_publish)

        where = f'127.0.0.1:{bench.broker.port}'
        assert said == [f'{where} takes nothing that is published, as it is low on memory; rabbitmqctl list_alarms', '']


async def test_a_bus_that_consumes_and_cannot_connect_to_publish_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = asyncio.Event()

    async def refusing(config: BusConfig, name: str) -> Any:
        await bench.until(lambda: bench.bus.status().connected)
        refused.set()
        raise BusError('it refuses', 'do that')

    monkeypatch.setattr('wazo_busd.amqp.publisher.connect', refusing)
    async with running(tmp_path) as bench:
        await refused.wait()
        await turn()

        assert bench.bus.status().cannot_publish == 'it refuses; do that'


async def test_a_bus_that_is_connected_anew_says_nothing_of_what_kept_it_from_publishing_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = asyncio.Event()

    async def refusing(config: BusConfig, name: str) -> Any:
        if began.is_set():
            await asyncio.Event().wait()
        began.set()
        raise BusError('it refuses', 'do that')

    monkeypatch.setattr('wazo_busd.amqp.publisher.connect', refusing)
    async with running(tmp_path) as bench:
        await began.wait()
        await bench.until(lambda: bench.bus.status().connected)

        assert bench.bus.status().cannot_publish == ''


async def test_what_a_bus_says_agrees_with_itself_at_every_moment(tmp_path: Path) -> None:
    async with running(tmp_path) as bench:
        bench.attach()
        wrong: set[tuple[bool, str, str]] = set()

        async def look() -> None:
            while True:
                status = bench.bus.status()
                says_connected = status.summary.startswith('connected to ')
                state = status.consumers['fax'].state
                if status.connected is not says_connected or (
                    not status.connected and state is ConsumerState.CONSUMING
                ):
                    wrong.add((status.connected, status.summary, state.value))
                await asyncio.sleep(0)

        looking = asyncio.create_task(look())
        session, _ = await bench.consuming()
        session.abort()
        await bench.consuming(2)
        looking.cancel()

        assert wrong == set()


async def test_a_bus_that_is_refused_says_why(tmp_path: Path) -> None:
    async with listening() as broker:
        broker.answers[Connection.Open] = lambda _: [Connection.Close(530, 'NOT_ALLOWED - vhost / not found', 0, 0)]
        bench = Bench(broker, tmp_path)
        await bench.until(lambda: 'has no vhost' in bench.bus.status().summary)

        assert not bench.bus.status().connected

        await bench.end()


async def test_a_handler_that_is_attached_before_there_is_a_connection_consumes(tmp_path: Path) -> None:
    async with running(tmp_path) as bench:
        bench.attach()

        assert await bench.consuming()


async def test_a_handler_that_is_attached_later_consumes(tmp_path: Path) -> None:
    async with running(tmp_path) as bench:
        await bench.until(lambda: bench.bus.status().connected)
        bench.attach()

        assert await bench.consuming()


async def test_a_handler_that_is_attached_while_others_are_forgotten_consumes_once(tmp_path: Path) -> None:
    async with listening() as broker:
        Ledger(tmp_path, broker.config).write('wazo-busd.gone', ['a', 'b'])
        broker.answers[Queue.Unbind] = SILENCE
        bench = Bench(broker, tmp_path)
        await bench.bus.keep_only({'fax'})
        session = await bench.session(CONSUMING)
        channel, _ = await session.heard(Queue.Unbind)
        bench.attach()
        await session.heard(Basic.Consume)
        del broker.answers[Queue.Unbind]
        session.send(channel, Queue.UnbindOk())
        await bench.until(lambda: bench.bus.status().summary.startswith('connected'))
        await turn(50)

        assert len(session.frames(Basic.Consume)) == 1

        await bench.end()


async def test_a_lost_connection_is_made_again(tmp_path: Path) -> None:
    async with running(tmp_path) as bench:
        bench.attach()
        session, _ = await bench.consuming()
        session.abort()

        assert await bench.consuming(2)


async def test_a_lost_connection_is_told_with_the_reason(tmp_path: Path, log: StringIO) -> None:
    async with running(tmp_path) as bench:
        bench.attach()
        session, _ = await bench.consuming()
        session.send(0, Connection.Close(320, 'CONNECTION_FORCED - going down', 0, 0))
        await bench.consuming(2)

        assert 'CONNECTION_FORCED - going down' in log_lines(log, 'connection_lost')[0]['reason']


async def test_everything_is_declared_again_on_the_next_connection(tmp_path: Path) -> None:
    async with running(tmp_path) as bench:
        bench.attach()
        session, _ = await bench.consuming()
        session.abort()
        session, _ = await bench.consuming(2)

        declared = {frame.exchange for frame in session.frames(Exchange.Declare)}
        queues = {frame.queue for frame in session.frames(Queue.Declare)}
        assert (declared, queues) == (
            {
                'wazo-busd',
                'wazo-busd.retry',
                'wazo-busd.return',
                'wazo-busd.orphans',
                'wazo-busd.dead',
                'xivo',
                'wazo-headers',
            },
            {'wazo-busd.fax', 'wazo-busd.fax.dead'},
        )


async def test_the_bindings_of_others_are_taken_away(tmp_path: Path) -> None:
    async with running(tmp_path) as bench:
        bench.attach('gone')
        session, _ = await bench.consuming(handler='gone')
        await bench.bus.detach('gone', 0.0)

        await bench.bus.keep_only({'fax'})

        assert [(frame.queue, frame.routing_key) for frame in session.frames(Queue.Unbind)] == [
            ('wazo-busd.gone', 'faxes.#')
        ]


@pytest.mark.parametrize('lost', ['by the broker', 'at once'])
async def test_a_connection_that_is_lost_while_bindings_are_taken_away_is_no_error(tmp_path: Path, lost: str) -> None:
    async with running(tmp_path) as bench:
        bench.attach('gone')
        session, _ = await bench.consuming(handler='gone')
        await bench.bus.detach('gone', 0.0)
        bench.broker.answers[Queue.Unbind] = SILENCE
        keeping = asyncio.create_task(bench.bus.keep_only(set()))
        await session.heard(Queue.Unbind)
        if lost == 'at once':
            session.abort()
        else:
            session.send(0, Connection.Close(320, 'CONNECTION_FORCED - going down', 0, 0))

        await asyncio.wait([keeping], timeout=PATIENCE_SECONDS)

        assert (keeping.cancelled(), keeping.exception()) == (False, None)


async def test_bindings_that_could_not_be_taken_away_are_on_the_next_connection(tmp_path: Path) -> None:
    async with running(tmp_path) as bench:
        bench.attach('gone')
        session, _ = await bench.consuming(handler='gone')
        await bench.bus.detach('gone', 0.0)
        bench.broker.answers[Queue.Unbind] = SILENCE
        keeping = asyncio.create_task(bench.bus.keep_only(set()))
        await session.heard(Queue.Unbind)
        del bench.broker.answers[Queue.Unbind]
        session.abort()
        await asyncio.wait([keeping], timeout=PATIENCE_SECONDS)

        _, unbind = await (await bench.session(CONSUMING, 2)).heard(Queue.Unbind)
        assert unbind.queue == 'wazo-busd.gone'


async def test_a_disk_that_is_full_keeps_no_other_handler_from_its_events(tmp_path: Path) -> None:
    async with listening() as broker:
        ledger = Ledger(tmp_path, broker.config)
        ledger.write('wazo-busd.gone', ['a'])
        ledger.write('wazo-busd.fax', ['faxes.#'])
        (tmp_path / 'bindings.new').mkdir()
        bench = Bench(broker, tmp_path)
        await bench.bus.keep_only({'fax'})
        bench.attach()

        assert await bench.consuming()

        await bench.end()


async def test_a_derived_event_is_published_on_the_hub(tmp_path: Path) -> None:
    async with running(tmp_path) as bench:
        await bench.bus.publish('busd.call.missed', b'{"a": 1}', {'name': 'busd.call.missed'})

        _, publish = await (await bench.session(PUBLISHING)).heard(Basic.Publish)
        assert (publish.exchange, publish.routing_key) == ('wazo-busd', 'busd.call.missed')


async def test_a_derived_event_has_its_headers_and_survives_a_restart(tmp_path: Path) -> None:
    async with running(tmp_path) as bench:
        await bench.bus.publish('busd.call.missed', b'{"a": 1}', {'name': 'busd.call.missed'})

        _, header = await (await bench.session(PUBLISHING)).heard(ContentHeader)
        assert (header.properties.headers, header.properties.delivery_mode) == ({'name': 'busd.call.missed'}, 2)


async def test_a_derived_event_that_cannot_be_sent_is_told(tmp_path: Path) -> None:
    async with running(tmp_path) as bench:
        with pytest.raises(BusError):
            await bench.bus.publish('busd.call.missed', b'{}', {'tenant_uuid': 'x' * 200_000})


async def dead(bench: Bench) -> tuple[Session, int]:
    """Let a handler give up on an event.

    Returns:
        The connection and the channel that it came on.
    """
    session, channel = await bench.consuming()
    session.deliver(channel, 1, b'{"a": 1}')
    (came,) = await bench.got(1)
    came.settle(Outcome.DEAD, reason=REASON)
    return session, channel


async def until_declared(session: Session, *queues: str, after: int = 0) -> None:
    """Wait until queues of these names were declared over a connection, after so many others."""
    while not set(queues) <= {frame.queue for frame in session.frames(Queue.Declare)[after:]}:
        await session.heard(Queue.Declare, len(session.frames(Queue.Declare)) + 1)


async def test_a_dead_letter_is_published_for_its_handler(tmp_path: Path) -> None:
    async with running(tmp_path) as bench:
        bench.attach()
        await dead(bench)

        _, publish = await (await bench.session(PUBLISHING)).heard(Basic.Publish)
        assert (publish.exchange, publish.routing_key) == ('wazo-busd.dead', 'fax')


async def test_a_dead_letter_has_the_body_as_it_came(tmp_path: Path) -> None:
    async with running(tmp_path) as bench:
        bench.attach()
        await dead(bench)

        _, body = await (await bench.session(PUBLISHING)).heard(ContentBody)
        assert body.value == b'{"a": 1}'


async def test_a_dead_event_is_acknowledged_when_its_letter_is_confirmed(tmp_path: Path) -> None:
    async with running(tmp_path) as bench:
        bench.attach()
        session, channel = await dead(bench)

        on, ack = await session.heard(Basic.Ack)
        assert (on, ack.delivery_tag) == (channel, 1)


async def test_a_dead_event_is_not_acknowledged_before_its_letter_is_confirmed(tmp_path: Path) -> None:
    async with running(tmp_path) as bench:
        bench.broker.answers[ContentBody] = SILENCE
        bench.attach()
        session, _ = await dead(bench)
        await (await bench.session(PUBLISHING)).heard(ContentBody)
        await turn(50)

        assert session.frames(Basic.Ack) == []


async def test_a_letter_that_finds_no_room_is_published_until_it_does(tmp_path: Path) -> None:
    async with running(tmp_path) as bench:
        bench.broker.answers[ContentBody] = lambda _: [Basic.Nack(1)]
        bench.attach()
        session, _ = await dead(bench)
        await (await bench.session(PUBLISHING)).heard(ContentBody)
        bench.broker.answers[ContentBody] = lambda _: [Basic.Ack(2)]

        _, ack = await session.heard(Basic.Ack)
        assert ack.delivery_tag == 1


async def test_a_letter_that_finds_no_room_is_told(tmp_path: Path, log: StringIO) -> None:
    async with running(tmp_path) as bench:
        bench.broker.answers[ContentBody] = lambda _: [Basic.Nack(1)]
        bench.attach()
        await dead(bench)
        await (await bench.session(PUBLISHING)).heard(ContentBody, 2)

        assert log_lines(log, 'copy_not_taken')[0]['handler'] == 'fax'


async def test_a_queue_of_dead_letters_that_is_gone_is_made_again(tmp_path: Path) -> None:
    async with running(tmp_path) as bench:
        bench.broker.answers[ContentBody] = SILENCE
        bench.attach()
        session, _ = await dead(bench)
        publishing = await bench.session(PUBLISHING)
        channel, _ = await publishing.heard(ContentBody)
        before = len(session.frames(Queue.Declare))
        returning_once(publishing, channel, 'wazo-busd.dead')
        await until_declared(session, 'wazo-busd.fax.dead', after=before)

        assert 'wazo-busd.fax.dead' in [frame.queue for frame in session.frames(Queue.Declare)[before:]]


async def failed(bench: Bench) -> tuple[Session, int]:
    """Let a handler fail on an event that is to be tried again in a moment.

    Returns:
        The connection and the channel that it came on.
    """
    session, channel = await bench.consuming()
    session.deliver(channel, 1, b'{"a": 1}')
    (came,) = await bench.got(1)
    came.settle(Outcome.RETRY, history=make_history(due_at=0.0))
    return session, channel


async def test_an_event_that_is_to_be_tried_again_is_published_for_its_handler(tmp_path: Path) -> None:
    async with running(tmp_path) as bench:
        bench.attach(delays_seconds=(2.0,))
        await failed(bench)

        _, publish = await (await bench.session(PUBLISHING)).heard(Basic.Publish)
        assert (publish.exchange, publish.routing_key) == ('wazo-busd.retry', 'fax')


async def test_an_event_that_is_to_be_tried_again_is_acknowledged_when_its_copy_is_confirmed(tmp_path: Path) -> None:
    async with running(tmp_path) as bench:
        bench.attach(delays_seconds=(2.0,))
        session, channel = await failed(bench)

        on, ack = await session.heard(Basic.Ack)
        assert (on, ack.delivery_tag) == (channel, 1)


async def test_the_delay_queues_of_the_handlers_are_declared(tmp_path: Path) -> None:
    async with running(tmp_path) as bench:
        bench.attach('fax', delays_seconds=(2.0, 4.0))
        bench.attach('calls', delays_seconds=(4.0, 300.0))

        await until_declared(
            await bench.session(CONSUMING),
            'wazo-busd.retry.2s',
            'wazo-busd.retry.4s',
            'wazo-busd.retry.300s',
            'wazo-busd.return.orphans',
        )


async def test_the_delay_queues_of_a_handler_that_is_attached_later_are_declared(tmp_path: Path) -> None:
    async with running(tmp_path) as bench:
        bench.attach('fax', delays_seconds=(2.0,))
        session = await bench.session(CONSUMING)
        await until_declared(session, 'wazo-busd.retry.2s')
        bench.attach('calls', delays_seconds=(8.0,))

        await until_declared(session, 'wazo-busd.retry.8s')


async def test_delay_queues_that_are_declared_are_not_declared_for_another_handler(tmp_path: Path) -> None:
    async with running(tmp_path) as bench:
        bench.attach('fax', delays_seconds=(2.0,))
        session = await bench.session(CONSUMING)
        await until_declared(session, 'wazo-busd.retry.2s')
        bench.attach('calls', delays_seconds=(2.0,))
        await bench.consuming(handler='calls')
        await turn(50)

        assert [each.queue for each in session.frames(Queue.Declare)].count('wazo-busd.retry.2s') == 1


def returning_once(publishing: Session, channel: int, exchange: str) -> None:
    """Say what RabbitMQ says to what it cannot route: the event back, and a confirmation."""
    header, body = publishing.frames(ContentHeader)[0], publishing.frames(ContentBody)[0]
    publishing.send(channel, Basic.Return(312, 'NO_ROUTE', exchange, 'fax'), header, body, Basic.Ack(1))


async def test_a_delay_queue_that_is_gone_is_made_again(tmp_path: Path) -> None:
    async with running(tmp_path) as bench:
        bench.broker.answers[ContentBody] = SILENCE
        bench.attach(delays_seconds=(2.0,))
        session = await bench.session(CONSUMING)
        await until_declared(session, 'wazo-busd.retry.2s', 'wazo-busd.return.orphans')
        await failed(bench)
        publishing = await bench.session(PUBLISHING)
        channel, _ = await publishing.heard(ContentBody)
        before = len(session.frames(Queue.Declare))
        returning_once(publishing, channel, 'wazo-busd.retry')
        await session.heard(Queue.Declare, before + 1)

        assert session.frames(Queue.Declare)[before].queue == 'wazo-busd.retry.2s'


async def test_a_handler_that_is_to_take_nothing_takes_nothing_over_the_next_connection_either(tmp_path: Path) -> None:
    async with running(tmp_path) as bench:
        bench.attach()
        session, _ = await bench.consuming()
        bench.bus.limit('fax', 0, 'its web server is out')
        await bench.until(lambda: bench.bus.status().consumers['fax'].state is ConsumerState.PAUSED)
        session.abort()
        session = await bench.session(CONSUMING, 2)
        await bench.until(lambda: bench.bus.status().connected)
        await bench.until(lambda: bench.bus.status().consumers['fax'].state is ConsumerState.PAUSED)

        assert session.frames(Basic.Consume) == []


def without_quorum(broker: ScriptedBroker) -> None:
    """Let the broker end the connection over a quorum queue, as one does that was upgraded in place."""

    def answer(frame: Queue.Declare) -> list[Any]:
        if (frame.arguments or {}).get('x-queue-type') == 'quorum':
            return [Connection.Close(541, 'INTERNAL_ERROR', 50, 10)]
        return [Queue.DeclareOk(frame.queue, 0, 0)]

    broker.answers[Queue.Declare] = answer


def kinds(session: Session) -> set[object]:
    """The kinds of the queues that were declared, not only looked for."""
    return {(frame.arguments or {})['x-queue-type'] for frame in session.frames(Queue.Declare) if not frame.passive}


async def test_a_broker_without_quorum_queues_is_used_with_classic_ones(tmp_path: Path) -> None:
    async with listening() as broker:
        without_quorum(broker)
        bench = Bench(broker, tmp_path)
        bench.attach()
        session, _ = await bench.consuming()

        assert kinds(session) == {'classic'}

        await bench.end()


async def test_a_broker_without_quorum_queues_is_told_with_the_cure(tmp_path: Path, log: StringIO) -> None:
    async with listening() as broker:
        without_quorum(broker)
        bench = Bench(broker, tmp_path)
        bench.attach()
        await bench.consuming()

        assert log_lines(log, 'quorum_queues_refused')[0]['hint'] == 'rabbitmqctl enable_feature_flag all'

        await bench.end()


async def test_a_broker_without_quorum_queues_shows_in_the_status(tmp_path: Path) -> None:
    async with listening() as broker:
        without_quorum(broker)
        bench = Bench(broker, tmp_path)
        bench.attach()
        await bench.consuming()

        assert bench.bus.status().summary.endswith('refuses quorum queues: rabbitmqctl enable_feature_flag all')

        await bench.end()


def without_xivo(broker: ScriptedBroker) -> None:
    """Let the broker have no exchange `xivo`, and let it allow nobody to make it."""

    def answer(frame: Exchange.Declare) -> list[Any]:
        if frame.exchange != 'xivo':
            return [Exchange.DeclareOk()]
        return [Channel.Close(404, 'NOT_FOUND', 40, 10) if frame.passive else Channel.Close(403, 'REFUSED', 40, 10)]

    broker.answers[Exchange.Declare] = answer


async def test_an_exchange_of_wazo_that_is_missing_shows_in_the_status(tmp_path: Path) -> None:
    async with listening() as broker:
        without_xivo(broker)
        bench = Bench(broker, tmp_path)
        bench.attach()
        await bench.consuming()

        assert bench.bus.status().summary.startswith(
            f'connected to 127.0.0.1:{broker.port}; the exchange xivo does not exist, and the user'
        )

        await bench.end()


async def test_an_exchange_of_wazo_that_is_found_later_leaves_the_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('wazo_busd.amqp.hub_watch.EVERY_SECONDS', 0.01)
    async with listening() as broker:
        without_xivo(broker)
        bench = Bench(broker, tmp_path)
        await bench.until(lambda: 'xivo does not exist' in bench.bus.status().summary)

        del broker.answers[Exchange.Declare]
        await bench.until(lambda: 'xivo does not exist' not in bench.bus.status().summary)

        assert bench.bus.status().summary == f'connected to 127.0.0.1:{broker.port}'

        await bench.end()


async def test_an_exchange_of_wazo_that_goes_later_shows_in_the_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('wazo_busd.amqp.hub_watch.EVERY_SECONDS', 0.01)
    async with running(tmp_path) as bench:
        await bench.until(lambda: bench.bus.status().connected)

        without_xivo(bench.broker)
        bench.broker.answers[Exchange.Bind] = lambda frame: (
            [Channel.Close(404, 'NOT_FOUND', 40, 30)] if frame.source == 'xivo' else [Exchange.BindOk()]
        )

        await bench.until(lambda: 'xivo does not exist' in bench.bus.status().summary)


async def test_what_changes_on_a_connection_is_not_logged_as_a_new_one(
    tmp_path: Path, log: StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('wazo_busd.amqp.hub_watch.EVERY_SECONDS', 0.01)
    async with listening() as broker:
        without_xivo(broker)
        bench = Bench(broker, tmp_path)
        await bench.until(lambda: 'xivo does not exist' in bench.bus.status().summary)

        del broker.answers[Exchange.Declare]
        await bench.until(lambda: 'xivo does not exist' not in bench.bus.status().summary)

        assert len(log_lines(log, 'connected')) == 1

        await bench.end()


async def test_queues_are_declared_anew_before_they_can_expire(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('wazo_busd.amqp.upkeep._RENEWAL_SECONDS', 0.0)
    async with listening() as broker:
        bench = Bench(broker, tmp_path)
        bench.attach(started=False)
        session = await bench.session(CONSUMING)

        declared = [await session.heard(Queue.Declare, number) for number in range(1, 6)]

        assert {frame.queue for _, frame in declared} == {'wazo-busd.fax', 'wazo-busd.fax.dead'}

        await bench.end()


async def test_quorum_queues_are_tried_again_on_the_next_connection(tmp_path: Path) -> None:
    async with listening() as broker:
        without_quorum(broker)
        bench = Bench(broker, tmp_path)
        bench.attach()
        session, _ = await bench.consuming()
        del broker.answers[Queue.Declare]
        session.abort()
        session, _ = await bench.consuming(2)

        assert kinds(session) == {'quorum'}

        await bench.end()


async def test_a_handler_that_is_detached_is_no_longer_known(tmp_path: Path) -> None:
    async with running(tmp_path) as bench:
        bench.attach()
        await bench.consuming()
        await bench.bus.cancel('fax')
        await bench.bus.detach('fax', 0.0)

        assert bench.bus.status().consumers == {}


async def test_a_bus_that_is_closed_says_goodbye_on_both_connections(tmp_path: Path) -> None:
    async with running(tmp_path) as bench:
        consuming, publishing = await bench.session(CONSUMING), await bench.session(PUBLISHING)
        await bench.until(lambda: bench.bus.status().connected)
        await publishing.heard(Channel.Open)
        await turn()
        await bench.end()

        assert [len(session.frames(Connection.Close)) for session in (consuming, publishing)] == [1, 1]


async def test_a_bus_that_never_connected_can_be_closed(tmp_path: Path) -> None:
    async with listening() as broker:
        broker.greeting.clear()
        bench = Bench(broker, tmp_path)
        sessions = [await broker.session(1), await broker.session(2)]
        await bench.bus.close()
        for session in sessions:
            session.abort()

        assert await bench.end()


async def test_a_broker_out_of_memory_does_not_keep_the_bus_from_ending(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('wazo_busd.amqp.connection._CLOSE_SECONDS', 0.05)
    async with running(tmp_path) as bench:
        publishing = await bench.session(PUBLISHING)
        await publishing.heard(Channel.Open)
        await turn()
        publishing.pause()
        waiting = asyncio.create_task(bench.bus.publish('busd.x', bytes(32 * 1_048_576), {}))
        await turn()

        assert await bench.end()

        waiting.cancel()
