"""RFC 6381 codec strings, from the sample entry of an init segment."""

from __future__ import annotations

from dataclasses import dataclass

from odeion.adapters.ffmpeg.boxes import boxes

# What precedes the boxes inside a sample entry: the fields of VisualSampleEntry and AudioSampleEntry.
_VIDEO_FIELDS, _AUDIO_FIELDS = 78, 28
_PLAIN = {b"ac-3": "ac-3", b"ec-3": "ec-3", b"Opus": "opus", b"fLaC": "fLaC", b".mp3": "mp3"}
_MP3_OBJECT_TYPES = (0x69, 0x6B)
AAC_RATES_HZ = (96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350)


def codec_string(sample_entry: bytes) -> str:
    """`avc1.640028` and the like. Raises ValueError for an entry it does not know or that lacks its configuration."""
    kind = sample_entry[4:8]
    if kind in _PLAIN:
        return _PLAIN[kind]
    try:
        if kind in (b"avc1", b"avc3"):
            return f"{kind.decode()}.{_inner(sample_entry, b'avcC', _VIDEO_FIELDS)[1:4].hex()}"
        if kind in (b"hvc1", b"hev1", b"dvh1", b"dvhe"):
            name = "hvc1" if kind in (b"hvc1", b"dvh1") else "hev1"
            return _hevc(name, _inner(sample_entry, b"hvcC", _VIDEO_FIELDS))
        if kind == b"av01":
            return _av1(_inner(sample_entry, b"av1C", _VIDEO_FIELDS))
        if kind == b"vp09":
            configuration = _inner(sample_entry, b"vpcC", _VIDEO_FIELDS)
            return f"vp09.{configuration[4]:02d}.{configuration[5]:02d}.{configuration[6] >> 4:02d}"
        if kind == b"mp4a":
            return _mpeg4_audio(_inner(sample_entry, b"esds", _AUDIO_FIELDS))
    except IndexError as error:
        raise ValueError(f"the configuration of {kind!r} is cut short") from error
    raise ValueError(f"no codec string is known for {kind!r}")


def _inner(sample_entry: bytes, kind: bytes, fields: int) -> bytes:
    for box in boxes(sample_entry, 8 + fields):
        if box.kind == kind:
            return sample_entry[box.body : box.end]
    raise ValueError(f"a sample entry without {kind!r}")


def _hevc(name: str, configuration: bytes) -> str:
    space = ("", "A", "B", "C")[configuration[1] >> 6]
    tier = "H" if configuration[1] & 0x20 else "L"
    profile = configuration[1] & 0x1F
    compatibility = int(f"{int.from_bytes(configuration[2:6], 'big'):032b}"[::-1], 2)
    constraints = configuration[6:12].rstrip(b"\0")
    parts = [name, f"{space}{profile}", f"{compatibility:X}", f"{tier}{configuration[12]}"]
    return ".".join(parts + [f"{byte:X}" for byte in constraints])


def _av1(configuration: bytes) -> str:
    profile, level = configuration[1] >> 5, configuration[1] & 0x1F
    tier = "H" if configuration[2] & 0x80 else "M"
    high, twelve = bool(configuration[2] & 0x40), bool(configuration[2] & 0x20)
    depth = 12 if high and twelve and profile == 2 else 10 if high else 8
    return f"av01.{profile}.{level:02d}{tier}.{depth:02d}"


@dataclass(frozen=True, slots=True)
class AacConfiguration:
    """Of the core of a stream, without what doubles its rate or its channels. `channels` is MPEG-4's number of a
    configuration; 0 where that is told elsewhere."""

    rate_hz: int
    channels: int


def aac_configuration(sample_entry: bytes) -> AacConfiguration:
    """Raises ValueError for what has none."""
    if sample_entry[4:8] != b"mp4a":
        raise ValueError("no sound of MPEG-4")
    try:
        _, configuration = _mpeg4_descriptors(_inner(sample_entry, b"esds", _AUDIO_FIELDS))
        kind = _audio_object_type(configuration)
        bits = int.from_bytes(configuration[:16].ljust(16, b"\0"), "big")
        at = 11 if kind >= 31 else 5

        def take(count: int) -> int:
            nonlocal at
            at += count
            return bits >> (128 - at) & ((1 << count) - 1)

        index = take(4)
        rate_hz = take(24) if index == 15 else AAC_RATES_HZ[index]
        return AacConfiguration(rate_hz, take(4))
    except IndexError as error:
        raise ValueError("a configuration that is cut short") from error


def _mpeg4_audio(descriptor_box: bytes) -> str:
    object_type, configuration = _mpeg4_descriptors(descriptor_box)
    if configuration:
        return f"mp4a.40.{_audio_object_type(configuration)}"
    return f"mp4a.{object_type:X}" if object_type in _MP3_OBJECT_TYPES else "mp4a.40.2"


def _mpeg4_descriptors(descriptor_box: bytes) -> tuple[int, bytes]:
    """The object type, and the configuration of the decoder where there is one."""
    at = 4
    object_type = 0x40
    while at < len(descriptor_box):
        tag, at = descriptor_box[at], at + 1
        size = 0
        while True:
            byte, at = descriptor_box[at], at + 1
            size = size << 7 | byte & 0x7F
            if not byte & 0x80:
                break
        if tag == 3:  # ES descriptor: skip its id and flags, go into it
            at += 3
        elif tag == 4:  # decoder configuration: go into it after its fields
            object_type = descriptor_box[at]
            at += 13
        elif tag == 5:
            return object_type, descriptor_box[at : at + size]
        else:
            at += size
    return object_type, b""


def _audio_object_type(configuration: bytes) -> int:
    kind = configuration[0] >> 3
    return 32 + ((configuration[0] & 7) << 3 | configuration[1] >> 5) if kind == 31 else kind
