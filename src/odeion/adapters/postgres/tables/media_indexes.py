"""Indexes of media files, by which their copied renditions are cut."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ColumnElement, ForeignKey, Integer, LargeBinary, Table, Text, and_, text
from sqlalchemy.dialects.postgresql import JSONB

from odeion.adapters.postgres.tables.base import metadata
from odeion.adapters.postgres.tables.libraries import media_files

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
    # The FileStructure; kept here too, as a decision how to play has to know it without the index. `groups` are null
    # where the picture is not H.264, `refused` has reasons by the streams' indexes, `holes` has streams' indexes.
    Column("groups", Text, nullable=True),
    Column("refused", JSONB, nullable=False, server_default=text("'{}'")),
    Column("holes", JSONB, nullable=False, server_default=text("'[]'")),
    Column("data", LargeBinary, nullable=False),
)

# An index of what the file is now.
IS_OF_FILE: ColumnElement[bool] = and_(
    media_indexes.c.file_id == media_files.c.id,
    media_indexes.c.size_bytes == media_files.c.size_bytes,
    media_indexes.c.mtime_ns == media_files.c.mtime_ns,
    media_indexes.c.inode == media_files.c.inode,
)
