"""How a file would be played on a device, and what would have to be done once so that it plays as it is."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from odeion.domain.media_file import FileStructure, HdrFormat, TechnicalInfo
from odeion.domain.playback.capabilities import ClientCapabilities, PlaybackOptions
from odeion.domain.playback.decision import decide
from odeion.domain.playback.plan import PlayMode
from odeion.domain.playback.progressive import MP4_AUDIO, MP4_VIDEO
from odeion.domain.shared.errors import Conflict


class ConversionKind(StrEnum):
    """What is made anew: the CONTAINER only, the SOUND, or the PICTURE; the cheapest first."""

    CONTAINER = "container"
    SOUND = "sound"
    PICTURE = "picture"


@dataclass(frozen=True, slots=True)
class Conversion:
    """`source` and `target` are containers, or codecs by libavcodec's names."""

    kind: ConversionKind
    source: str
    target: str


@dataclass(frozen=True, slots=True)
class Outlook:
    """`mode` is None for what cannot be played at all. `reasons` say why it is not played directly, in words that are
    the same for all files alike; `conversions` are the cheapest after which it would be."""

    mode: PlayMode | None
    reasons: tuple[str, ...] = ()
    conversions: tuple[Conversion, ...] = ()


# From the cheapest to the dearest: repackaging costs reading and writing, sound a little, pictures hours.
_WAYS = tuple(
    sorted(
        (set(kinds) for count in (1, 2, 3) for kinds in itertools.combinations(ConversionKind, count)),
        key=lambda kinds: (ConversionKind.PICTURE in kinds, ConversionKind.SOUND in kinds, len(kinds)),
    )
)
_MP4 = "mov,mp4,m4a,3gp,3g2,mj2"


def foresee(
    technical: TechnicalInfo, capabilities: ClientCapabilities, structure: FileStructure | None = None
) -> Outlook:
    """How a file would be played to a client, without wishes of a viewer. `structure` as in `decide`. Pure."""
    try:
        plan = decide(technical, (), capabilities, PlaybackOptions(), structure=structure)
    except Conflict as error:
        return Outlook(None, (error.message,))
    if plan.mode is PlayMode.DIRECT_PLAY:
        return Outlook(plan.mode)
    reasons = tuple(dict.fromkeys(_without_sizes(reason) for reason in plan.reasons))
    return Outlook(plan.mode, reasons, _remedy(technical, capabilities, structure))


def _remedy(
    technical: TechnicalInfo, capabilities: ClientCapabilities, structure: FileStructure | None
) -> tuple[Conversion, ...]:
    for kinds in _WAYS:
        converted = _converted(technical, kinds, capabilities)
        left = _structure_left(structure, kinds)
        if converted is not None and _plays_as_it_is(converted, capabilities, left):
            return tuple(_conversions(technical, converted, kinds))
    return ()


def _structure_left(structure: FileStructure | None, kinds: set[ConversionKind]) -> FileStructure | None:
    """Of a file in which these are new: converted sound has no holes."""
    if structure is None or ConversionKind.PICTURE in kinds:
        return None
    return replace(structure, holes=()) if ConversionKind.SOUND in kinds else structure


def _plays_as_it_is(
    technical: TechnicalInfo, capabilities: ClientCapabilities, structure: FileStructure | None
) -> bool:
    plan = decide(technical, (), capabilities, PlaybackOptions(), structure=structure)
    return plan.mode is PlayMode.DIRECT_PLAY


def _converted(
    technical: TechnicalInfo, kinds: set[ConversionKind], capabilities: ClientCapabilities
) -> TechnicalInfo | None:
    """The file as it would be afterwards: H.264 in SDR as large as the client takes it, AAC, MP4. None for what there
    is nothing to convert of, and for what MP4 cannot hold."""
    sound = technical.default_audio
    if (ConversionKind.PICTURE in kinds and not technical.video) or (ConversionKind.SOUND in kinds and sound is None):
        return None
    if ConversionKind.PICTURE in kinds:
        picture = technical.video[0]
        known = [(c.max_height, c.max_width) for c in capabilities.video if c.codec == "h264"] or [(None, None)]
        width, height = max(picture.size_within(*limits) for limits in known)
        converted = replace(
            picture,
            codec="h264",
            width=width,
            height=height,
            bit_depth=8,
            hdr=HdrFormat.SDR,
            interlaced=False,
            bitrate_bps=capabilities.max_bitrate_bps,
        )
        technical = replace(technical, video=(converted,), bitrate_bps=capabilities.max_bitrate_bps)
    if ConversionKind.SOUND in kinds and sound is not None:
        most = [c.max_channels for c in capabilities.audio if c.codec == "aac" and c.max_channels is not None]
        channels = min(sound.channels, max(most, default=sound.channels))
        technical = replace(technical, audio=(replace(sound, codec="aac", channels=channels),))
    if ConversionKind.CONTAINER in kinds:
        if not {s.codec for s in technical.video} <= MP4_VIDEO or not {s.codec for s in technical.audio} <= MP4_AUDIO:
            return None
        technical = replace(technical, container=_MP4)
    return technical


def _conversions(before: TechnicalInfo, after: TechnicalInfo, kinds: set[ConversionKind]) -> Iterable[Conversion]:
    for kind in ConversionKind:
        if kind not in kinds:
            continue
        match kind:
            case ConversionKind.CONTAINER:
                yield Conversion(kind, before.container.split(",")[0], "mp4")
            case ConversionKind.SOUND if before.default_audio is not None:
                yield Conversion(kind, before.default_audio.codec, after.audio[0].codec)
            case ConversionKind.PICTURE:
                yield Conversion(kind, before.video[0].codec, after.video[0].codec)


def _without_sizes(reason: str) -> str:
    """The same words for pictures of all sizes and rates."""
    reason = re.sub(r"a picture of \d+x\d+ is", "the picture is", reason)
    return re.sub(r"^[\d.]+ Mb/s is more", "its rate is more", reason)
