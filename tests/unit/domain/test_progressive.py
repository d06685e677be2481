"""What a profile makes of a file that is fetched as a whole."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from odeion.domain.media_file import HdrFormat, TechnicalInfo
from odeion.domain.playback.plan import Treatment
from odeion.domain.playback.policy import ServerPolicy
from odeion.domain.playback.profiles import PROFILES, ProfileName
from odeion.domain.playback.progressive import ProgressivePlan, plan_progressive
from odeion.domain.shared.errors import Conflict
from tests.unit.domain.test_playback import AAC, AC3, DTS, H264, UHD_HDR, film

MATROSKA = "matroska,webm"


def plan(technical: TechnicalInfo, profile: ProfileName, policy: ServerPolicy = ServerPolicy()) -> ProgressivePlan:  # noqa: B008
    return plan_progressive(technical, next(p for p in PROFILES if p.name is profile), policy)


def treatments(made: ProgressivePlan) -> list[tuple[Treatment, str]]:
    return [(part.treatment, part.codec) for part in (made.video, made.audio) if part is not None]


COPY, TRANSCODE = Treatment.COPY, Treatment.TRANSCODE
STEREO = replace(AAC, bitrate_bps=160_000)


class TestLadder:
    def test_what_is_small_enough_already_is_copied(self) -> None:
        made = plan(film(audio=(STEREO,)), ProfileName.HD)
        assert treatments(made) == [(COPY, "h264"), (COPY, "aac")]
        assert (made.media_type, made.extension) == ("video/mp4", "mp4")

    @pytest.mark.parametrize(
        "picture",
        [
            replace(H264, codec="hevc"),
            replace(H264, bit_depth=10),
            replace(H264, interlaced=True),
            replace(H264, rotation_degrees=90),
            replace(H264, height=1200),
            replace(H264, bitrate_bps=13_000_000),
            replace(H264, hdr=HdrFormat.HLG),
        ],
    )
    def test_what_is_not_is_converted(self, picture: object) -> None:
        assert treatments(plan(film(video=(picture,)), ProfileName.HD))[0] == (TRANSCODE, "h264")

    def test_sound_of_unknown_rate_is_converted(self) -> None:
        assert treatments(plan(film(audio=(AAC,)), ProfileName.MOBILE))[1] == (TRANSCODE, "aac")

    def test_pictures_get_the_size_and_rate_of_the_profile(self) -> None:
        video = plan(film(MATROSKA, video=(UHD_HDR,)), ProfileName.MOBILE).video
        assert video is not None
        assert (video.width, video.height, video.bitrate_bps, video.tone_map) == (1280, 720, 2_000_000, True)

    def test_none_is_made_larger(self) -> None:
        video = plan(film(video=(replace(H264, codec="vp8", width=720, height=576),)), ProfileName.UHD).video
        assert video is not None and (video.width, video.height) == (720, 576)

    def test_squashed_pixels_become_square(self) -> None:
        picture = replace(H264, codec="mpeg2video", width=720, height=576, sample_aspect_ratio=Fraction(16, 15))
        video = plan(film(video=(picture,)), ProfileName.SD).video
        assert video is not None and (video.width, video.height) == (640, 480)

    def test_the_servers_ceilings_hold(self) -> None:
        policy = ServerPolicy(max_height=480, max_video_bitrate_bps=700_000)
        video = plan(film(video=(UHD_HDR,)), ProfileName.HD, policy).video
        assert video is not None and (video.height, video.bitrate_bps) == (480, 700_000)

    def test_pictures_of_old_containers_are_not_copied(self) -> None:
        assert treatments(plan(film("avi"), ProfileName.HD))[0] == (TRANSCODE, "h264")


class TestOthers:
    def test_sound_alone(self) -> None:
        made = plan(film(audio=(DTS,)), ProfileName.AUDIO)
        assert treatments(made) == [(TRANSCODE, "aac")]
        assert (made.media_type, made.extension) == ("audio/mp4", "m4a")
        assert made.audio is not None and (made.audio.channels, made.audio.bitrate_bps) == (2, 192_000)

    def test_the_default_track_is_taken(self) -> None:
        made = plan(film(audio=(AC3, STEREO)), ProfileName.AUDIO)
        assert made.audio is not None and made.audio.stream_index == STEREO.index

    def test_compatible_is_webm_of_the_sources_size(self) -> None:
        made = plan(film(MATROSKA, video=(UHD_HDR,), audio=(DTS,)), ProfileName.COMPATIBLE)
        assert treatments(made) == [(TRANSCODE, "vp9"), (TRANSCODE, "opus")]
        assert made.media_type == "video/webm"
        assert made.video is not None and (made.video.height, made.video.bitrate_bps) == (2160, 4_000_000)

    def test_hdr_keeps_the_picture(self) -> None:
        made = plan(film(MATROSKA, video=(UHD_HDR,), audio=(DTS,)), ProfileName.HDR)
        assert treatments(made) == [(COPY, "hevc"), (TRANSCODE, "aac")]

    @pytest.mark.parametrize("sound", [DTS, AC3])
    def test_surround_keeps_the_sound(self, sound: object) -> None:
        made = plan(film(MATROSKA, video=(UHD_HDR,), audio=(sound,)), ProfileName.SURROUND)
        assert treatments(made) == [(TRANSCODE, "h264"), (COPY, sound.codec)]  # type: ignore[attr-defined]
        made = plan(film(MATROSKA, video=(UHD_HDR,), audio=(sound,)), ProfileName.HDR_SURROUND)
        assert [treatment for treatment, _ in treatments(made)] == [COPY, COPY]

    def test_a_film_without_sound(self) -> None:
        assert plan(film(audio=()), ProfileName.HD).audio is None


class TestRefusals:
    def test_sound_that_mp4_cannot_hold(self) -> None:
        with pytest.raises(Conflict, match="truehd sound"):
            plan(film(MATROSKA, audio=(replace(DTS, codec="truehd"),)), ProfileName.SURROUND)

    @pytest.mark.parametrize(("container", "codec"), [(MATROSKA, "vp8"), ("avi", "h264")])
    def test_pictures_that_cannot_be_copied(self, container: str, codec: str) -> None:
        with pytest.raises(Conflict, match=f"{codec} pictures"):
            plan(film(container, video=(replace(H264, codec=codec),)), ProfileName.HDR)

    def test_sound_alone_of_a_silent_film(self) -> None:
        with pytest.raises(Conflict):
            plan(film(audio=()), ProfileName.AUDIO)
