"""Libraries, their scans, and the folders they may lie in."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field, StringConstraints

from odeion.application.libraries.paths import ChangedRoots, MediaPaths
from odeion.application.libraries.ports import FolderListing, FolderState
from odeion.application.libraries.views import LibraryList, LibraryView, ScanList, ScanStatus
from odeion.application.shared.viewer import Viewer
from odeion.domain.identity.api_keys import Scope
from odeion.domain.library import LibraryKind, LibraryOptions
from odeion.domain.shared.errors import Conflict, Forbidden, Invalid, NotFound
from odeion.domain.shared.ids import LibraryId
from odeion.entrypoints.http.access import Access
from odeion.entrypoints.http.context import use_cases
from odeion.entrypoints.http.endpoint import Area
from odeion.entrypoints.http.models import FolderPath, Id, Query, Request

area = Area("libraries")

LibraryName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
Glob = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Paths = Annotated[list[FolderPath], Field(min_length=1, max_length=50, description="Absolute paths on the server")]


class LibraryOptionsBody(Request):
    ignore_patterns: list[Glob] = Field(
        default=[], max_length=100, description="Shell globs on the path below the root: `*/Backups/*`"
    )
    include_extras: bool = Field(True, description="Show trailers, featurettes and deleted scenes")

    def options(self) -> LibraryOptions:
        return LibraryOptions(ignore_patterns=tuple(self.ignore_patterns), include_extras=self.include_extras)


class CreateLibraryRequest(Request):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "Films", "kind": "film", "paths": ["/srv/media/films"]}]}
    )

    name: LibraryName
    kind: LibraryKind
    paths: Paths
    options: LibraryOptionsBody = LibraryOptionsBody()


class ChangeLibraryRequest(Request):
    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Our films"}]})

    name: LibraryName | None = None
    kind: LibraryKind | None = None
    paths: Paths | None = None
    options: LibraryOptionsBody | None = None


@area.get("/api/libraries", tag="Libraries", access=Access.VIEWER, scope=Scope.LIBRARIES)
async def list_libraries(viewer: Viewer) -> LibraryList:
    """List libraries

    Returns all libraries with their paths. Paths are shown to administrators only."""
    return await use_cases().library_queries.list_libraries(viewer)


@area.get("/api/libraries/scans", tag="Libraries", access=Access.VIEWER, scope=Scope.LIBRARIES)
async def list_active_scans(viewer: Viewer) -> ScanList:
    """Get active scans

    Returns all currently queued and running scan statuses."""
    return await use_cases().library_queries.list_active_scans(viewer)


@area.get("/api/libraries/{id}", tag="Libraries", access=Access.VIEWER, scope=Scope.LIBRARIES, errors=(NotFound,))
async def get_library(viewer: Viewer, id: Id) -> LibraryView:
    """Get library

    Returns a single library with its paths. Paths are shown to administrators only."""
    return await use_cases().library_queries.get_library(viewer, LibraryId(id))


@area.get("/api/libraries/{id}/scan", tag="Libraries", access=Access.VIEWER, scope=Scope.LIBRARIES, errors=(NotFound,))
async def get_scan_status(viewer: Viewer, id: Id) -> ScanStatus:
    """Get scan status

    Returns the current scan status for a library; its last one when none is running."""
    return await use_cases().library_queries.get_scan(viewer, LibraryId(id))


@area.post("/api/admin/libraries", tag="Libraries", access=Access.ADMIN, status=201, errors=(Conflict, Invalid))
async def create_library(viewer: Viewer, body: CreateLibraryRequest) -> LibraryView:
    """Create library

    Adds a library over folders the server can read. It is not scanned by itself."""
    library_id = await use_cases().libraries.create(
        viewer, name=body.name, kind=body.kind, paths=body.paths, options=body.options.options()
    )
    return await use_cases().library_queries.get_library(viewer, library_id)


@area.patch("/api/admin/libraries/{id}", tag="Libraries", access=Access.ADMIN, errors=(NotFound, Conflict, Invalid))
async def change_library(viewer: Viewer, id: Id, body: ChangeLibraryRequest) -> LibraryView:
    """Change library

    Changes only what is given. Files below a folder that is taken out are forgotten."""
    await use_cases().libraries.change(
        viewer,
        LibraryId(id),
        name=body.name,
        kind=body.kind,
        paths=body.paths,
        options=body.options.options() if body.options else None,
    )
    return await use_cases().library_queries.get_library(viewer, LibraryId(id))


@area.delete("/api/admin/libraries/{id}", tag="Libraries", access=Access.ADMIN, status=204, errors=(NotFound,))
async def delete_library(viewer: Viewer, id: Id) -> None:
    """Delete library

    Forgets the library, its films and series and everybody's progress with them. Nothing on disk is touched."""
    await use_cases().libraries.delete(viewer, LibraryId(id))


class StartScanRequest(Request):
    model_config = ConfigDict(json_schema_extra={"examples": [{"accept_loss": False}]})

    accept_loss: bool = Field(
        False, description="Believe it when a folder is empty, on another disk, or more than a tenth of it is gone"
    )


@area.post(
    "/api/admin/libraries/{id}/scan",
    tag="Libraries",
    access=Access.ADMIN,
    status=202,
    errors=(NotFound, Conflict),
)
async def start_scan(viewer: Viewer, id: Id, body: StartScanRequest = StartScanRequest()) -> ScanStatus:  # noqa: B008
    """Start scan

    Queues a scan of the library; its progress is told by its status and by the event `library.scan.progress`."""
    await use_cases().libraries.start_scan(viewer, LibraryId(id), accept_loss=body.accept_loss)
    return await use_cases().library_queries.get_scan(viewer, LibraryId(id))


@area.delete("/api/admin/libraries/{id}/scan", tag="Libraries", access=Access.ADMIN, status=204, errors=(NotFound,))
async def cancel_scan(viewer: Viewer, id: Id) -> None:
    """Cancel scan

    Asks the scan to stop; what it found so far stays."""
    await use_cases().libraries.cancel_scan(viewer, LibraryId(id))


class BrowseQuery(Query):
    path: FolderPath = Field("/", description="Absolute path of the folder")


@area.get(
    "/api/admin/filesystem/browse",
    tag="Filesystem",
    access=Access.ADMIN,
    errors=(NotFound, Forbidden),
    example={"path": "/srv", "parent": "/", "directories": [{"name": "media", "path": "/srv/media", "readable": True}]},
)
async def browse_filesystem(viewer: Viewer, query: BrowseQuery) -> FolderListing:
    """Browse filesystem

    Lists subdirectories at a given path. Admin only."""
    return await use_cases().folders.browse(query.path)


class ValidatePathRequest(Request):
    model_config = ConfigDict(json_schema_extra={"examples": [{"path": "/srv/media/films"}]})

    path: FolderPath


@area.post("/api/admin/filesystem/validate", tag="Filesystem", access=Access.ADMIN)
async def validate_path(viewer: Viewer, body: ValidatePathRequest) -> FolderState:
    """Validate path

    Checks whether a path exists, is a directory, and is readable. Admin only."""
    return await use_cases().folders.inspect(body.path)


@area.get("/api/admin/settings/paths", tag="Settings", access=Access.MODERATOR)
async def get_path_settings(viewer: Viewer) -> MediaPaths:
    """Get media path settings

    Returns the configured library roots, transcode cache, and subtitle cache locations. Requires the moderator role."""
    return await use_cases().path_settings.get(viewer)


class LibraryRootsBody(Request):
    library_id: Id
    paths: Paths


class PathSettingsRequest(Request):
    model_config = ConfigDict(json_schema_extra={"examples": [{"transcode_cache": "/var/cache/odeion/transcodes"}]})

    libraries: list[LibraryRootsBody] | None = Field(None, max_length=200)
    transcode_cache: FolderPath | None = None
    subtitle_cache: FolderPath | None = None


@area.put("/api/admin/settings/paths", tag="Settings", access=Access.ADMIN, errors=(NotFound, Invalid, Conflict))
async def update_path_settings(viewer: Viewer, body: PathSettingsRequest) -> MediaPaths:
    """Update media path settings

    Updates library roots and cache directories. Paths must exist and be readable or writable by the server
    process. Adding a new library root does not trigger an automatic scan. Requires the administrator role."""
    changed = [ChangedRoots(library_id=r.library_id, paths=r.paths) for r in body.libraries or ()]
    return await use_cases().path_settings.update(
        viewer,
        libraries=changed if body.libraries is not None else None,
        transcode_cache=body.transcode_cache,
        subtitle_cache=body.subtitle_cache,
    )
