"""Pools of encoders and the runs on them"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "transcoder_pools",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("device", sa.Text(), nullable=True),
        sa.Column("node", sa.Text(), nullable=True),
        sa.Column("max_sessions", sa.Integer(), nullable=False),
        sa.Column("is_enabled", sa.Boolean(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("capabilities", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("probed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transcoder_pools")),
    )
    op.create_index(
        "uq_transcoder_pools_device",
        "transcoder_pools",
        ["kind", sa.literal_column("coalesce(device, '')"), sa.literal_column("coalesce(node, '')")],
        unique=True,
    )
    op.create_index("uq_transcoder_pools_name", "transcoder_pools", [sa.literal_column("lower(name)")], unique=True)
    op.create_table(
        "transcode_sessions",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("pool_id", sa.BigInteger(), nullable=True),
        sa.Column("file_id", sa.BigInteger(), nullable=True),
        sa.Column("stream_kind", sa.Text(), nullable=False),
        sa.Column("output", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("argv", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("first_segment", sa.Integer(), nullable=False),
        sa.Column("next_segment", sa.Integer(), nullable=False),
        sa.Column("throughput", postgresql.JSONB(astext_type=sa.Text()), server_default="[]", nullable=False),
        sa.Column("stderr_tail", sa.Text(), server_default="", nullable=False),
        sa.Column("exit_status", sa.Integer(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("sessions", postgresql.ARRAY(sa.BigInteger()), server_default="{}", nullable=False),
        sa.Column("cancel_requested", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("heartbeat_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["file_id"], ["media_files.id"], name=op.f("fk_transcode_sessions_file_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["pool_id"], ["transcoder_pools.id"], name=op.f("fk_transcode_sessions_pool_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transcode_sessions")),
    )
    op.create_index(op.f("ix_transcode_sessions_file_id"), "transcode_sessions", ["file_id"], unique=False)
    op.create_index(
        "ix_transcode_sessions_running",
        "transcode_sessions",
        ["pool_id", "heartbeat_at"],
        unique=False,
        postgresql_where=sa.text("state = 'running'"),
    )
    op.create_index(
        "ix_transcode_sessions_sessions", "transcode_sessions", ["sessions"], unique=False, postgresql_using="gin"
    )
    op.create_index("ix_transcode_sessions_started_at_id", "transcode_sessions", ["started_at", "id"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_transcode_sessions_started_at_id", table_name="transcode_sessions")
    op.drop_index("ix_transcode_sessions_sessions", table_name="transcode_sessions", postgresql_using="gin")
    op.drop_index(
        "ix_transcode_sessions_running", table_name="transcode_sessions", postgresql_where=sa.text("state = 'running'")
    )
    op.drop_index(op.f("ix_transcode_sessions_file_id"), table_name="transcode_sessions")
    op.drop_table("transcode_sessions")
    op.drop_index("uq_transcoder_pools_name", table_name="transcoder_pools")
    op.drop_index("uq_transcoder_pools_device", table_name="transcoder_pools")
    op.drop_table("transcoder_pools")
