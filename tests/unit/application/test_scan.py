"""Scanning, with folders, films and time made up."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from odeion.adapters.memory.media_probe import InMemoryMediaProbe
from odeion.adapters.memory.media_tree import InMemoryMediaTree
from odeion.adapters.memory.store import MemoryStore
from odeion.adapters.naming.guessit_parser import GuessitNameParser
from odeion.application.libraries.ports import ProbeRefusal
from odeion.application.libraries.scan import LibraryScanner
from odeion.application.shared.tasks import TaskCancelled
from odeion.domain.library import Library, LibraryKind, LibraryOptions
from odeion.domain.media_file import FileState
from odeion.domain.shared.errors import Unavailable

NOW = datetime(2026, 1, 2, tzinfo=UTC)
ROOT = "/films"


class SteppedClock:
    """Time that passes only while somebody sleeps; `while_asleep` happens then."""

    def __init__(self) -> None:
        self.time = NOW
        self.while_asleep: Callable[[], None] = lambda: None

    def now(self) -> datetime:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)
        self.while_asleep()

    def monotonic_s(self) -> float:
        return self.time.timestamp()


class Reports:
    """What a scan told of its progress; asks it to stop at `stop_after` files."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.seen: list[tuple[float, dict[str, Any]]] = []
        self._stop_after = stop_after

    async def report(self, percent: float, detail: dict[str, Any]) -> None:
        self.seen.append((percent, detail))
        if self._stop_after is not None and detail["files_done"] >= self._stop_after:
            raise TaskCancelled


class World:
    """A library over one folder of an imagined disk."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.tree = InMemoryMediaTree()
        self.tree.add_root(ROOT)
        self.probe = InMemoryMediaProbe()
        self.clock = SteppedClock()
        self.scanner = LibraryScanner(self.store, self.tree, self.probe, GuessitNameParser(), self.clock)
        self.library_id = 0

    async def scan(self, reports: Reports | None = None, **payload: Any) -> dict[str, Any]:
        return await self.scanner({"library_id": self.library_id, **payload}, reports or Reports())

    def states(self) -> dict[str, FileState]:
        return {file.relative_path: file.state for file in self.store.tables.media_files.values()}


@pytest.fixture
async def world() -> World:
    made = World()
    async with made.store() as tx:
        made.library_id = await tx.libraries.save(
            Library.create(name="Films", kind=LibraryKind.FILM, paths=[ROOT], options=LibraryOptions(), at=NOW)
        )
        await tx.commit()
    return made


def just_now_ns(world: World) -> int:
    return int(world.clock.now().timestamp() * 1e9)


class TestRest:
    async def test_an_old_file_is_read_at_once(self, world: World) -> None:
        world.tree.put(ROOT, "Film (2001).mkv")
        counts = await world.scan()
        assert (counts["files_new"], world.clock.now()) == (1, NOW)

    async def test_a_young_file_that_rests_is_read_after_a_while(self, world: World) -> None:
        world.tree.put(ROOT, "Film (2001).mkv", mtime_ns=just_now_ns(world))
        await world.scan()
        assert world.states() == {"Film (2001).mkv": FileState.READY}
        assert world.clock.now() > NOW

    async def test_a_file_that_grows_waits_for_the_next_scan(self, world: World) -> None:
        size = 1000

        def grow() -> None:
            nonlocal size
            size += 1000
            world.tree.put(ROOT, "Film (2001).mkv", size_bytes=size, mtime_ns=just_now_ns(world))

        grow()
        world.clock.while_asleep = grow
        await world.scan()
        assert world.states() == {}
        assert world.probe.probed == []
        world.clock.while_asleep = lambda: None
        world.clock.time += timedelta(minutes=1)
        await world.scan()
        assert world.states() == {"Film (2001).mkv": FileState.READY}


class TestProbing:
    async def test_only_what_is_new_or_changed_is_read(self, world: World) -> None:
        world.tree.put(ROOT, "Old (2001).mkv")
        world.tree.put(ROOT, "Changed (2002).mkv")
        await world.scan()
        world.probe.probed.clear()
        world.tree.put(ROOT, "Changed (2002).mkv", size_bytes=7)
        world.tree.put(ROOT, "New (2003).mkv")
        await world.scan()
        assert sorted(world.probe.probed) == [f"{ROOT}/Changed (2002).mkv", f"{ROOT}/New (2003).mkv"]

    async def test_an_unreadable_file_is_remembered_and_not_read_again(self, world: World) -> None:
        world.tree.put(ROOT, "Film (2001).mkv")
        world.tree.put(ROOT, "Other (2002).mkv")
        world.probe.script(f"{ROOT}/Film (2001).mkv", ProbeRefusal("not_media", "this is no media file"))
        counts = await world.scan()
        assert counts["files_failed"] == 1
        assert world.states()["Film (2001).mkv"] is FileState.FAILED
        world.tree.put(ROOT, "Third (2003).mkv")
        world.probe.probed.clear()
        await world.scan()
        assert world.probe.probed == [f"{ROOT}/Third (2003).mkv"]

    async def test_tells_how_far_it_is(self, world: World) -> None:
        for number in range(4):
            world.tree.put(ROOT, f"Film number {number} (2001).mkv")
        reports = Reports()
        await world.scan(reports)
        assert [percent for percent, _ in reports.seen] == [0.0, 25.0, 50.0, 75.0, 100.0]

    async def test_can_be_stopped_in_the_middle_and_goes_on_later(self, world: World) -> None:
        for number in range(250):
            world.tree.put(ROOT, f"Film number {number} (2001).mkv")
        with pytest.raises(TaskCancelled):
            await world.scan(Reports(stop_after=150))
        assert len(world.states()) == 100
        await world.scan()
        assert len(world.states()) == 250
        assert len(world.store.tables.movies) == 250


class TestLosses:
    async def test_what_lies_in_an_unreadable_folder_is_unknown_not_gone(self, world: World) -> None:
        world.tree.put(ROOT, "shut/Film (2001).mkv")
        world.tree.put(ROOT, "Other (2002).mkv")
        await world.scan()
        world.tree.make_unreadable(ROOT, "shut")
        counts = await world.scan()
        assert counts["files_missing"] == 0
        assert world.states()["shut/Film (2001).mkv"] is FileState.READY

    async def test_another_disk_with_everything_on_it_is_believed(self, world: World) -> None:
        world.tree.put(ROOT, "Film (2001).mkv")
        await world.scan()
        world.tree.add_root(ROOT, device=2)
        world.tree.put(ROOT, "Other (2002).mkv")
        await world.scan()
        assert len(world.states()) == 2

    async def test_another_disk_that_lacks_something_is_not(self, world: World) -> None:
        world.tree.put(ROOT, "Film (2001).mkv")
        world.tree.put(ROOT, "Other (2002).mkv")
        await world.scan()
        world.tree.add_root(ROOT, device=2)
        world.tree.remove(ROOT, "Film (2001).mkv")
        with pytest.raises(Unavailable, match="another disk"):
            await world.scan()
        assert set(world.states().values()) == {FileState.READY}
        await world.scan(accept_loss=True)
        assert world.states()["Film (2001).mkv"] is FileState.MISSING

    async def test_an_unplugged_disk_changes_nothing(self, world: World) -> None:
        world.tree.put(ROOT, "Film (2001).mkv")
        await world.scan()
        world.tree.unplug(ROOT)
        with pytest.raises(Unavailable):
            await world.scan()
        assert world.states() == {"Film (2001).mkv": FileState.READY}
        world.tree.add_root(ROOT)
        assert (await world.scan())["files_found"] == 1

    async def test_a_moved_file_is_not_read_again(self, world: World) -> None:
        world.tree.put(ROOT, "Film (2001).mkv")
        await world.scan()
        world.probe.probed.clear()
        world.tree.move(ROOT, "Film (2001).mkv", "Classics/Film (2001).mkv")
        await world.scan()
        assert world.probe.probed == []
        assert world.states() == {"Classics/Film (2001).mkv": FileState.READY}
