"""What a library would cost to play on usual devices."""

from __future__ import annotations

from dataclasses import replace

import pytest

from odeion.domain.media_file import FileStructure, GroupsOfPictures, HdrFormat, TechnicalInfo
from odeion.domain.playback.devices import DEVICES, DeviceKind
from odeion.domain.playback.forecast import Outlook, foresee
from odeion.domain.playback.plan import PlayMode
from tests.unit.domain.test_playback import AAC, AC3, DTS, H264, UHD_HDR, film

MATROSKA = "matroska,webm"


def outlook(
    technical: TechnicalInfo, device: DeviceKind = DeviceKind.CHROME, structure: FileStructure | None = None
) -> Outlook:
    return foresee(technical, next(d for d in DEVICES if d.kind is device).capabilities, structure)


def remedy(technical: TechnicalInfo, device: DeviceKind = DeviceKind.CHROME) -> list[tuple[str, str, str]]:
    return [(c.kind.value, c.source, c.target) for c in outlook(technical, device).conversions]


class TestOutlook:
    def test_what_plays_needs_nothing(self) -> None:
        assert outlook(film()) == Outlook(PlayMode.DIRECT_PLAY)

    def test_another_container_is_the_cheapest(self) -> None:
        found = outlook(film(MATROSKA))
        assert (found.mode, found.reasons) == (
            PlayMode.REMUX,
            ("the container (matroska) is not supported by this client",),
        )
        assert remedy(film(MATROSKA)) == [("container", "matroska", "mp4")]

    def test_then_the_sound(self) -> None:
        assert remedy(film(audio=(DTS,))) == [("sound", "dts", "aac")]
        assert remedy(film(MATROSKA, audio=(DTS,))) == [("container", "matroska", "mp4"), ("sound", "dts", "aac")]

    @pytest.mark.parametrize(
        ("groups", "mode"),
        [(GroupsOfPictures.OPEN, PlayMode.TRANSCODE), (GroupsOfPictures.MIXED, PlayMode.REMUX)],
    )
    def test_open_groups_of_pictures_only_go_away_with_the_picture(
        self, groups: GroupsOfPictures, mode: PlayMode
    ) -> None:
        found = outlook(film(), structure=FileStructure(groups=groups))
        assert found.mode is mode and "open groups of pictures" in found.reasons[0]
        assert [(c.kind.value, c.target) for c in found.conversions] == [("picture", "h264")]
        assert outlook(film(), DeviceKind.APPLE_TV, FileStructure(groups=groups)) == Outlook(PlayMode.DIRECT_PLAY)

    def test_what_cannot_be_cut_is_converted_until_it_is_in_another_container(self) -> None:
        found = outlook(film("mpegts"), structure=FileStructure(refused={0: "timestamps that jump"}))
        assert found.mode is PlayMode.TRANSCODE
        assert found.reasons[1:] == ("the stream cannot be repackaged: timestamps that jump",)
        assert [(c.kind.value, c.target) for c in found.conversions] == [("container", "mp4")]
        assert outlook(film("mpegts")).mode is PlayMode.REMUX

    def test_holes_in_the_sound_go_away_with_it(self) -> None:
        found = outlook(film(), structure=FileStructure(holes=(1,)))
        assert found.mode is PlayMode.REMUX and "the sound has holes" in found.reasons[0]
        assert [(c.kind.value, c.target) for c in found.conversions] == [("sound", "aac")]

    def test_the_sound_of_more_channels_than_the_device_takes(self) -> None:
        six = replace(AAC, channels=6)
        assert remedy(film(audio=(six,)), DeviceKind.CHROMECAST) == [("sound", "aac", "aac")]
        assert remedy(film(audio=(six,)), DeviceKind.APPLE_TV) == []

    @pytest.mark.parametrize(
        "picture",
        [
            replace(H264, codec="mpeg2video"),
            replace(H264, bit_depth=10),
            replace(H264, interlaced=True),
            replace(H264, hdr=HdrFormat.HLG),
        ],
    )
    def test_the_picture_at_last(self, picture: object) -> None:
        found = outlook(film(video=(picture,)))
        assert found.mode is PlayMode.TRANSCODE and found.reasons
        assert remedy(film(video=(picture,))) == [("picture", picture.codec, "h264")]  # type: ignore[attr-defined]

    def test_what_a_device_knows_itself_stays(self) -> None:
        uhd = film(MATROSKA, video=(UHD_HDR,), audio=(AC3,))
        assert remedy(uhd, DeviceKind.APPLE_TV) == [("container", "matroska", "mp4")]
        assert remedy(uhd, DeviceKind.ANDROID_TV) == [("sound", "ac3", "aac")]
        assert [kind for kind, _, _ in remedy(uhd, DeviceKind.GENERIC_TV)] == ["container", "picture"]

    def test_too_large_a_picture_is_told_alike_of_all_sizes(self) -> None:
        sizes = [replace(H264, width=3840, height=height) for height in (1600, 2160)]
        first, second = (outlook(film(video=(size,)), DeviceKind.CHROMECAST) for size in sizes)
        assert first == second
        assert first.reasons == ("the picture is too large for this client",)

    def test_what_mp4_cannot_hold_is_converted_too(self) -> None:
        kinds = [kind for kind, _, _ in remedy(film(MATROSKA, audio=(replace(DTS, codec="truehd"),)))]
        assert kinds == ["container", "sound"]

    def test_files_alike_are_alike(self) -> None:
        other = replace(H264, bitrate_bps=1, profile="High", title="Director's cut")
        assert outlook(film(MATROSKA, video=(other,))) == outlook(film(MATROSKA, duration_ms=5))

    def test_a_file_of_nothing_cannot_be_played(self) -> None:
        assert outlook(film(video=(), audio=())).mode is None

    def test_pictures_without_sound(self) -> None:
        assert remedy(film("avi", audio=())) == [("container", "avi", "mp4")]


@pytest.mark.parametrize("device", DEVICES, ids=lambda device: device.kind)
@pytest.mark.parametrize("container", [MATROSKA, "avi", "mov,mp4,m4a,3gp,3g2,mj2"])
@pytest.mark.parametrize("codec", ["h264", "vp8", "wmv3", "hevc"])
@pytest.mark.parametrize("sound", ["aac", "wmav2", "truehd"])
def test_there_is_always_a_remedy(device: object, container: str, codec: str, sound: str) -> None:
    technical = film(container, video=(replace(UHD_HDR, codec=codec),), audio=(replace(DTS, codec=sound, channels=8),))
    found = foresee(technical, device.capabilities)  # type: ignore[attr-defined]
    assert (found.mode is PlayMode.DIRECT_PLAY) != bool(found.conversions)


def test_no_device_minds_the_rate() -> None:
    """Files are counted without theirs."""
    assert all(device.capabilities.max_bitrate_bps is None for device in DEVICES)


def test_each_device_plays_what_converting_aims_at() -> None:
    for device in DEVICES:
        assert foresee(film(), device.capabilities).mode is PlayMode.DIRECT_PLAY, device.kind
