"""Background tasks, the outbox, settings."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB

from odeion.adapters.postgres.tables.base import id_column, metadata, moment, version_column

tasks = Table(
    "tasks",
    metadata,
    id_column(),
    Column("type", Text, nullable=False),
    # What the task is about: at most one pending or running task per type and subject.
    Column("subject", Text, nullable=False),
    Column("payload", JSONB, nullable=False),
    Column("status", Text, nullable=False),
    Column("percent", Float, nullable=False, server_default="0"),
    Column("detail", JSONB, nullable=False, server_default="{}"),
    Column("error", Text),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("cancel_requested", Boolean, nullable=False, server_default="false"),
    Column("worker", Text),
    moment("lease_until", nullable=True),
    moment("created_at"),
    moment("started_at", nullable=True),
    moment("finished_at", nullable=True),
    version_column(),
    Index("ix_tasks_status_created_at", "status", "created_at"),
    Index("ix_tasks_type_subject_id", "type", "subject", "id"),
    Index(
        "uq_tasks_active_type_subject",
        "type",
        "subject",
        unique=True,
        postgresql_where=text("status in ('pending', 'running')"),
    ),
)

outbox = Table(
    "outbox",
    metadata,
    id_column(),
    # The id consumers deduplicate by.
    Column("event_id", Uuid, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("data", JSONB, nullable=False),
    # The user the event concerns; null for everybody who may see the thing.
    Column("user_id", BigInteger),
    moment("at"),
    moment("relayed_at", nullable=True),
    Index("ix_outbox_waiting", "id", postgresql_where=text("relayed_at is null")),
)

settings = Table(
    "settings",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", JSONB, nullable=False),
    moment("updated_at"),
)
