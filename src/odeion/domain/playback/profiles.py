"""What pictures and sound may be converted to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ProfileName(StrEnum):
    """What a viewer may ask for. AUTO is the best the client can show; the others are the catalog below."""

    AUTO = "auto"
    NATIVE = "native"
    UHD = "4k"
    HD = "hd"
    MOBILE = "mobile"
    SD = "sd"
    LOW = "360p"
    AUDIO = "audio"
    COMPATIBLE = "compatible"
    HDR = "hdr"
    SURROUND = "surround"
    HDR_SURROUND = "hdr-surround"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """A rung: H.264 with AAC, at most `max_height` lines."""

    name: ProfileName
    label: str
    max_height: int
    video_bitrate_bps: int
    audio_bitrate_bps: int


LADDER: tuple[Rung, ...] = (
    Rung(name=ProfileName.UHD, label="4K", max_height=2160, video_bitrate_bps=20_000_000, audio_bitrate_bps=256_000),
    Rung(name=ProfileName.HD, label="1080p", max_height=1080, video_bitrate_bps=8_000_000, audio_bitrate_bps=192_000),
    Rung(name=ProfileName.MOBILE, label="720p", max_height=720, video_bitrate_bps=2_000_000, audio_bitrate_bps=128_000),
    Rung(name=ProfileName.SD, label="480p", max_height=480, video_bitrate_bps=1_000_000, audio_bitrate_bps=96_000),
    Rung(name=ProfileName.LOW, label="360p", max_height=360, video_bitrate_bps=600_000, audio_bitrate_bps=64_000),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A target that can be asked for by name. A codec of None means no such stream, `copy` the source's own; None for
    height, rates and channels means as the source has it."""

    name: ProfileName
    label: str
    video_codec: str | None = "copy"
    audio_codec: str | None = "copy"
    max_height: int | None = None
    video_bitrate_bps: int | None = None
    audio_bitrate_bps: int | None = None
    audio_channels: int | None = None


PROFILES: tuple[Profile, ...] = (
    Profile(name=ProfileName.NATIVE, label="Original"),
    *(
        Profile(
            name=rung.name,
            label=rung.label,
            video_codec="h264",
            audio_codec="aac",
            max_height=rung.max_height,
            video_bitrate_bps=rung.video_bitrate_bps,
            audio_bitrate_bps=rung.audio_bitrate_bps,
            audio_channels=2,
        )
        for rung in LADDER
    ),
    Profile(
        name=ProfileName.AUDIO,
        label="Audio only",
        video_codec=None,
        audio_codec="aac",
        audio_bitrate_bps=192_000,
        audio_channels=2,
    ),
    Profile(
        name=ProfileName.COMPATIBLE,
        label="Compatible",
        video_codec="vp9",
        audio_codec="opus",
        video_bitrate_bps=4_000_000,
        audio_bitrate_bps=192_000,
        audio_channels=2,
    ),
    Profile(name=ProfileName.HDR, label="HDR", audio_codec="aac", audio_bitrate_bps=192_000, audio_channels=2),
    Profile(
        name=ProfileName.SURROUND,
        label="1080p surround",
        video_codec="h264",
        max_height=1080,
        video_bitrate_bps=8_000_000,
    ),
    Profile(name=ProfileName.HDR_SURROUND, label="HDR surround"),
)
