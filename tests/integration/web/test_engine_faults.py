"""Parts of the playback engine that fail while somebody watches."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import httpx
import pytest

from tests.integration.web.conformance import CONVERTED, COPIED, HEAVY, LONG
from tests.integration.web.screening import capabilities, start_session
from tests.integration.web.server import Server
from tests.integration.web.waiting import until

# Pictures in their own size, but all of them converted.
CONVERTED_HD = capabilities() | {"video_codecs": []}


def _processes(server: Server) -> dict[int, str]:
    """The command lines of all processes of a server."""
    commands: dict[int, str] = {}
    parents: dict[int, int] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            stat = (entry / "stat").read_text().rpartition(")")[2].split()
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if stat[0] != "Z":
            commands[int(entry.name)], parents[int(entry.name)] = command, int(stat[1])
    root = next(pid for pid, command in commands.items() if f"--data-dir {server.log.with_suffix('')}" in command)
    found = {root}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return {pid: commands[pid] for pid in found}


def _encoders(server: Server) -> list[int]:
    return [pid for pid, command in _processes(server).items() if "ffmpeg" in command and command.endswith("pipe:1 ")]


def _kill_encoders(server: Server) -> None:
    for pid in _encoders(server):
        # One that was killed before may go between the look and the kill.
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _one(server: Server, module: str) -> int:
    found = [pid for pid, command in _processes(server).items() if f"odeion.entrypoints.{module}" in command]
    assert len(found) == 1, f"{module}: {_processes(server)}"
    return found[0]


async def _has_no_encoders(server: Server) -> bool:
    return not _encoders(server)


class _Viewer:
    """Fetches what a player would."""

    def __init__(self, api: httpx.AsyncClient, url: str) -> None:
        self.api, self.base = api, url.rpartition("/")[0]

    def segment(self, number: int) -> str:
        return f"{self.base}/video/{number}.m4s"

    async def count(self) -> int:
        return (await self.api.get(f"{self.base}/video/index.m3u8")).raise_for_status().text.count("#EXTINF")

    async def fetch(self, number: int) -> httpx.Response:
        return await self.api.get(self.segment(number))

    async def has(self, number: int) -> bool:
        try:
            return (await self.fetch(number)).status_code == 200
        except httpx.TransportError:
            return False


@asynccontextmanager
async def _viewer(server: Server, title: str, able: dict[str, object]) -> AsyncIterator[_Viewer]:
    """Somebody who watches a film; afterwards nothing runs for them any more, and the log tells of no mishap."""
    seen = server.log.stat().st_size
    session = await start_session(server, title, able)
    async with httpx.AsyncClient(base_url=server.url, timeout=40) as api:
        yield _Viewer(api, session["url"])
    async with server.api(await server.token()) as api:
        (await api.delete(f"/api/playback/movie/{session['media_id']}/session")).raise_for_status()
    with server.log.open(errors="replace") as log:
        log.seek(seen)
        assert "Traceback" not in (said := log.read()), said[-6000:]


def _is_told(reply: httpx.Response, *codes: str) -> bool:
    return reply.headers["Content-Type"] == "application/json" and reply.json()["error"]["code"] in codes


class TestAnEncoder:
    async def test_that_dies_in_a_segment_breaks_the_answer_off(self, picture_house: Server) -> None:
        async with _viewer(picture_house, HEAVY, CONVERTED_HD) as viewer:
            with pytest.raises(httpx.RemoteProtocolError):
                async with viewer.api.stream("GET", viewer.segment(4)) as reply:
                    assert reply.status_code == 200
                    assert "Content-Length" not in reply.headers
                    async for _ in reply.aiter_raw():
                        _kill_encoders(picture_house)
            assert (await viewer.fetch(4)).status_code == 200

    async def test_that_dies_between_segments_is_followed_by_another(self, picture_house: Server) -> None:
        async with _viewer(picture_house, LONG, CONVERTED) as viewer:
            for number in (0, 30, 60, 90, 120):
                assert (await viewer.fetch(number)).status_code == 200
                _kill_encoders(picture_house)


class TestAProcessOfTheServer:
    async def test_that_answers_and_dies_comes_back_to_the_same_session(self, picture_house: Server) -> None:
        async with _viewer(picture_house, LONG, CONVERTED_HD) as viewer:
            assert await viewer.has(10)
            os.kill(_one(picture_house, "http"), signal.SIGKILL)
            await until(partial(viewer.has, 11), "the film goes on", 60)
            assert len(_encoders(picture_house)) <= 2

    async def test_that_works_behind_may_die(self, picture_house: Server) -> None:
        async with _viewer(picture_house, HEAVY, COPIED) as viewer:
            os.kill(_one(picture_house, "worker"), signal.SIGKILL)
            for number in range(await viewer.count()):
                assert (await viewer.fetch(number)).status_code == 200


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """2 MiB."""
    with tempfile.TemporaryDirectory(prefix="odeion-disk-") as folder:
        mount = ["mount", "-t", "tmpfs", "-o", "size=2m,mode=777", "tmpfs", folder]
        if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
            pytest.skip("file systems cannot be mounted here")
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", "-l", folder], check=True)  # noqa: S607


class TestADiskThatIsFull:
    async def test_lets_the_film_go_on(self, picture_house: Server, small_disk: Path) -> None:
        async with picture_house.api(await picture_house.token()) as api:
            paths = (await api.get("/api/admin/settings/paths")).raise_for_status().json()
            change = {"transcode_cache": str(small_disk)}
            (await api.put("/api/admin/settings/paths", json=change)).raise_for_status()
            try:
                async with _viewer(picture_house, HEAVY, CONVERTED_HD) as viewer:
                    replies = [await viewer.fetch(number) for number in range(await viewer.count())]
                assert sum(len(reply.content) for reply in replies) > 2 << 20, "the disk was never full"
                assert {reply.status_code for reply in replies} == {200}
            finally:
                back = {"transcode_cache": paths["transcode_cache"]}
                (await api.put("/api/admin/settings/paths", json=back)).raise_for_status()


class TestAFileThatIsGone:
    @pytest.mark.parametrize("able", [COPIED, CONVERTED], ids=["copied", "converted"])
    async def test_is_told_and_plays_on_when_it_is_back(self, picture_house: Server, able: dict[str, object]) -> None:
        film = next((picture_house.log.parent / "films").glob("Uneven*"))
        aside = film.with_name(".aside")
        async with _viewer(picture_house, "Uneven", able) as viewer:
            assert await viewer.has(0)
            film.rename(aside)
            try:
                reply = await viewer.fetch(1)
                assert _is_told(reply, "service_unavailable", "conflict"), reply.text
            finally:
                aside.rename(film)
            assert await viewer.has(2)


class TestAViewerWhoSeeksWildly:
    async def test_sees_the_last_place_and_disturbs_nobody(self, picture_house: Server) -> None:
        places = random.Random(3)  # noqa: S311
        told: Counter[int] = Counter()
        async with (
            _viewer(picture_house, HEAVY, CONVERTED_HD) as other,
            _viewer(picture_house, LONG, CONVERTED) as wild,
        ):

            async def watch() -> None:
                for number in range(await other.count()):
                    assert (await other.fetch(number)).status_code == 200

            watching = asyncio.create_task(watch())
            count = await wild.count()

            async def seek() -> None:
                try:
                    reply = await wild.fetch(places.randrange(count))
                except httpx.RemoteProtocolError:
                    # Its encoder went to where they are now.
                    told[0] += 1
                    return
                assert reply.status_code == 200 or _is_told(reply, "service_unavailable"), reply.text
                told[reply.status_code] += 1

            async with asyncio.TaskGroup() as seeks:
                for number in range(100):
                    task = seeks.create_task(seek())
                    # A player gives up what it asked for before; some are slow to.
                    await asyncio.wait([task], timeout=0.1)
                    if number % 5:
                        task.cancel()
            last = await wild.fetch(count // 2)
            assert last.status_code == 200, last.text
            await asyncio.wait_for(watching, 60)
        assert sum(told.values()) >= 20, told
        await until(partial(_has_no_encoders, picture_house), "all encoders are gone")
