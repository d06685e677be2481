"""Deciding how to play, and the life of a session."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest

from odeion.domain.catalog import MediaRef, PlayableType
from odeion.domain.media_file import (
    AudioStream,
    FileStructure,
    GroupsOfPictures,
    HdrFormat,
    SidecarSubtitle,
    SubtitleStream,
    TechnicalInfo,
    VideoStream,
)
from odeion.domain.playback.capabilities import AudioCapability, ClientCapabilities, PlaybackOptions, VideoCapability
from odeion.domain.playback.decision import decide, qualities
from odeion.domain.playback.plan import PlaybackPlan, PlayMode, Treatment
from odeion.domain.playback.policy import ServerPolicy
from odeion.domain.playback.profiles import ProfileName
from odeion.domain.playback.session import EndReason, PlaybackEnded, PlaybackSession
from odeion.domain.shared.errors import Conflict, Gone, Invalid
from odeion.domain.shared.ids import LoginSessionId, MediaFileId, PlaybackSessionId, UserId

NOW = datetime(2026, 1, 2, tzinfo=UTC)

H264 = VideoStream(
    index=0, codec="h264", width=1920, height=1080, bit_depth=8, frame_rate=Fraction(24), bitrate_bps=6_000_000
)
AAC = AudioStream(index=1, codec="aac", channels=2, sample_rate_hz=48_000, language="eng", is_default=True)
AC3 = AudioStream(index=2, codec="ac3", channels=6, sample_rate_hz=48_000, language="ger")
DTS = AudioStream(index=1, codec="dts", channels=6, sample_rate_hz=48_000, language="eng", is_default=True)
SRT = SubtitleStream(index=3, codec="subrip", is_text=True, language="eng")
PGS = SubtitleStream(index=4, codec="hdmv_pgs_subtitle", is_text=False, language="eng")

BROWSER = ClientCapabilities(
    containers=frozenset({"mp4", "webm"}),
    video=(
        VideoCapability(codec="h264", max_height=2160),
        VideoCapability(codec="vp9", max_bit_depth=10),
        VideoCapability(codec="av1", max_bit_depth=10),
    ),
    audio=(AudioCapability(codec="aac", max_channels=6), AudioCapability(codec="opus"), AudioCapability(codec="flac")),
)


def film(container: str = "mov,mp4,m4a,3gp,3g2,mj2", **changes: object) -> TechnicalInfo:
    values = {"duration_ms": 5_400_000, "video": (H264,), "audio": (AAC,), "bitrate_bps": 6_200_000, **changes}
    return TechnicalInfo(container=container, **values)  # type: ignore[arg-type]


def plan(
    technical: TechnicalInfo,
    capabilities: ClientCapabilities = BROWSER,
    sidecars: tuple[SidecarSubtitle, ...] = (),
    policy: ServerPolicy = ServerPolicy(),  # noqa: B008
    **options: object,
) -> PlaybackPlan:
    return decide(technical, sidecars, capabilities, PlaybackOptions(**options), policy)  # type: ignore[arg-type]


HDR_TV = ClientCapabilities(
    video=(VideoCapability(codec="hevc", max_bit_depth=10, max_height=2160), VideoCapability(codec="h264")),
    audio=(AudioCapability(codec="aac"), AudioCapability(codec="eac3")),
    hdr=frozenset({HdrFormat.HDR10}),
)
UHD_HDR = replace(
    H264, codec="hevc", width=3840, height=2160, bit_depth=10, hdr=HdrFormat.HDR10, bitrate_bps=40_000_000
)


class TestRungs:
    def test_a_player_may_go_down_from_what_it_begins_with(self) -> None:
        decided = plan(film("matroska,webm"))
        assert decided.video is not None and decided.video.treatment is Treatment.COPY
        assert [(rung.rung, rung.height, rung.treatment) for rung in decided.rungs] == [
            ("mobile", 720, Treatment.TRANSCODE),
            ("sd", 480, Treatment.TRANSCODE),
            ("360p", 360, Treatment.TRANSCODE),
        ]

    def test_a_chosen_quality_stands_alone(self) -> None:
        assert plan(film("matroska,webm"), profile=ProfileName.SD).rungs == ()
        assert plan(film()).rungs == ()

    def test_none_is_larger_than_the_picture(self) -> None:
        small = replace(H264, width=640, height=360)
        assert plan(film("matroska,webm", video=(small,))).rungs == ()

    def test_burnt_in_subtitles_are_in_all_of_them(self) -> None:
        decided = plan(film("matroska,webm", subtitles=(PGS,)), subtitle_key="stream:4")
        assert {rung.burn_in for rung in decided.rungs} == {"stream:4"}

    def test_hdr_comes_down_to_sdr_where_h264_is_made(self) -> None:
        decided = plan(film("matroska,webm", video=(UHD_HDR,)), HDR_TV)
        assert decided.video is not None and decided.video.treatment is Treatment.COPY
        assert decided.rungs and all(rung.tone_map and not rung.keeps_hdr for rung in decided.rungs)


class TestServerPolicy:
    def test_nothing_is_made_larger_than_the_ceiling(self) -> None:
        policy = ServerPolicy(max_height=720, max_video_bitrate_bps=1_500_000)
        decided = plan(film(video=(replace(H264, codec="mpeg2video"),)), policy=policy)
        assert decided.video is not None
        assert decided.video.height <= 720 and (decided.video.bitrate_bps or 0) <= 1_500_000

    def test_hevc_is_made_for_who_decodes_it_where_the_server_offers_it(self) -> None:
        source = film(video=(replace(H264, codec="mpeg2video"),))
        tv = replace(HDR_TV, containers=frozenset())
        codecs = {
            offered: plan(source, tv, policy=ServerPolicy(hevc=offered, av1=True)).video for offered in (False, True)
        }
        assert {offered: video.codec for offered, video in codecs.items() if video} == {False: "h264", True: "hevc"}
        browser = plan(source, policy=ServerPolicy(hevc=True)).video
        assert browser is not None and browser.codec == "h264"

    def test_av1_is_thriftier_still(self) -> None:
        video = plan(film(video=(replace(H264, codec="mpeg2video"),)), policy=ServerPolicy(hevc=True, av1=True)).video
        assert video is not None
        assert (video.codec, video.bitrate_bps) == ("av1", 4_000_000)

    def test_hdr_is_kept_for_who_shows_it(self) -> None:
        limited = replace(HDR_TV, max_bitrate_bps=10_000_000)
        source = film("matroska,webm", video=(UHD_HDR,))
        kept, lost = (plan(source, limited, policy=ServerPolicy(hevc=hevc)).video for hevc in (True, False))
        assert kept is not None and lost is not None
        assert (kept.codec, kept.keeps_hdr, kept.tone_map) == ("hevc", True, False)
        assert (lost.codec, lost.keeps_hdr, lost.tone_map) == ("h264", False, True)

    def test_hdr_is_not_kept_where_subtitles_are_painted_in(self) -> None:
        uhd = film("matroska,webm", video=(replace(UHD_HDR, interlaced=True),), subtitles=(PGS,))
        offered = ServerPolicy(hevc=True)
        assert plan(uhd, HDR_TV, policy=offered).video.keeps_hdr  # type: ignore[union-attr]
        painted = plan(uhd, HDR_TV, policy=offered, subtitle_key="stream:4").video
        assert painted is not None and painted.tone_map and not painted.keeps_hdr

    def test_segments_are_as_long_as_the_server_says(self) -> None:
        video = plan(film(video=(replace(H264, codec="mpeg2video"),)), policy=ServerPolicy(segment_length_s=4)).video
        assert video is not None and video.segment_length_s == 4

    def test_a_client_without_h264_gets_what_it_decodes(self) -> None:
        only_hevc = ClientCapabilities(video=(VideoCapability(codec="hevc"),), audio=(AudioCapability(codec="aac"),))
        video = plan(film(video=(replace(H264, codec="mpeg2video"),)), only_hevc).video
        assert video is not None and video.codec == "hevc"


class TestSegments:
    @pytest.mark.parametrize(("segments", "treatment"), [(True, Treatment.COPY), (False, Treatment.TRANSCODE)])
    def test_sound_that_a_client_decodes_in_files_only_is_converted_for_hls(
        self, segments: bool, treatment: Treatment
    ) -> None:
        mp3 = replace(AAC, codec="mp3")
        client = replace(BROWSER, audio=(AudioCapability(codec="mp3", segments=segments), AudioCapability(codec="aac")))
        assert plan(film(audio=(mp3,)), client).mode is PlayMode.DIRECT_PLAY
        assert plan(film("matroska,webm", audio=(mp3,)), client).audio[0].treatment is treatment


class TestLoudness:
    def test_is_evened_out_on_wish_by_converting_the_chosen_sound(self) -> None:
        decided = plan(film(audio=(AAC, AC3)), normalize_loudness=True)
        assert decided.mode is PlayMode.REMUX
        assert decided.reasons == ("the loudness is evened out",)
        assert [(audio.treatment, audio.normalize) for audio in decided.audio] == [
            (Treatment.TRANSCODE, True),
            (Treatment.TRANSCODE, False),
        ]


class TestDirectPlay:
    def test_a_file_the_client_knows_goes_through_as_it_is(self) -> None:
        decided = plan(film())
        assert decided.mode is PlayMode.DIRECT_PLAY
        assert decided.reasons == ()

    def test_webm_is_matroska_with_webm_codecs(self) -> None:
        vp9 = replace(H264, codec="vp9")
        opus = replace(AAC, codec="opus")
        assert plan(film("matroska,webm", video=(vp9,), audio=(opus,))).mode is PlayMode.DIRECT_PLAY

    def test_matroska_with_h264_is_not_webm(self) -> None:
        decided = plan(film("matroska,webm"))
        assert decided.mode is PlayMode.REMUX
        assert decided.reasons == ("the container (matroska) is not supported by this client",)

    def test_another_audio_track_than_the_first_cannot_be_chosen_in_a_browser(self) -> None:
        two = film(audio=(AAC, replace(AAC, index=2, is_default=False, language="ger")))
        assert plan(two).mode is PlayMode.DIRECT_PLAY
        assert plan(two, audio_stream_index=2).mode is PlayMode.REMUX

    def test_an_unplayable_track_nobody_chose_does_not_matter(self) -> None:
        assert plan(film(audio=(AAC, AC3))).mode is PlayMode.DIRECT_PLAY

    def test_a_film_without_sound(self) -> None:
        assert plan(film(audio=())).mode is PlayMode.DIRECT_PLAY


class TestRemux:
    def test_only_the_audio_is_converted_when_only_it_does_not_suit(self) -> None:
        decided = plan(film("matroska,webm", audio=(DTS,)))
        assert decided.mode is PlayMode.REMUX
        assert decided.video is not None and decided.video.treatment is Treatment.COPY
        assert decided.audio[0].treatment is Treatment.TRANSCODE
        assert decided.audio[0].codec == "aac"
        assert decided.audio[0].reasons == ("DTS audio is not supported by this client",)

    def test_surround_stays_where_the_client_takes_it(self) -> None:
        assert plan(film(audio=(DTS,))).audio[0].channels == 6

    def test_surround_is_mixed_down_where_it_does_not(self) -> None:
        stereo = replace(BROWSER, audio=(AudioCapability(codec="aac", max_channels=2),))
        assert plan(film(audio=(DTS,)), stereo).audio[0].channels == 2

    def test_more_channels_than_the_client_takes_are_converted(self) -> None:
        stereo = replace(BROWSER, audio=(AudioCapability(codec="aac", max_channels=2),))
        surround = replace(AAC, channels=6)
        assert plan(film(audio=(surround,)), stereo).audio[0].treatment is Treatment.TRANSCODE

    @pytest.mark.parametrize("container", ["mpeg", "avi"])
    def test_containers_that_cannot_be_cut_exactly_are_transcoded(self, container: str) -> None:
        decided = plan(film(container))
        assert decided.mode is PlayMode.TRANSCODE
        assert decided.video is not None and "repackaged" in decided.video.reasons[0]


class TestOpenGroupsOfPictures:
    CHROMIUM = replace(BROWSER, open_groups=False)

    def plan(self, groups: GroupsOfPictures | None, container: str, capabilities: ClientCapabilities) -> PlaybackPlan:
        return decide(film(container), (), capabilities, PlaybackOptions(), structure=FileStructure(groups=groups))

    @pytest.mark.parametrize("container", ["mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm"])
    def test_are_converted_for_who_cannot_begin_in_them(self, container: str) -> None:
        decided = self.plan(GroupsOfPictures.OPEN, container, self.CHROMIUM)
        assert decided.mode is PlayMode.TRANSCODE
        assert decided.video and "open groups of pictures" in decided.video.reasons[0]

    def test_with_closed_ones_among_them_are_cut_at_these(self) -> None:
        decided = self.plan(GroupsOfPictures.MIXED, "mov,mp4,m4a,3gp,3g2,mj2", self.CHROMIUM)
        assert decided.mode is PlayMode.REMUX
        assert decided.video and decided.video.treatment is Treatment.COPY
        assert "open groups of pictures" in decided.reasons[0]

    @pytest.mark.parametrize("groups", [GroupsOfPictures.CLOSED, None])
    def test_that_are_not_there_or_not_known_change_nothing(self, groups: GroupsOfPictures | None) -> None:
        assert self.plan(groups, "mov,mp4,m4a,3gp,3g2,mj2", self.CHROMIUM).mode is PlayMode.DIRECT_PLAY
        assert self.plan(groups, "matroska,webm", self.CHROMIUM).mode is PlayMode.REMUX

    @pytest.mark.parametrize("groups", [GroupsOfPictures.OPEN, GroupsOfPictures.MIXED])
    def test_do_not_matter_to_others(self, groups: GroupsOfPictures) -> None:
        assert self.plan(groups, "mov,mp4,m4a,3gp,3g2,mj2", BROWSER).mode is PlayMode.DIRECT_PLAY


class TestSoundWithHoles:
    REASON = "the sound has holes, behind which browsers play it too early: they are filled"

    @staticmethod
    def plan(capabilities: ClientCapabilities = BROWSER, **options: object) -> PlaybackPlan:
        wanted = PlaybackOptions(**options)  # type: ignore[arg-type]
        return decide(
            film(audio=(AAC, replace(AAC, index=2, is_default=False))),
            (),
            capabilities,
            wanted,
            structure=FileStructure(holes=(1,)),
        )

    def test_is_repackaged(self) -> None:
        decided = self.plan()
        assert decided.mode is PlayMode.REMUX
        assert decided.audio[0].treatment is Treatment.COPY
        assert decided.reasons == (self.REASON,)

    def test_that_is_not_heard_is_no_reason(self) -> None:
        assert self.REASON not in self.plan(audio_stream_index=2).reasons

    def test_is_played_as_it_is_where_there_is_no_other_way(self) -> None:
        assert self.plan(replace(BROWSER, hls=False)).mode is PlayMode.DIRECT_PLAY


class TestStreamsThatCannotBeCut:
    TV = replace(
        BROWSER, containers=BROWSER.containers | {"mpegts"}, audio=(*BROWSER.audio, AudioCapability(codec="ac3"))
    )
    REASON = "the stream cannot be repackaged: timestamps that jump"

    @staticmethod
    def plan(refused: dict[int, str], capabilities: ClientCapabilities = BROWSER, **options: object) -> PlaybackPlan:
        technical = film("mpegts", audio=(AAC, AC3))
        wanted = PlaybackOptions(**options)  # type: ignore[arg-type]
        return decide(technical, (), capabilities, wanted, structure=FileStructure(refused=refused))

    def test_are_converted(self) -> None:
        decided = self.plan({0: "timestamps that jump"})
        assert decided.mode is PlayMode.TRANSCODE
        assert decided.video is not None
        assert (decided.video.codec, decided.video.height, decided.video.reasons) == ("h264", 1080, (self.REASON,))
        assert decided.reasons == ("the container (mpegts) is not supported by this client", self.REASON)
        assert decided.audio[0].treatment is Treatment.COPY
        assert [rung.height for rung in decided.rungs] == [720, 480, 360]

    def test_of_sound_leave_the_picture_alone(self) -> None:
        decided = self.plan({1: "timestamps that jump"})
        assert decided.mode is PlayMode.REMUX
        assert [(a.treatment, a.codec, a.reasons) for a in decided.audio[:1]] == [
            (Treatment.TRANSCODE, "aac", (self.REASON,))
        ]
        assert self.REASON in decided.reasons

    def test_of_sound_that_is_not_heard_are_no_reason(self) -> None:
        tv = replace(self.TV, containers=frozenset())
        decided = self.plan({2: "timestamps that jump"}, tv)
        assert [audio.treatment for audio in decided.audio] == [Treatment.COPY, Treatment.TRANSCODE]
        assert self.REASON not in decided.reasons
        assert self.REASON in self.plan({2: "timestamps that jump"}, tv, audio_stream_index=2).reasons

    def test_do_not_matter_to_who_plays_the_file(self) -> None:
        assert self.plan({0: "timestamps that jump"}, self.TV).mode is PlayMode.DIRECT_PLAY

    def test_are_converted_for_the_first_reason_there_is(self) -> None:
        decided = self.plan({0: "timestamps that jump"}, profile=ProfileName.SD)
        assert decided.video is not None
        assert self.REASON not in decided.video.reasons


class TestTranscode:
    def test_an_unknown_codec(self) -> None:
        hevc = replace(H264, codec="hevc")
        decided = plan(film(video=(hevc,)))
        assert decided.mode is PlayMode.TRANSCODE
        assert decided.video is not None and decided.video.codec == "h264"
        assert decided.video.reasons == ("HEVC video is not supported by this client",)

    def test_a_known_codec_of_too_many_bits(self) -> None:
        ten_bit = replace(H264, bit_depth=10)
        assert plan(film(video=(ten_bit,))).reasons == ("10-bit H.264 video is not supported by this client",)

    def test_too_large_a_picture(self) -> None:
        small = replace(BROWSER, video=(VideoCapability(codec="h264", max_height=720),), max_height=720)
        decided = plan(film(), small)
        assert decided.video is not None and decided.video.height == 720

    def test_hdr_is_tone_mapped_for_those_who_cannot_show_it(self) -> None:
        hdr = replace(H264, codec="vp9", bit_depth=10, hdr=HdrFormat.HDR10)
        decided = plan(film("matroska,webm", video=(hdr,)))
        assert decided.video is not None and decided.video.tone_map

    def test_hdr_is_kept_for_those_who_can(self) -> None:
        hdr = replace(H264, codec="vp9", bit_depth=10, hdr=HdrFormat.HDR10)
        able = replace(BROWSER, hdr=frozenset({HdrFormat.HDR10}))
        assert plan(film("matroska,webm", video=(hdr,)), able).mode is PlayMode.REMUX

    def test_interlaced_pictures_are_woven(self) -> None:
        decided = plan(film(video=(replace(H264, interlaced=True),)))
        assert decided.video is not None and decided.video.deinterlace

    @pytest.mark.parametrize(
        ("profile", "height", "rate"),
        [(ProfileName.MOBILE, 720, 2_000_000), (ProfileName.SD, 480, 1_000_000), (ProfileName.LOW, 360, 600_000)],
    )
    def test_a_chosen_profile(self, profile: ProfileName, height: int, rate: int) -> None:
        decided = plan(film(), profile=profile)
        assert decided.video is not None
        assert (decided.video.height, decided.video.bitrate_bps) == (height, rate)

    def test_a_profile_above_the_source_changes_nothing(self) -> None:
        assert plan(film(), profile=ProfileName.HD).mode is PlayMode.DIRECT_PLAY

    def test_a_limited_line_takes_a_smaller_picture(self) -> None:
        decided = plan(film(), replace(BROWSER, max_bitrate_bps=2_500_000))
        assert decided.video is not None
        assert (decided.video.height, decided.video.bitrate_bps) == (720, 2_000_000)

    def test_a_rotated_picture_stands_upright(self) -> None:
        portrait = replace(H264, codec="hevc", rotation_degrees=90)
        decided = plan(film(video=(portrait,)))
        assert decided.video is not None and decided.video.width < decided.video.height

    def test_pixels_that_are_not_square_become_square(self) -> None:
        anamorphic = replace(H264, codec="mpeg2video", width=720, height=576, sample_aspect_ratio=Fraction(64, 45))
        decided = plan(film("mpegts", video=(anamorphic,)))
        assert decided.video is not None and (decided.video.width, decided.video.height) == (1024, 576)

    @pytest.mark.parametrize(
        ("limits", "size"),
        [
            ({"max_width": 1920}, (1920, 800)),
            ({"max_height": 720}, (1728, 720)),
            ({"max_width": 1280, "max_height": 720}, (1280, 534)),
            ({}, (2592, 1080)),
        ],
    )
    def test_a_wide_picture_keeps_within_what_the_client_decodes(
        self, limits: dict[str, int], size: tuple[int, int]
    ) -> None:
        wide = replace(H264, codec="hevc", width=3840, height=1600)
        client = replace(BROWSER, video=(VideoCapability(codec="h264", **limits),))
        decided = plan(film(video=(wide,)), client)
        assert decided.video and (decided.video.width, decided.video.height) == size
        assert all(rung.width < size[0] and rung.height < size[1] for rung in decided.rungs)

    def test_the_widest_of_several_limits_counts(self) -> None:
        wide = replace(H264, codec="hevc", width=3840, height=1600)
        known = (VideoCapability(codec="h264", max_width=640), VideoCapability(codec="h264", max_width=1280))
        decided = plan(film(video=(wide,)), replace(BROWSER, video=known))
        assert decided.video and decided.video.width == 1280
        # At the rate that suits it.
        assert decided.video.rung == "mobile"

    def test_sizes_are_even(self) -> None:
        odd = replace(H264, codec="hevc", width=853, height=481)
        decided = plan(film(video=(odd,)))
        assert decided.video is not None and decided.video.width % 2 == decided.video.height % 2 == 0


class TestSubtitles:
    def test_text_becomes_webvtt_beside_the_picture(self) -> None:
        decided = plan(film(subtitles=(SRT,)))
        assert decided.mode is PlayMode.DIRECT_PLAY
        assert decided.subtitles[0].treatment is Treatment.CONVERT

    def test_pictures_are_painted_in_when_chosen(self) -> None:
        decided = plan(film(subtitles=(PGS,)), subtitle_key="stream:4")
        assert decided.mode is PlayMode.TRANSCODE
        assert decided.video is not None and decided.video.burn_in == "stream:4"

    def test_pictures_nobody_chose_are_left_out(self) -> None:
        decided = plan(film(subtitles=(PGS,)))
        assert decided.mode is PlayMode.DIRECT_PLAY
        assert decided.subtitles[0].treatment is Treatment.DROP

    def test_text_is_painted_in_on_wish(self) -> None:
        styled = SubtitleStream(index=5, codec="ass", is_text=True, language="eng")
        decided = plan(film(subtitles=(SRT, styled)), subtitle_key="stream:5", burn_in=True)
        assert decided.mode is PlayMode.TRANSCODE
        assert decided.video is not None and decided.video.burn_in == "stream:5"
        assert [s.treatment for s in decided.subtitles] == [Treatment.CONVERT, Treatment.BURN_IN]

    def test_text_of_a_file_beside_the_film_is_painted_in_on_wish(self) -> None:
        beside = SidecarSubtitle(relative_path="Film.ass", format="ass")
        decided = plan(film(), sidecars=(beside, beside), subtitle_key="sidecar:1", burn_in=True)
        assert decided.video is not None and decided.video.burn_in == "sidecar:1"
        assert [s.treatment for s in decided.subtitles] == [Treatment.CONVERT, Treatment.BURN_IN]

    def test_without_chosen_subtitles_nothing_is_painted_in(self) -> None:
        assert plan(film(subtitles=(SRT,)), burn_in=True).mode is PlayMode.DIRECT_PLAY

    def test_files_beside_the_film_count_as_well(self) -> None:
        beside = SidecarSubtitle(relative_path="Film.de.srt", format="srt", language="ger", is_forced=True)
        decided = plan(film(), sidecars=(beside,), subtitle_key="sidecar:0")
        assert decided.subtitles[0].selected
        assert decided.subtitles[0].label == "German (forced)"


class TestRefusals:
    def test_an_audio_stream_that_is_not_there(self) -> None:
        with pytest.raises(Invalid):
            plan(film(), audio_stream_index=9)

    def test_subtitles_that_are_not_there(self) -> None:
        with pytest.raises(Invalid):
            plan(film(), subtitle_key="stream:9")

    def test_neither_picture_nor_sound(self) -> None:
        with pytest.raises(Conflict):
            plan(film(video=(), audio=()))

    def test_a_client_without_hls_that_cannot_play_the_file(self) -> None:
        with pytest.raises(Conflict):
            plan(film("avi"), replace(BROWSER, hls=False))


def test_qualities_are_never_above_the_source() -> None:
    assert [p.name for p in qualities(film(video=(replace(H264, height=720),)))] == [
        ProfileName.MOBILE,
        ProfileName.SD,
        ProfileName.LOW,
    ]


class TestSession:
    def session(self) -> PlaybackSession:
        return PlaybackSession(
            id=PlaybackSessionId(1),
            user_id=UserId(1),
            login_session_id=LoginSessionId(1),
            username="mira",
            file_id=MediaFileId(1),
            file_name="Film.mkv",
            media=MediaRef(PlayableType.MOVIE, 1),
            title="Film",
            stream_key_hash=b"x",
            plan=plan(film()),
            capabilities=BROWSER,
            options=PlaybackOptions(),
            address="127.0.0.1",
            position_ms=0,
            started_at=NOW,
            heartbeat_at=NOW,
        )

    def test_a_heartbeat_keeps_it_and_notes_the_position(self) -> None:
        session = self.session()
        session.heartbeat(position_ms=5_000, at=NOW + timedelta(seconds=30))
        assert (session.position_ms, session.heartbeat_at) == (5_000, NOW + timedelta(seconds=30))

    def test_it_ends_once(self) -> None:
        session = self.session()
        session.end(EndReason.STOPPED, at=NOW)
        assert [type(event) for event in session.take_events()] == [PlaybackEnded]
        with pytest.raises(Conflict):
            session.end(EndReason.REAPED, at=NOW)

    def test_no_heartbeat_brings_it_back(self) -> None:
        session = self.session()
        session.end(EndReason.REAPED, at=NOW)
        with pytest.raises(Gone):
            session.heartbeat(position_ms=None, at=NOW)
