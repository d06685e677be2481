"""Folders an administrator names."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from odeion.application.libraries.ports import FolderEntry, FolderListing, FolderState
from odeion.domain.shared.errors import FieldError, Forbidden, Invalid, NotFound


class LocalFolders:
    """Implements FolderInspector. Every call runs in a thread: a dead network mount must not stall the loop."""

    async def inspect(self, path: str) -> FolderState:
        return await asyncio.to_thread(_inspect, path)

    async def browse(self, path: str) -> FolderListing:
        return await asyncio.to_thread(_browse, path)


def _inspect(path: str) -> FolderState:
    if not path.startswith("/") or "\0" in path:
        return FolderState(path, False, False, False, False, "the path must be absolute")
    try:
        exists = os.path.lexists(path) and Path(path).exists()
        is_directory = Path(path).is_dir()
    except OSError as error:
        return FolderState(path, False, False, False, False, error.strerror or "the path cannot be looked at")
    readable = is_directory and os.access(path, os.R_OK | os.X_OK)
    writable = is_directory and os.access(path, os.W_OK | os.X_OK)
    if not exists:
        message = "nothing is there"
    elif not is_directory:
        message = "this is not a folder"
    elif not readable:
        message = "the server may not read this folder"
    else:
        message = "this folder can be used"
    return FolderState(path, exists, is_directory, readable, writable, message)


def _browse(path: str) -> FolderListing:
    if not path.startswith("/") or "\0" in path:
        raise Invalid("the path must be absolute", fields=[FieldError("query.path", "not an absolute path")])
    folder = Path(os.path.normpath(path))
    try:
        with os.scandir(folder) as entries:
            directories = [
                FolderEntry(entry.name, str(folder / entry.name), os.access(entry.path, os.R_OK | os.X_OK))
                for entry in entries
                if not entry.name.startswith(".") and _is_utf8(entry.name) and _is_folder(entry)
            ]
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound("there is no such folder") from None
    except PermissionError:
        raise Forbidden("the server may not read this folder") from None
    except OSError as error:
        raise NotFound(error.strerror or "the folder cannot be read") from error
    parent = str(folder.parent) if folder.parent != folder else None
    return FolderListing(str(folder), parent, sorted(directories, key=lambda entry: entry.name.casefold()))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
