"""Folders of media on a local or mounted disk.

Reading a folder is half system calls, half Python objects, and the interpreter lock lets threads do neither faster.
So a walk shares its folders with a helper process, which reads them and sends back plain values, while the walking
thread makes the listing out of them. The helper is this very file run as a script: the first half of it.
"""

# Paths are plain strings here: Path objects would cost more than the system calls.
# ruff: noqa: PTH112, PTH116

from __future__ import annotations

import errno
import fnmatch
import gc
import marshal
import os
import re
import sys
from stat import S_ISLNK, S_ISREG
from typing import Any, BinaryIO, cast

# A video as values that `marshal` can carry: path, size in bytes, mtime in ns, inode.
VideoRow = tuple[str, int, int, int]
# What one folder holds: subfolders, videos, subtitles, and what could not be read. Paths are relative to the root.
FolderContent = tuple[list[str], list[VideoRow], list[str], list[str]]

_SKIPPED_FOLDERS = frozenset(("@eaDir", "#recycle", "$RECYCLE.BIN", "lost+found", "System Volume Information"))
_SKIP_MARKERS = frozenset((".ignore", ".nomedia"))
_GONE = frozenset((errno.ENOENT, errno.ENOTDIR))


class FolderReader:
    """Reads the folders of the tree below `root`, one at a time."""

    def __init__(
        self, root: str, ignore_patterns: tuple[str, ...], videos: frozenset[str], subtitles: frozenset[str]
    ) -> None:
        self._root = root
        self._real_root = os.path.realpath(root)
        self._video_extensions, self._subtitle_extensions = videos, subtitles
        pattern = "|".join(fnmatch.translate(pattern) for pattern in ignore_patterns)
        self._is_ignored = re.compile(pattern).match if pattern else None

    def read(self, folder: str) -> FolderContent:
        """What `folder` holds. One that cannot be read names itself as unreadable; one that is gone is empty."""
        try:
            return self.read_strictly(folder)
        except OSError as error:
            return [], [], [], [] if error.errno in _GONE else [folder]

    def read_strictly(self, folder: str) -> FolderContent:
        """What `folder` ("" is the root) holds. Raises OSError."""
        subfolders: list[str] = []
        videos: list[VideoRow] = []
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
                            return [], [], [], []
                        continue
                    path = prefix + name
                    if entry.is_dir(follow_symlinks=False):
                        if name not in _SKIPPED_FOLDERS and not (is_ignored and is_ignored(path)):
                            subfolders.append(path)
                        continue
                    extension = name[name.rfind(".") :].lower()
                    is_video = extension in self._video_extensions
                    if not is_video and extension not in self._subtitle_extensions:
                        continue
                    if is_ignored and is_ignored(path):
                        continue
                    try:
                        status = entry.stat(follow_symlinks=False)
                        if S_ISLNK(status.st_mode):
                            target = os.path.realpath(f"{self._root}/{path}")
                            if not is_beneath(self._real_root, target):
                                continue
                            status = os.stat(target)
                    except OSError as error:
                        if error.errno not in _GONE and error.errno != errno.ELOOP:
                            unreadable.append(path)
                        continue
                    if not S_ISREG(status.st_mode):
                        continue
                    if is_video:
                        videos.append((path, status.st_size, status.st_mtime_ns, status.st_ino))
                    else:
                        subtitles.append(path)
        finally:
            os.close(handle)
        return subfolders, videos, subtitles, unreadable


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
    """The helper's life: the reader's arguments first, then batches of folders until the pipe is closed."""
    gc.disable()  # nothing here is ever part of a cycle
    reader = FolderReader(*_receive(requests))
    while True:
        try:
            batch = _receive(requests)
        except EOFError:
            return
        _send(answers, [reader.read(folder) for folder in batch])


if __name__ == "__main__":
    # Stopping here lets a helper start in 10 ms; the imports below would take another 120.
    _help(sys.stdin.buffer, sys.stdout.buffer)
    sys.exit()

import asyncio  # noqa: E402
import contextlib  # noqa: E402
import selectors  # noqa: E402
import subprocess  # noqa: E402
from collections import deque  # noqa: E402
from collections.abc import Iterable  # noqa: E402
from operator import attrgetter  # noqa: E402

from odeion.application.libraries.ports import FoundFile, RootUnavailable, TreeListing  # noqa: E402
from odeion.domain.media_file import SUBTITLE_EXTENSIONS, VIDEO_EXTENSIONS, FileStamp  # noqa: E402

# A small library is read before a helper would have started.
_FOLDERS_WITHOUT_HELP = 200
_HELPERS = 2
_BATCH = 32
_BATCHES_AHEAD = 2


class LocalMediaTree:
    """MediaTree over the server's own file system. Links to folders are not followed; a link to a file counts as
    the file when that lies beneath the same root."""

    async def list(self, root: str, *, ignore_patterns: Iterable[str] = ()) -> TreeListing:
        """See MediaTree. A cancelled walk ends at the next folder."""
        walk = _Walk(root, tuple(ignore_patterns))
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


class _Walk:
    """One walk of one tree. Helpers are given batches of folders and always have the next one in their pipe."""

    def __init__(self, root: str, ignore_patterns: tuple[str, ...]) -> None:
        self._root = root
        self._reader_arguments = (root, ignore_patterns, VIDEO_EXTENSIONS, SUBTITLE_EXTENSIONS)
        self._pending: list[str] = []  # folders nobody was given yet
        self._videos: list[FoundFile] = []
        self._subtitles: list[str] = []
        self._unreadable: list[str] = []
        self._stopped = False

    def stop(self) -> None:
        """Let `run`, in another thread, return early."""
        self._stopped = True

    def run(self) -> TreeListing:
        """Walk the tree; blocks. Raises RootUnavailable."""
        try:
            device = os.stat(self._root).st_dev
            reader = FolderReader(*self._reader_arguments)
            self._add(reader.read_strictly(""))
        except (OSError, ValueError) as error:
            raise _unavailable(self._root, error) from error
        for _ in range(_FOLDERS_WITHOUT_HELP):
            if self._pending:
                self._add(reader.read(self._pending.pop()))
        if self._pending:
            self._run_with_helpers(reader)
        self._videos.sort(key=attrgetter("relative_path"))
        return TreeListing(device, tuple(self._videos), tuple(sorted(self._subtitles)), tuple(sorted(self._unreadable)))

    def _run_with_helpers(self, reader: FolderReader) -> None:
        helpers = [_Helper(self._reader_arguments) for _ in range(_HELPERS)]
        with contextlib.ExitStack() as cleanup, selectors.DefaultSelector() as readable:
            for helper in helpers:
                cleanup.callback(helper.end)
                readable.register(helper.answers, selectors.EVENT_READ, helper)
            while (self._pending or any(helper.batches for helper in helpers)) and not self._stopped:
                for helper in helpers:
                    while self._pending and len(helper.batches) < _BATCHES_AHEAD:
                        helper.send(self._take_batch())
                for key, _ in readable.select():
                    helper = key.data
                    batch, contents = helper.receive()
                    for content in contents or map(reader.read, batch):
                        self._add(content)

    def _take_batch(self) -> list[str]:
        """Some folders whose paths together fit into an empty pipe, so that sending them never blocks."""
        batch, free_bytes = [self._pending.pop()], 32_000
        while self._pending and len(batch) < _BATCH and (free_bytes := free_bytes - 3 * len(batch[-1])) > 3 * 4096:
            batch.append(self._pending.pop())
        return batch

    def _add(self, content: FolderContent) -> None:
        subfolders, videos, subtitles, unreadable = content
        self._pending += subfolders
        self._videos += [FoundFile(path, FileStamp(size, mtime, inode)) for path, size, mtime, inode in videos]
        self._subtitles += subtitles
        self._unreadable += unreadable


class _Helper:
    """A process that reads folders; the batches it was given and has not answered, oldest first."""

    def __init__(self, reader_arguments: tuple[object, ...]) -> None:
        # Isolated (-I) and without site-packages (-S): it needs the standard library only.
        command = [sys.executable, "-I", "-S", __file__]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={})
        self._requests = cast(BinaryIO, self._process.stdin)
        self.answers = cast(BinaryIO, self._process.stdout)
        self.batches: deque[list[str]] = deque()
        _send(self._requests, reader_arguments)

    def send(self, batch: list[str]) -> None:
        self.batches.append(batch)
        _send(self._requests, batch)

    def receive(self) -> tuple[list[str], list[FolderContent]]:
        """The oldest batch and what its folders hold."""
        return self.batches.popleft(), _receive(self.answers)

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()
