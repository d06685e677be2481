"""Folders of media on a local or mounted disk.

Reading a folder is half system calls, half Python objects, and the interpreter lock lets threads do neither faster.
So a walk shares its folders with a helper process, which reads them and sends back plain values, while the walking
thread makes the listing out of them. The helper is this very file run as a script: the first half of it, which
imports little, so that helpers are at work in no time. A fingerprint needs no listing at all: there the helpers answer
with a digest of each folder.
"""

# Paths are plain strings here: Path objects would cost more than the system calls.
# ruff: noqa: PTH112, PTH116

from __future__ import annotations

import errno
import gc
import marshal
import os
import sys
from hashlib import sha256
from stat import S_ISLNK, S_ISREG

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO

# What one folder holds, in values that `marshal` can carry quickly: the folder's path with a slash behind it; names of
# videos; three numbers for each of these (size in bytes, mtime in ns, inode) in one list; paths of subfolders,
# subtitles, and what could not be read. Paths are relative to the root.
FolderContent = tuple[str, list[str], list[int], list[str], list[str], list[str]]

# What a fingerprint needs of it: the digest, how many videos there are, paths of subfolders, and whether all of it
# could be read.
FolderSummary = tuple[bytes, int, list[str], bool]

_SKIPPED_FOLDERS = frozenset(("@eaDir", "#recycle", "$RECYCLE.BIN", "lost+found", "System Volume Information"))
_SKIP_MARKERS = frozenset((".ignore", ".nomedia"))
_GONE = frozenset((errno.ENOENT, errno.ENOTDIR))


class FolderReader:
    """Reads the folders of the tree below `root`, one at a time."""

    def __init__(self, root: str, ignored: str, videos: frozenset[str], subtitles: frozenset[str]) -> None:
        """`ignored` is a regular expression for relative paths; `videos` and `subtitles` are file name extensions."""
        self._root = root
        self._real_root = os.path.realpath(root)
        self._video_extensions, self._subtitle_extensions = videos, subtitles
        self._is_ignored = None
        if ignored:
            import re

            self._is_ignored = re.compile(ignored).match

    def read(self, folder: str) -> FolderContent:
        """What `folder` holds. One that cannot be read names itself as unreadable; one that is gone is empty."""
        try:
            return self.read_strictly(folder)
        except OSError as error:
            return "", [], [], [], [], [] if error.errno in _GONE else [folder]

    def summarise(self, folder: str) -> FolderSummary:
        """As `read`, by digest."""
        prefix, videos, stamps, subfolders, subtitles, unreadable = self.read(folder)
        facts = repr((prefix, videos, stamps, subtitles)).encode()
        return sha256(facts).digest(), len(videos), subfolders, not unreadable

    def read_strictly(self, folder: str) -> FolderContent:
        """What `folder` ("" is the root) holds. Raises OSError."""
        videos: list[str] = []
        stamps: list[int] = []
        subfolders: list[str] = []
        subtitles: list[str] = []
        unreadable: list[str] = []
        is_ignored = self._is_ignored
        prefix = folder + "/" if folder else ""
        # Entries are looked up relative to the open folder, which is less work for the kernel than whole paths.
        handle = os.open(f"{self._root}/{folder}", os.O_RDONLY | os.O_DIRECTORY)
        try:
            with os.scandir(handle) as entries:
                for entry in entries:
                    name = entry.name
                    if name[0] == ".":
                        if name in _SKIP_MARKERS:
                            return "", [], [], [], [], []
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        if name not in _SKIPPED_FOLDERS and not (is_ignored and is_ignored(prefix + name)):
                            subfolders.append(prefix + name)
                        continue
                    extension = name[name.rfind(".") :].lower()
                    is_video = extension in self._video_extensions
                    if not is_video and extension not in self._subtitle_extensions:
                        continue
                    if is_ignored and is_ignored(prefix + name):
                        continue
                    try:
                        status = entry.stat(follow_symlinks=False)
                        if S_ISLNK(status.st_mode):
                            target = os.path.realpath(f"{self._root}/{prefix}{name}")
                            if not is_beneath(self._real_root, target):
                                continue
                            status = os.stat(target)
                    except OSError as error:
                        if error.errno not in _GONE and error.errno != errno.ELOOP:
                            unreadable.append(prefix + name)
                        continue
                    if not S_ISREG(status.st_mode):
                        continue
                    if is_video:
                        videos.append(name)
                        stamps += status.st_size, status.st_mtime_ns, status.st_ino
                    else:
                        subtitles.append(prefix + name)
        finally:
            os.close(handle)
        return prefix, videos, stamps, subfolders, subtitles, unreadable


def is_beneath(real_root: str, real_path: str) -> bool:
    """Whether a path lies inside a folder; neither may hold symbolic links or `..`."""
    return real_path.startswith(real_root.rstrip("/") + "/")


def _send(pipe: BinaryIO, value: Any) -> None:
    data = marshal.dumps(value)
    pipe.write(len(data).to_bytes(4, "big") + data)
    pipe.flush()


def _receive(pipe: BinaryIO) -> Any:
    """The next value sent; raises EOFError at the end. (`marshal.load` from a pipe reads a few bytes at a time.)"""
    return marshal.loads(pipe.read(int.from_bytes(pipe.read(4), "big")))  # noqa: S302 - the sender is our own process


def _help(requests: BinaryIO, answers: BinaryIO) -> None:
    """The helper's life: what to do and the reader's arguments first, then batches of folders until the pipe is
    closed."""
    gc.disable()  # nothing here is ever part of a cycle
    method, arguments = _receive(requests)
    look_at = getattr(FolderReader(*arguments), method)
    while True:
        try:
            batch = _receive(requests)
        except EOFError:
            return
        _send(answers, [look_at(folder) for folder in batch])


if __name__ == "__main__":
    # The imports below would take ten times as long as those above.
    _help(sys.stdin.buffer, sys.stdout.buffer)
    sys.exit()

import asyncio  # noqa: E402
import contextlib  # noqa: E402
import fnmatch  # noqa: E402
import subprocess  # noqa: E402
from abc import ABC, abstractmethod  # noqa: E402
from collections.abc import Callable, Iterable  # noqa: E402
from functools import partial  # noqa: E402
from operator import attrgetter  # noqa: E402
from typing import ClassVar, Generic, TypeVar, cast  # noqa: E402

from odeion.application.libraries.ports import (  # noqa: E402
    FoundFile,
    RootUnavailable,
    TreeFingerprint,
    TreeListing,
)
from odeion.domain.media_file import SUBTITLE_EXTENSIONS, VIDEO_EXTENSIONS, FileStamp  # noqa: E402

# A small library is read before helpers would have started; this many folders are read in the time they take.
_FOLDERS_BEFORE_HELP = 100
_FOLDERS_UNTIL_HELP = 200
_HELPERS = max(2, min(4, (os.cpu_count() or 1) - 1))
_BATCH = 32
_BATCHES_AHEAD = 2
# The constructors without their Python part, as there is one call of each for every file.
_file_stamp = cast(Callable[[tuple[int, int, int]], FileStamp], partial(tuple.__new__, FileStamp))
_found_file = cast(Callable[[tuple[str, FileStamp]], FoundFile], partial(tuple.__new__, FoundFile))
_USUAL_COLLECTIONS = gc.get_threshold()
_RARE_COLLECTIONS = 1_000_000

Content = TypeVar("Content")
Result = TypeVar("Result")


class LocalMediaTree:
    """MediaTree over the server's own file system. Links to folders are not followed; a link to a file counts as
    the file when that lies beneath the same root."""

    async def list(self, root: str, *, ignore_patterns: Iterable[str] = ()) -> TreeListing:
        """See MediaTree. A cancelled walk ends at the next folder."""
        walk = _ListingWalk(root, tuple(ignore_patterns))
        try:
            return await asyncio.to_thread(walk.run)
        finally:
            walk.stop()

    async def fingerprint(self, root: str, *, ignore_patterns: Iterable[str] = ()) -> TreeFingerprint:
        """See MediaTree. A cancelled walk ends at the next folder."""
        walk = _FingerprintWalk(root, tuple(ignore_patterns))
        try:
            return await asyncio.to_thread(walk.run)
        finally:
            walk.stop()

    async def stamp(self, root: str, relative_path: str) -> FileStamp | None:
        """See MediaTree. Raises RootUnavailable where absence proves nothing: the disk is away or failing."""
        return await asyncio.to_thread(_stamp, root, relative_path)


def _stamp(root: str, relative_path: str) -> FileStamp | None:
    try:
        real_root = os.path.realpath(root)
        path = os.path.realpath(f"{real_root}/{relative_path}")
        if not is_beneath(real_root, path):
            return None
        status = os.stat(path)
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno in _GONE and os.path.isdir(root):
            return None
        raise _unavailable(root, error) from error
    if not S_ISREG(status.st_mode):
        return None
    return FileStamp(status.st_size, status.st_mtime_ns, status.st_ino)


def _unavailable(root: str, error: Exception) -> RootUnavailable:
    printable_root = root.encode("utf-8", "replace").decode("utf-8")
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return RootUnavailable(f"the folder {printable_root} cannot be read: {reason}")


class _Walk(ABC, Generic[Content, Result]):
    """One walk of one tree. Helpers are given batches of folders and always have the next one in their pipe. What is
    learned of each folder, and made of it in the end, is a subclass's matter."""

    method: ClassVar[str]
    """Of FolderReader, by name, since a helper is told it."""

    def __init__(self, root: str, ignore_patterns: tuple[str, ...]) -> None:
        self._root = root
        ignored = "|".join(map(fnmatch.translate, ignore_patterns))
        self._reader_arguments = (root, ignored, VIDEO_EXTENSIONS, SUBTITLE_EXTENSIONS)
        self._pending: list[str] = []  # folders nobody was given yet
        self._stopped = False

    @abstractmethod
    def _add(self, content: Content) -> None:
        """Take what was learned of one folder; its subfolders become pending."""

    @abstractmethod
    def _result(self, device: int) -> Result:
        """What was learned of all."""

    def stop(self) -> None:
        """Let `run`, in another thread, return early."""
        self._stopped = True

    def run(self) -> Result:
        """Walk the tree; blocks. Raises RootUnavailable."""
        try:
            device = os.stat(self._root).st_dev
            reader = FolderReader(*self._reader_arguments)
            reader.read_strictly("")
        except (OSError, ValueError) as error:
            raise _unavailable(self._root, error) from error
        look_at: Callable[[str], Content] = getattr(reader, self.method)
        self._pending = [""]
        # Nothing here becomes garbage, but the collector would go over the growing listing again and again.
        gc.set_threshold(_RARE_COLLECTIONS)
        try:
            self._read_here(look_at, _FOLDERS_BEFORE_HELP)
            if self._pending:
                self._read_with_helpers(look_at)
        finally:
            gc.set_threshold(*_USUAL_COLLECTIONS)
        return self._result(device)

    def _read_here(self, look_at: Callable[[str], Content], at_most: int) -> None:
        for _ in range(at_most):
            if self._pending:
                self._add(look_at(self._pending.pop()))

    def _read_with_helpers(self, look_at: Callable[[str], Content]) -> None:
        """Read what is pending, and what turns up below it."""
        helpers: list[_Helper[Content]] = []
        try:
            for _ in range(_HELPERS):
                helpers.append(_Helper(self.method, self._reader_arguments))
            self._read_here(look_at, _FOLDERS_UNTIL_HELP)
            while not self._stopped:
                for helper in helpers:
                    while self._pending and helper.batches_owed < _BATCHES_AHEAD:
                        helper.send(self._take_batch())
                if not any(helper.batches_owed for helper in helpers):
                    return
                for helper in helpers:
                    if helper.batches_owed:
                        for content in helper.receive():
                            self._add(content)
        finally:
            for helper in helpers:
                helper.kill()
            for helper in helpers:
                helper.wait()

    def _take_batch(self) -> list[str]:
        """Some folders whose paths together fit into an empty pipe, so that sending them never blocks."""
        batch, free_bytes = [self._pending.pop()], 32_000
        while self._pending and len(batch) < _BATCH and (free_bytes := free_bytes - 3 * len(batch[-1])) > 3 * 4096:
            batch.append(self._pending.pop())
        return batch


class _ListingWalk(_Walk[FolderContent, TreeListing]):
    method = "read"

    def __init__(self, root: str, ignore_patterns: tuple[str, ...]) -> None:
        super().__init__(root, ignore_patterns)
        self._videos: list[FoundFile] = []
        self._subtitles: list[str] = []
        self._unreadable: list[str] = []

    def _add(self, content: FolderContent) -> None:
        prefix, videos, stamps, subfolders, subtitles, unreadable = content
        paths = [prefix + name for name in videos]
        numbers = iter(stamps)  # of which each file takes three
        triples = zip(numbers, numbers, numbers, strict=True)
        self._videos += map(_found_file, zip(paths, map(_file_stamp, triples), strict=True))
        self._pending += subfolders
        self._subtitles += subtitles
        self._unreadable += unreadable

    def _result(self, device: int) -> TreeListing:
        self._videos.sort(key=attrgetter("relative_path"))
        return TreeListing(device, tuple(self._videos), tuple(sorted(self._subtitles)), tuple(sorted(self._unreadable)))


class _FingerprintWalk(_Walk[FolderSummary, TreeFingerprint]):
    method = "summarise"

    def __init__(self, root: str, ignore_patterns: tuple[str, ...]) -> None:
        super().__init__(root, ignore_patterns)
        self._digests: list[bytes] = []
        self._video_count = 0
        self._is_whole = True

    def _add(self, content: FolderSummary) -> None:
        digest, videos, subfolders, is_whole = content
        self._digests.append(digest)
        self._video_count += videos
        self._pending += subfolders
        self._is_whole = self._is_whole and is_whole

    def _result(self, device: int) -> TreeFingerprint:
        # Folders come in another order each time.
        whole = sha256(b"".join(sorted(self._digests))).digest()
        return TreeFingerprint(device, whole, self._video_count, self._is_whole and not self._stopped)


class _Helper(Generic[Content]):
    """A process that reads folders. Raises RootUnavailable should it end: the tree is then not known."""

    def __init__(self, method: str, reader_arguments: tuple[object, ...]) -> None:
        # Isolated (-I) and without site-packages (-S): it needs the standard library only.
        command = [sys.executable, "-I", "-S", __file__]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._requests = cast("BinaryIO", self._process.stdin)
        self._answers = cast("BinaryIO", self._process.stdout)
        self.batches_owed = 0
        _send(self._requests, (method, reader_arguments))

    def send(self, folders: list[str]) -> None:
        """Give it folders to read."""
        try:
            _send(self._requests, folders)
        except OSError as error:
            raise RootUnavailable("the process that reads folders has ended") from error
        self.batches_owed += 1

    def receive(self) -> list[Content]:
        """What the folders hold that were sent first of those not yet received; waits."""
        try:
            contents: list[Content] = _receive(self._answers)
        except (EOFError, ValueError) as error:
            raise RootUnavailable("the process that reads folders has ended") from error
        self.batches_owed -= 1
        return contents

    def kill(self) -> None:
        """End the process, whatever it does."""
        self._process.kill()

    def wait(self) -> None:
        """Wait until it is gone, and let go of its pipes."""
        self._process.wait()
        for pipe in (self._requests, self._answers):
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
