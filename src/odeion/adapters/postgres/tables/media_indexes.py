"""Indexes of media files, by which their copied renditions are cut."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, LargeBinary, Table

from odeion.adapters.postgres.tables.base import metadata

media_indexes = Table(
    "media_indexes",
    metadata,
    Column(
        "file_id",
        BigInteger,
        ForeignKey("media_files.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    # The version of what is in `data`, and the stamp of the file it was made of.
    Column("format", Integer, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("mtime_ns", BigInteger, nullable=False),
    Column("inode", BigInteger, nullable=False),
    Column("data", LargeBinary, nullable=False),
)
