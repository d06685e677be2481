"""Playing over the API: sessions, the file itself, and HLS."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from odeion.adapters.postgres.tables.libraries import media_files
from odeion.adapters.postgres.tables.playback import playback_sessions
from odeion.domain.identity.users import Role
from odeion.domain.media_file import FileStamp, FileStructure, GroupsOfPictures
from tests.harness import Client, Harness, Reply, Shelf
from tests.integration.media import hls

BROWSER = {
    "containers": ["mp4", "webm"],
    "video_codecs": [{"codec": "h264", "max_height": 2160}],
    "audio_codecs": [{"codec": "aac", "max_channels": 2}],
}
NO_MP4 = BROWSER | {"containers": ["webm"]}


@pytest.fixture
async def admin(harness: Harness, shelf: Shelf) -> Client:
    client = await harness.user()
    shelf.put("Film (2001)/Film (2001).mp4")
    shelf.put("Film (2001)/Film (2001).en.srt", b"1\n00:00:00,500 --> 00:00:01,500\n<script>x</script>Hello\n")
    shelf.put("Other (2002).mp4")
    await harness.library(client, shelf.root)
    return client


async def start(client: Client, capabilities: dict[str, Any] = BROWSER, **options: Any) -> Reply:
    (movie,) = (await client.get("/api/movies?search=film")).json["items"]
    body = {"media_type": "movie", "media_id": movie["id"], "capabilities": capabilities, **options}
    return await client.post("/api/playback/sessions", body)


class TestSessions:
    async def test_a_file_the_client_knows_is_played_directly(self, harness: Harness, admin: Client) -> None:
        session = await start(admin)
        assert session.status == 201
        assert (session.json["mode"], session.json["mime_type"], session.json["reasons"]) == (
            "direct_play",
            "video/mp4",
            [],
        )
        assert 1900 < session.json["duration_ms"] < 2200
        assert (await harness.anonymous().get(session.json["url"])).status == 200

    async def test_resumes_where_the_viewer_was(self, admin: Client) -> None:
        first = (await start(admin)).json
        await admin.put(f"/api/progress/movie/{first['media_id']}", {"position_ms": 1000, "duration_ms": 90_000})
        assert (await start(admin)).json["start_position_ms"] == 1000
        assert (await start(admin, start_position_ms=0)).json["start_position_ms"] == 0

    async def test_says_why_it_is_not_played_directly(self, admin: Client) -> None:
        session = (await start(admin, NO_MP4)).json
        assert session["mode"] == "remux"
        assert session["reasons"] == ["the container (mov) is not supported by this client"]
        assert {(d["kind"], d["treatment"]) for d in session["decisions"]} == {
            ("video", "copy"),
            ("audio", "copy"),
            ("subtitle", "convert"),
        }

    @pytest.mark.parametrize(
        ("told", "mode", "reason"),
        [
            (
                FileStructure(groups=GroupsOfPictures.OPEN),
                "transcode",
                "the picture has open groups of pictures, and this client cannot seek in these",
            ),
            (
                FileStructure(holes=(1,)),
                "remux",
                "the sound has holes, behind which browsers play it too early: they are filled",
            ),
        ],
    )
    async def test_knows_what_the_index_tells(
        self, told: FileStructure, mode: str, reason: str, harness: Harness, admin: Client
    ) -> None:
        chromium = BROWSER | {"open_groups": False}
        first = (await start(admin, chromium)).json
        assert first["mode"] == "direct_play"
        store = harness.container.media_indexes()
        async with harness.engine.connect() as connection:
            size, mtime, inode = (
                await connection.execute(
                    select(media_files.c.size_bytes, media_files.c.mtime_ns, media_files.c.inode).where(
                        media_files.c.id == first["file_id"]
                    )
                )
            ).one()
        format = harness.container.indexer().format
        await store.put(first["file_id"], FileStamp(size, mtime, inode), format, told, b"")
        session = (await start(admin, chromium)).json
        assert (session["mode"], session["reasons"]) == (mode, [reason])
        if told.groups is not None:
            assert (await start(admin)).json["mode"] == "direct_play"
        # An index of what the file was says nothing of what it is, nor does one that is made in another way now.
        for stamp, known in ((FileStamp(size, mtime + 1, inode), format), (FileStamp(size, mtime, inode), format - 1)):
            await store.put(first["file_id"], stamp, known, told, b"")
            assert (await start(admin, chromium)).json["mode"] == "direct_play"

    @pytest.mark.parametrize("is_indexed", [True, False])
    async def test_what_cannot_be_repackaged_is_converted_and_told(
        self, is_indexed: bool, harness: Harness, admin: Client, shelf: Shelf, tmp_path: Path
    ) -> None:
        """A recording whose picture changes its profile in the middle."""
        parts = [
            hls.encode(
                tmp_path / f"{profile}.ts",
                *(*hls.pattern(3, "25"), *hls.tone(3), *hls.h264(frames_between_keys=25), "-profile:v", profile),
                *("-c:a", "aac", "-output_ts_offset", offset),
            )
            for profile, offset in (("high", "0"), ("main", "3"))
        ]
        shelf.put("Recording (2003).ts", b"".join(part.read_bytes() for part in parts))
        (library,) = (await admin.get("/api/libraries")).json["items"]
        await harness.scan(admin, library["id"])
        if is_indexed:
            await harness.run_tasks()
        (movie,) = (await admin.get("/api/movies?search=recording")).json["items"]
        body = {"media_type": "movie", "media_id": movie["id"], "capabilities": BROWSER}
        session = (await admin.post("/api/playback/sessions", body)).json
        reason = "the stream cannot be repackaged: parameter sets that change"
        assert session["mode"] == "transcode"
        assert session["reasons"] == ["the container (mpegts) is not supported by this client", reason]
        told = {decision["kind"]: (decision["treatment"], decision["reasons"]) for decision in session["decisions"]}
        assert told == {"video": ("transcode", [reason]), "audio": ("copy", [])}
        master = (await harness.anonymous().get(session["url"])).body.decode()
        assert "I-FRAME" not in master and 'CODECS="avc1.64' in master
        forecast = (await admin.get("/api/admin/transcoding/forecast?device=chrome")).json["items"][0]
        (group,) = forecast["groups"]
        assert (group["mode"], group["file_count"], group["reasons"]) == ("transcode", 1, session["reasons"])

    async def test_text_is_painted_in_on_wish(self, admin: Client) -> None:
        session = (await start(admin, subtitle_key="sidecar:0", burn_in=True)).json
        assert session["mode"] == "transcode"
        assert session["subtitles"][0]["url"] is None
        assert (await start(admin, subtitle_key="sidecar:0")).json["mode"] == "direct_play"

    async def test_the_former_one_on_this_device_ends(self, harness: Harness, admin: Client) -> None:
        first, second = (await start(admin)).json, (await start(admin)).json
        assert (await harness.anonymous().get(first["url"])).status == 410
        assert (await harness.anonymous().get(second["url"])).status == 200

    async def test_heartbeats_keep_it_until_it_is_stopped(self, harness: Harness, admin: Client) -> None:
        session = (await start(admin)).json
        path = f"/api/playback/movie/{session['media_id']}"
        assert (await admin.post(f"{path}/heartbeat")).status == 204
        assert (await admin.post(f"{path}/heartbeat", {"position_ms": 5})).status == 204
        assert (await admin.delete(f"{path}/session")).status == 204
        gone = await admin.post(f"{path}/heartbeat")
        assert (gone.status, gone.json["error"]["code"]) == (410, "gone")
        assert (await admin.delete(f"{path}/session")).status == 404
        assert (await harness.anonymous().get(session["url"])).status == 410

    async def test_silence_ends_it(self, harness: Harness, admin: Client) -> None:
        session = (await start(admin)).json
        long_ago = harness.container.clock().now() - timedelta(minutes=10)
        async with harness.engine.begin() as connection:
            await connection.execute(update(playback_sessions).values(heartbeat_at=long_ago))
        assert await harness.container.worker_use_cases().playback_sessions.reap() == 1
        assert (await admin.post(f"/api/playback/movie/{session['media_id']}/heartbeat")).status == 410

    async def test_it_dies_with_the_sign_in(self, harness: Harness, admin: Client) -> None:
        viewer = await harness.user(Role.VIEWER, "theo")
        session = (await start(viewer)).json
        await harness.container.use_cases().passwords.set_by_operator("theo", "a new password")
        assert (await harness.anonymous().get(session["url"])).status in (404, 410)

    async def test_it_is_its_viewers_own(self, harness: Harness, admin: Client) -> None:
        session = (await start(admin)).json
        other = await harness.user(Role.ADMIN)
        assert (await other.delete(f"/api/playback/movie/{session['media_id']}/session")).status == 404
        assert (await other.post(f"/api/playback/movie/{session['media_id']}/heartbeat")).status == 404

    async def test_starting_is_told(self, harness: Harness, admin: Client) -> None:
        async with harness.container.bus().listen() as queue:
            await start(admin)
            await harness.container.worker_use_cases().relay.drain()
            messages = [queue.get_nowait() for _ in range(queue.qsize())]
        assert all(message.name != "playback.started" or message.user_id == admin.user["id"] for message in messages)

    @pytest.mark.parametrize(
        "change",
        [
            {"media_type": "album"},
            {"media_id": 0},
            {"profile": "8k"},
            {"profile": "audio"},
            {"profile": "hdr-surround"},
            {"audio_stream_index": 77},
            {"subtitle_key": "stream:77"},
            {"subtitle_key": "../../etc/passwd"},
            {"capabilities": {"video_codecs": [{"codec": "H 264; rm -rf"}]}},
            {"capabilities": {"containers": ["x"] * 33}},
            {"device": {"name": "TV\0"}},
        ],
    )
    async def test_refuses_what_cannot_be(self, admin: Client, change: dict[str, Any]) -> None:
        (movie,) = (await admin.get("/api/movies?search=film")).json["items"]
        body = {"media_type": "movie", "media_id": movie["id"], "capabilities": BROWSER} | change
        assert (await admin.post("/api/playback/sessions", body)).status == 422

    async def test_refuses_files_of_other_films(self, admin: Client) -> None:
        (other,) = (await admin.get("/api/movies?search=other")).json["items"]
        (file,) = (await admin.get(f"/api/movies/{other['id']}")).json["files"]
        assert (await start(admin, file_id=file["id"])).status == 404


class TestDirectPlay:
    @pytest.fixture
    async def url(self, admin: Client) -> str:
        return str((await start(admin)).json["url"])

    async def fetch(self, harness: Harness, url: str, method: str = "GET", **headers: str) -> Reply:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return await harness.anonymous().call(method, url, headers=sent)

    async def test_serves_the_whole_file(self, harness: Harness, shelf: Shelf, url: str) -> None:
        reply = await self.fetch(harness, url)
        content = (shelf.root / "Film (2001)" / "Film (2001).mp4").read_bytes()
        assert (reply.status, reply.body == content) == (200, True)
        assert reply.headers["accept-ranges"] == "bytes"

    @pytest.mark.parametrize(
        ("wanted", "expected"), [("bytes=0-0", (0, 1)), ("bytes=100-199", (100, 200)), ("bytes=-10", (-10, None))]
    )
    async def test_serves_parts(
        self, harness: Harness, shelf: Shelf, url: str, wanted: str, expected: tuple[int, int | None]
    ) -> None:
        content = (shelf.root / "Film (2001)" / "Film (2001).mp4").read_bytes()
        reply = await self.fetch(harness, url, Range=wanted)
        assert (reply.status, reply.body) == (206, content[slice(*expected)])
        assert reply.headers["content-range"].endswith(f"/{len(content)}")

    async def test_a_part_beyond_the_end_is_refused(self, harness: Harness, url: str) -> None:
        reply = await self.fetch(harness, url, Range="bytes=99999999-")
        assert (reply.status, reply.json["error"]["code"]) == (416, "range_not_satisfiable")

    async def test_what_the_client_has_is_not_sent_again(self, harness: Harness, url: str) -> None:
        etag = (await self.fetch(harness, url)).headers["etag"]
        assert (await self.fetch(harness, url, If_None_Match=etag)).status == 304
        assert (await self.fetch(harness, url, Range="bytes=0-9", If_Range=etag)).status == 206
        assert (await self.fetch(harness, url, Range="bytes=0-9", If_Range='"other"')).status == 200

    async def test_asked_for_its_head_it_sends_no_body(self, harness: Harness, url: str) -> None:
        # The test client's own responses count their length anew, so this looks at the connection.
        async with harness.app.test_client().request(url, method="HEAD") as connection:
            await connection.send_complete()
        assert connection.status_code == 200
        assert connection.headers is not None and int(connection.headers["content-length"]) > 1000
        assert (await self.fetch(harness, url, "HEAD")).body == b""

    async def test_a_file_that_changed_since_is_not_mixed_up(self, harness: Harness, shelf: Shelf, url: str) -> None:
        shelf.put("Film (2001)/Film (2001).mp4", b"something else")
        reply = await self.fetch(harness, url)
        assert (reply.status, reply.json["error"]["code"]) == (409, "conflict")

    async def test_a_file_that_is_away_is_told(self, harness: Harness, shelf: Shelf, url: str) -> None:
        (shelf.root / "Film (2001)" / "Film (2001).mp4").unlink()
        assert (await self.fetch(harness, url)).status == 503

    async def test_a_key_nobody_was_given_opens_nothing(self, harness: Harness, url: str) -> None:
        assert (await self.fetch(harness, url.replace("/file", "x/file"))).status == 404


class TestHls:
    async def test_every_address_in_the_playlists_answers(self, harness: Harness, admin: Client) -> None:
        session = (await start(admin, NO_MP4)).json
        assert session["mime_type"] == "application/vnd.apple.mpegurl"
        base = session["url"].rpartition("/")[0]
        somebody = harness.anonymous()
        master = (await somebody.get(session["url"])).body.decode()
        assert 'CODECS="avc1.' in master and "RESOLUTION=128x72" in master
        names = [*re.findall(r'URI="([^"]+)"', master), *re.findall(r"^[^#\n].*$", master, re.MULTILINE)]
        assert sorted(names) == [
            "audio-1/index.m3u8",
            "subtitles/0.m3u8",
            "video/index.m3u8",
            "video/keyframes.m3u8",
        ]
        for name in names:
            playlist = await somebody.get(f"{base}/{name}")
            assert playlist.status == 200 and playlist.body.startswith(b"#EXTM3U"), name
            folder = f"{base}/{name.rpartition('/')[0]}"
            text = playlist.body.decode()
            parts = [*re.findall(r'URI="([^"]+)"', text), *re.findall(r"^[^#\n].*$", text, re.MULTILINE)]
            assert parts
            for part in parts:
                reply = await somebody.get(f"{folder}/{part}")
                assert reply.status == 200 and reply.body, part

    async def test_transcodes_to_the_chosen_profile(self, harness: Harness, admin: Client) -> None:
        hevc_only = BROWSER | {"video_codecs": [{"codec": "hevc"}]}
        session = (await start(admin, hevc_only)).json
        assert session["mode"] == "transcode"
        base = session["url"].rpartition("/")[0]
        init = await harness.anonymous().get(f"{base}/video/init.mp4")
        first = await harness.anonymous().get(f"{base}/video/0.m4s")
        assert (init.status, first.status) == (200, 200)
        assert b"ftyp" in init.body[:16] and b"moof" in first.body[:200]

    @pytest.mark.parametrize(
        ("name", "status"),
        [
            ("video/9999.m4s", 404),
            ("video/-1.m4s", 422),
            ("video/x.m4s", 422),
            ("audio-99/index.m3u8", 404),
            ("sound/index.m3u8", 422),
            ("subtitles/99.vtt", 404),
            ("..%2f..%2fetc/init.mp4", 404),
            ("nothing", 404),
        ],
    )
    async def test_refuses_what_is_not_there(self, harness: Harness, admin: Client, name: str, status: int) -> None:
        base = (await start(admin, NO_MP4)).json["url"].rpartition("/")[0]
        reply = await harness.anonymous().get(f"{base}/{name}")
        assert reply.status == status
        assert reply.json["error"]["code"]

    async def test_subtitles_are_webvtt_without_scripts(self, harness: Harness, admin: Client) -> None:
        session = (await start(admin)).json
        (choice,) = session["subtitles"]
        assert (choice["key"], choice["language"]) == ("sidecar:0", "eng")
        reply = await harness.anonymous().get(choice["url"])
        assert reply.headers["content-type"].startswith("text/vtt")
        assert reply.body.startswith(b"WEBVTT") and b"Hello" in reply.body
        assert b"<script" not in reply.body


class TestInfo:
    async def test_tells_the_streams(self, admin: Client) -> None:
        session = (await start(admin)).json
        info = (await admin.get(f"/api/playback/movie/{session['media_id']}/info")).json
        (file,) = info["files"]
        assert (file["video"][0]["codec"], file["audio"][0]["codec"]) == ("h264", "aac")

    async def test_profiles_are_never_above_the_source(self, admin: Client) -> None:
        session = (await start(admin)).json
        profiles = (await admin.get(f"/api/playback/movie/{session['media_id']}/profiles")).json["items"]
        assert [profile["profile"] for profile in profiles] == ["auto", "360p"]
