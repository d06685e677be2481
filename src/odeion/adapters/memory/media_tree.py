"""Folders of media that exist only in a test."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from fnmatch import fnmatchcase
from hashlib import sha256
from pathlib import PurePosixPath

from odeion.application.libraries.ports import FoundFile, RootUnavailable, TreeFingerprint, TreeListing
from odeion.domain.media_file import SUBTITLE_EXTENSIONS, VIDEO_EXTENSIONS, FileStamp

_SKIPPED_FOLDERS = frozenset(("@eaDir", "#recycle", "$RECYCLE.BIN", "lost+found", "System Volume Information"))
_SKIP_MARKERS = frozenset((".ignore", ".nomedia"))


class InMemoryMediaTree:
    """MediaTree over what a test put into it."""

    def __init__(self) -> None:
        self._roots: dict[str, dict[str, FileStamp]] = {}
        self._devices: dict[str, int] = {}
        self._unplugged: set[str] = set()
        self._unreadable: dict[str, set[str]] = {}
        self._inodes = itertools.count(1000)

    def add_root(self, root: str, *, device: int = 1) -> None:
        """An empty folder, on the file system with this number; also swaps the disk under a known one."""
        self._roots.setdefault(root, {})
        self._devices[root] = device
        self._unplugged.discard(root)

    def put(self, root: str, path: str, *, size_bytes: int = 1_000_000, mtime_ns: int = 10**18) -> FileStamp:
        """A new file, or other content in an old one, which keeps its inode."""
        known = self._roots[root].get(path)
        stamp = FileStamp(size_bytes, mtime_ns, known.inode if known else next(self._inodes))
        self._roots[root][path] = stamp
        return stamp

    def move(self, root: str, path: str, to: str) -> None:
        """Another name for the same file."""
        self._roots[root][to] = self._roots[root].pop(path)

    def remove(self, root: str, path: str) -> None:
        """Delete a file."""
        del self._roots[root][path]

    def unplug(self, root: str) -> None:
        """Take the disk away; `add_root` brings it back."""
        self._unplugged.add(root)

    def make_unreadable(self, root: str, folder: str) -> None:
        """Let a folder fail when it is read."""
        self._unreadable.setdefault(root, set()).add(folder)

    async def list(self, root: str, *, ignore_patterns: Iterable[str] = ()) -> TreeListing:
        """See MediaTree."""
        files = self._files(root)
        patterns = tuple(ignore_patterns)
        hidden_by_marker = {
            str(PurePosixPath(path).parent) for path in files if PurePosixPath(path).name in _SKIP_MARKERS
        }
        unreadable = self._unreadable.get(root, set())
        videos, subtitles = [], []
        for path in sorted(files):
            pure = PurePosixPath(path)
            above = [str(folder) for folder in pure.parents]
            if (
                any(part.startswith(".") for part in pure.parts)
                or not _SKIPPED_FOLDERS.isdisjoint(pure.parts[:-1])
                or not hidden_by_marker.isdisjoint(above)
                or not unreadable.isdisjoint(above)
                or any(fnmatchcase(name, pattern) for name in [path, *above[:-1]] for pattern in patterns)
            ):
                continue
            if pure.suffix.lower() in VIDEO_EXTENSIONS:
                videos.append(FoundFile(path, files[path]))
            elif pure.suffix.lower() in SUBTITLE_EXTENSIONS:
                subtitles.append(path)
        return TreeListing(self._devices[root], tuple(videos), tuple(subtitles), tuple(sorted(unreadable)))

    async def fingerprint(self, root: str, *, ignore_patterns: Iterable[str] = ()) -> TreeFingerprint:
        """See MediaTree."""
        listing = await self.list(root, ignore_patterns=ignore_patterns)
        facts = repr((listing.videos, listing.subtitles)).encode()
        return TreeFingerprint(listing.device, sha256(facts).digest(), len(listing.videos), not listing.unreadable)

    async def stamp(self, root: str, relative_path: str) -> FileStamp | None:
        """See MediaTree."""
        return self._files(root).get(relative_path)

    def _files(self, root: str) -> dict[str, FileStamp]:
        if root not in self._roots or root in self._unplugged:
            raise RootUnavailable(f"the folder {root} cannot be read: it is not there")
        return self._roots[root]
