"""What managing and scanning libraries needs of the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from odeion.application.shared.tasks import TaskRepository
from odeion.application.shared.unit_of_work import Transaction
from odeion.domain.catalog import Placement
from odeion.domain.library import Library
from odeion.domain.media_file import FileStamp, FileState, MediaFile, SidecarSubtitle
from odeion.domain.shared.ids import LibraryId, MediaFileId, RootId


class LibraryRepository(Protocol):
    async def get(self, library_id: LibraryId) -> Library:
        """Raises NotFound."""

    async def list_all(self) -> list[Library]: ...

    async def save(self, library: Library) -> LibraryId:
        """Insert or update; gives new roots their ids and drops the files of removed ones. Raises Conflict for a taken
        name or folder, StaleVersion."""

    async def delete(self, library: Library) -> None:
        """With everything that is known of its files. Nothing on disk is touched."""

    async def note_root(
        self, root_id: RootId, *, device: int | None, tree_digest: bytes | None, unavailable_reason: str | None
    ) -> None:
        """Write what a scan learned of a root. `tree_digest` stands for the tree as it was fully worked through; None
        when the next scan must look at every file."""

    async def tree_digest(self, root_id: RootId) -> bytes | None: ...


@dataclass(frozen=True, slots=True)
class KnownFile:
    """What a scan compares the disk with."""

    id: MediaFileId
    relative_path: str
    stamp: FileStamp
    state: FileState
    sidecars: tuple[SidecarSubtitle, ...]


@dataclass(frozen=True, slots=True)
class PlacedFile:
    """A file and where it belongs; None for one that is shown nowhere. `renamed` when the same bytes had another name
    before: then what they meant under the old name goes on under the new one."""

    file: MediaFile
    placement: Placement | None
    renamed: bool = False


class MediaFileRepository(Protocol):
    async def known(self, root_id: RootId) -> list[KnownFile]: ...

    async def get_many(self, ids: Sequence[MediaFileId]) -> list[MediaFile]: ...

    async def save_many(self, files: Sequence[MediaFile]) -> None:
        """Insert or update; gives new files their ids. Raises StaleVersion."""


class CatalogRepository(Protocol):
    async def place_files(self, library_id: LibraryId, placed: Sequence[PlacedFile]) -> None:
        """Link files to their films, episodes and extras, making those that are not there yet. A renamed film or
        series that has no other file keeps its identity, and so its progress."""


class LibrariesTx(Transaction, Protocol):
    @property
    def libraries(self) -> LibraryRepository: ...

    @property
    def media_files(self) -> MediaFileRepository: ...

    @property
    def catalog(self) -> CatalogRepository: ...

    @property
    def tasks(self) -> TaskRepository: ...
