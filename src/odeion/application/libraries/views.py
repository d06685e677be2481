"""What is told of libraries and scans. The read models here are the response schemas."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from odeion.application.shared.viewer import Viewer
from odeion.domain.shared.ids import LibraryId


@dataclass(frozen=True, slots=True, kw_only=True)
class LibraryPathView:
    """`unavailable_reason` says why the last scan could not use the folder; null while it can."""

    id: int
    path: str
    available: bool
    unavailable_reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LibraryOptionsView:
    ignore_patterns: list[str]
    include_extras: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LibraryView:
    """A library. `kind` is film, series or mixed. `paths` is empty for anybody but administrators."""

    id: int
    name: str
    kind: str
    paths: list[LibraryPathView]
    options: LibraryOptionsView
    movie_count: int
    series_count: int
    file_count: int
    last_scanned_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LibraryList:
    items: list[LibraryView]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanStatus:
    """The last scan of a library. `state` is idle, queued, running, completed, failed or cancelled; `phase` is
    walking, probing or matching while it runs. `percent` is 0 to 100."""

    library_id: int
    state: str
    phase: str | None
    percent: float
    files_found: int
    files_new: int
    files_done: int
    files_failed: int
    files_missing: int
    started_at: datetime | None
    finished_at: datetime | None
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanList:
    items: list[ScanStatus]


class LibraryQueries(Protocol):
    async def list_libraries(self, viewer: Viewer) -> LibraryList: ...

    async def get_library(self, viewer: Viewer, library_id: LibraryId) -> LibraryView:
        """Raises NotFound."""

    async def get_scan(self, viewer: Viewer, library_id: LibraryId) -> ScanStatus:
        """The latest scan; `idle` where there was none. Raises NotFound for an unknown library."""

    async def list_active_scans(self, viewer: Viewer) -> ScanList: ...
