"""Libraries, their roots and their files in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from odeion.adapters.postgres.database import reading
from odeion.adapters.postgres.media_json import (
    sidecars_from_json,
    sidecars_to_json,
    technical_from_json,
    technical_to_json,
)
from odeion.adapters.postgres.repository import EventSink, save_versioned
from odeion.adapters.postgres.tables.catalog import movies, series
from odeion.adapters.postgres.tables.libraries import libraries, library_roots, media_files
from odeion.adapters.postgres.tables.work import tasks
from odeion.adapters.postgres.visibility import sees_file, sees_library, sees_title
from odeion.application.libraries.repositories import KnownFile
from odeion.application.libraries.views import (
    LibraryList,
    LibraryOptionsView,
    LibraryPathView,
    LibraryView,
    ScanList,
    ScanStatus,
)
from odeion.application.shared.viewer import Viewer
from odeion.domain.identity.users import Role
from odeion.domain.library import Library, LibraryKind, LibraryOptions, LibraryRoot
from odeion.domain.media_file import FileStamp, FileState, MediaFile
from odeion.domain.shared.errors import NotFound, StaleVersion
from odeion.domain.shared.ids import LibraryId, MediaFileId, RootId
from odeion.domain.task import TaskStatus, TaskType

_SCAN_STATES = {"pending": "queued"}


class PostgresLibraries:
    def __init__(self, connection: AsyncConnection, events: EventSink) -> None:
        self._connection = connection
        self._events = events

    async def get(self, library_id: LibraryId) -> Library:
        found = await self._load(libraries.c.id == library_id)
        if not found:
            raise NotFound("library not found")
        return found[0]

    async def list_all(self) -> list[Library]:
        return await self._load()

    async def _load(self, *where: Any) -> list[Library]:
        rows = (await self._connection.execute(select(libraries).where(*where).order_by(libraries.c.id))).all()
        roots = (
            await self._connection.execute(
                select(library_roots)
                .where(library_roots.c.library_id.in_([row.id for row in rows]))
                .order_by(library_roots.c.id)
            )
        ).all()
        return [_library(row, [root for root in roots if root.library_id == row.id]) for row in rows]

    async def save(self, library: Library) -> LibraryId:
        values = {
            "name": library.name,
            "kind": library.kind.value,
            "options": {
                "ignore_patterns": list(library.options.ignore_patterns),
                "include_extras": library.options.include_extras,
            },
            "created_at": library.created_at,
            "last_scanned_at": library.last_scanned_at,
        }
        library_id = LibraryId(await save_versioned(self._connection, self._events, libraries, library, values))
        kept = [root.id for root in library.roots if root.id is not None]
        await self._connection.execute(
            delete(library_roots).where(library_roots.c.library_id == library_id, library_roots.c.id.not_in(kept))
        )
        for root in library.roots:
            if root.id is None:
                statement = insert(library_roots).values(library_id=library_id, path=root.path)
                root.id = RootId((await self._connection.execute(statement.returning(library_roots.c.id))).scalar_one())
        return library_id

    async def delete(self, library: Library) -> None:
        await self._connection.execute(delete(libraries).where(libraries.c.id == library.id))
        self._events.collect(library.take_events())

    async def note_root(
        self, root_id: RootId, *, device: int | None, tree_digest: bytes | None, unavailable_reason: str | None
    ) -> None:
        await self._connection.execute(
            update(library_roots)
            .where(library_roots.c.id == root_id)
            .values(device=device, tree_digest=tree_digest, unavailable_reason=unavailable_reason)
        )

    async def tree_digest(self, root_id: RootId) -> bytes | None:
        query = select(library_roots.c.tree_digest).where(library_roots.c.id == root_id)
        return (await self._connection.execute(query)).scalar_one_or_none()


class PostgresMediaFiles:
    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def known(self, root_id: RootId) -> list[KnownFile]:
        columns = media_files.c
        query = select(
            columns.id,
            columns.relative_path,
            columns.size_bytes,
            columns.mtime_ns,
            columns.inode,
            columns.state,
            columns.sidecars,
        ).where(columns.root_id == root_id)
        return [
            KnownFile(
                MediaFileId(row.id),
                row.relative_path,
                FileStamp(row.size_bytes, row.mtime_ns, row.inode),
                FileState(row.state),
                sidecars_from_json(row.sidecars),
            )
            for row in await self._connection.execute(query)
        ]

    async def get_many(self, ids: Sequence[MediaFileId]) -> list[MediaFile]:
        if not ids:
            return []
        rows = await self._connection.execute(select(media_files).where(media_files.c.id.in_(ids)))
        return [media_file(row) for row in rows]

    async def save_many(self, files: Sequence[MediaFile]) -> None:
        new = [file for file in files if file.id is None]
        if new:
            rows = await self._connection.execute(
                insert(media_files).returning(media_files.c.id, sort_by_parameter_order=True),
                [{**_file_values(file), "version": file.version} for file in new],
            )
            for file, row in zip(new, rows, strict=True):
                file.id = MediaFileId(row.id)
        is_new = {id(file) for file in new}
        for file in files:
            if id(file) in is_new:
                continue
            changed = await self._connection.execute(
                update(media_files)
                .where(media_files.c.id == file.id, media_files.c.version == file.version)
                .values(**_file_values(file), version=file.version + 1)
            )
            if changed.rowcount != 1:
                raise StaleVersion("somebody else changed this file at the same time")
            file.version += 1


class PostgresLibraryQueries:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def list_libraries(self, viewer: Viewer) -> LibraryList:
        return LibraryList(items=await self._views(viewer))

    async def get_library(self, viewer: Viewer, library_id: LibraryId) -> LibraryView:
        views = await self._views(viewer, libraries.c.id == library_id)
        if not views:
            raise NotFound("library not found")
        return views[0]

    async def _views(self, viewer: Viewer, *where: Any) -> list[LibraryView]:
        def count(table: Any, *conditions: Any) -> Any:
            return (
                select(func.count())
                .select_from(table)
                .where(table.c.library_id == libraries.c.id, *conditions)
                .scalar_subquery()
            )

        query = (
            select(
                libraries,
                count(movies, sees_title(viewer, movies)).label("movie_count"),
                count(series, sees_title(viewer, series)).label("series_count"),
                count(media_files, media_files.c.state != FileState.MISSING.value, sees_file(viewer)).label(
                    "file_count"
                ),
            )
            .where(sees_library(viewer, libraries.c.id), *where)
            .order_by(func.lower(libraries.c.name))
        )
        async with reading(self._engine) as connection:
            rows = (await connection.execute(query)).all()
            roots = (
                await connection.execute(
                    select(library_roots)
                    .where(library_roots.c.library_id.in_([row.id for row in rows]))
                    .order_by(library_roots.c.id)
                )
            ).all()
        sees_paths = viewer.role.includes(Role.ADMIN)
        return [
            LibraryView(
                id=row.id,
                name=row.name,
                kind=row.kind,
                paths=[
                    LibraryPathView(
                        id=root.id,
                        path=root.path,
                        available=root.unavailable_reason is None,
                        unavailable_reason=root.unavailable_reason,
                    )
                    for root in roots
                    if root.library_id == row.id and sees_paths
                ],
                options=LibraryOptionsView(**row.options),
                movie_count=row.movie_count,
                series_count=row.series_count,
                file_count=row.file_count,
                last_scanned_at=row.last_scanned_at,
                created_at=row.created_at,
            )
            for row in rows
        ]

    async def get_scan(self, viewer: Viewer, library_id: LibraryId) -> ScanStatus:
        query = (
            select(tasks)
            .where(tasks.c.type == TaskType.SCAN_LIBRARY.value, tasks.c.subject == f"library:{library_id}")
            .order_by(tasks.c.id.desc())
            .limit(1)
        )
        async with reading(self._engine) as connection:
            known = select(libraries.c.id).where(libraries.c.id == library_id, sees_library(viewer, libraries.c.id))
            if (await connection.execute(known)).one_or_none() is None:
                raise NotFound("library not found")
            row = (await connection.execute(query)).one_or_none()
        return scan_status(library_id, row)

    async def list_active_scans(self, viewer: Viewer) -> ScanList:
        query = (
            select(tasks)
            .where(
                tasks.c.type == TaskType.SCAN_LIBRARY.value,
                tasks.c.status.in_([TaskStatus.PENDING.value, TaskStatus.RUNNING.value]),
            )
            .order_by(tasks.c.id)
        )
        async with reading(self._engine) as connection:
            rows = (await connection.execute(query)).all()
        limits = viewer.limits
        seen = [row for row in rows if limits is None or limits.sees_library(row.payload["library_id"])]
        return ScanList(items=[scan_status(row.payload["library_id"], row) for row in seen])


def scan_status(library_id: int, row: Row[Any] | None) -> ScanStatus:
    detail: dict[str, Any] = row.detail if row else {}
    return ScanStatus(
        library_id=library_id,
        state=_SCAN_STATES.get(row.status, row.status) if row else "idle",
        phase=detail.get("phase"),
        percent=row.percent if row else 0.0,
        files_found=detail.get("files_found", 0),
        files_new=detail.get("files_new", 0),
        files_done=detail.get("files_done", 0),
        files_failed=detail.get("files_failed", 0),
        files_missing=detail.get("files_missing", 0),
        started_at=row.started_at if row else None,
        finished_at=row.finished_at if row else None,
        error=row.error if row else None,
    )


def media_file(row: Row[Any]) -> MediaFile:
    return MediaFile(
        id=MediaFileId(row.id),
        library_id=LibraryId(row.library_id),
        root_id=RootId(row.root_id),
        relative_path=row.relative_path,
        stamp=FileStamp(row.size_bytes, row.mtime_ns, row.inode),
        state=FileState(row.state),
        technical=technical_from_json(row.technical) if row.technical else None,
        probe_error=row.probe_error,
        added_at=row.added_at,
        probed_at=row.probed_at,
        missing_since=row.missing_since,
        version=row.version,
        sidecars=sidecars_from_json(row.sidecars),
    )


def _file_values(file: MediaFile) -> dict[str, Any]:
    technical = file.technical
    picture = technical.video[0] if technical and technical.video else None
    return {
        "library_id": file.library_id,
        "root_id": file.root_id,
        "relative_path": file.relative_path,
        "size_bytes": file.stamp.size_bytes,
        "mtime_ns": file.stamp.mtime_ns,
        "inode": file.stamp.inode,
        "state": file.state.value,
        "probe_error": file.probe_error,
        "container": technical.container if technical else None,
        "duration_ms": technical.duration_ms if technical else None,
        "bitrate_bps": technical.bitrate_bps if technical else None,
        "height": picture.height if picture else None,
        "hdr": picture.hdr.value if picture else None,
        "technical": technical_to_json(technical) if technical else None,
        "sidecars": sidecars_to_json(file.sidecars),
        "added_at": file.added_at,
        "probed_at": file.probed_at,
        "missing_since": file.missing_since,
    }


def _library(row: Row[Any], roots: Sequence[Row[Any]]) -> Library:
    return Library(
        id=LibraryId(row.id),
        name=row.name,
        kind=LibraryKind(row.kind),
        roots=[LibraryRoot(id=RootId(root.id), path=root.path, device=root.device) for root in roots],
        options=LibraryOptions(
            ignore_patterns=tuple(row.options["ignore_patterns"]), include_extras=row.options["include_extras"]
        ),
        created_at=row.created_at,
        last_scanned_at=row.last_scanned_at,
        version=row.version,
    )
