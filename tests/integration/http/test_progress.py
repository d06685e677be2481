"""Watch progress over the API."""

from __future__ import annotations

import pytest

from odeion.domain.identity.users import Role
from tests.harness import Client, Harness, Shelf


@pytest.fixture
async def admin(harness: Harness, shelf: Shelf) -> Client:
    """An administrator of one film and one series of two seasons."""
    client = await harness.user()
    shelf.put("films/Film (2001).mp4")
    for season, episode in ((1, 1), (1, 2), (2, 1)):
        shelf.put(f"series/Show/Season {season:02}/Show - S{season:02}E{episode:02}.mp4")
    await harness.library(client, shelf.root / "films")
    await harness.library(client, shelf.root / "series", "series")
    return client


async def episodes(client: Client) -> list[int]:
    (series,) = (await client.get("/api/series")).json["items"]
    full = (await client.get(f"/api/series/{series['id']}")).json
    return [episode["id"] for season in full["seasons"] for episode in season["episodes"]]


async def movie(client: Client) -> int:
    return int((await client.get("/api/movies")).json["items"][0]["id"])


class TestSaving:
    async def test_a_position_is_kept(self, admin: Client) -> None:
        path = f"/api/progress/movie/{await movie(admin)}"
        saved = await admin.put(path, {"position_ms": 1200, "duration_ms": 100_000})
        assert (saved.status, saved.json["percent"], saved.json["completed"]) == (200, 1.2, False)
        assert (await admin.get(path)).json == saved.json

    async def test_stopping_keeps_it_too(self, admin: Client) -> None:
        path = f"/api/progress/movie/{await movie(admin)}"
        stopped = await admin.post(f"{path}/stop", {"position_ms": 700, "duration_ms": 100_000})
        assert (stopped.status, stopped.json["position_ms"]) == (200, 700)

    async def test_the_end_is_watched(self, admin: Client) -> None:
        saved = await admin.put(f"/api/progress/movie/{await movie(admin)}", {"position_ms": 1990})
        assert (saved.json["completed"], saved.json["play_count"], saved.json["position_ms"]) == (True, 1, 0)

    async def test_it_can_be_said_outright(self, admin: Client) -> None:
        path = f"/api/progress/movie/{await movie(admin)}"
        assert (await admin.put(path, {"position_ms": 0, "completed": True})).json["completed"]
        assert not (await admin.put(path, {"position_ms": 0, "completed": False})).json["completed"]

    async def test_nothing_begun_is_zero(self, admin: Client) -> None:
        state = (await admin.get(f"/api/progress/movie/{await movie(admin)}")).json
        assert (state["position_ms"], state["completed"]) == (0, False)
        assert state["duration_ms"] > 1900

    @pytest.mark.parametrize("body", [{}, {"position_ms": -1}, {"position_ms": "x"}, {"position_ms": 10**15}])
    async def test_refuses_positions_that_are_none(self, admin: Client, body: object) -> None:
        assert (await admin.put(f"/api/progress/movie/{await movie(admin)}", body)).status == 422

    async def test_refuses_positions_beyond_the_end(self, admin: Client) -> None:
        reply = await admin.put(f"/api/progress/movie/{await movie(admin)}", {"position_ms": 10**9})
        assert (reply.status, reply.json["error"]["code"]) == (422, "validation_error")

    async def test_of_unknown_content_is_not_found(self, admin: Client) -> None:
        assert (await admin.put("/api/progress/episode/9999", {"position_ms": 1})).status == 404


class TestDeleting:
    async def test_one(self, admin: Client) -> None:
        path = f"/api/progress/movie/{await movie(admin)}"
        await admin.put(path, {"position_ms": 1000})
        assert (await admin.delete(path)).status == 204
        assert (await admin.delete(path)).status == 404

    async def test_all_of_ones_own(self, harness: Harness, admin: Client) -> None:
        other = await harness.user(Role.VIEWER)
        path = f"/api/progress/movie/{await movie(admin)}"
        for client in (admin, other):
            await client.put(path, {"position_ms": 1000})
        assert (await admin.delete("/api/progress/all")).status == 204
        assert (await admin.get("/api/progress/all")).json["total_items"] == 0
        assert (await other.get("/api/progress/all")).json["total_items"] == 1


class TestLists:
    async def test_the_history_comes_in_pages_latest_first(self, admin: Client) -> None:
        for number in await episodes(admin):
            await admin.put(f"/api/progress/episode/{number}", {"position_ms": 1000})
        page = (await admin.get("/api/progress/all?per_page=2")).json
        assert (page["total_items"], page["total_pages"], len(page["items"])) == (3, 2, 2)
        assert page["items"][0]["subtitle"] == "S2 · E1 · Episode 1"

    async def test_what_was_begun_is_resumed(self, admin: Client) -> None:
        number = await movie(admin)
        await admin.put(f"/api/progress/movie/{number}", {"position_ms": 20_000, "duration_ms": 100_000})
        (entry,) = (await admin.get("/api/progress/all?view=resume")).json["items"]
        assert (entry["media_type"], entry["media_id"], entry["kind"]) == ("movie", number, "resume")

    async def test_after_an_episode_comes_the_next_one(self, admin: Client) -> None:
        first, second, third = await episodes(admin)
        for finished, following in ((first, second), (second, third)):
            await admin.put(f"/api/progress/episode/{finished}", {"position_ms": 0, "completed": True})
            (entry,) = (await admin.get("/api/progress/all?view=resume")).json["items"]
            assert (entry["kind"], entry["media_id"]) == ("next_up", following)
        await admin.put(f"/api/progress/episode/{third}", {"position_ms": 0, "completed": True})
        assert (await admin.get("/api/progress/all?view=resume")).json["items"] == []

    async def test_a_film_watched_to_its_end_is_not_resumed(self, admin: Client) -> None:
        await admin.put(f"/api/progress/movie/{await movie(admin)}", {"position_ms": 0, "completed": True})
        assert (await admin.get("/api/progress/all?view=resume")).json["items"] == []

    async def test_progress_shows_wherever_the_film_does(self, harness: Harness, admin: Client) -> None:
        number = await movie(admin)
        await admin.put(f"/api/progress/movie/{number}", {"position_ms": 0, "completed": True})
        assert (await admin.get("/api/movies")).json["items"][0]["progress"]["completed"]
        assert (await admin.get(f"/api/movies/{number}")).json["progress"]["completed"]
        assert (await admin.get("/api/movies?watched=false")).json["items"] == []
        other = await harness.user(Role.VIEWER)
        assert (await other.get("/api/movies")).json["items"][0]["progress"] is None
        assert len((await other.get("/api/movies?watched=false")).json["items"]) == 1
