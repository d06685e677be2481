"""Libraries, their roots, and the files found below them."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, Table, Text, UniqueConstraint, func
from sqlalchemy.dialects.postgresql import JSONB

from odeion.adapters.postgres.tables.base import FsPath, id_column, metadata, moment, version_column

libraries = Table(
    "libraries",
    metadata,
    id_column(),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("options", JSONB, nullable=False),
    moment("created_at"),
    moment("last_scanned_at", nullable=True),
    version_column(),
)
Index("uq_libraries_name", func.lower(libraries.c.name), unique=True)

library_roots = Table(
    "library_roots",
    metadata,
    id_column(),
    Column("library_id", BigInteger, ForeignKey("libraries.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("path", Text, nullable=False, unique=True),
    # st_dev of the disk it lay on: its bits, as a signed number.
    Column("device", BigInteger),
    # Stands for the whole tree as the last complete scan left it: an equal one needs no look at the files.
    Column("tree_digest", LargeBinary),
    # Why the last scan could not use the root; null while it can.
    Column("unavailable_reason", Text),
)

media_files = Table(
    "media_files",
    metadata,
    id_column(),
    Column("library_id", BigInteger, ForeignKey("libraries.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("root_id", BigInteger, ForeignKey("library_roots.id", ondelete="CASCADE"), nullable=False),
    Column("relative_path", FsPath, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("mtime_ns", BigInteger, nullable=False),
    Column("inode", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("probe_error", Text),
    Column("container", Text),
    Column("duration_ms", BigInteger),
    Column("bitrate_bps", BigInteger),
    # The best picture in the file, for lists: the streams themselves are in `technical`.
    Column("height", Integer),
    Column("hdr", Text),
    Column("technical", JSONB),
    Column("sidecars", JSONB, nullable=False, server_default="[]"),
    moment("added_at"),
    moment("probed_at", nullable=True),
    moment("missing_since", nullable=True),
    version_column(),
    UniqueConstraint("root_id", "relative_path"),
)
