"""Files on their way to a client."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from odeion.domain.media_file import FileStamp


class Buffers:
    """A piece of a body that lies in several places of memory: sent from there, for joining it would copy it."""

    __slots__ = ("parts", "size")

    def __init__(self, parts: Sequence[bytes | memoryview]) -> None:
        self.parts = parts
        self.size = sum(map(len, parts))

    def __len__(self) -> int:
        return self.size

    def __bytes__(self) -> bytes:
        return b"".join(self.parts)


class OpenFile(Protocol):
    """A file whose bytes are asked for from the event loop, which is not to wait for a slow disk."""

    @property
    def descriptor(self) -> int: ...

    async def fetch(self, at: int, size: int) -> None:
        """Have the disk read a stretch: reading it afterwards does not wait. Raises Unavailable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A file on the disk, for range requests. `etag` changes with its bytes. `modified_s` is the mtime in seconds since
    1970. `path` is for proxies that send files themselves."""

    path: str
    media_type: str
    size_bytes: int
    etag: str
    modified_s: float
    open: Callable[[], AbstractAsyncContextManager[OpenFile]]

    @classmethod
    def of(
        cls, path: str, stamp: FileStamp, media_type: str, open: Callable[[], AbstractAsyncContextManager[OpenFile]]
    ) -> StoredFile:
        return cls(
            path=path,
            media_type=media_type,
            size_bytes=stamp.size_bytes,
            etag=f"{stamp.inode:x}-{stamp.size_bytes:x}-{stamp.mtime_ns:x}",
            modified_s=stamp.mtime_ns / 1e9,
            open=open,
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
