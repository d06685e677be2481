"""Libraries and their scans, from the folder on disk to what the API tells."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest

from odeion.domain.identity.users import Role
from tests.harness import Client, Harness, Shelf


async def titles(client: Client, kind: str = "movies", **query: str) -> list[str]:
    parameters = "&".join(f"{key}={value}" for key, value in {"per_page": "100", **query}.items())
    return [item["title"] for item in (await client.get(f"/api/{kind}?{parameters}")).json["items"]]


class TestManaging:
    async def test_is_made_changed_and_deleted(self, harness: Harness, shelf: Shelf) -> None:
        admin = await harness.user()
        made = await admin.post("/api/admin/libraries", {"name": "Films", "kind": "film", "paths": [str(shelf.root)]})
        assert made.status == 201
        assert made.json["paths"][0]["path"] == str(shelf.root)
        path = f"/api/admin/libraries/{made.json['id']}"
        changed = await admin.patch(path, {"name": "Cinema", "options": {"include_extras": False}})
        assert (changed.json["name"], changed.json["options"]["include_extras"]) == ("Cinema", False)
        assert changed.json["kind"] == "film"
        assert (await admin.delete(path)).status == 204
        assert (await admin.get("/api/libraries")).json == {"items": []}

    async def test_paths_are_for_administrators_only(self, harness: Harness, shelf: Shelf) -> None:
        admin, viewer = await harness.user(), await harness.user(Role.VIEWER)
        await harness.library(admin, shelf.root)
        (seen,) = (await viewer.get("/api/libraries")).json["items"]
        assert seen["paths"] == []

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"paths": ["/does/not/exist"]}, "body.paths.0"),
            ({"paths": ["relative"]}, "paths.0"),
            ({"paths": []}, "body.paths"),
            ({"paths": ["/a\0b"]}, "body.paths.0"),
            ({"kind": "music"}, "body.kind"),
            ({"name": ""}, "body.name"),
            ({"name": "x" * 101}, "body.name"),
            ({"options": {"colour": 1}}, "body.options.colour"),
        ],
    )
    async def test_refuses_what_cannot_be(
        self, harness: Harness, shelf: Shelf, change: dict[str, Any], field: str
    ) -> None:
        body = {"name": "Films", "kind": "film", "paths": [str(shelf.root)]} | change
        reply = await (await harness.user()).post("/api/admin/libraries", body)
        assert reply.status == 422
        assert reply.json["error"]["fields"][0]["field"] == field

    async def test_a_file_is_no_folder(self, harness: Harness, shelf: Shelf) -> None:
        body = {"name": "Films", "kind": "film", "paths": [str(shelf.put("Film.mp4"))]}
        assert (await (await harness.user()).post("/api/admin/libraries", body)).status == 422

    async def test_names_and_folders_belong_to_one(self, harness: Harness, shelf: Shelf) -> None:
        admin = await harness.user()
        (shelf.root / "below").mkdir()
        await harness.library(admin, shelf.root, name="Films")
        for name, path in (
            ("FILMS", shelf.root.parent / "data"),
            ("Other", shelf.root),
            ("Other", shelf.root / "below"),
        ):
            Path(path).mkdir(exist_ok=True)
            reply = await admin.post("/api/admin/libraries", {"name": name, "kind": "film", "paths": [str(path)]})
            assert (reply.status, reply.json["error"]["code"]) == (409, "conflict")

    async def test_deleting_it_touches_no_file(self, harness: Harness, shelf: Shelf) -> None:
        admin = await harness.user()
        film = shelf.put("Film (2001).mp4")
        library_id = await harness.library(admin, shelf.root)
        assert (await admin.delete(f"/api/admin/libraries/{library_id}")).status == 204
        assert film.exists()
        assert await titles(admin) == []


class TestScanning:
    async def test_finds_films_by_their_names(self, harness: Harness, shelf: Shelf) -> None:
        admin = await harness.user()
        shelf.put("Stalker (1979)/Stalker (1979).mp4")
        shelf.put("Blade Runner 2049 (2017)/Blade.Runner.2049.2017.1080p.mp4")
        shelf.put("Stalker (1979)/Trailers/Teaser.mp4")
        shelf.put("Stalker (1979)/Stalker (1979)-sample.mp4")
        library_id = await harness.library(admin, shelf.root)
        assert await titles(admin) == ["Blade Runner 2049", "Stalker"]
        status = (await admin.get(f"/api/libraries/{library_id}/scan")).json
        assert (status["state"], status["percent"], status["files_new"]) == ("completed", 100.0, 4)

    async def test_finds_series_seasons_and_episodes(self, harness: Harness, shelf: Shelf) -> None:
        admin = await harness.user()
        for season, episode in ((1, 1), (1, 2), (2, 1), (0, 1)):
            folder = f"Season {season:02}" if season else "Specials"
            shelf.put(
                f"Harbour Lights/{folder}/Harbour Lights - S{season:02}E{episode:02} - Chapter {episode} Begins.mp4"
            )
        await harness.library(admin, shelf.root, "series")
        (series,) = (await admin.get("/api/series")).json["items"]
        assert (series["title"], series["episode_count"]) == ("Harbour Lights", 4)
        full = (await admin.get(f"/api/series/{series['id']}")).json
        assert [(s["season_number"], s["title"], len(s["episodes"])) for s in full["seasons"]] == [
            (0, "Specials", 1),
            (1, "Season 1", 2),
            (2, "Season 2", 1),
        ]
        assert full["next_episode"]["title"] == "Chapter 1 Begins" and full["next_episode"]["season_number"] == 1
        season = (await admin.get(f"/api/series/{series['id']}/seasons/1")).json
        first = season["episodes"][0]
        following = (await admin.get(f"/api/episodes/{first['id']}/next")).json["episode"]
        assert (following["season_number"], following["episode_number"]) == (1, 2)
        last = full["seasons"][2]["episodes"][0]
        assert (await admin.get(f"/api/episodes/{last['id']}/next")).json == {"episode": None}
        episode = (await admin.get(f"/api/episodes/{first['id']}")).json
        assert episode["series"]["title"] == "Harbour Lights"
        assert episode["files"][0]["video"][0]["codec"] == "h264"

    async def test_two_versions_are_one_film(self, harness: Harness, shelf: Shelf) -> None:
        admin = await harness.user()
        shelf.put("Film (2001)/Film (2001) - 4K.mp4")
        shelf.put("Film (2001)/Film (2001) {edition-Director's Cut}.mp4")
        await harness.library(admin, shelf.root)
        (movie,) = (await admin.get("/api/movies")).json["items"]
        files = (await admin.get(f"/api/movies/{movie['id']}")).json["files"]
        assert {file["label"] for file in files} == {"4K", "Director's Cut · 72p"}

    async def test_subtitles_beside_a_film_come_and_go(self, harness: Harness, shelf: Shelf) -> None:
        admin = await harness.user()
        shelf.put("Film (2001).mp4")
        library_id = await harness.library(admin, shelf.root)
        beside = shelf.put("Film (2001).de.forced.srt", b"1\n00:00:00,000 --> 00:00:01,000\nHallo\n")
        for expected in (["ger"], []):
            await harness.scan(admin, library_id)
            (movie,) = (await admin.get("/api/movies")).json["items"]
            (file,) = (await admin.get(f"/api/movies/{movie['id']}")).json["files"]
            assert [subtitle["language"] for subtitle in file["subtitles"]] == expected
            beside.unlink(missing_ok=True)

    async def test_skips_what_is_unchanged(self, harness: Harness, shelf: Shelf) -> None:
        admin = await harness.user()
        shelf.put("Film (2001).mp4")
        library_id = await harness.library(admin, shelf.root)
        again = await harness.scan(admin, library_id)
        assert (again["files_found"], again["files_new"]) == (1, 0)
        shelf.put("Other (2002).mp4")
        again = await harness.scan(admin, library_id)
        assert (again["files_found"], again["files_new"], again["files_missing"]) == (2, 1, 0)

    async def test_text_that_calls_itself_a_film_is_told_not_shown(self, harness: Harness, shelf: Shelf) -> None:
        admin = await harness.user()
        shelf.put("Film (2001).mkv", b"this is no film\n" * 100)
        library_id = await harness.library(admin, shelf.root)
        status = (await admin.get(f"/api/libraries/{library_id}/scan")).json
        assert (status["state"], status["files_failed"]) == ("completed", 1)
        assert await titles(admin) == []

    async def test_a_second_scan_at_once_is_refused(self, harness: Harness, shelf: Shelf) -> None:
        admin = await harness.user()
        library_id = await harness.library(admin, shelf.root)
        assert (await admin.post(f"/api/admin/libraries/{library_id}/scan")).status == 202
        assert (await admin.get("/api/libraries/scans")).json["items"][0]["state"] == "queued"
        assert (await admin.post(f"/api/admin/libraries/{library_id}/scan")).status == 409
        assert (await admin.delete(f"/api/admin/libraries/{library_id}/scan")).status == 204
        assert (await admin.get(f"/api/libraries/{library_id}/scan")).json["state"] == "cancelled"
        assert (await admin.delete(f"/api/admin/libraries/{library_id}/scan")).status == 404

    async def test_tells_its_progress_as_events(self, harness: Harness, shelf: Shelf) -> None:
        admin = await harness.user()
        shelf.put("Film (2001).mp4")
        async with harness.container.bus().listen() as queue:
            library_id = await harness.library(admin, shelf.root)
            messages = []
            while not messages or messages[-1].data.get("state") != "completed":
                messages.append(await asyncio.wait_for(queue.get(), 5))
        last = {message.name: message.data for message in messages}
        assert {"library.created", "task.queued"} <= set(last)
        progress = last["library.scan.progress"]
        assert (progress["library_id"], progress["percent"], progress["files_done"]) == (library_id, 100.0, 1)
        assert last["library.scan.completed"] == {
            "library_id": library_id,
            "files_found": 1,
            "files_new": 1,
            "files_failed": 0,
            "files_missing": 0,
        }

    async def test_tells_how_it_failed(self, harness: Harness, shelf: Shelf) -> None:
        admin = await harness.user()
        library_id = await harness.library(admin, shelf.root)
        shelf.root.rmdir()
        async with harness.container.bus().listen() as queue:
            await harness.scan(admin, library_id)
            while (message := await asyncio.wait_for(queue.get(), 5)).data.get("state") != "failed":
                pass
        assert (message.name, message.data["library_id"]) == ("library.scan.progress", library_id)
        assert "cannot be read" in message.data["error"]


class TestLosses:
    async def watched_film(self, harness: Harness, admin: Client, shelf: Shelf) -> tuple[int, int]:
        library_id = await harness.library(admin, shelf.root)
        (movie,) = (await admin.get("/api/movies?search=film")).json["items"]
        await admin.put(f"/api/progress/movie/{movie['id']}", {"position_ms": 1000})
        return library_id, movie["id"]

    async def position(self, admin: Client, movie_id: int) -> int:
        return int((await admin.get(f"/api/progress/movie/{movie_id}")).json["position_ms"])

    async def test_a_renamed_file_keeps_its_film_and_progress(self, harness: Harness, shelf: Shelf) -> None:
        admin = await harness.user()
        film = shelf.put("Film (2001).mp4")
        library_id, movie_id = await self.watched_film(harness, admin, shelf)
        film.rename(shelf.root / "Renamed Film (2001).mp4")
        status = await harness.scan(admin, library_id)
        assert (status["files_new"], status["files_missing"]) == (0, 0)
        (movie,) = (await admin.get("/api/movies")).json["items"]
        assert (movie["id"], movie["title"]) == (movie_id, "Renamed Film")
        assert await self.position(admin, movie_id) == 1000

    async def test_a_replaced_file_keeps_them_too(self, harness: Harness, shelf: Shelf) -> None:
        admin = await harness.user()
        shelf.put("Film (2001).mp4")
        library_id, movie_id = await self.watched_film(harness, admin, shelf)
        (shelf.root / "Film (2001).mp4").unlink()
        shelf.put("Film (2001) - 1080p.mp4")
        shelf.put("Other (2002).mp4")
        await harness.scan(admin, library_id)
        assert (await admin.get(f"/api/movies/{movie_id}")).json["available"]
        assert await self.position(admin, movie_id) == 1000

    async def test_a_moved_folder_keeps_them_too(self, harness: Harness, shelf: Shelf) -> None:
        admin = await harness.user()
        shelf.put("Film (2001)/Film (2001).mp4")
        library_id, movie_id = await self.watched_film(harness, admin, shelf)
        (shelf.root / "Classics").mkdir()
        (shelf.root / "Film (2001)").rename(shelf.root / "Classics" / "Film (2001)")
        status = await harness.scan(admin, library_id)
        assert (status["files_new"], status["files_missing"]) == (0, 0)
        assert await self.position(admin, movie_id) == 1000

    async def test_a_deleted_file_leaves_the_lists_but_not_the_memory(self, harness: Harness, shelf: Shelf) -> None:
        admin = await harness.user()
        film = shelf.put("Film (2001).mp4")
        shelf.put("Other (2002).mp4")
        library_id, movie_id = await self.watched_film(harness, admin, shelf)
        content = film.read_bytes()
        film.unlink()
        status = await harness.scan(admin, library_id)
        assert status["files_missing"] == 1
        assert await titles(admin) == ["Other"]
        shelf.put("Film (2001).mp4", content)
        await harness.scan(admin, library_id)
        assert await titles(admin) == ["Film", "Other"]
        assert await self.position(admin, movie_id) == 1000

    async def test_a_vanished_root_deletes_nothing(self, harness: Harness, shelf: Shelf) -> None:
        admin = await harness.user()
        shelf.put("Film (2001).mp4")
        library_id, movie_id = await self.watched_film(harness, admin, shelf)
        away = shelf.root.with_name("away")
        shelf.root.rename(away)
        status = await harness.scan(admin, library_id)
        assert status["state"] == "failed" and str(shelf.root) in status["error"]
        (movie,) = (await admin.get("/api/movies")).json["items"]
        assert (movie["id"], movie["available"]) == (movie_id, False)
        session = {"media_type": "movie", "media_id": movie_id, "capabilities": {}}
        reply = await admin.post("/api/playback/sessions", session)
        assert (reply.status, reply.json["error"]["code"]) == (503, "service_unavailable")
        away.rename(shelf.root)
        assert (await harness.scan(admin, library_id))["state"] == "completed"
        assert (await admin.get(f"/api/movies/{movie_id}")).json["available"]

    async def test_an_emptied_root_is_not_believed_unless_told(self, harness: Harness, shelf: Shelf) -> None:
        admin = await harness.user()
        shelf.put("Film (2001).mp4")
        library_id, _ = await self.watched_film(harness, admin, shelf)
        shutil.rmtree(shelf.root)
        shelf.root.mkdir()
        status = await harness.scan(admin, library_id)
        assert status["state"] == "failed" and "empty" in status["error"]
        assert await titles(admin) == ["Film"]
        assert (await harness.scan(admin, library_id, accept_loss=True))["state"] == "completed"
        assert await titles(admin) == []

    async def test_a_great_loss_is_not_believed(self, harness: Harness, shelf: Shelf) -> None:
        admin = await harness.user()
        for number in range(30):
            shelf.put(f"Part {number}/Film number {number} (2001).mp4", b"no film, but a file")
        library_id = await harness.library(admin, shelf.root)
        for number in range(12):
            shutil.rmtree(shelf.root / f"Part {number}")
        status = await harness.scan(admin, library_id)
        assert status["state"] == "failed" and "12 of 30" in status["error"]

    async def test_the_other_root_is_scanned_all_the_same(self, harness: Harness, shelf: Shelf) -> None:
        admin = await harness.user()
        first, second = shelf.root / "one", shelf.root / "two"
        shelf.put("one/Film (2001).mp4")
        second.mkdir()
        made = await admin.post(
            "/api/admin/libraries", {"name": "Both", "kind": "film", "paths": [str(first), str(second)]}
        )
        await harness.scan(admin, made.json["id"])
        shutil.rmtree(first)
        shelf.put("two/Other (2002).mp4")
        status = await harness.scan(admin, made.json["id"])
        assert status["state"] == "failed"
        assert await titles(admin) == ["Film", "Other"]


class TestFolders:
    async def test_are_browsed_and_checked(self, harness: Harness, shelf: Shelf) -> None:
        admin = await harness.user()
        (shelf.root / "Films").mkdir()
        (shelf.root / ".hidden").mkdir()
        shelf.put("file.mp4")
        listing = (await admin.get(f"/api/admin/filesystem/browse?path={shelf.root}")).json
        assert [entry["name"] for entry in listing["directories"]] == ["Films"]
        assert listing["parent"] == str(shelf.root.parent)
        state = (await admin.post("/api/admin/filesystem/validate", {"path": str(shelf.root)})).json
        assert (state["exists"], state["is_directory"], state["readable"]) == (True, True, True)
        state = (await admin.post("/api/admin/filesystem/validate", {"path": str(shelf.root / "x")})).json
        assert (state["exists"], state["message"]) == (False, "nothing is there")

    @pytest.mark.parametrize(
        ("path", "status"), [("/does/not/exist", 404), ("relative", 422), ("/etc/hostname", 404), ("", 422)]
    )
    async def test_that_are_none_are_refused(self, harness: Harness, path: str, status: int) -> None:
        admin = await harness.user()
        assert (await admin.get(f"/api/admin/filesystem/browse?path={path}")).status == status


class TestPathSettings:
    async def test_roots_and_caches_change_together(self, harness: Harness, shelf: Shelf) -> None:
        admin = await harness.user()
        library_id = await harness.library(admin, shelf.root)
        other = shelf.root.with_name("other")
        other.mkdir()
        body = {"libraries": [{"library_id": library_id, "paths": [str(other)]}], "transcode_cache": str(other)}
        changed = (await admin.put("/api/admin/settings/paths", body)).json
        assert changed["libraries"][0]["paths"] == [str(other)]
        assert changed["transcode_cache"] == str(other)
        assert (await admin.get("/api/admin/settings/paths")).json == changed

    async def test_one_wrong_path_changes_nothing(self, harness: Harness, shelf: Shelf) -> None:
        admin = await harness.user()
        library_id = await harness.library(admin, shelf.root)
        before = (await admin.get("/api/admin/settings/paths")).json
        other = shelf.root.with_name("other")
        other.mkdir()
        body = {"libraries": [{"library_id": library_id, "paths": [str(other)]}], "subtitle_cache": "/does/not/exist"}
        reply = await admin.put("/api/admin/settings/paths", body)
        assert (reply.status, reply.json["error"]["fields"][0]["field"]) == (422, "body.subtitle_cache")
        assert (await admin.get("/api/admin/settings/paths")).json == before

    async def test_an_unknown_library(self, harness: Harness, shelf: Shelf) -> None:
        body = {"libraries": [{"library_id": 999, "paths": [str(shelf.root)]}]}
        assert (await (await harness.user()).put("/api/admin/settings/paths", body)).status == 404
