"""Files on their way to a client."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from odeion.domain.media_file import FileStamp


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A file on the disk, for range requests. `read(start, length)` gives its bytes; `etag` changes with them.
    `modified_s` is the mtime in seconds since 1970. `path` is for proxies that send files themselves."""

    path: str
    media_type: str
    size_bytes: int
    etag: str
    modified_s: float
    read: Callable[[int, int], AsyncIterator[bytes]]

    @classmethod
    def of(
        cls, path: str, stamp: FileStamp, media_type: str, read: Callable[[int, int], AsyncIterator[bytes]]
    ) -> StoredFile:
        return cls(
            path=path,
            media_type=media_type,
            size_bytes=stamp.size_bytes,
            etag=f"{stamp.inode:x}-{stamp.size_bytes:x}-{stamp.mtime_ns:x}",
            modified_s=stamp.mtime_ns / 1e9,
            read=read,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeFile:
    """A file that is made while it is sent, so nobody knows its size. `begin` starts the work and answers when there is
    something to send; closing what it answers ends the work."""

    media_type: str
    begin: Callable[[], Awaitable[AsyncGenerator[bytes]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """`file_name` is what it is to be called where it is saved."""

    file_name: str
    content: StoredFile | MadeFile
