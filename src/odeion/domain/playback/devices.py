"""What usual devices play, by their makers' public documentation: what every one of a kind does. A certain one may do
more, and says so itself when it plays."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from odeion.domain.media_file import HdrFormat
from odeion.domain.playback.capabilities import AudioCapability, ClientCapabilities, VideoCapability


class DeviceKind(StrEnum):
    CHROME = "chrome"
    FIREFOX = "firefox"
    SAFARI = "safari"
    APPLE_TV = "apple_tv"
    ANDROID_TV = "android_tv"
    CHROMECAST = "chromecast"
    CHROMECAST_4K = "chromecast_4k"
    GENERIC_TV = "generic_tv"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceProfile:
    kind: DeviceKind
    label: str
    capabilities: ClientCapabilities


def _video(codec: str, *, lines: int | None = None, bits: int = 8) -> VideoCapability:
    """`lines` is the height of a picture of 16:9."""
    return VideoCapability(codec=codec, max_width=lines and lines * 16 // 9, max_height=lines, max_bit_depth=bits)


def _sound(*codecs: str, channels: int | None = None) -> tuple[AudioCapability, ...]:
    return tuple(AudioCapability(codec=codec, max_channels=channels) for codec in codecs)


_ALL_HDR = frozenset({HdrFormat.HDR10, HdrFormat.HLG, HdrFormat.DOLBY_VISION})
# HDR10+ is HDR10 to those who do not know it.
_HDR10 = frozenset({HdrFormat.HDR10, HdrFormat.HDR10_PLUS, HdrFormat.HLG})

DEVICES: tuple[DeviceProfile, ...] = (
    DeviceProfile(
        kind=DeviceKind.CHROME,
        label="Chrome",
        # HEVC hangs on the hardware it runs on.
        capabilities=ClientCapabilities(
            containers=frozenset({"mp4", "webm"}),
            video=(_video("h264"), _video("vp8"), _video("vp9", bits=10), _video("av1", bits=10)),
            audio=(
                *_sound("aac", "opus", "vorbis", "flac"),
                AudioCapability(codec="mp3", segments=False),
            ),
            open_groups=False,
        ),
    ),
    DeviceProfile(
        kind=DeviceKind.FIREFOX,
        label="Firefox",
        capabilities=ClientCapabilities(
            containers=frozenset({"mp4", "webm"}),
            video=(_video("h264"), _video("vp8"), _video("vp9"), _video("av1")),
            audio=_sound("aac", "mp3", "opus", "vorbis", "flac"),
        ),
    ),
    DeviceProfile(
        kind=DeviceKind.SAFARI,
        label="Safari",
        # AV1 hangs on the chip.
        capabilities=ClientCapabilities(
            containers=frozenset({"mp4", "mov"}),
            video=(_video("h264"), _video("hevc", bits=10)),
            audio=_sound("aac", "mp3", "ac3", "eac3", "alac", "flac"),
            hdr=_ALL_HDR | _HDR10,
        ),
    ),
    DeviceProfile(
        kind=DeviceKind.APPLE_TV,
        label="Apple TV 4K",
        capabilities=ClientCapabilities(
            containers=frozenset({"mp4", "mov"}),
            video=(_video("h264", lines=2160), _video("hevc", lines=2160, bits=10)),
            audio=_sound("aac", "mp3", "ac3", "eac3", "alac", "flac"),
            hdr=_ALL_HDR | _HDR10,
        ),
    ),
    DeviceProfile(
        kind=DeviceKind.ANDROID_TV,
        label="Android TV 4K",
        capabilities=ClientCapabilities(
            containers=frozenset({"mp4", "webm", "matroska", "mpegts"}),
            video=(
                _video("h264", lines=2160),
                _video("hevc", lines=2160, bits=10),
                _video("vp8", lines=1080),
                _video("vp9", lines=2160, bits=10),
            ),
            audio=_sound("aac", "mp3", "opus", "vorbis", "flac"),
            hdr=_HDR10,
        ),
    ),
    DeviceProfile(
        kind=DeviceKind.CHROMECAST,
        label="Chromecast",
        capabilities=ClientCapabilities(
            containers=frozenset({"mp4", "webm"}),
            video=(_video("h264", lines=1080), _video("vp8", lines=720)),
            audio=(*_sound("aac", channels=2), *_sound("mp3", "opus", "vorbis", "flac")),
        ),
    ),
    DeviceProfile(
        kind=DeviceKind.CHROMECAST_4K,
        label="Chromecast Ultra",
        capabilities=ClientCapabilities(
            containers=frozenset({"mp4", "webm"}),
            video=(
                _video("h264", lines=1080),
                _video("hevc", lines=2160, bits=10),
                _video("vp8", lines=2160),
                _video("vp9", lines=2160, bits=10),
            ),
            audio=(*_sound("aac", channels=2), *_sound("mp3", "opus", "vorbis", "flac")),
            hdr=_HDR10 | {HdrFormat.DOLBY_VISION},
        ),
    ),
    DeviceProfile(
        kind=DeviceKind.GENERIC_TV,
        label="Older smart TV",
        capabilities=ClientCapabilities(
            containers=frozenset({"mp4", "mpegts"}),
            video=(_video("h264", lines=1080), _video("mpeg2video", lines=1080)),
            audio=_sound("aac", "mp3", "ac3"),
        ),
    ),
)
