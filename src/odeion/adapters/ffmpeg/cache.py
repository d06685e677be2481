"""Segments kept on the disk, shared by all processes that use the folder, up to a limit."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import time
from pathlib import Path

from odeion.domain.shared.errors import Unavailable

# What was written or read this recently is about to be played: it is not removed to make room.
_IN_USE_S = 60
_ROOM_AFTER_CLEANING = 0.9
_FORGOTTEN_S = 3600


class SegmentCache:
    """Files `<key>/<name>`. Methods block on the disk: call them in threads."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._written_bytes: int | None = None

    def find(self, folder: Path, key: str, name: str) -> bytes | None:
        path = folder / key / name
        try:
            data = path.read_bytes()
        except OSError:
            return None
        with contextlib.suppress(OSError):
            os.utime(path)
        return data

    def keep(self, folder: Path, key: str, name: str) -> bool:
        """Whether it is there; then it counts as used now."""
        try:
            os.utime(folder / key / name)
        except OSError:
            return False
        return True

    def has(self, folder: Path, key: str, name: str) -> bool:
        return (folder / key / name).is_file()

    def put(self, folder: Path, key: str, name: str, data: bytes) -> None:
        """Whole or not at all. Raises Unavailable where there is no room."""
        try:
            self._write(folder, key, name, data)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise Unavailable(f"the cache folder cannot be written: {error.strerror}", retry_after_s=30) from error
            # Other things fill the disk too: half of what is there has to be enough.
            self._clean(folder, self._clean(folder, self._limit_bytes) // 2)
            try:
                self._write(folder, key, name, data)
            except OSError as again:
                raise Unavailable("the disk of the transcode cache is full", retry_after_s=60) from again
        if self._written_bytes is None:
            self._written_bytes = self._clean(folder, self._limit_bytes)
        else:
            self._written_bytes += len(data)
            if self._written_bytes > self._limit_bytes:
                self._written_bytes = self._clean(folder, round(self._limit_bytes * _ROOM_AFTER_CLEANING))

    def _write(self, folder: Path, key: str, name: str, data: bytes) -> None:
        place = folder / key
        place.mkdir(parents=True, exist_ok=True)
        aside = place / f".{name}.{secrets.token_hex(8)}"
        try:
            aside.write_bytes(data)
            aside.replace(place / name)
        except BaseException:
            with contextlib.suppress(OSError):
                aside.unlink()
            raise

    def _clean(self, folder: Path, limit_bytes: int) -> int:
        """Remove what was used longest ago until no more than `limit_bytes` are left; returns what is left."""
        now = time.time()
        files: list[tuple[float, int, Path]] = []
        for place in _folders(folder):
            for path in _files(place):
                with contextlib.suppress(OSError):
                    status = path.stat()
                    if path.name.startswith(".") and now - status.st_mtime > _FORGOTTEN_S:
                        path.unlink()
                    else:
                        files.append((status.st_mtime, status.st_size, path))
        total = sum(size for _, size, _ in files)
        for used_at, size, path in sorted(files):
            if total <= limit_bytes or now - used_at < _IN_USE_S:
                break
            with contextlib.suppress(OSError):
                path.unlink()
                total -= size
                # Refuses to go while something is left in it.
                path.parent.rmdir()
        return total


def _folders(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if path.is_dir() and not path.is_symlink()]
    except OSError:
        return []


def _files(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if path.is_file() and not path.is_symlink()]
    except OSError:
        return []
