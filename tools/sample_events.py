# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""One of each event that the message bus page of Wazo describes, as hosts of both eras send them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

ORIGIN = 'ca7f87e9-c2c8-5fad-ba1b-c3140ebb9be3'
TENANT = 'bd72b051-fd14-40be-9c3d-6b5fe65271ca'
ALICE = '2e752722-0864-4665-887d-a78a024cf7c7'
FAX = '1455123430.89'
ROOM = 1


@dataclass(frozen=True, slots=True)
class Sample:
    """An event without its envelope.

    Attributes:
        name: its name.
        routing_key: the key that a host sends it with.
        data: what it says.
        users: the users it concerns.
        acl: its access control, where it is not `events.` and the routing key.
    """

    name: str
    routing_key: str
    data: dict[str, Any]
    users: tuple[str, ...] = ()
    acl: str | None = None
    headers: dict[str, Any] = field(default_factory=dict)

    def as_sent(self, exchange: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Headers and body as a service sends them: of 2019 on `xivo`, of today on `wazo-headers`."""
        acl = self.acl or f'events.{self.routing_key}'
        metadata: dict[str, Any] = {'name': self.name, 'origin_uuid': ORIGIN, 'required_acl': acl}
        users = {f'user_uuid:{uuid}': True for uuid in self.users}
        if exchange == 'xivo':
            return {**metadata, **users}, {**metadata, 'data': self.data}
        metadata |= {
            'timestamp': datetime.now().isoformat(),  # noqa: DTZ005 — as services send it
            'required_access': f'event.{self.name}',
            'tenant_uuid': TENANT,
            **self.headers,
            **users,
        }
        return metadata, {**metadata, 'data': self.data}


def _call(status: str, **more: Any) -> dict[str, Any]:
    return {
        'bridges': [],
        'call_id': '1455123422.8',
        'caller_id_name': 'Some One',
        'caller_id_number': '1001',
        'creation_time': '2016-02-10T11:57:02.592-0500',
        'status': status,
        'talking_to': {},
        'user_uuid': ALICE,
        **more,
    }


def _participant(**more: Any) -> dict[str, Any]:
    return {
        'id': '1547576420.11',
        'call_id': '1547576420.11',
        'caller_id_name': 'Bernard Marx',
        'caller_id_number': '1002',
        'conference_id': ROOM,
        'admin': False,
        'language': 'fr_FR',
        'muted': False,
        'join_time': 0,
        **more,
    }


def _fax(**more: Any) -> dict[str, Any]:
    return {
        'id': FAX,
        'call_id': FAX,
        'extension': '1234',
        'context': 'ctx-acme-internal',
        'caller_id': 'fax sender <5551234>',
        'user_uuid': ALICE,
        'tenant_uuid': TENANT,
        **more,
    }


def _relocate(completions: list[str]) -> dict[str, Any]:
    return {
        'uuid': '2fb9efc0-95d3-463b-9042-e2cf2183a303',
        'completions': completions,
        'relocated_call': '132456789.1',
        'initiator_call': '132456789.2',
        'recipient_call': '132456789.3',
        'initiator': ALICE,
        'timeout': 30,
    }


def _voicemail() -> dict[str, Any]:
    return {
        'voicemail_id': 1,
        'message_id': '1479226725-00000003',
        'user_uuid': ALICE,
        'message': {
            'id': '1479226725-00000003',
            'timestamp': 1479226725,
            'caller_id_num': '1001',
            'caller_id_name': 'Alice',
            'duration': 12,
            'folder': {'id': 1, 'name': 'inbox', 'type': 'new'},
        },
    }


def _service(**more: Any) -> dict[str, Any]:
    return {
        'service_name': 'wazo-dird',
        'service_id': '8e58d2a7-cfed-4c2e-ac72-14e0b5c26dc2',
        'tags': ['wazo-dird', ORIGIN, 'Québec'],
        **more,
    }


_EXTERNAL = {'user_uuid': ALICE, 'external_auth_name': 'zoho'}
_FAVORITE = {'xivo_uuid': ORIGIN, 'user_uuid': ALICE, 'source': 'internal', 'source_entry_id': '42'}
_PERSON = {'id': 42, 'uuid': ALICE, 'subscription_type': 1, 'created_at': '2016-02-10T11:57:02', 'tenant_uuid': TENANT}
_TASK = '8e58d2a7-cfed-4c2e-ac72-14e0b5c26dc2'
_ACME = {'uuid': TENANT, 'name': 'acme'}
_ONE = (ALICE,)
_CALLS = f'events.calls.{ALICE}'
_RELOCATES = f'events.relocates.{ALICE}'
_VOICEMAILS = f'events.users.{ALICE}.voicemails'
_ROOM_HEADER = {'conference_id': ROOM}

SAMPLES: tuple[Sample, ...] = (
    Sample(
        'QueueMemberStatus',
        'ami.QueueMemberStatus',
        {
            'Event': 'QueueMemberStatus',
            'Queue': 'petak',
            'MemberName': 'sip/m3ylhs',
            'Membership': 'static',
            'Penalty': '0',
            'Status': '1',
            'Paused': '0',
        },
    ),
    Sample('auth_tenant_created', f'auth.tenants.{TENANT}.created', _ACME),
    Sample('auth_tenant_added', f'auth.tenants.{TENANT}.created', _ACME | {'slug': 'acme'}),
    Sample('auth_tenant_updated', f'auth.tenants.{TENANT}.updated', _ACME),
    Sample('auth_tenant_deleted', f'auth.tenants.{TENANT}.deleted', {'uuid': TENANT}),
    Sample('user_created', 'config.user.created', _PERSON),
    Sample('user_edited', 'config.user.edited', _PERSON),
    Sample('auth_user_external_auth_added', f'auth.users.{ALICE}.external.zoho.created', _EXTERNAL, _ONE),
    Sample('auth_user_external_auth_authorized', f'auth.users.{ALICE}.external.zoho.authorized', _EXTERNAL, _ONE),
    Sample('auth_user_external_auth_deleted', f'auth.users.{ALICE}.external.zoho.deleted', _EXTERNAL, _ONE),
    Sample('service_registered_event', 'service.registered.wazo-dird', _service(address='192.168.1.42', port=9495)),
    Sample('service_registered', 'service.registered.wazo-dird', _service(address='192.168.1.42', port=9495)),
    Sample('plugin_install_progress', f'plugin.install.{_TASK}.completed', {'uuid': _TASK, 'status': 'completed'}),
    Sample(
        'agent_status_update',
        'status.agent',
        {'agent_id': 42, 'status': 'logged_in'},
        _ONE,
        'events.statuses.agents',
    ),
    Sample('call_created', 'calls.call.created', _call('Ring'), _ONE, _CALLS),
    Sample('call_updated', 'calls.call.updated', _call('Up', talking_to={'1455123422.9': ALICE}), _ONE, _CALLS),
    Sample('call_form_result', 'call_form_result', {'user_id': 40, 'variables': {'firstname': 'John'}}),
    Sample('call_held', 'calls.hold.created', {'call_id': '1455123422.8', 'user_uuid': ALICE}, _ONE, _CALLS),
    Sample('call_resumed', 'calls.hold.deleted', {'call_id': '1455123422.8', 'user_uuid': ALICE}, _ONE, _CALLS),
    Sample('relocate_initiated', 'calls.relocate.created', _relocate([]), _ONE, _RELOCATES),
    Sample('relocate_answered', 'calls.relocate.edited', _relocate(['answer']), _ONE, _RELOCATES),
    Sample('relocate_completed', 'calls.relocate.edited', _relocate(['answer']), _ONE, _RELOCATES),
    Sample('relocate_ended', 'calls.relocate.deleted', _relocate(['answer']), _ONE, _RELOCATES),
    Sample('call_ended', 'calls.call.ended', _call('Down', reason_code=16), _ONE, _CALLS),
    Sample(
        'conference_participant_joined',
        f'conferences.{ROOM}.participants.joined',
        _participant(),
        _ONE,
        None,
        _ROOM_HEADER,
    ),
    Sample('conference_record_started', f'conferences.{ROOM}.record', {'id': ROOM}, (), None, _ROOM_HEADER),
    Sample(
        'conference_participant_talk_started',
        f'conferences.{ROOM}.participants.talk',
        _participant(),
        _ONE,
        None,
        _ROOM_HEADER,
    ),
    Sample(
        'conference_participant_talk_stopped',
        f'conferences.{ROOM}.participants.talk',
        _participant(),
        _ONE,
        None,
        _ROOM_HEADER,
    ),
    Sample(
        'conference_participant_muted',
        f'conferences.{ROOM}.participants.mute',
        _participant(muted=True),
        (),
        None,
        _ROOM_HEADER,
    ),
    Sample(
        'conference_participant_unmuted',
        f'conferences.{ROOM}.particpants.mute',
        _participant(),
        (),
        None,
        _ROOM_HEADER,
    ),
    Sample('conference_record_stopped', f'conferences.{ROOM}.record', {'id': ROOM}, (), None, _ROOM_HEADER),
    Sample(
        'conference_participant_left',
        f'conferences.{ROOM}.participants.left',
        _participant(join_time=183),
        _ONE,
        None,
        _ROOM_HEADER,
    ),
    Sample('favorite_added', f'directory.{ALICE}.favorite.created', _FAVORITE, _ONE),
    Sample('favorite_deleted', f'directory.{ALICE}.favorite.deleted', _FAVORITE, _ONE),
    Sample('fax_outbound_created', 'faxes.outbound.created', _fax()),
    Sample('fax_outbound_user_created', f'faxes.outbound.users.{ALICE}.created', _fax(), _ONE),
    Sample('fax_outbound_succeeded', f'faxes.outbound.{FAX.replace(".", "__DOT__")}.succeeded', _fax()),
    Sample('fax_outbound_user_succeeded', f'faxes.outbound.users.{ALICE}.succeeded', _fax(), _ONE),
    Sample('fax_outbound_failed', f'faxes.outbound.{FAX}.failed', _fax(error='recipient did not answer')),
    Sample(
        'fax_outbound_user_failed',
        f'faxes.outbound.users.{ALICE}.failed',
        _fax(error='recipient did not answer'),
        _ONE,
    ),
    *(
        Sample(
            f'users_forwards_{forward}_updated',
            f'config.users.{ALICE}.forwards.{forward}.updated',
            {'user_uuid': ALICE, 'enabled': True, 'destination': '1234'},
            _ONE,
            None,
            {'forward_name': forward},
        )
        for forward in ('busy', 'noanswer', 'unconditional')
    ),
    *(
        Sample(
            f'users_services_{service}_updated',
            f'config.users.{ALICE}.services.{service}.updated',
            {'user_uuid': ALICE, 'enabled': True},
            _ONE,
        )
        for service in ('dnd', 'incallfilter')
    ),
    Sample('user_voicemail_message_created', 'voicemails.messages.created', _voicemail(), _ONE, _VOICEMAILS),
    Sample('user_voicemail_message_updated', 'voicemails.messages.updated', _voicemail(), _ONE, _VOICEMAILS),
    Sample('user_voicemail_message_deleted', 'voicemails.messages.deleted', _voicemail(), _ONE, _VOICEMAILS),
    Sample('service_deregistered_event', 'service.deregistered.wazo-dird', _service()),
    Sample('service_deregistered', 'service.registered.wazo-dird', _service()),
    Sample('plugin_uninstall_progress', f'plugin.uninstall.{_TASK}.removing', {'uuid': _TASK, 'status': 'removing'}),
    Sample('user_deleted', 'config.user.deleted', _PERSON),
)
"""In an order that tells a story; the names of both eras where they differ."""
