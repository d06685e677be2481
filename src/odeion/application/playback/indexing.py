"""Indexing: after a scan, read the structure of each new file once, so that playing it begins at once."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Protocol

from odeion.application.playback.ports import MediaIndexer, MediaIndexStore
from odeion.application.shared.clock import Clock
from odeion.application.shared.outbox import OutboxMessage
from odeion.application.shared.tasks import TaskProgress, TaskRepository
from odeion.application.shared.unit_of_work import Transaction, UnitOfWorkFactory
from odeion.domain.shared.errors import Conflict, Unavailable
from odeion.domain.shared.ids import LibraryId, MediaFileId
from odeion.domain.task import Task, TaskType

_BATCH = 100


class IndexingTx(Transaction, Protocol):
    @property
    def tasks(self) -> TaskRepository: ...


class LibraryIndexing:
    """Implements the handler of indexing tasks. It may be repeated: what is indexed already is not listed."""

    def __init__(self, indexes: MediaIndexStore, indexer: MediaIndexer) -> None:
        self._indexes = indexes
        self._indexer = indexer

    async def __call__(self, payload: dict[str, Any], progress: TaskProgress) -> dict[str, Any]:
        """Index the library in `payload`. A file that cannot be read now is left for the next time."""
        library_id = LibraryId(payload["library_id"])
        total = await self._indexes.count_lacking(library_id, self._indexer.format)
        done = failed = 0
        after = MediaFileId(0)
        await progress.report(0.0, _detail(total, done, failed))
        try:
            while sources := await self._indexes.list_lacking(
                library_id, self._indexer.format, after=after, limit=_BATCH
            ):
                for source in sources:
                    try:
                        await self._indexer.ensure(source)
                    except (Unavailable, Conflict):
                        failed += 1
                    done += 1
                    await progress.report(min(100.0 * done / max(total, 1), 100.0), _detail(total, done, failed))
                after = sources[-1].file_id
        finally:
            await self._indexer.close()
        return _detail(total, done, failed)


class IndexingAfterScans:
    """A consumer of the outbox: a scan that ended asks for the indexing of its library."""

    def __init__(self, uow: UnitOfWorkFactory[IndexingTx], clock: Clock) -> None:
        self._uow = uow
        self._clock = clock

    async def __call__(self, message: OutboxMessage) -> None:
        if message.name != "task.finished" or message.data["type"] != TaskType.SCAN_LIBRARY.value:
            return
        subject = message.data["subject"]
        payload = {"library_id": int(subject.rpartition(":")[2])}
        # Whoever else asked for it in the same moment did what was wanted.
        with suppress(Conflict):
            async with self._uow() as tx:
                if await tx.tasks.find_active(TaskType.INDEX_LIBRARY, subject) is None:
                    await tx.tasks.save(Task.queue(TaskType.INDEX_LIBRARY, subject, payload, at=self._clock.now()))
                    await tx.commit()


def _detail(total: int, done: int, failed: int) -> dict[str, Any]:
    return {"files_found": total, "files_done": done, "files_failed": failed}
