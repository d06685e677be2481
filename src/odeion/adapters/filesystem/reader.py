"""Reading media files for direct play."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator

from odeion.application.playback.ports import MediaSource
from odeion.domain.media_file import FileStamp
from odeion.domain.shared.errors import Conflict, Unavailable

_PIECE = 512 * 1024


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

    async def read(self, source: MediaSource, start: int, length: int) -> AsyncIterator[bytes]:
        try:
            descriptor = await asyncio.to_thread(os.open, source.path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise Unavailable("the file cannot be read now; its disk may be away", retry_after_s=30) from error
        try:
            end = start + length
            while start < end:
                size = min(_PIECE, end - start)
                # A hop to a thread costs more than copying half a megabyte that is there already.
                if _is_cached(descriptor, size, start):
                    piece = os.pread(descriptor, size, start)
                else:
                    piece = await asyncio.to_thread(os.pread, descriptor, size, start)
                if not piece:
                    raise Unavailable("the file ended early; it may have changed")
                start += len(piece)
                yield piece
        finally:
            os.close(descriptor)


def _is_cached(descriptor: int, size: int, offset: int) -> bool:
    """Whether the page cache has the first and the last byte of a stretch, and so most likely all of it: then reading
    does not wait for the disk."""
    byte = bytearray(1)
    try:
        return all(os.preadv(descriptor, [byte], at, os.RWF_NOWAIT) for at in (offset, offset + size - 1))
    except OSError:
        # Not there yet, or a file system that does not know the question.
        return False
