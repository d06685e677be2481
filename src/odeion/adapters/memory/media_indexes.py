"""Indexes of media files without a database."""

from __future__ import annotations

from collections.abc import Sequence

from odeion.application.playback.ports import MediaSource
from odeion.domain.media_file import FileStamp, FileStructure
from odeion.domain.shared.ids import LibraryId, MediaFileId


class MemoryMediaIndexes:
    """Implements MediaIndexStore. `sources` are the playable files there are, all of them in each library."""

    def __init__(self, sources: Sequence[MediaSource] = ()) -> None:
        self._sources = sorted(sources, key=lambda source: source.file_id)
        self._stored: dict[MediaFileId, tuple[FileStamp, int, bytes]] = {}

    async def find(self, file_id: MediaFileId) -> bytes | None:
        stored = self._stored.get(file_id)
        return stored[2] if stored else None

    async def put(
        self, file_id: MediaFileId, stamp: FileStamp, format: int, structure: FileStructure, data: bytes
    ) -> None:
        self._stored[file_id] = (stamp, format, data)

    async def list_lacking(
        self, library_id: LibraryId, format: int, *, after: MediaFileId, limit: int
    ) -> list[MediaSource]:
        return [source for source in self._lacking(format) if source.file_id > after][:limit]

    async def count_lacking(self, library_id: LibraryId, format: int) -> int:
        return len(self._lacking(format))

    def _lacking(self, format: int) -> list[MediaSource]:
        return [s for s in self._sources if self._stored.get(s.file_id, (None, 0, b""))[:2] != (s.stamp, format)]
