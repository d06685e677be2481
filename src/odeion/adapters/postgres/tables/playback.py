"""Who watches what, and how far they are."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from odeion.adapters.postgres.tables.base import id_column, metadata, moment, version_column

watch_progress = Table(
    "watch_progress",
    metadata,
    id_column(),
    Column("user_id", BigInteger, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("movie_id", BigInteger, ForeignKey("movies.id", ondelete="CASCADE"), index=True),
    Column("episode_id", BigInteger, ForeignKey("episodes.id", ondelete="CASCADE"), index=True),
    Column("position_ms", BigInteger, nullable=False),
    Column("duration_ms", BigInteger, nullable=False),
    Column("completed", Boolean, nullable=False),
    Column("play_count", Integer, nullable=False),
    moment("updated_at"),
    CheckConstraint("num_nonnulls(movie_id, episode_id) = 1", name="one_content"),
    Index("uq_watch_progress_user_id_movie_id", "user_id", "movie_id", unique=True),
    Index("uq_watch_progress_user_id_episode_id", "user_id", "episode_id", unique=True),
    Index("ix_watch_progress_user_id_updated_at", "user_id", "updated_at"),
)

playback_sessions = Table(
    "playback_sessions",
    metadata,
    id_column(),
    # An audit row outlives what it speaks of, so there are no cascades here.
    Column("user_id", BigInteger, ForeignKey("users.id", ondelete="SET NULL")),
    Column("username", Text, nullable=False),
    Column("login_session_id", BigInteger, ForeignKey("login_sessions.id", ondelete="SET NULL")),
    # What opened it, where that was an API key and no signed-in device.
    Column("api_key_id", BigInteger, ForeignKey("api_keys.id", ondelete="SET NULL")),
    Column("file_id", BigInteger, ForeignKey("media_files.id", ondelete="SET NULL"), index=True),
    Column("file_name", Text),
    Column("media_type", Text, nullable=False),
    Column("media_id", BigInteger, nullable=False),
    Column("title", Text, nullable=False),
    # SHA-256 of the key in the stream URLs.
    Column("stream_key_hash", LargeBinary, nullable=False),
    Column("state", Text, nullable=False),
    Column("mode", Text, nullable=False),
    Column("plan", JSONB, nullable=False),
    Column("capabilities", JSONB, nullable=False),
    Column("options", JSONB, nullable=False),
    Column("device", JSONB, nullable=False),
    Column("address", Text, nullable=False),
    Column("position_ms", BigInteger, nullable=False),
    moment("started_at"),
    moment("heartbeat_at"),
    moment("ended_at", nullable=True),
    Column("end_reason", Text),
    version_column(),
    Index("uq_playback_sessions_stream_key_hash", "stream_key_hash", unique=True),
    Index("ix_playback_sessions_active", "heartbeat_at", postgresql_where=text("state = 'active'")),
    Index("ix_playback_sessions_user_id_media_type_media_id", "user_id", "media_type", "media_id"),
    Index("ix_playback_sessions_media_type_media_id", "media_type", "media_id"),
    Index("ix_playback_sessions_started_at_id", "started_at", "id"),
)

# What helps to find out why a session played badly; dropped after a while.
playback_session_debug = Table(
    "playback_session_debug",
    metadata,
    Column(
        "session_id",
        BigInteger,
        ForeignKey("playback_sessions.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("user_agent", Text, nullable=False),
    # As it was posted.
    Column("request", JSONB, nullable=False),
    Column("master_playlist", Text),
    # What went wrong while it was served, the latest last.
    Column("problems", JSONB, nullable=False, server_default="[]"),
    moment("opened_at", index=True),
)
