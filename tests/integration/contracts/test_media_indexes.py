"""What every MediaIndexStore keeps to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from sqlalchemy import delete, select

from odeion.adapters.memory.media_indexes import MemoryMediaIndexes
from odeion.adapters.postgres.media_indexes import PostgresMediaIndexes
from odeion.adapters.postgres.tables.libraries import media_files
from odeion.adapters.postgres.tables.media_indexes import media_indexes
from odeion.application.playback.ports import MediaIndexStore, MediaSource
from odeion.domain.media_file import FileStamp, FileStructure, TechnicalInfo
from odeion.domain.shared.ids import LibraryId, MediaFileId
from tests.harness import Harness, Shelf

LIBRARY = LibraryId(1)
START = MediaFileId(0)


class MediaIndexStoreContract:
    """`store` knows three files without an index."""

    async def test_gives_back_what_was_put(self, store: MediaIndexStore) -> None:
        first = (await self.lacking(store))[0]
        assert await store.find(first.file_id) is None
        await store.put(first.file_id, first.stamp, 1, FileStructure(), b"one")
        await store.put(first.file_id, first.stamp, 1, FileStructure(), b"two\0")
        assert await store.find(first.file_id) == b"two\0"

    async def test_lists_what_lacks_an_index_a_part_at_a_time(self, store: MediaIndexStore) -> None:
        every = await self.lacking(store)
        assert len(every) == await store.count_lacking(LIBRARY, 1) == 3
        assert await store.list_lacking(LIBRARY, 1, after=START, limit=2) == every[:2]
        assert await store.list_lacking(LIBRARY, 1, after=every[1].file_id, limit=2) == every[2:]
        await store.put(every[0].file_id, every[0].stamp, 1, FileStructure(), b"index")
        assert await self.lacking(store) == every[1:]

    async def test_an_index_of_another_format_or_stamp_does_not_count(self, store: MediaIndexStore) -> None:
        first = (await self.lacking(store))[0]
        await store.put(first.file_id, first.stamp, 2, FileStructure(), b"index")
        assert await store.count_lacking(LIBRARY, 1) == 3
        await store.put(first.file_id, first.stamp._replace(mtime_ns=1), 1, FileStructure(), b"index")
        assert await store.count_lacking(LIBRARY, 1) == 3

    @staticmethod
    async def lacking(store: MediaIndexStore) -> list[MediaSource]:
        return await store.list_lacking(LIBRARY, 1, after=START, limit=100)


class TestMemoryMediaIndexes(MediaIndexStoreContract):
    @pytest.fixture
    def store(self) -> MediaIndexStore:
        source = MediaSource(
            file_id=MediaFileId(1),
            root_path="/films",
            path="/films/a.mkv",
            stamp=FileStamp(1, 2, 3),
            technical=TechnicalInfo(container="matroska,webm", duration_ms=1000),
        )
        return MemoryMediaIndexes([replace(source, file_id=MediaFileId(number)) for number in (1, 2, 3)])


class TestPostgresMediaIndexes(MediaIndexStoreContract):
    @pytest.fixture
    async def store(self, harness: Harness, shelf: Shelf) -> AsyncIterator[MediaIndexStore]:
        admin = await harness.user()
        for name in ("A (2001).mp4", "B (2002).mp4", "C (2003).mp4"):
            shelf.put(name)
        assert await harness.library(admin, shelf.root) == LIBRARY
        async with harness.engine.begin() as connection:
            await connection.execute(delete(media_indexes))
        yield PostgresMediaIndexes(harness.engine)

    async def test_an_index_goes_with_its_file(self, store: MediaIndexStore, harness: Harness) -> None:
        first = (await self.lacking(store))[0]
        await store.put(first.file_id, first.stamp, 1, FileStructure(), b"index")
        async with harness.engine.begin() as connection:
            await connection.execute(delete(media_files).where(media_files.c.id == first.file_id))
        assert await store.find(first.file_id) is None
        await store.put(first.file_id, first.stamp, 1, FileStructure(), b"index")
        assert await store.find(first.file_id) is None


async def test_a_scan_is_followed_by_the_indexing_of_its_files(harness: Harness, shelf: Shelf) -> None:
    admin = await harness.user()
    for name in ("A (2001).mp4", "B (2002).mp4"):
        shelf.put(name)
    await harness.library(admin, shelf.root)
    await harness.run_tasks()
    async with harness.engine.connect() as connection:
        assert len((await connection.execute(select(media_indexes.c.file_id))).all()) == 2
