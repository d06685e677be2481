"""What scanning needs from the world outside."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from odeion.domain.library import LibraryKind
from odeion.domain.media_file import FileStamp, SidecarSubtitle, TechnicalInfo
from odeion.domain.naming import ParsedName
from odeion.domain.shared.errors import Unavailable


class RootUnavailable(Unavailable):
    """The root is gone, unreadable, or on another device than before: nothing may be concluded from its emptiness."""


class FoundFile(NamedTuple):
    """A media file on disk. `relative_path` uses `/`; names that are no UTF-8 are kept by surrogateescape."""

    relative_path: str
    stamp: FileStamp


@dataclass(frozen=True, slots=True)
class TreeListing:
    """One walk of one root: its media files and sidecar subtitles in path order, the device it lies on, and the
    folders, or single files, that could not be read (they and what lies below them are unknown, not gone)."""

    device: int
    videos: tuple[FoundFile, ...]
    subtitles: tuple[str, ...]
    unreadable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TreeFingerprint:
    """Stands for every name and stamp below a root: while it stays equal, nothing changed. `is_whole` is false where
    something could not be read."""

    device: int
    digest: bytes
    video_count: int
    is_whole: bool


class MediaTree(Protocol):
    """Folders of media on disk."""

    async def fingerprint(self, root: str, *, ignore_patterns: Iterable[str] = ()) -> TreeFingerprint:
        """Of the tree that `list` would list; much cheaper than that. Raises as `list`."""

    async def list(self, root: str, *, ignore_patterns: Iterable[str] = ()) -> TreeListing:
        """Walk `root` without following symbolic links out of it. Skips hidden and system folders
        (`.`, `@eaDir`, `#recycle`, `$RECYCLE.BIN`, `lost+found`, `System Volume Information`) and folders with a
        `.ignore` or `.nomedia` file. Raises RootUnavailable when the root is missing, no folder, or unreadable."""

    async def stamp(self, root: str, relative_path: str) -> FileStamp | None:
        """The file's stamp now; None if it is gone. Raises RootUnavailable when the root is, or the disk fails."""


@dataclass(frozen=True, slots=True)
class ProbeRefusal:
    """Why a file could not be probed: `reason` is a sentence for people, `code` one of not_media, unsupported,
    no_streams, timeout, crashed, unreadable."""

    code: str
    reason: str


class MediaProbe(Protocol):
    """Looks inside media files, in child processes: a crash or a hang loses one file."""

    def session(self) -> AbstractAsyncContextManager[ProbeSession]:
        """Start the workers; leaving the context ends them."""


class ProbeSession(Protocol):
    def probe_all(self, paths: Iterable[str]) -> AsyncIterator[tuple[str, TechnicalInfo | ProbeRefusal]]:
        """Probe absolute paths on all workers at once; results come as they are ready, in any order."""


@dataclass(frozen=True, slots=True)
class FolderState:
    """A path as the server process sees it. `message` says in words what is wrong, or that nothing is."""

    path: str
    exists: bool
    is_directory: bool
    readable: bool
    writable: bool
    message: str

    @property
    def usable(self) -> bool:
        return self.exists and self.is_directory and self.readable


@dataclass(frozen=True, slots=True)
class FolderEntry:
    name: str
    path: str
    readable: bool


@dataclass(frozen=True, slots=True)
class FolderListing:
    """The folders below `path`, by name; `parent` is null at the top. Names that are no UTF-8 are left out: they
    could not be sent back."""

    path: str
    parent: str | None
    directories: list[FolderEntry]


class FolderInspector(Protocol):
    """Looks at folders an administrator names."""

    async def inspect(self, path: str) -> FolderState: ...

    async def browse(self, path: str) -> FolderListing:
        """Raises NotFound where there is no folder, Forbidden where it may not be read."""


class NameParser(Protocol):
    """Reads names."""

    def parse(self, relative_path: str, kind: LibraryKind) -> ParsedName:
        """Read file and folder names; pure, never raises, always gives a title."""

    def sidecars(self, video_path: str, subtitle_paths: Iterable[str]) -> tuple[SidecarSubtitle, ...]:
        """Which of `subtitle_paths` (relative, same root) belong to this video, and what their names say."""
