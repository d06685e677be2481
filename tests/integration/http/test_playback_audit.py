"""Playback sessions as administrators see and end them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from dependency_injector import providers

from odeion.application.transcoding.ports import LeaseRequest, RunReport
from odeion.domain.identity.users import Permissions, Role
from odeion.domain.shared.ids import LibraryId, MediaFileId, PlaybackSessionId
from odeion.domain.transcoding import TranscodeKind
from tests.clock import SteppedClock
from tests.harness import Client, Harness, Servers, Shelf, open_harness
from tests.integration.http.test_playback import BROWSER, NO_MP4
from tests.integration.media import hls
from tests.integration.media.test_hls_transcode import encoders, until

AUDIT = "/api/admin/playback-sessions"
TV = {"name": "Living room 100%", "client": "Android TV 2"}


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


@pytest.fixture
async def harness(servers: Servers, tmp_path: Path, clock: SteppedClock) -> AsyncIterator[Harness]:
    async with open_harness(servers, tmp_path, clock=providers.Object(clock)) as opened:
        yield opened


@pytest.fixture
async def admin(harness: Harness, shelf: Shelf) -> Client:
    client = await harness.user(username="mira")
    shelf.put("Film (2001).mp4")
    shelf.put("Other (2002).mp4")
    await harness.library(client, shelf.root)
    return client


async def play(client: Client, title: str = "film", capabilities: dict[str, Any] = BROWSER, **options: Any) -> Any:
    (movie,) = (await client.get(f"/api/movies?search={title}")).json["items"]
    body = {"media_type": "movie", "media_id": movie["id"], "capabilities": capabilities, **options}
    reply = await client.post("/api/playback/sessions", body, headers=signed(client) | {"User-Agent": "Telly/1.0"})
    assert reply.status == 201, reply.json
    return reply.json


def signed(client: Client) -> dict[str, str]:
    return {"Authorization": f"Bearer {client.token}"}


async def ids(client: Client, query: str) -> list[int]:
    reply = await client.get(f"{AUDIT}?{query}")
    assert reply.status == 200, reply.json
    assert reply.json["total_items"] == len(reply.json["items"])
    return [item["id"] for item in reply.json["items"]]


class TestList:
    async def test_tells_who_played_what_on_which_device(self, admin: Client) -> None:
        session = await play(admin, device=TV)
        (listed,) = (await admin.get(AUDIT)).json["items"]
        assert {name: listed[name] for name in ("id", "username", "title", "file_name", "mode", "state")} == {
            "id": session["id"],
            "username": "mira",
            "title": "Film (2001)",
            "file_name": "Film (2001).mp4",
            "mode": "direct_play",
            "state": "active",
        }
        assert (listed["device_name"], listed["client"], listed["ended_at"]) == (*TV.values(), None)

    async def test_is_filtered(self, harness: Harness, admin: Client, clock: SteppedClock) -> None:
        theo = await harness.user(Role.VIEWER, "theo")
        first = (await play(admin, device=TV))["id"]
        clock.pass_by(60)
        second = await play(theo, "other", NO_MP4)
        await theo.delete(f"/api/playback/movie/{second['media_id']}/session")
        both, media_id = [second["id"], first], second["media_id"]
        between = clock.now() - timedelta(seconds=30)
        stamp = between.isoformat().replace("+00:00", "Z")
        for query, expected in (
            ("", both),
            (f"user_id={theo.user['id']}", [second["id"]]),
            ("username=THEO", [second["id"]]),
            (f"media_type=movie&media_id={media_id}", [second["id"]]),
            (f"media_type=episode&media_id={media_id}", []),
            ("device=living", [first]),
            ("device=android", [first]),
            ("device=100%25", [first]),
            ("device=9%25", []),
            ("mode=remux", [second["id"]]),
            (f"started_from={stamp}", [second["id"]]),
            (f"started_before={stamp}", [first]),
            ("active_only=true", [first]),
        ):
            assert await ids(admin, query) == expected, query

    async def test_is_paged(self, harness: Harness, admin: Client) -> None:
        theo = await harness.user(Role.VIEWER)
        first, second = await play(admin), await play(theo)
        page = (await admin.get(f"{AUDIT}?per_page=1&page=2")).json
        assert [item["id"] for item in page["items"]] == [first["id"]]
        assert (page["total_items"], page["total_pages"]) == (2, 2)
        assert second["id"] > first["id"]

    @pytest.mark.parametrize(
        "query",
        [
            "mode=fast",
            "user_id=me",
            "media_id=1",
            "media_type=album&media_id=1",
            "started_from=yesterday",
            "started_from=2026-01-02T03:04:05",
            "active_only=maybe",
            "device=",
            "per_page=101",
        ],
    )
    async def test_refuses_bad_input(self, admin: Client, query: str) -> None:
        reply = await admin.get(f"{AUDIT}?{query}")
        assert (reply.status, reply.json["error"]["code"]) == (422, "validation_error")

    async def test_of_a_user_and_of_a_film(self, harness: Harness, admin: Client) -> None:
        theo = await harness.user(Role.VIEWER)
        session = await play(theo)
        of_user = (await admin.get(f"/api/admin/users/{theo.user['id']}/playback-sessions")).json
        of_film = (await admin.get(f"/api/admin/media/movie/{session['media_id']}/playback-sessions")).json
        assert [item["id"] for item in of_user["items"]] == [session["id"]] == [i["id"] for i in of_film["items"]]
        assert (await admin.get(f"/api/admin/users/{admin.user['id']}/playback-sessions")).json["items"] == []
        (other,) = (await admin.get("/api/movies?search=other")).json["items"]
        assert (await admin.get(f"/api/admin/media/movie/{other['id']}/playback-sessions")).json["items"] == []
        for path in ("users/999999", "media/movie/999999", "media/episode/999999"):
            assert (await admin.get(f"/api/admin/{path}/playback-sessions")).status == 404
        assert (await admin.get("/api/admin/media/album/1/playback-sessions")).status == 422


class TestTrail:
    async def test_outlives_users_files_and_films(self, harness: Harness, admin: Client, shelf: Shelf) -> None:
        theo = await harness.user(Role.VIEWER, "theo")
        session = await play(theo)
        assert (await admin.delete(f"/api/users/{theo.user['id']}")).status == 204
        (library,) = (await admin.get("/api/libraries")).json["items"]
        assert (await admin.delete(f"/api/admin/libraries/{library['id']}")).status == 204
        (listed,) = (await admin.get(f"{AUDIT}?username=theo")).json["items"]
        assert (listed["user_id"], listed["username"], listed["title"]) == (None, "theo", "Film (2001)")
        assert (listed["file_id"], listed["file_name"]) == (None, "Film (2001).mp4")
        of_film = await admin.get(f"/api/admin/media/movie/{session['media_id']}/playback-sessions")
        assert of_film.json["total_items"] == 1
        export = (await admin.get(f"{AUDIT}/{session['id']}/export")).json
        assert export["content"] == {"movie": None, "episode": None, "season": None, "series": None}
        assert export["source_file"] is None and export["debug"] is not None

    async def test_hides_what_a_moderator_may_not_see(self, harness: Harness, admin: Client) -> None:
        session = await play(admin)
        nothing = await harness.user(Role.MODERATOR, permissions=Permissions(library_ids=frozenset()))
        (library,) = (await admin.get("/api/libraries")).json["items"]
        seeing = Permissions(library_ids=frozenset({LibraryId(library["id"])}), max_rating_age=12, allow_unrated=True)
        something = await harness.user(Role.MODERATOR, permissions=seeing)
        assert await ids(nothing, "") == [] and await ids(something, "") == [session["id"]]
        for path in (f"{AUDIT}/{session['id']}", f"{AUDIT}/{session['id']}/export"):
            assert (await nothing.get(path)).status == 404
            assert (await something.get(path)).status == 200
        film = f"/api/admin/media/movie/{session['media_id']}/playback-sessions"
        assert ((await nothing.get(film)).status, (await something.get(film)).status) == (404, 200)


class TestExport:
    async def test_holds_all_that_is_known(self, harness: Harness, admin: Client) -> None:
        session = await play(admin, capabilities=NO_MP4, device=TV)
        master = (await harness.anonymous().get(session["url"])).body.decode()
        await harness.container.encoder_leases().take(
            LeaseRequest(
                kind=TranscodeKind.LIVE,
                codec="h264",
                file_id=MediaFileId(session["file_id"]),
                stream_kind="video",
                output={"codec": "h264"},
                first_segment=0,
                session_id=PlaybackSessionId(session["id"]),
            )
        )
        export = (await admin.get(f"{AUDIT}/{session['id']}/export")).json
        detail = (await admin.get(f"{AUDIT}/{session['id']}")).json
        assert export["session"] == detail
        assert detail["reasons"] == session["reasons"] and detail["decisions"] == session["decisions"]
        assert detail["capabilities"]["containers"] == ["webm"] and detail["login_session_id"]
        debug = export["debug"]
        assert (debug["user_agent"], debug["master_playlist"], debug["problems"]) == ("Telly/1.0", master, [])
        assert debug["request"]["device"] == TV and debug["request"]["capabilities"] == NO_MP4
        assert export["content"]["movie"]["title"] == "Film" and export["content"]["series"] is None
        assert export["source_file"]["technical"]["video"][0]["codec"] == "h264"
        assert export["source_file"]["relative_path"] == "Film (2001).mp4"
        assert [run["state"] for run in export["transcode_sessions"]] == ["running"]
        key = session["url"].split("/")[4]
        assert key not in (await admin.get(f"{AUDIT}/{session['id']}/export")).body.decode()

    async def test_tells_of_an_episode_with_its_season_and_series(self, harness: Harness, shelf: Shelf) -> None:
        admin = await harness.user()
        shelf.put("Harbour/Season 1/Harbour S01E02.mp4")
        await harness.library(admin, shelf.root, "series")
        (series,) = (await admin.get("/api/series")).json["items"]
        episode = (await admin.get(f"/api/series/{series['id']}")).json["seasons"][0]["episodes"][0]
        body = {"media_type": "episode", "media_id": episode["id"], "capabilities": BROWSER}
        session = (await admin.post("/api/playback/sessions", body)).json
        content = (await admin.get(f"{AUDIT}/{session['id']}/export")).json["content"]
        assert content["movie"] is None
        assert (content["series"]["title"], content["season"]["season_number"]) == ("Harbour", 1)
        assert content["episode"]["episode_number"] == 2

    async def test_tells_what_went_wrong(self, harness: Harness, admin: Client, shelf: Shelf) -> None:
        session = await play(admin, capabilities=NO_MP4)
        base = session["url"].rpartition("/")[0]
        assert (await harness.anonymous().get(f"{base}/video/99.m4s")).status == 404
        (shelf.root / "Film (2001).mp4").unlink()
        assert (await harness.anonymous().get(f"{base}/video/init.mp4")).status == 503
        (problem,) = (await admin.get(f"{AUDIT}/{session['id']}/export")).json["debug"]["problems"]
        assert (problem["part"], problem["code"]) == ("video/init.mp4", "service_unavailable")
        assert "disk" in problem["message"]

    async def test_is_silent_on_debugging_after_30_days(
        self, harness: Harness, admin: Client, clock: SteppedClock
    ) -> None:
        session = await play(admin)
        export = f"{AUDIT}/{session['id']}/export"
        clock.pass_by(29 * 86_400)
        await harness.container.worker_use_cases().playback_administration.purge()
        admin = await harness.sign_in("mira")
        assert (await admin.get(export)).json["debug"] is not None
        clock.pass_by(2 * 86_400)
        admin = await harness.sign_in("mira")
        assert (await admin.get(export)).json["debug"] is None
        await harness.container.worker_use_cases().playback_administration.purge()
        async with harness.container.uow()() as tx:
            assert await tx.playback_debug.find(session["id"]) is None
        assert (await admin.get(f"{AUDIT}/{session['id']}")).status == 200


class TestTerminate:
    async def test_ends_it_for_good(self, harness: Harness, admin: Client) -> None:
        theo = await harness.user(Role.VIEWER)
        session = await play(theo)
        moderator = await harness.user(Role.MODERATOR)
        assert (await moderator.post(f"{AUDIT}/{session['id']}/terminate")).status == 403
        ended = await admin.post(f"{AUDIT}/{session['id']}/terminate")
        assert (ended.status, ended.json["state"], ended.json["end_reason"]) == (200, "ended", "terminated")
        assert ended.json["ended_at"]
        assert (await harness.anonymous().get(session["url"])).status == 410
        assert (await theo.post(f"/api/playback/movie/{session['media_id']}/heartbeat")).status == 410
        again = await admin.post(f"{AUDIT}/{session['id']}/terminate")
        assert (again.status, again.json["error"]["code"]) == (409, "conflict")

    async def test_reaches_the_encoders_of_other_processes(self, harness: Harness, admin: Client) -> None:
        session = await play(admin, capabilities=NO_MP4)
        leases = harness.container.encoder_leases()
        watching = PlaybackSessionId(session["id"])
        lease = await leases.take(
            LeaseRequest(
                kind=TranscodeKind.LIVE,
                codec="h264",
                file_id=MediaFileId(session["file_id"]),
                stream_kind="video",
                output={},
                first_segment=0,
                session_id=watching,
            )
        )
        report = RunReport(lease_id=lease.id, next_segment=0, throughput=(), sessions=(watching,))
        assert (await leases.beat([report])).ended_sessions == frozenset()
        await admin.post(f"{AUDIT}/{session['id']}/terminate")
        assert (await leases.beat([report])).ended_sessions == {watching}

    async def test_ends_the_encoders_of_this_process(self, harness: Harness, admin: Client, shelf: Shelf) -> None:
        long = shelf.root / "Long (2003).mkv"
        hls.encode_loop(long, 15, *hls.pattern(12, "24", "640x360"), *hls.h264(frames_between_keys=96))
        shelf.age(long)
        (library,) = (await admin.get("/api/libraries")).json["items"]
        await harness.scan(admin, library["id"])
        session = await play(admin, "long", NO_MP4 | {"video_codecs": [{"codec": "hevc"}]})
        base = session["url"].rpartition("/")[0]
        assert (await harness.anonymous().get(f"{base}/video/0.m4s")).status == 200
        assert len(encoders()) == 1
        await admin.post(f"{AUDIT}/{session['id']}/terminate")
        await until(lambda: not encoders())
        assert (await harness.anonymous().get(f"{base}/video/1.m4s")).status == 410

    async def test_unknown_ones_are_not_found(self, admin: Client) -> None:
        for method, path in (("GET", ""), ("GET", "/export"), ("POST", "/terminate")):
            assert (await admin.call(method, f"{AUDIT}/999999{path}")).status == 404
