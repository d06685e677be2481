"""What a person's permissions hide is nowhere: not in lists, searches, counts, feeds, nor by its id."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from odeion.application.shared.realtime import RealtimeMessage
from odeion.domain.identity.users import Permissions, Role
from odeion.domain.shared.ids import LibraryId
from tests.harness import Client, Harness, Shelf

CAPABILITIES = {
    "containers": ["mp4"],
    "video_codecs": [{"codec": "h264"}],
    "audio_codecs": [{"codec": "aac"}],
}


@dataclass
class House:
    """Two libraries of films and one of series; `ids` by title. The children's film is rated U, the thriller R, the
    others not at all."""

    admin: Client
    libraries: dict[str, int]
    ids: dict[str, int]


@pytest.fixture
async def house(harness: Harness, tmp_path: Path, tiny_clip: Path) -> House:
    admin = await harness.user()
    libraries = {}
    shelves = {name: Shelf(tmp_path / name, tiny_clip) for name in ("family", "private", "shows")}
    shelves["family"].put("Lantern (2001).mp4")
    shelves["family"].put("Knife (2002).mp4")
    shelves["private"].put("Diary (2003).mp4")
    for episode in ("S01E01", "S01E02"):
        shelves["shows"].put(f"Harbour/Season 1/Harbour {episode}.mp4")
    for name, shelf in shelves.items():
        libraries[name] = await harness.library(admin, shelf.root, "series" if name == "shows" else "film", name)
    ids = {item["title"]: item["id"] for item in (await admin.get("/api/movies")).json["items"]}
    ids |= {item["title"]: item["id"] for item in (await admin.get("/api/series")).json["items"]}
    seasons = (await admin.get(f"/api/series/{ids['Harbour']}")).json["seasons"]
    ids |= {f"E{e['episode_number']}": e["id"] for e in seasons[0]["episodes"]}
    for title, rating in (("Lantern", "U"), ("Knife", "R")):
        assert (await admin.put(f"/api/movies/{ids[title]}/metadata", {"content_rating": rating})).status == 200
    return House(admin, libraries, ids)


async def titles(client: Client, path: str) -> set[str]:
    reply = await client.get(path)
    assert reply.status == 200
    assert reply.json["total_items"] == len(reply.json["items"])
    return {item["title"] for item in reply.json["items"]}


def only(house: House, *names: str) -> frozenset[LibraryId]:
    return frozenset(LibraryId(house.libraries[name]) for name in names)


async def reach(client: Client, method: str, path: str, body: Any = None) -> int:
    return (await client.call(method, path, body)).status


def ways_to(kind: str, media_id: int) -> list[tuple[str, str, Any]]:
    """Every operation that leads to a film or an episode by its id."""
    plural = {"movie": "movies", "episode": "episodes"}[kind]
    session = {"media_type": kind, "media_id": media_id, "capabilities": CAPABILITIES}
    return [
        ("GET", f"/api/{plural}/{media_id}", None),
        ("GET", f"/api/playback/{kind}/{media_id}/info", None),
        ("GET", f"/api/playback/{kind}/{media_id}/profiles", None),
        ("POST", "/api/playback/sessions", session),
        ("GET", f"/api/playback/{kind}/{media_id}/transcode/native", None),
        ("GET", f"/api/playback/{kind}/{media_id}/transcode/audio", None),
        ("POST", f"/api/playback/{kind}/{media_id}/download-url", None),
        ("POST", f"/api/playback/{kind}/{media_id}/download-url/hd", None),
        ("GET", f"/api/progress/{kind}/{media_id}", None),
        ("PUT", f"/api/progress/{kind}/{media_id}", {"position_ms": 1, "duration_ms": 90_000}),
        ("POST", f"/api/progress/{kind}/{media_id}/stop", {"position_ms": 1, "duration_ms": 90_000}),
        *([("GET", f"/api/episodes/{media_id}/next", None)] if kind == "episode" else []),
    ]


class TestLibraries:
    async def test_another_is_nowhere(self, harness: Harness, house: House) -> None:
        viewer = await harness.user(Role.VIEWER, permissions=Permissions(library_ids=only(house, "family")))
        assert await titles(viewer, "/api/movies") == {"Lantern", "Knife"}
        assert await titles(viewer, "/api/movies?search=diary") == set()
        assert await titles(viewer, f"/api/movies?library_id={house.libraries['private']}") == set()
        assert await titles(viewer, "/api/series") == set()
        listed = (await viewer.get("/api/libraries")).json["items"]
        assert [library["name"] for library in listed] == ["family"]
        for path in ("", "/scan"):
            assert (await viewer.get(f"/api/libraries/{house.libraries['private']}{path}")).status == 404
        for way in (
            *ways_to("movie", house.ids["Diary"]),
            *ways_to("episode", house.ids["E1"]),
            ("GET", f"/api/series/{house.ids['Harbour']}", None),
            ("GET", f"/api/series/{house.ids['Harbour']}/seasons/1", None),
        ):
            assert await reach(viewer, *way) == 404, way

    async def test_what_is_seen_is_seen_in_every_way(self, harness: Harness, house: House) -> None:
        viewer = await harness.user(Role.VIEWER, permissions=Permissions(library_ids=only(house, "family", "shows")))
        for way in (*ways_to("movie", house.ids["Lantern"]), *ways_to("episode", house.ids["E1"])):
            assert await reach(viewer, *way) in (200, 201), way

    async def test_no_limit_binds_an_administrator(self, harness: Harness, house: House) -> None:
        nothing = Permissions(library_ids=frozenset(), max_rating_age=0)
        admin = await harness.user(Role.ADMIN, permissions=nothing)
        assert await titles(admin, "/api/movies") == {"Lantern", "Knife", "Diary"}
        moderator = await harness.user(Role.MODERATOR, permissions=nothing)
        assert await titles(moderator, "/api/movies") == set()


class TestRatings:
    async def test_older_and_unrated_titles_are_nowhere(self, harness: Harness, house: House) -> None:
        viewer = await harness.user(Role.VIEWER, permissions=Permissions(max_rating_age=12))
        assert await titles(viewer, "/api/movies") == {"Lantern"}
        assert await titles(viewer, "/api/series") == set()
        for way in (
            *ways_to("movie", house.ids["Knife"]),
            *ways_to("movie", house.ids["Diary"]),
            *ways_to("episode", house.ids["E1"]),
        ):
            assert await reach(viewer, *way) == 404, way

    async def test_unrated_ones_may_be_allowed(self, harness: Harness, house: House) -> None:
        viewer = await harness.user(Role.VIEWER, permissions=Permissions(max_rating_age=12, allow_unrated=True))
        assert await titles(viewer, "/api/movies") == {"Lantern", "Diary"}
        assert await titles(viewer, "/api/series") == {"Harbour"}

    async def test_counts_are_of_what_is_seen(self, harness: Harness, house: House) -> None:
        viewer = await harness.user(Role.VIEWER, permissions=Permissions(max_rating_age=12))
        libraries = {entry["name"]: entry for entry in (await viewer.get("/api/libraries")).json["items"]}
        assert [libraries["family"][name] for name in ("movie_count", "file_count")] == [1, 1]
        assert [libraries["shows"][name] for name in ("series_count", "file_count")] == [0, 0]

    async def test_a_new_rating_counts_at_once(self, harness: Harness, house: House) -> None:
        viewer = await harness.user(Role.VIEWER, permissions=Permissions(max_rating_age=12))
        await house.admin.put(f"/api/movies/{house.ids['Lantern']}/metadata", {"content_rating": "FSK 16"})
        assert await titles(viewer, "/api/movies") == set()


class TestFeeds:
    async def test_forget_what_was_seen_before(self, harness: Harness, house: House) -> None:
        viewer = await harness.user(Role.VIEWER)
        for title in ("Lantern", "Diary"):
            body = {"position_ms": 60_000, "duration_ms": 90_000}
            assert await reach(viewer, "PUT", f"/api/progress/movie/{house.ids[title]}", body) == 200
        await viewer.put(f"/api/progress/episode/{house.ids['E1']}", {"position_ms": 90_000, "duration_ms": 90_000})
        for view in ("all", "resume"):
            feed = (await viewer.get(f"/api/progress/all?view={view}")).json
            assert {entry["title"] for entry in feed["items"]} == {"Lantern", "Diary", "Harbour"}
        await harness.permit(viewer, Permissions(library_ids=only(house, "family")))
        for view in ("all", "resume"):
            feed = (await viewer.get(f"/api/progress/all?view={view}")).json
            assert {entry["title"] for entry in feed["items"]} == {"Lantern"}
            assert feed["total_items"] == 1

    async def test_news_of_other_libraries_are_not_told(self, harness: Harness, house: House) -> None:
        seen, hidden = house.libraries["family"], house.libraries["private"]
        permissions = Permissions(library_ids=only(house, "family"))
        viewer = await harness.user(Role.VIEWER, permissions=permissions)
        found = await harness.container.use_cases().identification.by_token(viewer.token or "", "local")
        told = [
            RealtimeMessage("library.changed", {"library_id": number}, None, "2026-01-02T00:00:00Z").is_for(found)
            for number in (seen, hidden)
        ]
        assert told == [True, False]


class TestStreams:
    async def start(self, client: Client, media_id: int) -> Any:
        body = {"media_type": "movie", "media_id": media_id, "capabilities": CAPABILITIES}
        return await client.post("/api/playback/sessions", body)

    async def test_end_with_the_permission(self, harness: Harness, house: House) -> None:
        viewer = await harness.user(Role.VIEWER)
        url = (await self.start(viewer, house.ids["Diary"])).json["url"]
        assert (await harness.anonymous().get(url)).status == 200
        await harness.permit(viewer, Permissions(library_ids=only(house, "family")))
        assert (await harness.anonymous().get(url)).status == 410
        await harness.permit(viewer, Permissions(max_rating_age=12))
        assert (await harness.anonymous().get(url)).status == 410

    async def test_are_no_more_than_allowed(self, harness: Harness, house: House) -> None:
        viewer = await harness.user(Role.VIEWER, permissions=Permissions(max_streams=1))
        assert (await self.start(viewer, house.ids["Lantern"])).status == 201
        refused = await self.start(viewer, house.ids["Knife"])
        assert (refused.status, refused.json["error"]["code"]) == (429, "too_many_requests")
        # The same again takes the place of the former one.
        assert (await self.start(viewer, house.ids["Lantern"])).status == 201
        assert await reach(viewer, "DELETE", f"/api/playback/movie/{house.ids['Lantern']}/session") == 204
        assert (await self.start(viewer, house.ids["Knife"])).status == 201

    async def test_are_counted_one_after_the_other(self, harness: Harness, house: House) -> None:
        viewer = await harness.user(Role.VIEWER, permissions=Permissions(max_streams=1))
        other = await harness.sign_in(viewer.user["username"])
        started = await asyncio.gather(
            *(self.start(client, house.ids[title]) for client in (viewer, other) for title in ("Lantern", "Diary"))
        )
        assert sorted(reply.status for reply in started) == [201, 429, 429, 429]
