"""Whole files: signed addresses, and what is converted while it is fetched."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
from dependency_injector import providers
from sqlalchemy import select, update

from odeion.adapters.postgres.tables.identity import users
from odeion.adapters.postgres.tables.transcoding import transcode_sessions
from odeion.domain.identity.users import Permissions, Role
from odeion.entrypoints.http.downloads import content_disposition
from tests.clock import SteppedClock
from tests.harness import Client, Harness, Reply, Servers, Shelf, open_harness
from tests.integration.http.test_sendfile import listening
from tests.integration.media import hls
from tests.integration.media.test_hls_transcode import encoders, until
from tests.media import make_sample

POOLS = "/api/admin/transcoding/pools"
NAME = 'Ünter "Wegs" (2001).mp4'


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


@pytest.fixture
async def harness(servers: Servers, tmp_path: Path, clock: SteppedClock) -> AsyncIterator[Harness]:
    async with open_harness(servers, tmp_path, clock=providers.Object(clock)) as opened:
        yield opened
        await opened.container.downloads().close()


@pytest.fixture
async def admin(harness: Harness, shelf: Shelf) -> Client:
    client = await harness.user()
    shelf.put(NAME)
    shelf.put("Other (2002).mp4")
    await harness.library(client, shelf.root)
    return client


async def film(client: Client, title: str = "unter") -> str:
    """Where its playback routes begin."""
    (movie,) = (await client.get(f"/api/movies?search={title}")).json["items"]
    return f"/api/playback/movie/{movie['id']}"


async def signed(client: Client, profile: str = "", body: Any = None) -> Any:
    reply = await client.post(f"{await film(client)}/download-url{profile}", body)
    assert reply.status == 200, reply.json
    return reply.json


async def fetch(harness: Harness, url: str, method: str = "GET", **headers: str) -> Reply:
    """By somebody who has nothing but the address."""
    return await harness.anonymous().call(method, url, headers=headers)


def code(reply: Reply) -> tuple[int, str]:
    return reply.status, reply.json["error"]["code"]


class TestMediaUrl:
    async def test_is_good_for_the_file_without_any_header(self, harness: Harness, admin: Client, shelf: Shelf) -> None:
        content = (shelf.root / NAME).read_bytes()
        made = await signed(admin)
        assert (made["size_bytes"], made["file_name"]) == (len(content), NAME)
        reply = await fetch(harness, made["url"])
        assert (reply.status, reply.body == content, reply.headers["content-type"]) == (200, True, "video/mp4")
        part = await fetch(harness, made["url"], Range="bytes=10-19")
        assert (part.status, part.body) == (206, content[10:20])

    async def test_tells_the_name_to_save_it_by(self, harness: Harness, admin: Client) -> None:
        disposition = (await fetch(harness, (await signed(admin))["url"])).headers["content-disposition"]
        found = re.fullmatch(r"attachment; filename=\"([^\"]+)\"; filename\*=UTF-8''(\S+)", disposition)
        assert found is not None
        assert (found[1], unquote(found[2])) == ("Unter _Wegs_ (2001).mp4", NAME)

    async def test_is_good_for_minutes(self, harness: Harness, admin: Client, clock: SteppedClock) -> None:
        url = (await signed(admin))["url"]
        clock.pass_by(9 * 60)
        assert (await fetch(harness, url)).status == 200
        clock.pass_by(61)
        assert code(await fetch(harness, url)) == (401, "unauthorized")

    async def test_is_for_a_certain_file_on_wish(self, harness: Harness, admin: Client) -> None:
        (file,) = (await admin.get(f"{await film(admin)}/info")).json["files"]
        assert (await fetch(harness, (await signed(admin, body={"file_id": file["id"]}))["url"])).status == 200
        (other,) = (await admin.get(f"{await film(admin, 'other')}/info")).json["files"]
        refused = await admin.post(f"{await film(admin)}/download-url", {"file_id": other["id"]})
        assert code(refused) == (404, "not_found")

    async def test_is_asked_again_when_it_is_used(self, harness: Harness, admin: Client, shelf: Shelf) -> None:
        viewer = await harness.user(Role.VIEWER)
        urls = [(await signed(viewer, profile))["url"] for profile in ("", "/native", "/360p")]
        for permissions, expected in (
            (Permissions(downloads=False), (403, "forbidden")),
            (Permissions(library_ids=frozenset()), (404, "not_found")),
            (Permissions(max_rating_age=12), (404, "not_found")),
        ):
            await harness.permit(viewer, permissions)
            for url in urls:
                assert code(await fetch(harness, url)) == expected
        await harness.permit(viewer, Permissions())
        assert (await fetch(harness, urls[0])).status == 200
        async with harness.engine.begin() as connection:
            await connection.execute(update(users).where(users.c.id == viewer.user["id"]).values(is_locked=True))
        for url in urls:
            assert code(await fetch(harness, url)) == (401, "unauthorized")

    async def test_outlives_the_session_but_not_the_account(self, harness: Harness, admin: Client) -> None:
        viewer = await harness.user(Role.VIEWER)
        url = (await signed(viewer))["url"]
        assert (await viewer.post("/api/auth/sign-out")).status == 204
        assert (await fetch(harness, url)).status == 200
        assert (await admin.delete(f"/api/users/{viewer.user['id']}")).status == 204
        assert code(await fetch(harness, url)) == (401, "unauthorized")

    async def test_needs_the_permission(self, harness: Harness, admin: Client) -> None:
        nothing = Permissions(downloads=False, library_ids=None)
        viewer = await harness.user(Role.VIEWER, permissions=nothing)
        for profile in ("", "/native", "/hd"):
            assert code(await viewer.post(f"{await film(admin)}/download-url{profile}")) == (403, "forbidden")
        # No limit binds an administrator.
        await harness.permit(admin, nothing)
        assert (await fetch(harness, (await signed(admin))["url"])).status == 200

    async def test_is_not_made_for_what_is_hidden_or_unknown(self, harness: Harness, admin: Client) -> None:
        path = await film(admin)
        viewer = await harness.user(Role.VIEWER, permissions=Permissions(library_ids=frozenset()))
        for profile in ("", "/native", "/hd"):
            assert (await viewer.post(f"{path}/download-url{profile}")).status == 404
            assert (await admin.post(f"/api/playback/movie/999999/download-url{profile}")).status == 404

    async def test_follows_the_file(self, harness: Harness, admin: Client, shelf: Shelf) -> None:
        url = (await signed(admin))["url"]
        (shelf.root / NAME).unlink()
        assert code(await fetch(harness, url)) == (503, "service_unavailable")
        (library,) = (await admin.get("/api/libraries")).json["items"]
        assert (await admin.delete(f"/api/admin/libraries/{library['id']}")).status == 204
        assert code(await fetch(harness, url)) == (404, "not_found")


class TestTokens:
    """No token of one kind is worth anything as another; that a file token is no session is in test_access too."""

    async def test_other_secrets_open_no_file(self, harness: Harness, admin: Client) -> None:
        permitted = await harness.user(permissions=Permissions(api_keys=True))
        key = (await permitted.post("/api/account/api-keys", {"name": "x", "scopes": ["playback"]})).json["key"]
        (movie,) = (await admin.get("/api/movies?search=other")).json["items"]
        capabilities = {"containers": ["mp4"], "video_codecs": [{"codec": "h264"}], "audio_codecs": [{"codec": "aac"}]}
        body = {"media_type": "movie", "media_id": movie["id"], "capabilities": capabilities}
        stream_key = (await admin.post("/api/playback/sessions", body)).json["url"].split("/")[4]
        for secret in (admin.token, admin.refresh_token, key, stream_key, "x", "a.b.c"):
            assert code(await fetch(harness, f"/api/files?token={secret}")) == (401, "unauthorized")

    async def test_a_file_token_opens_nothing_else(self, harness: Harness, admin: Client) -> None:
        for profile in ("", "/360p"):
            token = (await signed(admin, profile))["url"].partition("token=")[2]
            for path in (f"/api/events?token={token}", f"/api/playback/streams/{token}/file"):
                assert (await fetch(harness, path)).status in (401, 404, 422)
            for path in ("/api/movies", "/api/auth/refresh", "/api/events"):
                method = "POST" if path.endswith("refresh") else "GET"
                reply = await fetch(harness, path, method, Authorization=f"Bearer {token}")
                assert code(reply) == (401, "unauthorized")

    async def test_a_changed_one_is_refused(self, harness: Harness, admin: Client) -> None:
        head, body, signature = (await signed(admin))["url"].partition("token=")[2].split(".")
        claims = json.loads(base64.urlsafe_b64decode(body + "=="))
        (other,) = (await admin.get("/api/movies?search=other")).json["items"]
        for change in ({"kind": "media_transcoded"}, {"ref": f"movie:{other['id']}:2"}, {"sub": "1"}, {"exp": 2**40}):
            changed = base64.urlsafe_b64encode(json.dumps(claims | change).encode()).rstrip(b"=").decode()
            assert (await fetch(harness, f"/api/files?token={head}.{changed}.{signature}")).status == 401

    @pytest.mark.parametrize(
        ("query", "status"), [("", 422), ("?token=", 422), ("?token=a&token=b", 400), (f"?token={'a' * 2049}", 422)]
    )
    async def test_bad_input_is_told(self, harness: Harness, query: str, status: int) -> None:
        assert (await fetch(harness, f"/api/files{query}")).status == status


class TestTranscode:
    async def test_streams_what_it_makes(self, harness: Harness, admin: Client) -> None:
        reply = await admin.get(f"{await film(admin)}/transcode/compatible")
        assert (reply.status, reply.headers["content-type"]) == (200, "video/webm")
        assert reply.body[:4] == b"\x1aE\xdf\xa3"
        (run,) = (await admin.get("/api/admin/transcode-sessions")).json["items"]
        assert (run["kind"], run["state"], run["username"]) == ("download", "completed", admin.user["username"])
        assert run["output"]["codec"] == "vp9" and run["file_name"] == NAME

    async def test_native_is_the_file_itself(self, harness: Harness, admin: Client, shelf: Shelf) -> None:
        path = f"{await film(admin)}/transcode/native"
        reply = await admin.get(path, headers={"Range": "bytes=0-9", "Authorization": f"Bearer {admin.token}"})
        assert (reply.status, reply.body) == (206, (shelf.root / NAME).read_bytes()[:10])
        assert (await admin.get("/api/admin/transcode-sessions")).json["items"] == []

    async def test_begins_where_it_is_asked_to(self, admin: Client) -> None:
        path = f"{await film(admin)}/transcode"
        whole, rest = [(await admin.get(f"{path}/audio{query}")).body for query in ("", "?start_position_ms=1500")]
        assert 0 < len(rest) < len(whole)
        for profile, query in (("audio", "60000"), ("audio", "-1"), ("audio", "x"), ("native", "1")):
            reply = await admin.get(f"{path}/{profile}?start_position_ms={query}")
            assert code(reply) == (422, "validation_error"), (profile, query)

    async def test_makes_nothing_for_who_asks_what_it_would_be(self, harness: Harness, admin: Client) -> None:
        reply = await admin.call("HEAD", f"{await film(admin)}/transcode/hd")
        assert (reply.status, reply.headers["content-type"], reply.body) == (200, "video/mp4", b"")
        async with harness.engine.connect() as connection:
            assert (await connection.execute(select(transcode_sessions.c.id))).all() == []

    async def test_a_profile_that_cannot_be_has_a_reason(self, harness: Harness, admin: Client, shelf: Shelf) -> None:
        shelf.age(make_sample("av1.mkv", shelf.root).rename(shelf.root / "Mute (2003).mkv"))
        (library,) = (await admin.get("/api/libraries")).json["items"]
        await harness.scan(admin, library["id"])
        path = await film(admin, "mute")
        assert code(await admin.get(f"{path}/transcode/audio")) == (409, "conflict")
        assert code(await admin.post(f"{path}/download-url/audio")) == (409, "conflict")

    @pytest.mark.parametrize("profile", ["auto", "8k", "hd%2e", "..%2fhd"])
    async def test_refuses_profiles_there_are_not(self, admin: Client, profile: str) -> None:
        path = await film(admin)
        assert (await admin.get(f"{path}/transcode/{profile}")).status in (404, 422)
        assert (await admin.post(f"{path}/download-url/{profile}")).status in (404, 422)

    async def test_hides_what_the_viewer_may_not_see(self, harness: Harness, admin: Client) -> None:
        path = await film(admin)
        viewer = await harness.user(Role.VIEWER, permissions=Permissions(library_ids=frozenset()))
        for profile in ("native", "hd", "audio"):
            assert (await viewer.get(f"{path}/transcode/{profile}")).status == 404

    async def test_says_when_all_encoders_are_busy(self, harness: Harness, admin: Client) -> None:
        (pool,) = (await admin.get(POOLS)).json["items"]
        await admin.put(f"{POOLS}/{pool['id']}", {"enabled": False})
        path = f"{await film(admin)}/transcode"
        reply = await admin.get(f"{path}/compatible")
        assert code(reply) == (503, "service_unavailable") and reply.headers["retry-after"]
        assert (await admin.get(f"{path}/audio")).status == 200


class TestTranscodedUrl:
    async def test_downloads_what_is_made(self, harness: Harness, admin: Client, clock: SteppedClock) -> None:
        made = await signed(admin, "/360p")
        assert (made["size_bytes"], made["file_name"]) == (None, 'Ünter "Wegs" (2001) (360p).mp4')
        # Longer than the file itself.
        clock.pass_by(45 * 60)
        reply = await fetch(harness, made["url"])
        assert (reply.status, reply.headers["content-type"]) == (200, "video/mp4")
        assert reply.headers["content-disposition"].startswith('attachment; filename="Unter _Wegs_ (2001) (360p).mp4"')
        assert b"ftyp" in reply.body[:16] and b"moof" in reply.body
        clock.pass_by(16 * 60)
        assert (await fetch(harness, made["url"])).status == 401

    async def test_native_is_the_file_itself(self, harness: Harness, admin: Client, shelf: Shelf) -> None:
        made = await signed(admin, "/native")
        assert made["size_bytes"] == (shelf.root / NAME).stat().st_size
        assert (await fetch(harness, made["url"], Range="bytes=0-3")).status == 206


class TestFileNames:
    @pytest.mark.parametrize(
        ("name", "header"),
        [
            ("Film.mkv", 'attachment; filename="Film.mkv"'),
            ("日本.mkv", "attachment; filename=\"download.mkv\"; filename*=UTF-8''%E6%97%A5%E6%9C%AC.mkv"),
            ("a\r\nSet-Cookie: x=1.mp4", 'attachment; filename="a__Set-Cookie: x=1.mp4"'),
            ("../../etc/passwd", 'attachment; filename="_.._etc_passwd"'),
            ("a\\b/c.mp4", 'attachment; filename="a_b_c.mp4"'),
            ("..", 'attachment; filename="download"'),
            ("x" * 400 + ".mp4", f'attachment; filename="{"x" * 150}.mp4"'),
        ],
    )
    def test_lead_nowhere(self, name: str, header: str) -> None:
        assert content_disposition(name) == header


class TestClientsThatLeave:
    async def test_end_the_work(self, harness: Harness, shelf: Shelf) -> None:
        admin = await harness.user()
        codec = hls.h264(frames_between_keys=96)
        hls.encode_loop(shelf.root / "Long (2001).mkv", 10, *hls.pattern(12, "24", "640x360"), *codec)
        shelf.age(shelf.root / "Long (2001).mkv")
        await harness.library(admin, shelf.root)
        path = f"{await film(admin, 'long')}/transcode/compatible"
        sent = {"Authorization": f"Bearer {admin.token}"}
        async with listening(harness) as port, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            async with client.stream("GET", path, headers=sent) as answer:
                assert answer.status_code == 200 and "content-length" not in answer.headers
                assert await anext(answer.aiter_bytes())
                assert len(encoders()) == 1
            await until(lambda: not encoders())
        (run,) = (await admin.get("/api/admin/transcode-sessions")).json["items"]
        assert (run["state"], run["error"]) == ("completed", None)
