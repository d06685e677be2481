"""Domain values as JSON documents, and back. Fields a document does not know take their defaults, fields of another
version are left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import TypeAdapter

from odeion.domain.media_file import FileStructure, SidecarSubtitle, TechnicalInfo

_TECHNICAL = TypeAdapter(TechnicalInfo)
_STRUCTURE = TypeAdapter(FileStructure)
_SIDECARS = TypeAdapter(tuple[SidecarSubtitle, ...])


def technical_to_json(technical: TechnicalInfo) -> Any:
    """Fractions become "24000/1001"."""
    return _storable(_TECHNICAL.dump_python(technical, mode="json"))


def technical_from_json(document: Any) -> TechnicalInfo:
    return _TECHNICAL.validate_python(document)


def structure_to_columns(structure: FileStructure) -> dict[str, Any]:
    """The values of `groups`, `refused` and `holes` in media_indexes."""
    return {name: _storable(value) for name, value in _STRUCTURE.dump_python(structure, mode="json").items()}


def structure_of(row: Any) -> FileStructure:
    """From these columns, which an outer join may leave empty."""
    return _STRUCTURE.validate_python({"groups": row.groups, "refused": row.refused or {}, "holes": row.holes or []})


def sidecars_to_json(sidecars: Sequence[SidecarSubtitle]) -> Any:
    return _SIDECARS.dump_python(tuple(sidecars), mode="json")


def sidecars_from_json(document: Any) -> tuple[SidecarSubtitle, ...]:
    # Most files have none, and a scan reads them all.
    return _SIDECARS.validate_python(document) if document else ()


def _storable(value: Any) -> Any:
    """Titles in files may hold what JSON in PostgreSQL cannot: NUL and lone surrogates."""
    if isinstance(value, str):
        return value.replace("\0", "").encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {key: _storable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_storable(item) for item in value]
    return value
