"""Reading media files for direct play."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from odeion.application.playback.ports import MediaSource
from odeion.domain.media_file import FileStamp
from odeion.domain.shared.errors import Conflict, Unavailable


class LocalFileReader:
    """Implements FileReader."""

    async def stat(self, source: MediaSource) -> FileStamp:
        try:
            status = await asyncio.to_thread(os.stat, source.path)
        except OSError as error:
            raise Unavailable("the file cannot be read now; its disk may be away", retry_after_s=30) from error
        stamp = FileStamp(status.st_size, status.st_mtime_ns, status.st_ino)
        if (stamp.size_bytes, stamp.mtime_ns) != (source.stamp.size_bytes, source.stamp.mtime_ns):
            raise Conflict("the file has changed since it was scanned; scan its library again")
        return stamp

    @asynccontextmanager
    async def open(self, source: MediaSource) -> AsyncIterator[LocalFile]:
        opening = asyncio.ensure_future(asyncio.to_thread(os.open, source.path, os.O_RDONLY | os.O_CLOEXEC))
        try:
            descriptor = await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(_close_after_all)
            raise
        except OSError as error:
            raise Unavailable("the file cannot be read now; its disk may be away", retry_after_s=30) from error
        try:
            yield LocalFile(descriptor)
        finally:
            os.close(descriptor)


def _close_after_all(opening: asyncio.Future[int]) -> None:
    """The client went away while a slow disk was asked."""
    if not opening.cancelled() and opening.exception() is None:
        os.close(opening.result())


@dataclass(frozen=True, slots=True)
class LocalFile:
    """Implements OpenFile."""

    descriptor: int

    async def fetch(self, at: int, size: int) -> None:
        # A hop to a thread costs more than a megabyte that is there already.
        if self._is_cached(at, size):
            return
        try:
            await asyncio.to_thread(os.pread, self.descriptor, size, at)
        except OSError as error:
            raise Unavailable("the file cannot be read now; its disk may be away") from error

    def _is_cached(self, at: int, size: int) -> bool:
        """Whether the page cache has the first and the last byte of a stretch, and so most likely all of it."""
        byte = bytearray(1)
        try:
            return all(os.preadv(self.descriptor, [byte], place, os.RWF_NOWAIT) for place in (at, at + size - 1))
        except OSError:
            # Not there yet, or a file system that does not know the question.
            return False
