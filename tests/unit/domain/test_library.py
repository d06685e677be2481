"""Libraries and the files in them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from odeion.domain.library import Library, LibraryKind, LibraryOptions, LibraryRoot
from odeion.domain.media_file import FileStamp, FileState, MediaFile, TechnicalInfo
from odeion.domain.shared.errors import Conflict, Invalid
from odeion.domain.shared.ids import LibraryId, RootId

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def library(*paths: str, kind: LibraryKind = LibraryKind.FILM) -> Library:
    return Library.create(name="Films", kind=kind, paths=list(paths or ["/a"]), options=LibraryOptions(), at=NOW)


class TestCreate:
    def test_cleans_names_and_paths(self) -> None:
        made = Library.create(
            name="  Films ", kind=LibraryKind.FILM, paths=["/srv/films/"], options=LibraryOptions(), at=NOW
        )
        assert (made.name, made.roots[0].path) == ("Films", "/srv/films")

    @pytest.mark.parametrize("paths", [[], ["films"], ["/a/../b"], ["/a", "/a"], ["/a", "/a/b"], ["/a/b", "/a"]])
    def test_refuses_paths_that_are_none(self, paths: list[str]) -> None:
        with pytest.raises(Invalid):
            Library.create(name="Films", kind=LibraryKind.FILM, paths=paths, options=LibraryOptions(), at=NOW)

    @pytest.mark.parametrize("name", ["", "   ", "x" * 101])
    def test_refuses_names_that_are_none(self, name: str) -> None:
        with pytest.raises(Invalid):
            Library.create(name=name, kind=LibraryKind.FILM, paths=["/a"], options=LibraryOptions(), at=NOW)

    def test_neighbours_with_a_common_beginning_do_not_overlap(self) -> None:
        assert len(library("/a/films", "/a/films2").roots) == 2


class TestChange:
    def test_roots_that_stay_keep_their_ids(self) -> None:
        changed = library("/a", "/b")
        changed.roots[0].id = RootId(7)
        changed.change(paths=["/c", "/a"], at=NOW)
        assert [(root.path, root.id) for root in changed.roots] == [("/c", None), ("/a", 7)]

    def test_a_scanned_library_cannot_become_another_kind(self) -> None:
        changed = library()
        changed.scanned(files_found=1, files_new=1, files_failed=0, files_missing=0, at=NOW)
        with pytest.raises(Conflict):
            changed.change(kind=LibraryKind.SERIES, at=NOW)

    def test_but_it_can_become_mixed(self) -> None:
        changed = library()
        changed.scanned(files_found=1, files_new=1, files_failed=0, files_missing=0, at=NOW)
        changed.change(kind=LibraryKind.MIXED, at=NOW)
        assert changed.kind is LibraryKind.MIXED


@pytest.mark.parametrize(
    ("one", "other", "overlap"),
    [("/a", "/a", True), ("/a", "/a/b", True), ("/a/b", "/a", True), ("/a", "/ab", False), ("/a", "/b", False)],
)
def test_overlap(one: str, other: str, overlap: bool) -> None:
    assert LibraryRoot(id=None, path=one).overlaps(LibraryRoot(id=None, path=other)) is overlap


class TestMediaFile:
    def file(self) -> MediaFile:
        return MediaFile(
            id=None,
            library_id=LibraryId(1),
            root_id=RootId(1),
            relative_path="Film.mkv",
            stamp=FileStamp(1, 2, 3),
            added_at=NOW,
        )

    def technical(self) -> TechnicalInfo:
        return TechnicalInfo(container="matroska,webm", duration_ms=1)

    def test_is_playable_once_probed(self) -> None:
        file = self.file()
        with pytest.raises(Conflict):
            file.require_playable()
        file.probed(self.technical(), at=NOW)
        assert file.require_playable() == self.technical()

    def test_keeps_what_is_known_while_it_is_missing(self) -> None:
        file = self.file()
        file.probed(self.technical(), at=NOW)
        file.went_missing(at=NOW)
        assert (file.state, file.technical) == (FileState.MISSING, self.technical())
        file.came_back()
        assert (file.state, file.missing_since) == (FileState.READY, None)

    def test_comes_back_as_unreadable_as_it_went(self) -> None:
        file = self.file()
        file.refused("not a media file", at=NOW)
        file.went_missing(at=NOW)
        file.came_back()
        assert file.state is FileState.FAILED

    def test_must_be_probed_again_when_its_bytes_changed(self) -> None:
        file = self.file()
        file.probed(self.technical(), at=NOW)
        file.changed(FileStamp(9, 9, 9))
        assert file.state is FileState.PENDING
        with pytest.raises(Conflict):
            file.require_playable()
