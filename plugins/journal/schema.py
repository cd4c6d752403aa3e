# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The schema of a journal in a database, in the words of SQLite and of PostgreSQL."""

from __future__ import annotations

VERSION = 1

SQLITE = """\
CREATE TABLE events (
    seq INTEGER PRIMARY KEY,        -- the order in which events were written
    received_at TEXT NOT NULL,      -- when the event came: 2026-03-01T09:30:00.000000+00:00, always in UTC
    name TEXT NOT NULL,
    exchange TEXT NOT NULL,
    routing_key TEXT NOT NULL,
    origin_uuid TEXT,
    tenant_uuid TEXT,
    call_id TEXT,                   -- the call that the event is about
    headers TEXT NOT NULL,          -- JSON
    data TEXT NOT NULL,             -- JSON
    id TEXT NOT NULL,               -- the identity of the event; two genuine events can have the same
    redelivered INTEGER NOT NULL,   -- 1 if the broker had given it out before
    attempt INTEGER NOT NULL,
    handler TEXT NOT NULL,
    original BLOB,                  -- the whole record in JSON, where the columns cannot have it as it is
    written_at TEXT NOT NULL        -- when it was committed
);
CREATE INDEX events_received_at ON events (received_at);
CREATE INDEX events_name ON events (name, received_at);
CREATE INDEX events_tenant_uuid ON events (tenant_uuid, received_at) WHERE tenant_uuid IS NOT NULL;
CREATE INDEX events_call_id ON events (call_id) WHERE call_id IS NOT NULL;
CREATE TABLE runs (
    run INTEGER PRIMARY KEY,
    handler TEXT NOT NULL,
    started_at TEXT NOT NULL,       -- when the journal was opened
    last_seq INTEGER NOT NULL       -- the last event before that
);
"""

POSTGRESQL = """\
CREATE TABLE events (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    received_at timestamptz NOT NULL,
    name text NOT NULL,
    exchange text NOT NULL,
    routing_key text NOT NULL,
    origin_uuid text,
    tenant_uuid text,
    call_id text,
    headers jsonb NOT NULL,
    data jsonb NOT NULL,
    id text NOT NULL,
    redelivered boolean NOT NULL,
    attempt integer NOT NULL,
    handler text NOT NULL,
    original bytea,
    written_at timestamptz NOT NULL
);
CREATE INDEX events_received_at ON events (received_at, seq);
CREATE INDEX events_name ON events (name, received_at);
CREATE INDEX events_tenant_uuid ON events (tenant_uuid, received_at) WHERE tenant_uuid IS NOT NULL;
CREATE INDEX events_call_id ON events (call_id) WHERE call_id IS NOT NULL;
CREATE INDEX events_handler ON events (handler, seq);
CREATE TABLE runs (
    run bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    handler text NOT NULL,
    started_at timestamptz NOT NULL,
    last_seq bigint NOT NULL
);
CREATE INDEX runs_handler ON runs (handler, run);
COMMENT ON TABLE events IS 'journal of wazo-busd, schema 1';
"""
