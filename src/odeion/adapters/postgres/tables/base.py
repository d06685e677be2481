"""What all tables share: the metadata, naming of constraints, and column shorthands."""

from __future__ import annotations

import os
from typing import Any

from sqlalchemy import BigInteger, Column, DateTime, Dialect, Identity, Integer, LargeBinary, MetaData, TypeDecorator

# Constraint names are part of the program: unique violations are told apart by them.
metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)


def id_column() -> Column[int]:
    return Column("id", BigInteger, Identity(always=False), primary_key=True)


def version_column() -> Column[int]:
    """Counts up with each save; a save against an older count is refused."""
    return Column("version", Integer, nullable=False, server_default="1")


def moment(name: str, **options: Any) -> Column[Any]:
    """A point in time with time zone; not null unless told."""
    return Column(name, DateTime(timezone=True), **{"nullable": False, **options})


class FsPath(TypeDecorator[str]):
    """A path as the bytes the disk has: any name has a place here, also one that is no UTF-8. In Python it is a str
    with surrogateescape."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> bytes | None:
        return None if value is None else os.fsencode(value)

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> str | None:
        return None if value is None else os.fsdecode(value)
