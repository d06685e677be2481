"""People and their signed-in devices."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, LargeBinary, Table, Text, func

from odeion.adapters.postgres.tables.base import id_column, metadata, moment, version_column

users = Table(
    "users",
    metadata,
    id_column(),
    Column("username", Text, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("password_hash", Text),
    Column("role", Text, nullable=False),
    Column("is_locked", Boolean, nullable=False, server_default="false"),
    moment("created_at"),
    version_column(),
)
Index("uq_users_username", func.lower(users.c.username), unique=True)

login_sessions = Table(
    "login_sessions",
    metadata,
    id_column(),
    Column("user_id", BigInteger, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("refresh_hash", LargeBinary, nullable=False),
    Column("spent_refresh_hash", LargeBinary),
    Column("user_agent", Text, nullable=False),
    Column("address", Text, nullable=False),
    moment("created_at"),
    moment("last_used_at"),
    moment("expires_at"),
    moment("revoked_at", nullable=True),
    version_column(),
)
Index("uq_login_sessions_refresh_hash", login_sessions.c.refresh_hash, unique=True)
Index("uq_login_sessions_spent_refresh_hash", login_sessions.c.spent_refresh_hash, unique=True)
