"""Playback sessions as an audit trail, what helps to debug them, and whose transcode it is"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("playback_sessions", sa.Column("username", sa.Text(), server_default="", nullable=False))
    op.execute(
        "UPDATE playback_sessions SET username = users.username FROM users WHERE users.id = playback_sessions.user_id"
    )
    op.alter_column("playback_sessions", "username", server_default=None)
    op.add_column("playback_sessions", sa.Column("file_name", sa.Text(), nullable=True))
    op.create_index(op.f("ix_playback_sessions_file_id"), "playback_sessions", ["file_id"], unique=False)
    op.create_index(
        "ix_playback_sessions_media_type_media_id", "playback_sessions", ["media_type", "media_id"], unique=False
    )
    op.create_index("ix_playback_sessions_started_at_id", "playback_sessions", ["started_at", "id"], unique=False)
    op.create_table(
        "playback_session_debug",
        sa.Column("session_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("user_agent", sa.Text(), nullable=False),
        sa.Column("request", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("master_playlist", sa.Text(), nullable=True),
        sa.Column("problems", postgresql.JSONB(astext_type=sa.Text()), server_default="[]", nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["session_id"],
            ["playback_sessions.id"],
            name=op.f("fk_playback_session_debug_session_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("session_id", name=op.f("pk_playback_session_debug")),
    )
    op.create_index(op.f("ix_playback_session_debug_opened_at"), "playback_session_debug", ["opened_at"], unique=False)
    op.add_column("transcode_sessions", sa.Column("user_id", sa.BigInteger(), nullable=True))
    op.create_foreign_key(
        op.f("fk_transcode_sessions_user_id"), "transcode_sessions", "users", ["user_id"], ["id"], ondelete="SET NULL"
    )
    op.create_index(op.f("ix_transcode_sessions_user_id"), "transcode_sessions", ["user_id"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_transcode_sessions_user_id"), table_name="transcode_sessions")
    op.drop_constraint(op.f("fk_transcode_sessions_user_id"), "transcode_sessions", type_="foreignkey")
    op.drop_column("transcode_sessions", "user_id")
    op.drop_index(op.f("ix_playback_session_debug_opened_at"), table_name="playback_session_debug")
    op.drop_table("playback_session_debug")
    op.drop_index("ix_playback_sessions_started_at_id", table_name="playback_sessions")
    op.drop_index("ix_playback_sessions_media_type_media_id", table_name="playback_sessions")
    op.drop_index(op.f("ix_playback_sessions_file_id"), table_name="playback_sessions")
    op.drop_column("playback_sessions", "file_name")
    op.drop_column("playback_sessions", "username")
