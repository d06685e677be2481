"""Matroska files ffmpeg does not write: laces, block groups, clusters without a size, stripped headers."""

from __future__ import annotations

import itertools
import struct
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av

Lacing = Literal["none", "xiph", "fixed", "ebml"]
_CODECS = {"h264": "V_MPEG4/ISO/AVC", "hevc": "V_MPEGH/ISO/HEVC", "aac": "A_AAC", "ac3": "A_AC3"}
_FRAME_SAMPLES = {"aac": 1024, "ac3": 1536}
_CLUSTER_MS = 2000


@dataclass(frozen=True)
class Style:
    """`lacing` is of the sound, `frames_per_lace` at a time; `stripped` bytes are left out of each frame of it."""

    lacing: Lacing = "none"
    frames_per_lace: int = 1
    block_groups: bool = False
    sized: bool = True
    cues: Literal["none", "all", "without_places", "first_half"] = "all"
    stripped: int = 0


def element(kind: int, *parts: bytes, sized: bool = True) -> bytes:
    body = b"".join(parts)
    size = len(body) | 1 << 56 if sized else (1 << 57) - 1
    return kind.to_bytes((kind.bit_length() + 7) // 8, "big") + size.to_bytes(8, "big") + body


def number(kind: int, value: int) -> bytes:
    return element(kind, value.to_bytes(max((value.bit_length() + 7) // 8, 1), "big"))


def write(source: Path, target: Path, style: Style) -> Path:
    """The first picture and sound of a file, in another dress."""
    with av.open(str(source)) as container:
        picture, sound = container.streams.video[0], container.streams.audio[0]
        packets = [
            (
                round(packet.pts * packet.time_base * 1000),
                packet.stream.type == "video",
                packet.is_keyframe,
                bytes(packet),
            )
            for packet in container.demux(picture, sound)
            if packet.pts is not None and packet.time_base is not None
        ]
        frame_ns = round(Fraction(_FRAME_SAMPLES[sound.codec_context.codec.canonical_name], sound.sample_rate) * 10**9)
        heads = {data[: style.stripped] for _, is_video, _, data in packets if not is_video}
        assert len(heads) == 1
        prefix = heads.pop()
        scope_and_type = number(0x5031, 0) + number(0x5032, 1) + number(0x5033, 0)
        stripping = element(0x6240, scope_and_type, element(0x5034, number(0x4254, 3), element(0x4255, prefix)))
        tracks = element(
            0x1654AE6B,
            element(
                0xAE,
                number(0xD7, 1) + number(0x73C5, 1) + number(0x83, 1),
                element(0x86, _CODECS[picture.codec_context.codec.canonical_name].encode()),
                element(0x63A2, picture.codec_context.extradata or b""),
                element(0xE0, number(0xB0, picture.width), number(0xBA, picture.height)),
            ),
            element(
                0xAE,
                number(0xD7, 2) + number(0x73C5, 2) + number(0x83, 2) + number(0x23E383, frame_ns),
                element(0x86, _CODECS[sound.codec_context.codec.canonical_name].encode()),
                element(0x63A2, sound.codec_context.extradata or b"") if sound.codec_context.extradata else b"",
                element(0x6D80, stripping) if prefix else b"",
                element(0xE1, element(0xB5, _float(sound.sample_rate)), number(0x9F, sound.channels)),
            ),
        )
        end_ms = max(time for time, *_ in packets) + 40
    info = element(0x1549A966, number(0x2AD7B1, 1_000_000), element(0x4489, _float(end_ms)))
    head = element(0x1A45DFA3, element(0x4282, b"matroska"), number(0x4287, 4), number(0x4285, 2))
    clusters: list[bytes] = []
    places: list[tuple[int, int, int]] = []  # of keyframes: time, cluster's number, offset in it
    blocks: list[bytes] = []
    began = packets[0][0]
    lace: list[tuple[int, bytes]] = []

    def flush_lace() -> None:
        if lace:
            blocks.append(_block(2, lace[0][0] - began, True, [data[len(prefix) :] for _, data in lace], style))
            lace.clear()

    def flush_cluster() -> None:
        flush_lace()
        clusters.append(element(0x1F43B675, number(0xE7, began), *blocks, sized=style.sized))
        blocks.clear()

    for time, is_video, key, data in packets:
        if is_video and key and time - began >= _CLUSTER_MS:
            flush_cluster()
            began = time
        if is_video:
            if key:
                inside = len(number(0xE7, began)) + sum(map(len, blocks))
                places.append((time, len(clusters), inside))
            blocks.append(_block(1, time - began, key, [data], style))
        else:
            lace.append((time, data))
            if len(lace) == style.frames_per_lace:
                flush_lace()
    flush_cluster()
    chosen = places[: len(places) // 2] if style.cues == "first_half" else places if style.cues != "none" else []
    # The cues lie before the clusters, as in files made to be streamed; their size does not depend on what they say.
    offsets = [0] * len(clusters)
    for _ in range(2):
        cues = _cues(chosen, offsets, with_places=style.cues != "without_places") if chosen else b""
        offsets = [len(info) + len(tracks) + len(cues) + sum(map(len, clusters[:n])) for n in range(len(clusters))]
    target.write_bytes(head + element(0x18538067, info, tracks, cues, *clusters, sized=style.sized))
    return target


def _float(value: float) -> bytes:
    return struct.pack(">d", value)


def _cues(places: list[tuple[int, int, int]], offsets: list[int], *, with_places: bool) -> bytes:
    points = []
    for time, cluster, inside in places:
        at = element(0xF1, offsets[cluster].to_bytes(8, "big"))
        place = element(0xF0, inside.to_bytes(8, "big")) if with_places else b""
        points.append(element(0xBB, number(0xB3, time), element(0xB7, number(0xF7, 1), at, place)))
    return element(0x1C53BB6B, *points)


def _block(track: int, time: int, key: bool, frames: list[bytes], style: Style) -> bytes:
    kinds: dict[Lacing, int] = {"none": 0, "xiph": 1, "fixed": 2, "ebml": 3}
    lacing = style.lacing if len(frames) > 1 else "none"
    if lacing == "fixed" and len({len(frame) for frame in frames}) > 1:
        lacing = "xiph"
    header = (0x80 | track).to_bytes(1, "big") + time.to_bytes(2, "big", signed=True)
    flags = kinds[lacing] << 1
    sizes = b"" if lacing == "none" else bytes([len(frames) - 1])
    if lacing == "xiph":
        sizes += b"".join(b"\xff" * (len(frame) // 255) + bytes([len(frame) % 255]) for frame in frames[:-1])
    elif lacing == "ebml":
        lengths = [len(frame) for frame in frames[:-1]]
        sizes += (0x4000 | lengths[0]).to_bytes(2, "big")
        for before, after in itertools.pairwise(lengths):
            sizes += (0x4000 | after - before + 0x1FFF).to_bytes(2, "big")
    data = sizes + b"".join(frames)
    if not style.block_groups:
        return element(0xA3, header, bytes([flags | 0x80 * key]), data)
    return element(0xA0, element(0xA1, header, bytes([flags]), data), b"" if key else element(0xFB, b"\xff"))
