"""Making, changing and deleting libraries, and asking for scans."""

from __future__ import annotations

from collections.abc import Sequence

from odeion.application.libraries.ports import FolderInspector
from odeion.application.libraries.repositories import LibrariesTx
from odeion.application.shared.clock import Clock
from odeion.application.shared.unit_of_work import UnitOfWorkFactory
from odeion.application.shared.viewer import Viewer
from odeion.domain.identity.users import Role
from odeion.domain.library import Library, LibraryKind, LibraryOptions
from odeion.domain.shared.errors import Conflict, FieldError, Invalid, NotFound
from odeion.domain.shared.ids import LibraryId, TaskId
from odeion.domain.task import Task, TaskType


def scan_subject(library_id: LibraryId) -> str:
    return f"library:{library_id}"


class LibraryManagement:
    def __init__(self, uow: UnitOfWorkFactory[LibrariesTx], folders: FolderInspector, clock: Clock) -> None:
        self._uow = uow
        self._folders = folders
        self._clock = clock

    async def create(
        self, viewer: Viewer, *, name: str, kind: LibraryKind, paths: Sequence[str], options: LibraryOptions
    ) -> LibraryId:
        """Raises Invalid for paths that cannot be read, Conflict for a taken name or folder."""
        viewer.require(Role.ADMIN)
        library = Library.create(name=name, kind=kind, paths=list(paths), options=options, at=self._clock.now())
        await self._check_folders([root.path for root in library.roots])
        async with self._uow() as tx:
            await _refuse_overlap(tx, library)
            library_id = await tx.libraries.save(library)
            await tx.commit()
        return library_id

    async def change(
        self,
        viewer: Viewer,
        library_id: LibraryId,
        *,
        name: str | None = None,
        kind: LibraryKind | None = None,
        paths: Sequence[str] | None = None,
        options: LibraryOptions | None = None,
    ) -> None:
        """Change what is given. Files below a removed path are forgotten, content that other paths hold stays."""
        viewer.require(Role.ADMIN)
        async with self._uow() as tx:
            library = await tx.libraries.get(library_id)
            known = {root.path for root in library.roots}
            library.change(
                name=name,
                kind=kind,
                paths=list(paths) if paths is not None else None,
                options=options,
                at=self._clock.now(),
            )
            await self._check_folders([root.path for root in library.roots if root.path not in known])
            await _refuse_overlap(tx, library)
            await tx.libraries.save(library)
            await tx.commit()

    async def delete(self, viewer: Viewer, library_id: LibraryId) -> None:
        """Forget the library with its films and series; a running scan is asked to stop."""
        viewer.require(Role.ADMIN)
        async with self._uow() as tx:
            library = await tx.libraries.get(library_id)
            scan = await tx.tasks.find_active(TaskType.SCAN_LIBRARY, scan_subject(library_id))
            if scan is not None:
                scan.cancel(at=self._clock.now())
                await tx.tasks.save(scan)
            library.deleted(at=self._clock.now())
            await tx.libraries.delete(library)
            await tx.commit()

    async def start_scan(self, viewer: Viewer, library_id: LibraryId, *, accept_loss: bool = False) -> TaskId:
        """Queue a scan. With `accept_loss` it also believes that more than a tenth of the files is gone. Raises
        Conflict while one is under way."""
        viewer.require(Role.ADMIN)
        async with self._uow() as tx:
            await tx.libraries.get(library_id)
            if await tx.tasks.find_active(TaskType.SCAN_LIBRARY, scan_subject(library_id)):
                raise Conflict("this library is being scanned already")
            payload = {"library_id": library_id, "accept_loss": accept_loss}
            task_id = await tx.tasks.save(
                Task.queue(TaskType.SCAN_LIBRARY, scan_subject(library_id), payload, at=self._clock.now())
            )
            await tx.commit()
        return task_id

    async def cancel_scan(self, viewer: Viewer, library_id: LibraryId) -> None:
        """Ask the running scan to stop; what it did so far stays. Raises NotFound when none runs."""
        viewer.require(Role.ADMIN)
        async with self._uow() as tx:
            scan = await tx.tasks.find_active(TaskType.SCAN_LIBRARY, scan_subject(library_id))
            if scan is None:
                raise NotFound("no scan is under way")
            scan.cancel(at=self._clock.now())
            await tx.tasks.save(scan)
            await tx.commit()

    async def _check_folders(self, paths: Sequence[str]) -> None:
        refusals = [
            FieldError(f"body.paths.{position}", state.message)
            for position, path in enumerate(paths)
            if not (state := await self._folders.inspect(path)).usable
        ]
        if refusals:
            raise Invalid("a folder cannot be used", fields=refusals)


async def _refuse_overlap(tx: LibrariesTx, library: Library) -> None:
    """A file belongs to one library only."""
    for other in await tx.libraries.list_all():
        if other.id == library.id:
            continue
        for root in library.roots:
            if any(root.overlaps(theirs) for theirs in other.roots):
                raise Conflict(f"the library {other.name!r} already covers {root.path}")
