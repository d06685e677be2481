"""Indexes of media files: found where they are stored, else made by a child process."""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from dataclasses import asdict

from odeion.adapters.ffmpeg.index_worker import AWAY, BUILT, CHANGED
from odeion.adapters.ffmpeg.media_index import FORMAT, DamagedIndex, MediaIndex, decode, empty_index
from odeion.adapters.ffmpeg.once import once_for_all
from odeion.application.playback.ports import MediaIndexStore, MediaSource
from odeion.domain.media_file import FileStamp, FileStructure
from odeion.domain.shared.errors import Conflict, Unavailable
from odeion.domain.shared.ids import MediaFileId
from odeion.sandbox.child import Child, ChildFailed, python_module

_CHILD = python_module("odeion.adapters.ffmpeg.index_worker")
_TIME_LIMIT_S = 600.0
_ANSWER_LIMIT_BYTES = 256 << 20
_KEPT_BYTES = 64 << 20

# Of which file, and what it was.
_Key = tuple[MediaFileId, str, FileStamp]


class MediaIndexes:
    """Implements MediaIndexer. Keeps those used last in memory. For one event loop."""

    def __init__(
        self, store: MediaIndexStore, *, time_limit_s: float = _TIME_LIMIT_S, command: tuple[str, ...] = _CHILD
    ) -> None:
        """`command` starts a child; a test may give another."""
        self._store = store
        self._child = Child(command, time_limit_s, _ANSWER_LIMIT_BYTES)
        self._child_in_use = asyncio.Lock()
        self._asked: OrderedDict[_Key, asyncio.Task[MediaIndex]] = OrderedDict()

    @property
    def format(self) -> int:
        return FORMAT

    async def ensure(self, source: MediaSource) -> None:
        """See MediaIndexer."""
        if await self._stored(source) is None:
            await self._build(source)

    async def structure(self, source: MediaSource) -> FileStructure:
        """See MediaIndexer."""
        return (await self.get(source)).structure(source.technical)

    async def get(self, source: MediaSource) -> MediaIndex:
        """Made now if it is missing, of another version, damaged, or of what the file was. Raises Unavailable,
        Conflict."""
        key = source.file_id, source.path, source.stamp
        index = await once_for_all(self._asked, key, lambda: self._find_or_build(source))
        self._drop_surplus(key)
        return index

    async def close(self) -> None:
        """See MediaIndexer."""
        async with self._child_in_use:
            await self._child.kill()

    async def _find_or_build(self, source: MediaSource) -> MediaIndex:
        return await self._stored(source) or await self._build(source)

    async def _stored(self, source: MediaSource) -> MediaIndex | None:
        data = await self._store.find(source.file_id)
        try:
            index = await asyncio.to_thread(decode, data) if data is not None else None
        except DamagedIndex:
            return None
        return index if index is not None and index.stamp == source.stamp else None

    async def _build(self, source: MediaSource) -> MediaIndex:
        request = json.dumps(asdict(source), default=str).encode()
        try:
            async with self._child_in_use:
                answer = await self._child.ask(request)
        except ChildFailed as failed:
            # Kept, so that it is not tried again with each play.
            answer = BUILT + empty_index(source.stamp, f"reading its structure {failed}")
        except ChildProcessError as error:
            raise Unavailable(str(error)) from error
        status, content = answer[:1], answer[1:]
        if status in (AWAY, CHANGED):
            message = content.decode(errors="replace")
            raise Unavailable(message, retry_after_s=30) if status == AWAY else Conflict(message)
        try:
            index = await asyncio.to_thread(decode, content)
        except DamagedIndex as error:
            raise Unavailable("the structure of this file cannot be read") from error
        await self._store.put(source.file_id, source.stamp, FORMAT, index.structure(source.technical), content)
        return index

    def _drop_surplus(self, key: _Key) -> None:
        def kept_bytes() -> int:
            finished = (task.result() for task in self._asked.values() if task.done() and not task.exception())
            return sum(len(index.heap) for index in finished)

        while len(self._asked) > 1 and kept_bytes() > _KEPT_BYTES:
            oldest = next(iter(self._asked))
            if oldest == key or not self._asked[oldest].done():
                break
            del self._asked[oldest]
