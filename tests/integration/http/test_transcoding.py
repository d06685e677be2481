"""Pools, settings and runs of encoders, as administrators see them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from dependency_injector import providers
from sqlalchemy import text

from odeion.adapters.ffmpeg.hardware import FfmpegEncoderProbe
from odeion.adapters.memory.transcoding import MemoryEncoderProbe
from odeion.application.transcoding.ports import GpuDevice, Lease, LeaseRequest, RunEnd, RunReport
from odeion.domain.identity.users import Permissions, Role
from odeion.domain.shared.errors import Invalid
from odeion.domain.shared.ids import LibraryId, MediaFileId, PlaybackSessionId
from odeion.domain.transcoding import Capabilities, PoolKind, Throughput, TranscodeKind, TranscodeState
from tests.harness import Client, Harness, Servers, Shelf, open_harness
from tests.media import make_sample

POOLS = "/api/admin/transcoding/pools"
SETTINGS = "/api/admin/transcoding/settings"
RUNS = "/api/admin/transcode-sessions"
GPU = GpuDevice(
    vendor="Intel",
    name="Intel 0x56a5",
    device="/dev/dri/renderD128",
    pci_address="0000:03:00.0",
    kinds=(PoolKind.QSV, PoolKind.VAAPI),
)


@pytest.fixture
async def harness(servers: Servers, tmp_path: Path) -> AsyncIterator[Harness]:
    probe = MemoryEncoderProbe({PoolKind.QSV: Capabilities(encoders=("h264",), decoders=("hevc",))}, [GPU])
    async with open_harness(servers, tmp_path, encoder_probe=providers.Object(probe)) as opened:
        yield opened


@pytest.fixture
async def admin(harness: Harness) -> Client:
    return await harness.user()


async def make(admin: Client, **changes: Any) -> Any:
    body = {"name": "Arc", "kind": "qsv", "device": "/dev/dri/renderD128", "max_sessions": 3, **changes}
    reply = await admin.post(POOLS, body)
    assert reply.status == 201, reply.json
    return reply.json


class TestPools:
    async def test_a_new_server_has_its_cpu(self, admin: Client) -> None:
        (pool,) = (await admin.get(POOLS)).json["items"]
        assert (pool["kind"], pool["device"], pool["enabled"], pool["live_sessions"]) == ("cpu", None, True, 0)
        assert pool["capabilities"]["encoders"] == ["h264", "hevc", "av1", "vp9"]

    async def test_a_gpu_is_tried_when_it_is_added_and_taken_first(self, admin: Client) -> None:
        made = await make(admin)
        assert made["capabilities"] == {"encoders": ["h264"], "decoders": ["hevc"], "tone_mapping": False, "errors": {}}
        assert made["probed_at"] and made["node"]
        assert [pool["name"] for pool in (await admin.get(POOLS)).json["items"]] == ["Arc", "CPU"]

    async def test_one_that_can_nothing_is_kept_with_the_reason(self, admin: Client) -> None:
        made = await make(admin, kind="nvenc", device="0")
        assert made["capabilities"]["encoders"] == []
        assert made["capabilities"]["errors"] == {"h264": "there is no such device"}

    async def test_changes(self, admin: Client) -> None:
        made = await make(admin)
        changed = await admin.put(f"{POOLS}/{made['id']}", {"max_sessions": 1, "enabled": False, "priority": 500})
        assert changed.status == 200
        assert {k: changed.json[k] for k in ("name", "max_sessions", "enabled", "priority")} == {
            "name": "Arc",
            "max_sessions": 1,
            "enabled": False,
            "priority": 500,
        }
        assert [pool["name"] for pool in (await admin.get(POOLS)).json["items"]] == ["CPU", "Arc"]

    async def test_is_tried_again(self, admin: Client) -> None:
        made = await make(admin)
        again = await admin.post(f"{POOLS}/{made['id']}/probe")
        assert again.status == 200
        assert again.json["probed_at"] > made["probed_at"]

    async def test_goes_away_unless_something_runs_on_it(self, harness: Harness, admin: Client, shelf: Shelf) -> None:
        made = await make(admin)
        lease = await a_run(harness, admin, shelf)
        assert lease.pool_id == made["id"]
        refused = await admin.delete(f"{POOLS}/{made['id']}")
        assert (refused.status, refused.json["error"]["code"]) == (409, "conflict")
        assert (await admin.get(POOLS)).json["items"][0]["live_sessions"] == 1
        await harness.container.encoder_leases().end(RunEnd(report=report(lease), state=TranscodeState.COMPLETED))
        assert (await admin.delete(f"{POOLS}/{made['id']}")).status == 204
        assert (await admin.delete(f"{POOLS}/{made['id']}")).status == 404

    @pytest.mark.parametrize(
        ("change", "status"),
        [
            ({"kind": "cpu"}, 422),
            ({"device": None}, 422),
            ({"device": "-vf;rm"}, 422),
            ({"kind": "abacus"}, 422),
            ({"max_sessions": 0}, 422),
            ({"name": ""}, 422),
            ({"name": "cpu", "kind": "nvenc", "device": "1"}, 409),
            ({"surprise": 1}, 422),
        ],
    )
    async def test_refuses_bad_input(self, admin: Client, change: dict[str, Any], status: int) -> None:
        body = {"name": "Arc", "kind": "qsv", "device": "/dev/dri/renderD128", "max_sessions": 3, **change}
        assert (await admin.post(POOLS, body)).status == status
        assert len((await admin.get(POOLS)).json["items"]) == 1

    async def test_a_device_has_one_pool(self, admin: Client) -> None:
        await make(admin)
        body = {"name": "Other", "kind": "qsv", "device": "/dev/dri/renderD128", "max_sessions": 3}
        assert (await admin.post(POOLS, body)).status == 409

    @pytest.mark.parametrize("method", ["PUT", "DELETE", "POST"])
    async def test_unknown_ones_are_not_found(self, admin: Client, method: str) -> None:
        path = f"{POOLS}/999999" + ("/probe" if method == "POST" else "")
        assert (await admin.call(method, path, {"name": "x"} if method == "PUT" else None)).status == 404

    async def test_gpus_say_what_they_can_be_bound_to(self, admin: Client) -> None:
        found = (await admin.get("/api/admin/transcoding/gpus")).json
        assert found["items"] == [
            {
                "vendor": "Intel",
                "name": "Intel 0x56a5",
                "device": "/dev/dri/renderD128",
                "pci_address": "0000:03:00.0",
                "kinds": ["qsv", "vaapi"],
            }
        ]


class TestProbe:
    """The real one, on a machine whose only sure device is its CPU."""

    async def test_the_cpu_encodes(self) -> None:
        found = await FfmpegEncoderProbe().probe(PoolKind.CPU, None)
        assert {"h264", "hevc", "av1", "vp9"} <= set(found.encoders)
        assert found.tone_mapping and not found.errors

    async def test_a_device_that_is_not_there_has_a_reason(self) -> None:
        found = await FfmpegEncoderProbe().probe(PoolKind.VAAPI, "/dev/dri/renderD199")
        assert found.encoders == () and found.decoders == ()
        assert found.errors["h264"]

    @pytest.mark.parametrize(
        ("kind", "device"),
        [
            (PoolKind.VAAPI, "/dev/dri/../sda"),
            (PoolKind.VAAPI, "/dev/dri/card0"),
            (PoolKind.QSV, "renderD128"),
            (PoolKind.NVENC, "-1"),
            (PoolKind.NVENC, "/dev/nvidia0"),
        ],
    )
    async def test_refuses_what_is_no_device(self, kind: PoolKind, device: str) -> None:
        with pytest.raises(Invalid):
            await FfmpegEncoderProbe().probe(kind, device)


class TestSettings:
    async def test_have_defaults_and_take_changes(self, admin: Client) -> None:
        defaults = (await admin.get(SETTINGS)).json
        assert (defaults["max_sessions"], defaults["hardware"], defaults["segment_length_s"]) == (None, "prefer", 2)
        changed = await admin.put(SETTINGS, {"max_sessions": 4, "hardware": "cpu_only"})
        assert changed.json == {**defaults, "max_sessions": 4, "hardware": "cpu_only"}
        assert (await admin.put(SETTINGS, {"max_sessions": None})).json == {**defaults, "hardware": "cpu_only"}
        assert (await admin.get(SETTINGS)).json["hardware"] == "cpu_only"

    @pytest.mark.parametrize(
        "body",
        [{"max_sessions": 0}, {"preset": "-x264opts"}, {"segment_length_s": 60}, {"hevc": "maybe"}, {"other": 1}],
    )
    async def test_refuse_bad_input(self, admin: Client, body: dict[str, Any]) -> None:
        before = (await admin.get(SETTINGS)).json
        assert (await admin.put(SETTINGS, body)).status == 422
        assert (await admin.get(SETTINGS)).json == before

    async def test_profiles_are_told(self, admin: Client) -> None:
        profiles = {p["name"]: p for p in (await admin.get("/api/admin/transcoding/profiles")).json["items"]}
        assert set(profiles) == {
            *("native", "4k", "hd", "mobile", "sd", "360p"),
            *("audio", "compatible", "hdr", "surround", "hdr-surround"),
        }
        assert profiles["mobile"]["video_bitrate_bps"] == 2_000_000
        assert (profiles["audio"]["video_codec"], profiles["hdr"]["video_codec"]) == (None, "copy")


async def a_run(harness: Harness, admin: Client, shelf: Shelf) -> Lease:
    """A lease as an encoder takes it, for a real file and a real playback session."""
    shelf.put("Film (2001).mp4")
    await harness.library(admin, shelf.root)
    (film,) = (await admin.get("/api/movies")).json["items"]
    session = await admin.post(
        "/api/playback/sessions",
        {"media_type": "movie", "media_id": film["id"], "capabilities": {"video_codecs": [], "audio_codecs": []}},
    )
    assert session.status == 201
    return await harness.container.encoder_leases().take(
        LeaseRequest(
            kind=TranscodeKind.LIVE,
            codec="h264",
            file_id=MediaFileId(session.json["file_id"]),
            stream_kind="video",
            output={"codec": "h264", "height": 72},
            first_segment=0,
            session_id=PlaybackSessionId(session.json["id"]),
        )
    )


def report(lease: Lease, session_id: int = 1) -> RunReport:
    moment = Throughput(elapsed_s=1.0, position_s=2.0, speed=2.0, bytes_made=10)
    return RunReport(
        lease_id=lease.id,
        next_segment=1,
        throughput=(moment,),
        sessions=(PlaybackSessionId(session_id),),
        stderr_tail="all is well",
    )


class TestRuns:
    async def test_are_listed_and_told_in_full(self, harness: Harness, admin: Client, shelf: Shelf) -> None:
        lease = await a_run(harness, admin, shelf)
        leases = harness.container.encoder_leases()
        await leases.started(lease.id, ["ffmpeg", "-i", "file:x"])
        await leases.beat([report(lease)])
        page = (await admin.get(f"{RUNS}?active_only=true")).json
        assert page["total_items"] == 1
        (listed,) = page["items"]
        assert (listed["state"], listed["file_name"], listed["speed"]) == ("running", "Film (2001).mp4", 2.0)
        detail = (await admin.get(f"{RUNS}/{lease.id}")).json
        assert detail["argv"] == ["ffmpeg", "-i", "file:x"]
        assert (detail["stderr_tail"], len(detail["throughput"])) == ("all is well", 1)
        assert detail["source"]["video"][0]["codec"] == "h264"
        assert [session["username"] for session in detail["sessions"]] == [admin.user["username"]]
        export = (await admin.get(f"{RUNS}/{lease.id}/export")).json
        assert export["transcode_session"] == detail and export["server_version"]

    async def test_are_filtered(self, harness: Harness, admin: Client, shelf: Shelf) -> None:
        lease = await a_run(harness, admin, shelf)
        await harness.container.encoder_leases().end(
            RunEnd(report=report(lease), state=TranscodeState.FAILED, exit_status=1, error="it broke")
        )
        for query, count in (("active_only=true", 0), ("state=failed", 1), ("state=completed", 0), ("file_id=1", 1)):
            assert (await admin.get(f"{RUNS}?{query}")).json["total_items"] == count, query
        assert (await admin.get(f"{RUNS}?state=sleepy")).status == 422

    async def test_are_cancelled_by_an_administrator(self, harness: Harness, admin: Client, shelf: Shelf) -> None:
        lease = await a_run(harness, admin, shelf)
        moderator = await harness.user(Role.MODERATOR)
        assert (await moderator.get(f"{RUNS}/{lease.id}")).status == 200
        assert (await moderator.post(f"{RUNS}/{lease.id}/cancel")).status == 403
        assert (await admin.post(f"{RUNS}/{lease.id}/cancel")).status == 200
        leases = harness.container.encoder_leases()
        assert (await leases.beat([report(lease)])).cancelled == {lease.id}
        await leases.end(RunEnd(report=report(lease), state=TranscodeState.CANCELLED))
        refused = await admin.post(f"{RUNS}/{lease.id}/cancel")
        assert (refused.status, refused.json["error"]["code"]) == (409, "conflict")

    async def test_unknown_ones_are_not_found(self, admin: Client) -> None:
        for method, path in (("GET", ""), ("GET", "/export"), ("POST", "/cancel")):
            assert (await admin.call(method, f"{RUNS}/999999{path}")).status == 404


class TestForecast:
    PATH = "/api/admin/transcoding/forecast"

    @pytest.fixture
    async def libraries(self, harness: Harness, admin: Client, tmp_path: Path, tiny_clip: Path) -> dict[str, int]:
        """Films as browsers have them, and films of an archive."""
        web, archive = (Shelf(tmp_path / name, tiny_clip) for name in ("web", "archive"))
        web.put("Film (2001).mp4")
        web.put("Other (2002).mp4")
        for name in ("hdr10.mkv", "ac3-surround.mkv", "mpeg4.avi"):
            sample = make_sample(name, archive.root)
            archive.age(sample)
        return {
            shelf.root.name: await harness.library(admin, shelf.root, name=shelf.root.name) for shelf in (web, archive)
        }

    async def test_counts_by_device_and_reason(self, admin: Client, libraries: dict[str, int]) -> None:
        items = {item["device"]: item for item in (await admin.get(self.PATH)).json["items"]}
        assert set(items) >= {"chrome", "firefox", "safari", "apple_tv", "android_tv", "chromecast", "generic_tv"}
        chrome = items["chrome"]
        counts = ("file_count", "direct_play", "remux", "transcode", "unplayable")
        assert [chrome[name] for name in counts] == [5, 2, 1, 2, 0]
        assert sum(group["file_count"] for group in chrome["groups"]) == 3
        (surround,) = [group for group in chrome["groups"] if group["mode"] == "remux"]
        assert "AC-3 audio is not supported by this client" in surround["reasons"]
        assert surround["conversions"] == [
            {"kind": "container", "source": "matroska", "target": "mp4"},
            {"kind": "sound", "source": "ac3", "target": "aac"},
        ]
        assert [example["file_name"] for example in surround["examples"]] == ["ac3-surround.mkv"]
        assert surround["duration_ms"] > 1000 and surround["size_bytes"] > 1000

    async def test_of_one_device_and_one_library(self, admin: Client, libraries: dict[str, int]) -> None:
        for library, count in (("web", 2), ("archive", 3)):
            reply = await admin.get(f"{self.PATH}?device=apple_tv&library_id={libraries[library]}")
            (forecast,) = reply.json["items"]
            assert (forecast["device"], forecast["file_count"]) == ("apple_tv", count)

    async def test_leaves_out_what_is_away_or_hidden(
        self, harness: Harness, admin: Client, libraries: dict[str, int], tmp_path: Path
    ) -> None:
        (tmp_path / "web" / "Other (2002).mp4").unlink()
        await harness.scan(admin, libraries["web"], accept_loss=True)
        assert (await admin.get(f"{self.PATH}?device=chrome")).json["items"][0]["file_count"] == 4
        seeing = Permissions(library_ids=frozenset({LibraryId(libraries["web"])}))
        moderator = await harness.user(Role.MODERATOR, permissions=seeing)
        assert (await moderator.get(f"{self.PATH}?device=chrome")).json["items"][0]["file_count"] == 1
        assert (await moderator.get(f"{self.PATH}?library_id={libraries['archive']}")).status == 404

    async def test_goes_by_the_track_that_players_take(
        self, harness: Harness, admin: Client, libraries: dict[str, int]
    ) -> None:
        tracks = [
            {"index": 1, "codec": "aac", "channels": 2, "sample_rate_hz": 48_000},
            {"index": 2, "codec": "dts", "channels": 6, "sample_rate_hz": 48_000, "is_default": True},
        ]
        statement = text("UPDATE media_files SET technical = jsonb_set(technical, '{audio}', CAST(:tracks AS jsonb))")
        async with harness.engine.begin() as connection:
            await connection.execute(statement, {"tracks": json.dumps(tracks)})
        (forecast,) = (await admin.get(f"{self.PATH}?device=chrome&library_id={libraries['web']}")).json["items"]
        (group,) = forecast["groups"]
        assert (group["file_count"], group["conversions"]) == (
            2,
            [{"kind": "sound", "source": "dts", "target": "aac"}],
        )

    @pytest.mark.parametrize(
        ("query", "status"), [("device=toaster", 422), ("library_id=0", 422), ("library_id=999999", 404)]
    )
    async def test_refuses_bad_input(self, admin: Client, query: str, status: int) -> None:
        assert (await admin.get(f"{self.PATH}?{query}")).status == status

    async def test_counts_many_files_by_kind(self, harness: Harness, admin: Client, libraries: dict[str, int]) -> None:
        async with harness.engine.begin() as connection:
            await connection.execute(
                text(
                    "INSERT INTO media_files (library_id, root_id, relative_path, size_bytes, mtime_ns, inode, state,"
                    " technical, container, duration_ms, added_at) SELECT library_id, root_id,"
                    " relative_path || convert_to(n::text, 'UTF8'), size_bytes, mtime_ns, n, state,"
                    " technical, container, duration_ms, added_at FROM media_files, generate_series(1, 400) n"
                )
            )
        (forecast,) = (await admin.get(f"{self.PATH}?device=chrome")).json["items"]
        assert (forecast["file_count"], forecast["direct_play"]) == (5 * 401, 2 * 401)
        assert all(len(group["examples"]) <= 5 for group in forecast["groups"])
