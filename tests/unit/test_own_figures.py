# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The daemon's own figures."""

from __future__ import annotations

from tests.unit.rig import Rig, started
from wazo_busd.api import Event, handler
from wazo_busd.bus import BusStatus, ConsumerState, ConsumerStatus
from wazo_busd.dispatcher import Dispatcher
from wazo_busd.errors import Discard, Stop
from wazo_busd.own_figures import own_figures


@handler
async def bell(event: Event) -> None:
    if event.data == 'unwanted':
        raise Discard
    if event.data == 'last':
        raise Stop('no more')


STATUS = BusStatus(
    True,
    'connected',
    {'bell': ConsumerStatus(ConsumerState.CONSUMING), 'whistle': ConsumerStatus(ConsumerState.WAITING)},
)


def values(dispatchers: dict[str, Dispatcher], status: BusStatus = STATUS) -> dict[tuple[str, ...], float]:
    """Every value, by the name of the figure and those of its labels."""
    return {
        (figure.name, *labels): value
        for figure in own_figures(status, dispatchers, ['drum'])
        for labels, value in figure.values.items()
    }


def test_whether_there_is_a_connection() -> None:
    assert values({})['wazo_busd_connected',] == 1
    assert values({}, BusStatus(False, 'away', {}))['wazo_busd_connected',] == 0


def test_which_handlers_consume() -> None:
    found = values({})

    assert [found['wazo_busd_handler_consuming', name] for name in ('bell', 'whistle', 'drum')] == [1, 0, 0]


async def test_what_became_of_events() -> None:
    rig = Rig(await started(bell))
    for data in ('wanted', 'wanted', 'unwanted'):
        rig.give(data)
    await rig.all_settled()

    found = values({'bell': rig.dispatcher})

    assert found['wazo_busd_deliveries_total', 'bell'] == 3
    assert found['wazo_busd_events_total', 'bell', 'done'] == 2
    assert found['wazo_busd_events_total', 'bell', 'discarded'] == 1


async def test_that_a_handler_rests() -> None:
    rig = Rig(await started(bell))
    before = values({'bell': rig.dispatcher})['wazo_busd_handler_resting', 'bell']
    rig.give('last')
    await rig.all_settled()

    assert (before, values({'bell': rig.dispatcher})['wazo_busd_handler_resting', 'bell']) == (0, 1)
