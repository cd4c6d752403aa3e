# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The tracker of voicemails: each message once, however many users share the voicemail."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from plugins.log import Log
from plugins.voicemails import Voicemails, VoicemailTracker
from tests.plugins.trackers.rig import START, Found, event, names, run, runner
from wazo_busd.event import Event
from wazo_busd.testing import Outcome, deliver, make_event

PAGE = (Path(__file__).parents[3] / 'docs' / 'handlers' / 'voicemails.md').read_text()
HOSTS = ('00000000-0000-4000-8000-00000000000a', '00000000-0000-4000-8000-00000000000b')
USERS = tuple(f'8a709eb7-897f-4183-aa3b-ffa2a74e7e3{number}' for number in range(3))
INBOX = {'type': 'new', 'id': 1, 'name': 'inbox'}
OLD = {'type': 'old', 'id': 2, 'name': 'old'}
FOUR_HOURS = 14_400


def message(
    what: str,
    at: float,
    user: str | None = USERS[0],
    *,
    id_: str = '7-1',
    folder: Any = INBOX,
    host: str = HOSTS[0],
    era: Any = '2019',
    duration: Any = 9,
    left_at: float | None = None,
) -> Event:
    """An event of a message; of a voicemail that the whole tenant shares if no user is given."""
    said = {
        'id': id_,
        'caller_id_name': 'Alice',
        'caller_id_num': '4185550142',
        'duration': duration,
        'timestamp': 1479226725 if left_at is None else int(START.timestamp() + left_at),
        'folder': folder,
    }
    around = {'era': era, 'origin_uuid': host}
    if user is None:
        return event(f'global_voicemail_message_{what}', {**said, 'voicemail': {'id': 2, 'name': 'Desk'}}, at, **around)
    data = {'user_uuid': user, 'voicemail_id': 1, 'message_id': id_, 'message': said}
    return event(f'user_voicemail_message_{what}', data, at, **around)


def text(at: float, said: Any, user: str = USERS[0], id_: str = '7-1', host: str = HOSTS[0]) -> Event:
    data = {'message_id': id_, 'voicemail_id': 1, 'user_uuid': user, 'transcription_text': said, 'language': 'fr'}
    return event('user_voicemail_transcription_created', data, at, origin_uuid=host)


def made() -> VoicemailTracker:
    return VoicemailTracker(region='CA')


def data_of(found: list[Found], number: int = -1) -> dict[str, Any]:
    return dict(found[number].derivation.data)


# ---- what a host of 2019 sends, as on Wazo's page


def test_what_the_page_shows_suffices() -> None:
    events = [message('created', 0), message('updated', 60, folder=OLD), message('deleted', 90, folder=OLD)]
    found = run(made, events)

    assert names(found) == ['busd.voicemail.left', 'busd.voicemail.read', 'busd.voicemail.deleted']
    assert data_of(found, 1) == {
        'message_id': '7-1',
        'voicemail_id': 1,
        'voicemail_name': None,
        'user_uuids': [USERS[0]],
        'caller_id_name': 'Alice',
        'caller_id_number': '4185550142',
        'caller_id_number_e164': '+14185550142',
        'duration_seconds': 9,
        'folder': 'old',
        'left_at': '2026-05-04T08:00:00.000+00:00',
        'user_uuid': USERS[0],
        'read_at': '2026-05-04T08:01:00.000+00:00',
        'seconds': 60.0,
    }


def test_all_users_of_a_voicemail_are_named_once() -> None:
    found = run(made, [message('created', number / 4, user) for number, user in enumerate(USERS)])

    assert names(found) == ['busd.voicemail.left', 'busd.voicemail.unread']
    assert (data_of(found)['user_uuids'], found[0].derivation.user_uuids) == (list(USERS), USERS)


def test_who_has_heard_a_message_is_not_known_where_several_share_it() -> None:
    events = [message('created', 0, user) for user in USERS[:2]]
    events += [message('updated', 60, user, folder=OLD) for user in USERS[:2]]
    found = run(made, events)

    assert (names(found)[1:], data_of(found)['user_uuid']) == (['busd.voicemail.read'], None)


def test_a_voicemail_of_the_tenant_is_named() -> None:
    found = run(made, [message('created', 0, None)])

    assert (data_of(found)['voicemail_name'], data_of(found)['user_uuids']) == ('Desk', [])


def test_when_it_was_left_is_what_the_message_says() -> None:
    found = run(made, [message('created', 30, left_at=10)])

    assert data_of(found, 0)['left_at'] == '2026-05-04T08:00:10.000+00:00'
    assert found[1].at == START.timestamp() + 10 + FOUR_HOURS


def test_a_message_that_is_heard_within_a_second_was_left_before() -> None:
    found = run(made, [message('created', 0), message('updated', 0.2, folder=OLD)])

    assert names(found) == ['busd.voicemail.left', 'busd.voicemail.read']


def test_a_message_that_is_moved_to_a_folder_of_new_ones_is_not_heard() -> None:
    urgent = {'type': 'urgent', 'id': 3, 'name': 'urgent'}

    assert 'busd.voicemail.read' not in names(run(made, [message('created', 0), message('updated', 9, folder=urgent)]))


def test_a_message_that_is_deleted_unheard_says_so() -> None:
    found = run(made, [message('created', 0), message('deleted', 60)])

    assert (names(found)[1:], data_of(found)['heard']) == (['busd.voicemail.deleted'], False)


def test_a_copy_that_comes_late_does_not_make_a_message_unheard() -> None:
    events = [message('created', 0), message('updated', 5, folder=OLD), message('created', 0.1, USERS[1])]
    found = run(made, [*events, message('deleted', 9, folder=OLD)])

    assert (data_of(found)['heard'], names(found).count('busd.voicemail.unread')) == (True, 0)


@pytest.mark.parametrize('duration', [0, 1])
def test_who_hangs_up_at_once_leaves_no_message(duration: int) -> None:
    events = [message('created', number, user, duration=duration) for number, user in enumerate(USERS)]
    found, tracker = runner(made, [*events, message('updated', 9, folder=OLD), text(10, 'Uh.')])
    figures = {each.name: dict(each.values) for each in tracker.figures(0)}

    assert (found, figures['wazo_busd_voicemails_short_total']) == ([], {(): 1})


def test_a_message_that_was_heard_is_told_though_nobody_saw_it_left() -> None:
    found = run(made, [message('updated', 600, folder=OLD, left_at=0)])

    assert (names(found), data_of(found)['seconds'], data_of(found)['user_uuid']) == (
        ['busd.voicemail.read'],
        600.0,
        None,
    )


def test_a_message_of_long_ago_that_nobody_saw_is_not_heard_now() -> None:
    assert run(made, [message('updated', 600, folder=OLD)]) == []


def test_a_text_is_told_once_and_cut() -> None:
    found = run(made, [message('created', 0), text(5, 'a' * 3000), text(6, 'a' * 3000, USERS[1])])
    told = data_of(found, 1)

    assert names(found)[:2] == ['busd.voicemail.left', 'busd.voicemail.transcribed']
    assert (len(told['text']), told['is_cut'], told['language'], told['caller_id_name']) == (2000, True, 'fr', 'Alice')
    assert names(found).count('busd.voicemail.transcribed') == 1


@pytest.mark.parametrize('said', ['', None, 5, ['a']])
def test_a_text_that_is_none_is_not_told(said: Any) -> None:
    assert run(made, [text(5, said)]) == []


# ---- any history

messages = st.lists(
    st.tuples(
        st.sampled_from(HOSTS),
        st.integers(0, 3),
        st.integers(0, 9000),
        st.none() | st.integers(2, 30_000),
        st.none() | st.integers(2, 30_000),
        st.integers(0, 4),
        st.booleans(),
    ),
    max_size=12,
)
"""The host, how many share it, when it was left, after how long it was heard and deleted, how long, if it is text."""


def history(left: list[tuple[Any, ...]], era: str) -> list[Event]:
    events: list[tuple[float, Event]] = []
    for number, (host, shared, begins, heard, deleted, duration, has_text) in enumerate(left):
        at = begins + number / 1000
        whats = [('created', at, INBOX)]
        whats += [('updated', at + heard, OLD)] if heard is not None else []
        gone = at + (heard or 0) + (deleted or 0)
        whats += [('deleted', gone, OLD if heard is not None else INBOX)] if deleted is not None else []
        for what, when, folder in whats:
            for copy, user in enumerate(USERS[:shared] or [None]):
                late = when + copy * 0.3
                one = message(what, late, user, id_=f'{number}', folder=folder, host=host, era=era, duration=duration)
                events.append((late, one))
        if has_text:
            events.append((at + 1.5, text(at + 1.5, 'Call me.', id_=f'{number}', host=host)))
    return [one for _, one in sorted(events, key=lambda each: each[0])]


@pytest.mark.parametrize('era', ['now', '2019'])
@given(left=messages)
def test_each_message_is_told_once_as_it_was(era: str, left: list[tuple[Any, ...]]) -> None:
    events = [each for each in history(left, era) if 'transcription' not in each.name]
    told = Counter((each.derivation.name[15:], each.derivation.data['message_id']) for each in run(made, events))
    expected: Counter[tuple[str, str]] = Counter()
    for number, (_, _, _, heard, deleted, duration, _) in enumerate(left):
        ended = heard if heard is not None else deleted
        facts = {
            'left': True,
            'unread': ended is None or ended >= FOUR_HOURS,
            'read': heard is not None,
            'deleted': deleted is not None,
        }
        expected.update((what, f'{number}') for what, is_so in facts.items() if is_so and duration >= 2)

    assert told == expected


@given(left=messages)
def test_left_names_all_who_share_the_voicemail(left: list[tuple[Any, ...]]) -> None:
    found = [each.derivation for each in run(made, history(left, 'now')) if each.derivation.name[15:] == 'left']

    assert {each.data['message_id']: each.user_uuids for each in found} == {
        f'{number}': USERS[:shared] for number, (_, shared, _, _, _, long, _) in enumerate(left) if long >= 2
    }


@given(left=messages, part=st.floats(0, 1))
def test_a_restart_at_any_moment_of_any_history_changes_nothing(left: list[tuple[Any, ...]], part: float) -> None:
    events = history(left, 'now')

    assert run(made, events, restart_after=int(part * len(events))) == run(made, events)


# ---- the page


def handlers(number: int) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(re.findall(r'```yaml\n(.*?)```', PAGE, re.DOTALL)[number])['handlers']
    return found


async def test_the_second_example_tells_of_a_message_that_was_deleted_unheard() -> None:
    outlet = handlers(1)['deleted-unheard']
    said = [message('created', 0, era='now').data, message('deleted', 1, era='now').data]
    events = [
        make_event(f'user_voicemail_message_{what}', data)
        for what, data in zip(('created', 'deleted'), said, strict=True)
    ]
    outcomes = await deliver(Voicemails, *events, options=handlers(1)['voicemail-watch']['options'])
    told = next(each for each in outcomes.emitted if each.name == outlet['match'])

    assert [each.name for each in outcomes.emitted] == ['busd.voicemail.left', 'busd.voicemail.deleted']
    assert {f'data.{key}': value for key, value in told.data.items()}.items() >= outlet['where'].items()


async def test_the_first_example_matches_an_event_that_it_derives() -> None:
    match = handlers(0)['unread']['match']
    found = run(made, [message('created', 0)])

    assert names(found)[-1] == match
    assert await deliver(Log, make_event(match, data_of(found)), match=match) == [Outcome.DONE]
