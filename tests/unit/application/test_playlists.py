"""Master playlists say what is there, and all of it."""

from __future__ import annotations

import re
from dataclasses import replace

from odeion.application.playback import playlists
from odeion.application.playback.ports import RenditionFacts, SegmentGrid
from odeion.domain.playback.plan import AudioPlan, PlaybackPlan, PlayMode, Treatment, VideoPlan

COPIED = VideoPlan(stream_index=0, treatment=Treatment.COPY, source_codec="h264", codec="h264", width=1920, height=1080)
RUNG = replace(COPIED, treatment=Treatment.TRANSCODE, width=1280, height=720, rung="mobile", bitrate_bps=2_000_000)
SOUND = AudioPlan(
    stream_index=1,
    treatment=Treatment.COPY,
    source_codec="aac",
    codec="aac",
    channels=2,
    label="English",
    selected=True,
)
PLAN = PlaybackPlan(mode=PlayMode.REMUX, video=COPIED, audio=(SOUND,), subtitles=(), rungs=(RUNG,))


def facts(**changes: object) -> RenditionFacts:
    values = {
        "codecs": "avc1.640028",
        "bandwidth_bps": 9_000_000,
        "average_bandwidth_bps": 6_000_000,
        "width": 1920,
        "height": 1080,
        "frame_rate": 23.976,
        "video_range": "SDR",
        "keyframe_bandwidth_bps": 500_000,
        **changes,
    }
    return RenditionFacts(**values)  # type: ignore[arg-type]


def attributes(line: str) -> dict[str, str]:
    return dict(re.findall(r'([A-Z-]+)=("[^"]*"|[^,]*)', line.partition(":")[2]))


def master() -> list[str]:
    video = [
        (COPIED, facts()),
        (
            RUNG,
            facts(
                bandwidth_bps=4_000_000,
                average_bandwidth_bps=2_000_000,
                width=1280,
                height=720,
                keyframe_bandwidth_bps=None,
            ),
        ),
    ]
    sound = RenditionFacts(codecs="mp4a.40.2", bandwidth_bps=200_000, average_bandwidth_bps=190_000)
    return playlists.master(PLAN, video, [(SOUND, sound)]).splitlines()


class TestMaster:
    def test_begins_with_the_best_and_offers_the_rungs_below(self) -> None:
        lines = master()
        variants = [position for position, line in enumerate(lines) if line.startswith("#EXT-X-STREAM-INF")]
        assert [lines[position + 1] for position in variants] == ["video/index.m3u8", "video-mobile/index.m3u8"]
        first, second = (attributes(lines[position]) for position in variants)
        assert first == {
            "BANDWIDTH": "9200000",
            "AVERAGE-BANDWIDTH": "6190000",
            "CODECS": '"avc1.640028,mp4a.40.2"',
            "RESOLUTION": "1920x1080",
            "FRAME-RATE": "23.976",
            "VIDEO-RANGE": "SDR",
            "AUDIO": '"audio"',
        }
        assert (second["BANDWIDTH"], second["RESOLUTION"]) == ("4200000", "1280x720")

    def test_has_the_keyframes_of_what_is_copied(self) -> None:
        (line,) = [line for line in master() if line.startswith("#EXT-X-I-FRAME-STREAM-INF")]
        assert attributes(line) == {
            "BANDWIDTH": "500000",
            "CODECS": '"avc1.640028"',
            "RESOLUTION": "1920x1080",
            "VIDEO-RANGE": "SDR",
            "URI": '"video/keyframes.m3u8"',
        }


def test_a_keyframe_playlist_lists_each_by_itself() -> None:
    playlist = playlists.keyframes(SegmentGrid((0.0, 2.0, 6.0), 8.5)).splitlines()
    assert "#EXT-X-I-FRAMES-ONLY" in playlist
    assert [line for line in playlist if line.startswith("keyframes/")] == [f"keyframes/{n}.m4s" for n in range(3)]
    assert [line for line in playlist if line.startswith("#EXTINF")] == [
        "#EXTINF:2.000000,",
        "#EXTINF:4.000000,",
        "#EXTINF:2.500000,",
    ]
