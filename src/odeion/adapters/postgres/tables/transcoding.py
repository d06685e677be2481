"""Pools of encoders, and the runs on them."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, Table, Text, func, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from odeion.adapters.postgres.tables.base import id_column, metadata, moment, version_column

transcoder_pools = Table(
    "transcoder_pools",
    metadata,
    id_column(),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("device", Text),
    Column("node", Text),
    Column("max_sessions", Integer, nullable=False),
    Column("is_enabled", Boolean, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("capabilities", JSONB),
    moment("probed_at", nullable=True),
    moment("created_at"),
    version_column(),
)
Index("uq_transcoder_pools_name", func.lower(transcoder_pools.c.name), unique=True)
Index(
    "uq_transcoder_pools_device",
    transcoder_pools.c.kind,
    func.coalesce(transcoder_pools.c.device, ""),
    func.coalesce(transcoder_pools.c.node, ""),
    unique=True,
)

transcode_sessions = Table(
    "transcode_sessions",
    metadata,
    id_column(),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("node", Text, nullable=False),
    # Null for what takes no place in a pool, as sound does.
    Column("pool_id", BigInteger, ForeignKey("transcoder_pools.id", ondelete="SET NULL")),
    Column("file_id", BigInteger, ForeignKey("media_files.id", ondelete="SET NULL"), index=True),
    # Whose download it is; what feeds players belongs to their sessions.
    Column("user_id", BigInteger, ForeignKey("users.id", ondelete="SET NULL"), index=True),
    Column("stream_kind", Text, nullable=False),
    Column("output", JSONB, nullable=False),
    Column("argv", ARRAY(Text), nullable=False, server_default="{}"),
    Column("first_segment", Integer, nullable=False),
    Column("next_segment", Integer, nullable=False),
    Column("throughput", JSONB, nullable=False, server_default="[]"),
    Column("stderr_tail", Text, nullable=False, server_default=""),
    Column("exit_status", Integer),
    Column("error", Text),
    # The playback sessions that were fed; a record, so no foreign keys.
    Column("sessions", ARRAY(BigInteger), nullable=False, server_default="{}"),
    Column("cancel_requested", Boolean, nullable=False, server_default="false"),
    moment("started_at"),
    moment("heartbeat_at"),
    moment("ended_at", nullable=True),
    Index("ix_transcode_sessions_running", "pool_id", "heartbeat_at", postgresql_where=text("state = 'running'")),
    Index("ix_transcode_sessions_started_at_id", "started_at", "id"),
    Index("ix_transcode_sessions_sessions", "sessions", postgresql_using="gin"),
)
