# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""A day of updates on the board: it keeps up, and holds no more at the end than at the beginning.

With TORTURE=long in the environment it is a whole day, one update a second.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from statistics import median

from tests.board.chromium import Chromium
from tests.board.site import Site, serving
from tests.torture.scale import IS_LONG
from tests.unit.controlled import daemon_status, handler_status
from wazo_busd.panel import Panel, Row, Total
from wazo_busd.settlement import Counts

UPDATES = 86_400 if IS_LONG else 2_000
WARM = 500
SHOWN = "(document.querySelector('#panels dd') || {}).textContent"


class Busy(Site):
    """A host on which everything changes all the time, with as many queues as there is room for now and then."""

    def __init__(self, every_seconds: float = 0.0) -> None:
        super().__init__(every_seconds)
        self.number = 0
        self.last = 0
        self.show('queues', self._panels)

    def _panels(self) -> Iterator[Panel]:
        self.number = number = min(self.number + 1, self.last)
        self.status = daemon_status(handler_status(counts=Counts(received=1000 * number)))
        rows = [
            Row((f'queue {each}', 'calm', number % (each + 1), timedelta(seconds=number + each)), 'busy')
            for each in range(number % 40)
        ]
        yield Panel('Queues', ('queue', 'state', 'waiting', 'longest wait'), rows, [Total('number', number)], place=1)
        if number % 7:
            yield Panel(f'Sometimes {number % 3}', ('name', 'value'), [Row(('x', number))], place=2)


async def test_a_day_of_updates_takes_no_more_memory_and_is_shown_at_once(chromium: Chromium) -> None:
    site = Busy()
    async with serving(site), chromium.tab() as tab:
        site.last = WARM
        await tab.open(site.url)
        weights = []
        for until in (WARM, WARM + UPDATES // 2, WARM + UPDATES):
            site.last = until
            while site.number < until:
                await tab.evaluate('new Promise((done) => setTimeout(done, 20))')
            await tab.until(f"{SHOWN} === '{until}'")
            weights.append(await tab.weight())
        (_, _), (half, nodes_half), (whole, nodes_whole) = weights

        assert whole - half < 200_000
        assert abs(nodes_whole - nodes_half) < 400
        assert tab.errors == []


async def test_the_page_does_not_stand_still_while_it_is_told_much(chromium: Chromium) -> None:
    # Given a host with a thousand events a second, of which the page is told twenty times as often as it is in earnest
    site = Busy(every_seconds=0.05)
    site.last = 10**9
    async with serving(site), chromium.tab() as tab:
        await tab.open(site.url)
        await tab.until(f'Number({SHOWN}) > 10')

        # When sixty pictures of it are made
        times = await tab.evaluate(
            """new Promise((done) => {
                const times = [];
                let last = performance.now();
                const look = (now) => {
                    times.push(now - last);
                    last = now;
                    times.length < 60 ? requestAnimationFrame(look) : done(times);
                };
                requestAnimationFrame(look);
            })"""
        )
        number = site.number

        # Then most come at once, and what is shown is of now
        assert median(times) < 100
        await tab.until(f'Number({SHOWN}) >= {number}')
