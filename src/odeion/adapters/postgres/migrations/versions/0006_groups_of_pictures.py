"""Where a decoder may begin with the picture of an indexed file"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("media_indexes", sa.Column("groups", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("media_indexes", "groups")
