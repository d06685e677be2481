"""A library: folders of one household's films or series, and the rules by which they are scanned."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import PurePosixPath

from odeion.domain.shared.errors import Conflict, FieldError, Invalid
from odeion.domain.shared.events import Event, RecordsEvents
from odeion.domain.shared.ids import LibraryId, RootId


class LibraryKind(StrEnum):
    """What the folders hold: films, series, or both."""

    FILM = "film"
    SERIES = "series"
    MIXED = "mixed"


@dataclass(frozen=True, slots=True, kw_only=True)
class LibraryOptions:
    """How a library is scanned. `ignore_patterns` are shell globs on the relative path."""

    ignore_patterns: tuple[str, ...] = ()
    include_extras: bool = True


@dataclass(slots=True, kw_only=True)
class LibraryRoot:
    """One folder. `device` is the file system it was last seen on (st_dev): another one under the same path means
    that the disk was swapped or is not mounted, and the scan stops rather than believe an empty folder."""

    id: RootId | None
    path: str
    device: int | None = None

    def overlaps(self, other: LibraryRoot) -> bool:
        """Whether one of the two lies in the other."""
        ours, theirs = PurePosixPath(self.path), PurePosixPath(other.path)
        return ours.is_relative_to(theirs) or theirs.is_relative_to(ours)


@dataclass(frozen=True, slots=True, kw_only=True)
class LibraryScanned(Event):
    """A scan went through. Counts are of this scan."""

    name = "library.scan.completed"
    library_id: int
    files_found: int
    files_new: int
    files_failed: int
    files_missing: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LibraryCreated(Event):
    name = "library.created"
    library_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LibraryChanged(Event):
    name = "library.changed"
    library_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LibraryDeleted(Event):
    name = "library.deleted"
    library_id: int


def _checked_name(name: str) -> str:
    stripped = name.strip()
    if not 1 <= len(stripped) <= 100:
        raise Invalid("a library needs a name", fields=[FieldError("name", "1 to 100 characters")])
    return stripped


def _checked_paths(paths: list[str]) -> list[str]:
    if not paths:
        raise Invalid("a library needs a folder", fields=[FieldError("paths", "at least one path")])
    clean = [str(PurePosixPath(path)) for path in paths]
    for position, path in enumerate(clean):
        if not path.startswith("/") or ".." in PurePosixPath(path).parts or "\0" in path:
            raise Invalid("paths must be absolute", fields=[FieldError(f"paths.{position}", "not an absolute path")])
        for other in clean[:position]:
            if PurePosixPath(path).is_relative_to(other) or PurePosixPath(other).is_relative_to(path):
                raise Invalid("paths overlap", fields=[FieldError(f"paths.{position}", f"overlaps {other}")])
    return clean


@dataclass(kw_only=True)
class Library(RecordsEvents):
    """`roots` keep their ids when paths are changed around them, so that files of an unchanged root stay known."""

    id: LibraryId | None
    name: str
    kind: LibraryKind
    roots: list[LibraryRoot] = field(default_factory=list)
    options: LibraryOptions = field(default_factory=LibraryOptions)
    created_at: datetime
    last_scanned_at: datetime | None = None
    version: int = 1

    @classmethod
    def create(
        cls, *, name: str, kind: LibraryKind, paths: list[str], options: LibraryOptions, at: datetime
    ) -> Library:
        """A new library, not yet scanned. Raises Invalid."""
        library = cls(
            id=None,
            name=_checked_name(name),
            kind=kind,
            roots=[LibraryRoot(id=None, path=path) for path in _checked_paths(paths)],
            options=options,
            created_at=at,
        )
        library._record(LibraryCreated(at=at, library_name=library.name))
        return library

    def change(
        self,
        *,
        name: str | None = None,
        kind: LibraryKind | None = None,
        paths: list[str] | None = None,
        options: LibraryOptions | None = None,
        at: datetime,
    ) -> None:
        """Change what is given, keep the rest. Raises Invalid; Conflict for a kind that would orphan content."""
        if name is not None:
            self.name = _checked_name(name)
        if kind is not None and kind is not self.kind:
            if self.last_scanned_at is not None and kind is not LibraryKind.MIXED:
                raise Conflict("a scanned library can only become mixed; create another one instead")
            self.kind = kind
        if paths is not None:
            known = {root.path: root for root in self.roots}
            self.roots = [known.get(path) or LibraryRoot(id=None, path=path) for path in _checked_paths(paths)]
        if options is not None:
            self.options = options
        self._record(LibraryChanged(at=at, library_id=self.id or 0))

    def deleted(self, *, at: datetime) -> None:
        """Say goodbye; the files on disk are never touched."""
        self._record(LibraryDeleted(at=at, library_id=self.id or 0))

    def scanned(self, *, files_found: int, files_new: int, files_failed: int, files_missing: int, at: datetime) -> None:
        """A scan went through to its end."""
        self.last_scanned_at = at
        self._record(
            LibraryScanned(
                at=at,
                library_id=self.id or 0,
                files_found=files_found,
                files_new=files_new,
                files_failed=files_failed,
                files_missing=files_missing,
            )
        )
