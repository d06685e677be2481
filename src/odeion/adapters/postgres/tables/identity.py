"""People, their signed-in devices, and all the other ways in."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    func,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from odeion.adapters.postgres.tables.base import id_column, metadata, moment, version_column


def _owner() -> Column[int]:
    """Goes with the account."""
    return Column("user_id", BigInteger, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True)


users = Table(
    "users",
    metadata,
    id_column(),
    Column("username", Text, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("password_hash", Text),
    Column("role", Text, nullable=False),
    Column("is_locked", Boolean, nullable=False, server_default="false"),
    Column("permissions", JSONB, nullable=False, server_default="{}"),
    moment("created_at"),
    version_column(),
)
Index("uq_users_username", func.lower(users.c.username), unique=True)

user_settings = Table(
    "user_settings",
    metadata,
    Column("user_id", BigInteger, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("value", JSONB, nullable=False),
    moment("updated_at"),
)

login_sessions = Table(
    "login_sessions",
    metadata,
    id_column(),
    _owner(),
    Column("refresh_hash", LargeBinary, nullable=False),
    Column("spent_refresh_hash", LargeBinary),
    Column("user_agent", Text, nullable=False),
    # What its owner called it when it was linked.
    Column("device_name", Text),
    Column("address", Text, nullable=False),
    moment("created_at"),
    moment("last_used_at"),
    moment("proven_at"),
    moment("expires_at"),
    moment("revoked_at", nullable=True),
    version_column(),
)
Index("uq_login_sessions_refresh_hash", login_sessions.c.refresh_hash, unique=True)
Index("uq_login_sessions_spent_refresh_hash", login_sessions.c.spent_refresh_hash, unique=True)

tickets = Table(
    "tickets",
    metadata,
    id_column(),
    Column("kind", Text, nullable=False),
    Column("secret_hash", LargeBinary, nullable=False),
    Column("user_id", BigInteger, ForeignKey("users.id", ondelete="CASCADE"), index=True),
    Column("payload", JSONB, nullable=False, server_default="{}"),
    moment("created_at"),
    moment("expires_at", index=True),
    UniqueConstraint("kind", "secret_hash"),
)

invites = Table(
    "invites",
    metadata,
    id_column(),
    # Gone with its maker: nobody would be left who answers for it.
    Column("created_by", BigInteger, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("code_hash", LargeBinary, nullable=False, unique=True),
    # The code again for its maker, encrypted with the server's key.
    Column("sealed_code", LargeBinary, nullable=False),
    Column("role", Text, nullable=False),
    # Null is any number.
    Column("max_uses", Integer),
    Column("uses", Integer, nullable=False, server_default="0"),
    moment("created_at"),
    moment("expires_at", nullable=True),
    version_column(),
)

api_keys = Table(
    "api_keys",
    metadata,
    id_column(),
    _owner(),
    Column("name", Text, nullable=False),
    Column("key_hash", LargeBinary, nullable=False, unique=True),
    Column("hint", Text, nullable=False),
    Column("scopes", ARRAY(Text), nullable=False),
    moment("created_at"),
    moment("last_used_at", nullable=True),
    Column("last_used_address", Text),
    version_column(),
)

oauth_identities = Table(
    "oauth_identities",
    metadata,
    id_column(),
    _owner(),
    Column("provider", Text, nullable=False),
    # Who vouches and for whom: the key. Names and addresses change hands.
    Column("issuer", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("email", Text),
    Column("display_name", Text),
    moment("created_at"),
    moment("last_used_at", nullable=True),
    UniqueConstraint("issuer", "subject"),
    UniqueConstraint("user_id", "provider"),
)

totp_secrets = Table(
    "totp_secrets",
    metadata,
    Column("user_id", BigInteger, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    # Encrypted with the server's key.
    Column("sealed_secret", LargeBinary, nullable=False),
    # Until its owner has shown a right code it protects nothing.
    moment("confirmed_at", nullable=True),
    # The time step of the last code used: no code is good twice.
    Column("last_step", BigInteger, nullable=False, server_default="0"),
    moment("created_at"),
)

recovery_codes = Table(
    "recovery_codes",
    metadata,
    id_column(),
    _owner(),
    Column("code_hash", LargeBinary, nullable=False),
    moment("created_at"),
    moment("used_at", nullable=True),
    UniqueConstraint("user_id", "code_hash"),
)

passkeys = Table(
    "passkeys",
    metadata,
    id_column(),
    _owner(),
    Column("name", Text, nullable=False),
    Column("credential_id", LargeBinary, nullable=False, unique=True),
    Column("public_key", LargeBinary, nullable=False),
    Column("sign_count", BigInteger, nullable=False),
    Column("transports", ARRAY(Text), nullable=False, server_default="{}"),
    Column("is_backed_up", Boolean, nullable=False),
    moment("created_at"),
    moment("last_used_at", nullable=True),
    version_column(),
)

security_events = Table(
    "security_events",
    metadata,
    id_column(),
    moment("at"),
    Column("kind", Text, nullable=False),
    # The trail outlives the accounts.
    Column("user_id", BigInteger, ForeignKey("users.id", ondelete="SET NULL"), index=True),
    Column("username", Text),
    Column("actor_id", BigInteger, ForeignKey("users.id", ondelete="SET NULL"), index=True),
    Column("address", Text),
    Column("user_agent", Text),
    Column("details", JSONB, nullable=False, server_default="{}"),
    Index("ix_security_events_at_id", "at", "id"),
)
