# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The board in Chromium: quick, quiet, readable on a wall and on a telephone, by eye and by ear."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import pytest

from tests.board.chromium import Chromium, Look, Tab
from tests.board.site import Site, serving, states

AXE = files('axe_core_python').joinpath('axe.min.js').read_text('utf-8')
STATES = ('demo', 'empty', 'broken', 'hostile')
IS_THERE = "document.querySelector('#panels > section[aria-labelledby^=panel] tbody tr') !== null"
PAINT = "performance.getEntriesByName('first-contentful-paint')"
STATE = "document.getElementById('state').textContent"


async def opened(tab: Tab, site: Site) -> None:
    await tab.open(site.url)
    await tab.until(IS_THERE)


@pytest.mark.parametrize('name', STATES)
async def test_the_first_paint_takes_less_than_a_second_and_the_console_is_silent(
    chromium: Chromium, name: str
) -> None:
    async with serving(states(name)) as site, chromium.tab() as tab:
        painted = float('inf')
        # A machine that is busy with something else has three tries.
        for _ in range(3):
            await opened(tab, site)
            await tab.until(f'{PAINT}.length > 0')
            painted = min(painted, await tab.evaluate(f'{PAINT}[0].startTime'))
            if painted < 1000:
                break

        assert (painted < 1000, tab.errors) == (True, [])


@pytest.mark.parametrize('name', STATES)
@pytest.mark.parametrize('width', [390, 1920])
async def test_nothing_is_wider_than_the_window(chromium: Chromium, name: str, width: int) -> None:
    async with serving(states(name)) as site, chromium.tab(width=width, height=844) as tab:
        await opened(tab, site)

        assert await tab.evaluate('document.documentElement.scrollWidth') <= width


@pytest.mark.parametrize(
    ('name', 'look', 'width'),
    [('demo', 'light', 1920), ('demo', 'dark', 390), ('empty', 'dark', 1920), ('broken', 'light', 390),
     ('broken', 'dark', 1920), ('hostile', 'light', 390)],
)  # fmt: skip
async def test_axe_finds_nothing_serious(chromium: Chromium, name: str, look: Look, width: int) -> None:
    async with serving(states(name)) as site, chromium.tab(width=width, look=look) as tab:
        await opened(tab, site)
        await tab.evaluate(AXE)
        found: list[dict[str, Any]] = (await tab.evaluate('axe.run()'))['violations']

        serious = [(each['id'], each['nodes'][0]['html'][:200]) for each in found if each['impact'] != 'minor']
        assert serious == []


async def test_a_hostile_name_stays_text(chromium: Chromium) -> None:
    async with serving(states('hostile')) as site, chromium.tab() as tab:
        await opened(tab, site)

        shown = await tab.evaluate("document.querySelector('#panels tbody th').textContent")
        made = await tab.evaluate("document.querySelectorAll('img, script:not([src]), iframe').length")
        said = await tab.evaluate('document.body.innerText')
        assert shown.startswith('<img src=x onerror="document.title=\'broken\'">\\x1b[31m\\u202e')
        assert (made, await tab.evaluate('document.title'), tab.errors) == (0, 'Board of wazo-busd', [])
        assert [letter for letter in said if not (letter.isprintable() or letter in '\n\t')] == []


async def test_what_the_page_may_do_keeps_a_program_in_it_from_running(chromium: Chromium) -> None:
    async with serving(states('empty')) as site, chromium.tab() as tab:
        await opened(tab, site)
        written = """try { document.body.innerHTML = '<b>no</b>'; 'written' } catch (error) { error.name }"""
        added = """{ const each = document.createElement('script');
            try { each.textContent = 'document.title = "run"'; document.body.append(each); } catch {}
            document.title }"""

        assert (await tab.evaluate(written), await tab.evaluate(added)) == ('TypeError', 'Board of wazo-busd')


async def test_it_says_which_handlers_to_add_where_there_is_no_tracker(chromium: Chromium) -> None:
    async with serving(states('empty')) as site, chromium.tab() as tab:
        await opened(tab, site)
        lines = await tab.evaluate("document.querySelector('#hint pre').textContent")
        is_hidden = await tab.evaluate("document.getElementById('hint').hidden")

        assert (len(lines.splitlines()), 'queues: {plugin: queues}' in lines, is_hidden) == (5, True, False)


async def test_what_is_amiss_is_said_in_words(chromium: Chromium) -> None:
    async with serving(states('broken')) as site, chromium.tab() as tab:
        await opened(tab, site)
        said = await tab.evaluate('document.body.innerText')

        words = ('not connected', 'broken', 'paused', 'resting', 'many wait', 'down', 'It cannot be shown')
        assert [word for word in words if word not in said] == []
        assert 'a secret of the plugin' not in said


async def test_keys_are_enough(chromium: Chromium) -> None:
    async with serving(states('demo')) as site, chromium.tab() as tab:
        await opened(tab, site)
        reached = []
        for _ in range(2):
            await tab.press('Tab', 9)
            reached.append(await tab.evaluate('document.activeElement.id || document.activeElement.className'))
        await tab.press(' ', 32)

        assert reached == ['skip', 'hold']
        await tab.until("document.getElementById('hold').getAttribute('aria-pressed') === 'true'")


async def test_who_listens_hears_tables_headings_and_how_it_fares(chromium: Chromium) -> None:
    async with serving(states('demo')) as site, chromium.tab(width=390) as tab:
        await opened(tab, site)
        tree = (await tab.ask('Accessibility.getFullAXTree'))['nodes']
        heard = {(each['role']['value'], each.get('name', {}).get('value', '')) for each in tree if 'role' in each}

        roles = {role for role, _ in heard}
        assert {('heading', 'Queues'), ('table', 'Queues'), ('columnheader', 'waiting')} <= heard
        assert {'status', 'main', 'rowheader', 'cell'} <= roles


async def test_what_is_held_still_changes_when_it_goes_on(chromium: Chromium) -> None:
    async with serving(states('broken')) as site, chromium.tab() as tab:
        await opened(tab, site)
        count = "document.querySelectorAll('#panels > section[aria-labelledby^=panel]').length"
        await tab.evaluate("document.getElementById('hold').click()")
        before = await tab.evaluate(count)
        site.board.forget('services')
        await tab.until(f'order.length === {before}')
        held = await tab.evaluate(count)
        await tab.evaluate("document.getElementById('hold').click()")

        assert held == before
        await tab.until(f'{count} === {before - 1}')


async def test_a_daemon_that_is_gone_is_told_and_so_is_that_it_is_back(chromium: Chromium) -> None:
    async with serving(states('demo')) as site, chromium.tab() as tab:
        await opened(tab, site)
        await site.server.close()
        await tab.until(f"{STATE}.startsWith('No word from the daemon since')")
        await site.open()

        await tab.until(f"{STATE}.startsWith('All is well')")
