"""What every MediaTree does, the real one and the one that tests use."""

from __future__ import annotations

import asyncio
import os
from abc import ABC, abstractmethod
from pathlib import Path

import pytest

from odeion.adapters.filesystem.media_tree import LocalMediaTree
from odeion.adapters.memory.media_tree import InMemoryMediaTree
from odeion.application.libraries.ports import MediaTree, RootUnavailable, TreeListing


class Harness(ABC):
    """A tree with one root, and hands to change it."""

    tree: MediaTree
    root: str

    @abstractmethod
    def put(self, path: str, size_bytes: int = 10, mtime_ns: int = 10**18) -> None:
        """Write a file, new or over an old one."""

    @abstractmethod
    def move(self, path: str, to: str) -> None: ...

    @abstractmethod
    def remove(self, path: str) -> None: ...

    @abstractmethod
    def unplug(self) -> None:
        """Take the root away."""

    @abstractmethod
    def make_unreadable(self, folder: str) -> str:
        """Make it fail to read something below `folder`; returns what."""


class InMemory(Harness):
    def __init__(self, folder: Path) -> None:
        self.tree = self._tree = InMemoryMediaTree()
        self.root = "/media"
        self._tree.add_root(self.root)

    def put(self, path: str, size_bytes: int = 10, mtime_ns: int = 10**18) -> None:
        self._tree.put(self.root, path, size_bytes=size_bytes, mtime_ns=mtime_ns)

    def move(self, path: str, to: str) -> None:
        self._tree.move(self.root, path, to)

    def remove(self, path: str) -> None:
        self._tree.remove(self.root, path)

    def unplug(self) -> None:
        self._tree.unplug(self.root)

    def make_unreadable(self, folder: str) -> str:
        self._tree.make_unreadable(self.root, folder)
        return folder


class Local(Harness):
    def __init__(self, folder: Path) -> None:
        self.tree = LocalMediaTree()
        self._folder = folder / "media"
        self._folder.mkdir()
        self.root = str(self._folder)

    def put(self, path: str, size_bytes: int = 10, mtime_ns: int = 10**18) -> None:
        file = self._folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
        os.truncate(file, size_bytes)
        os.utime(file, ns=(mtime_ns, mtime_ns))

    def move(self, path: str, to: str) -> None:
        (self._folder / to).parent.mkdir(parents=True, exist_ok=True)
        (self._folder / path).rename(self._folder / to)

    def remove(self, path: str) -> None:
        (self._folder / path).unlink()

    def unplug(self) -> None:
        self._folder.rename(self._folder.with_name("elsewhere"))

    def make_unreadable(self, folder: str) -> str:
        """By names too long for a path in one piece: permissions do not bind the root user."""
        path, name = folder, "x" * 250
        (self._folder / folder).mkdir(parents=True, exist_ok=True)
        handle = os.open(self._folder / folder, os.O_RDONLY)
        while len(f"{self.root}/{path}") < 4096:
            os.mkdir(name, dir_fd=handle)
            deeper = os.open(name, os.O_RDONLY, dir_fd=handle)
            os.close(handle)
            handle, path = deeper, f"{path}/{name}"
        os.close(handle)
        return path


@pytest.fixture(params=[InMemory, Local])
def harness(request: pytest.FixtureRequest, tmp_path: Path) -> Harness:
    made: Harness = request.param(tmp_path)
    return made


def names(listing: TreeListing) -> list[str]:
    return [found.relative_path for found in listing.videos]


class TestList:
    async def test_finds_videos_and_subtitles_in_path_order(self, harness: Harness) -> None:
        for path in ("b/2.mkv", "b/10.mp4", "a b/c.avi", "a/x/y/z.WEBM", "top.mkv", "b/2.en.srt", "a/s.ASS"):
            harness.put(path)
        listing = await harness.tree.list(harness.root)
        assert names(listing) == ["a b/c.avi", "a/x/y/z.WEBM", "b/10.mp4", "b/2.mkv", "top.mkv"]
        assert listing.subtitles == ("a/s.ASS", "b/2.en.srt")
        assert listing.unreadable == ()

    async def test_an_empty_root_is_empty(self, harness: Harness) -> None:
        listing = await harness.tree.list(harness.root)
        assert (listing.videos, listing.subtitles) == ((), ())

    async def test_leaves_other_files_alone(self, harness: Harness) -> None:
        for path in ("film.nfo", "film.jpg", "mkv", "film.mkv.part", "film", "film.iso"):
            harness.put(path)
        assert names(await harness.tree.list(harness.root)) == []

    @pytest.mark.parametrize(
        "folder",
        [".hidden", "@eaDir", "#recycle", "$RECYCLE.BIN", "lost+found", "System Volume Information", "a/@eaDir/b"],
    )
    async def test_skips_hidden_and_system_folders(self, harness: Harness, folder: str) -> None:
        harness.put(f"{folder}/film.mkv")
        harness.put("a/film.mkv")
        harness.put("a/._film.mkv")
        assert names(await harness.tree.list(harness.root)) == ["a/film.mkv"]

    @pytest.mark.parametrize("marker", [".ignore", ".nomedia"])
    async def test_skips_folders_with_a_marker_and_all_below(self, harness: Harness, marker: str) -> None:
        for path in ("a/film.mkv", "b/film.mkv", f"b/{marker}", "b/c/film.mkv"):
            harness.put(path)
        assert names(await harness.tree.list(harness.root)) == ["a/film.mkv"]

    async def test_ignores_what_a_pattern_matches(self, harness: Harness) -> None:
        for path in ("a/film.mkv", "a/film-sample.mkv", "Old/x/film.mkv", "b/Old/film.mkv", "b/film.srt"):
            harness.put(path)
        listing = await harness.tree.list(harness.root, ignore_patterns=["*-sample.*", "Old", "*.srt"])
        assert names(listing) == ["a/film.mkv", "b/Old/film.mkv"]
        assert listing.subtitles == ()

    async def test_names_that_are_no_utf8_are_kept(self, harness: Harness) -> None:
        path = b"Am\xe9lie/film.mkv".decode("utf-8", "surrogateescape")
        harness.put(path)
        assert names(await harness.tree.list(harness.root)) == [path]

    async def test_a_folder_may_be_named_like_a_film(self, harness: Harness) -> None:
        harness.put("film.mkv/film.mkv")
        assert names(await harness.tree.list(harness.root)) == ["film.mkv/film.mkv"]

    async def test_a_second_walk_finds_the_same(self, harness: Harness) -> None:
        harness.put("a/film.mkv", size_bytes=5, mtime_ns=1_700_000_000_123_456_789)
        first = await harness.tree.list(harness.root)
        assert first.videos[0].stamp[:2] == (5, 1_700_000_000_123_456_789)
        assert await harness.tree.list(harness.root) == first

    async def test_a_changed_file_has_another_stamp_and_the_same_inode(self, harness: Harness) -> None:
        harness.put("film.mkv", size_bytes=5)
        before = (await harness.tree.list(harness.root)).videos[0].stamp
        harness.put("film.mkv", size_bytes=6)
        after = (await harness.tree.list(harness.root)).videos[0].stamp
        assert before != after
        assert before.inode == after.inode

    async def test_a_moved_file_keeps_its_stamp(self, harness: Harness) -> None:
        harness.put("a/film.mkv")
        harness.put("a/other.mkv")
        before = (await harness.tree.list(harness.root)).videos[0].stamp
        harness.move("a/film.mkv", "z/film.mkv")
        listing = await harness.tree.list(harness.root)
        assert names(listing) == ["a/other.mkv", "z/film.mkv"]
        assert listing.videos[1].stamp == before
        assert listing.videos[0].stamp != before

    async def test_what_cannot_be_read_is_told_and_the_rest_found(self, harness: Harness) -> None:
        harness.put("a/film.mkv")
        broken = harness.make_unreadable("b")
        listing = await harness.tree.list(harness.root)
        assert listing.unreadable == (broken,)
        assert names(listing) == ["a/film.mkv"]

    async def test_a_root_that_is_away_is_not_empty_but_unavailable(self, harness: Harness) -> None:
        harness.put("film.mkv")
        harness.unplug()
        with pytest.raises(RootUnavailable):
            await harness.tree.list(harness.root)


class TestStamp:
    async def test_is_the_one_of_the_listing(self, harness: Harness) -> None:
        harness.put("a/film.mkv")
        (found,) = (await harness.tree.list(harness.root)).videos
        assert await harness.tree.stamp(harness.root, "a/film.mkv") == found.stamp

    async def test_is_none_for_what_is_gone(self, harness: Harness) -> None:
        harness.put("a/film.mkv")
        harness.remove("a/film.mkv")
        assert await harness.tree.stamp(harness.root, "a/film.mkv") is None
        assert await harness.tree.stamp(harness.root, "no/such/film.mkv") is None

    async def test_of_a_root_that_is_away_is_no_answer(self, harness: Harness) -> None:
        harness.put("film.mkv")
        harness.unplug()
        with pytest.raises(RootUnavailable):
            await harness.tree.stamp(harness.root, "film.mkv")


class TestLocalMediaTree:
    @pytest.fixture
    def local(self, tmp_path: Path) -> Local:
        return Local(tmp_path)

    async def test_the_device_is_the_roots(self, local: Local) -> None:
        status = await asyncio.to_thread(os.stat, local.root)
        assert (await local.tree.list(local.root)).device == status.st_dev

    async def test_a_root_may_be_no_file_and_no_nonsense(self, local: Local) -> None:
        local.put("film.mkv")
        for root in (f"{local.root}/film.mkv", "/no\0such", ""):
            with pytest.raises(RootUnavailable):
                await local.tree.list(root)

    async def test_a_link_to_a_file_counts_only_beneath_the_root(self, local: Local, tmp_path: Path) -> None:
        (tmp_path / "outside.mkv").write_bytes(b"secret")
        (tmp_path / "media-beside").mkdir()
        (tmp_path / "media-beside" / "film.mkv").touch()
        local.put("real.mkv", size_bytes=7)
        folder = Path(local.root)
        (folder / "inside.mkv").symlink_to("real.mkv")
        (folder / "outside.mkv").symlink_to(tmp_path / "outside.mkv")
        (folder / "beside.mkv").symlink_to("../media-beside/film.mkv")
        (folder / "dangling.mkv").symlink_to("nowhere")
        (folder / "itself.mkv").symlink_to("itself.mkv")
        listing = await local.tree.list(local.root)
        assert [(found.relative_path, found.stamp.size_bytes) for found in listing.videos] == [
            ("inside.mkv", 7),
            ("real.mkv", 7),
        ]
        assert await local.tree.stamp(local.root, "inside.mkv") == listing.videos[0].stamp
        assert await local.tree.stamp(local.root, "outside.mkv") is None
        assert await local.tree.stamp(local.root, "../outside.mkv") is None

    async def test_links_to_folders_are_not_followed(self, local: Local) -> None:
        local.put("a/film.mkv")
        (Path(local.root) / "a" / "again").symlink_to("..")
        (Path(local.root) / "b").symlink_to("a")
        assert names(await local.tree.list(local.root)) == ["a/film.mkv"]

    async def test_the_root_itself_may_be_a_link(self, local: Local, tmp_path: Path) -> None:
        local.put("film.mkv")
        (tmp_path / "link").symlink_to(local.root)
        assert names(await local.tree.list(str(tmp_path / "link"))) == ["film.mkv"]
        assert await local.tree.stamp(str(tmp_path / "link"), "film.mkv")

    async def test_what_is_no_regular_file_is_no_film(self, local: Local) -> None:
        os.mkfifo(f"{local.root}/pipe.mkv")
        assert names(await local.tree.list(local.root)) == []
        assert await local.tree.stamp(local.root, "pipe.mkv") is None

    async def test_a_tree_large_enough_for_helpers_is_found_whole(self, local: Local) -> None:
        expected = [f"{top:02}/{sub:02}/{deep}/film.mkv" for top in range(20) for sub in range(20) for deep in "ab"]
        for path in expected:
            local.put(path)
        broken = local.make_unreadable("99")
        listing = await local.tree.list(local.root, ignore_patterns=["07"])
        assert names(listing) == [path for path in expected if not path.startswith("07/")]
        assert listing.unreadable == (broken,)

    async def test_a_cancelled_walk_ends(self, local: Local) -> None:
        for number in range(300):
            local.put(f"{number}/film.mkv")
        walking = asyncio.create_task(local.tree.list(local.root))
        await asyncio.sleep(0)
        walking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await walking
        assert len(names(await local.tree.list(local.root))) == 300


class TestFingerprint:
    async def test_stays_equal_while_nothing_changes(self, harness: Harness) -> None:
        for number in range(5):
            harness.put(f"Show/Season {number:02}/Show - S{number:02}E01.mkv")
        harness.put("Film (2001).en.srt")
        first, again = await harness.tree.fingerprint(harness.root), await harness.tree.fingerprint(harness.root)
        assert first == again
        assert (first.video_count, first.is_whole) == (5, True)

    @pytest.mark.parametrize("change", ["new", "gone", "larger", "later", "moved", "subtitle"])
    async def test_changes_with_every_name_and_stamp(self, harness: Harness, change: str) -> None:
        harness.put("a/Film (2001).mkv")
        harness.put("b/Other (2002).mkv")
        before = await harness.tree.fingerprint(harness.root)
        match change:
            case "new":
                harness.put("b/Third (2003).mkv")
            case "gone":
                harness.remove("b/Other (2002).mkv")
            case "larger":
                harness.put("a/Film (2001).mkv", size_bytes=11)
            case "later":
                harness.put("a/Film (2001).mkv", mtime_ns=10**18 + 1)
            case "moved":
                harness.move("a/Film (2001).mkv", "b/Film (2001).mkv")
            case "subtitle":
                harness.put("a/Film (2001).srt")
        assert (await harness.tree.fingerprint(harness.root)).digest != before.digest

    async def test_what_is_passed_over_does_not_count(self, harness: Harness) -> None:
        harness.put("Film (2001).mkv")
        before = await harness.tree.fingerprint(harness.root, ignore_patterns=["*.tmp.mkv"])
        harness.put("cover.jpg")
        harness.put(".hidden/Film (2001).mkv")
        harness.put("Film.tmp.mkv")
        assert await harness.tree.fingerprint(harness.root, ignore_patterns=["*.tmp.mkv"]) == before

    async def test_is_not_whole_where_something_cannot_be_read(self, harness: Harness) -> None:
        harness.put("shut/Film (2001).mkv")
        harness.make_unreadable("shut")
        assert not (await harness.tree.fingerprint(harness.root)).is_whole

    async def test_needs_a_root(self, harness: Harness) -> None:
        harness.unplug()
        with pytest.raises(RootUnavailable):
            await harness.tree.fingerprint(harness.root)


async def test_a_large_tree_has_one_fingerprint_however_it_is_shared_out(tmp_path: Path) -> None:
    for folder in range(450):
        (tmp_path / f"{folder}").mkdir()
        (tmp_path / f"{folder}" / "film.mkv").write_bytes(b"x")
    tree = LocalMediaTree()
    first, again = await tree.fingerprint(str(tmp_path)), await tree.fingerprint(str(tmp_path))
    assert first == again
    assert first.video_count == len((await tree.list(str(tmp_path))).videos) == 450
