"""What an encoder is told to make, and how its output is cut into segments.

Pictures come at a constant rate and sound without holes, so that a segment is a fixed number of frames: wherever an
encoder begins, its segments fit those of any other run. The fps filter repeats or drops pictures by their time alone,
which makes it the same from wherever the decoding began.
"""

from __future__ import annotations

import bisect
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from odeion.adapters.ffmpeg.boxes import boxes
from odeion.adapters.ffmpeg.fmp4 import (
    Track,
    audio_fragment,
    decode_time,
    read_fragment,
    read_track,
    tag_hevc_for_apple,
    time_video,
    video_fragment,
    with_parameter_sets,
)
from odeion.adapters.ffmpeg.hardware import Encoder, device_arguments, encoder_arguments, upload_filters
from odeion.adapters.ffmpeg.levels import announced_codec, h264_level, hevc_level
from odeion.adapters.ffmpeg.timing import VIDEO_TIMESCALE
from odeion.application.playback.ports import SegmentGrid
from odeion.domain.media_file import HdrFormat, VideoStream
from odeion.domain.playback.plan import AudioPlan, VideoPlan

# What is made changes with this number, so that segments of older versions are not mixed in.
VERSION = 6

_USUAL_RATES = tuple(
    Fraction(rate)
    for rate in ("12", "15", "24000/1001", "24", "25", "30000/1001", "30", "48", "50", "60000/1001", "60")
)
_FALLBACK_RATE = Fraction(25)
_DEFAULT_VIDEO_BPS = 8_000_000
# Encoders with a pyramid of B-frames show a picture at most this many frames after it is decoded.
_REORDERED_FRAMES = 2
SAMPLE_RATE_HZ, AAC_FRAME = 48_000, 1024
_AAC_FRAMES_PER_SEGMENT = 94  # 2.005 s
# Each AAC frame overlaps its neighbours: what precedes the first one wanted is encoded too, and thrown away.
_AAC_LEAD_FRAMES = 4
_LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}
# Containers with an index: a seek lands at or before the wanted time. Others may land behind it.
INDEXED = ("matroska", "mov")
_UNINDEXED_LEAD_S = 6
# A subtitle that is to be seen already came at most this long before; so long where it is known to stay, and so long
# where the container has no index of them. What lies between is decoded: some seconds for each thirty.
SUBTITLE_LEAD_S, _STAYING_SUBTITLE_LEAD_S, _UNKNOWN_SUBTITLE_LEAD_S = 30, 120, 8
# A picture that is faded in or out is told anew at every step.
_FADING_S = 1
_FRAGMENTS = ("-f", "mp4", "-movflags", "frag_keyframe+empty_moov+default_base_moof+skip_trailer", "-use_editlist", "0")
# A segment is sent in pieces of this length, as they are made; in shorter ones when somebody waits for the first.
_PIECE_US, _HURRIED_PIECE_US = 250_000, 40_000
# The decode times of a file's first few pictures are spread over what lies before them: they are needed together.
_OPENING_SAMPLES = 2 * _REORDERED_FRAMES


# Where pictures change their size or form ffmpeg would begin the graph of filters anew, and with it their time. (See
# of_one_size.)
ONE_GRAPH = ("-reinit_filter:v", "0")


@dataclass(frozen=True, slots=True)
class EncoderInput:
    """`origin_s` is the timestamp of the file's 0."""

    path: str
    demuxer: str
    origin_s: Fraction
    duration_s: float

    def arguments(self, start_s: Fraction) -> list[str]:
        """Open the file at or before a time. Timestamps stay those of the file."""
        if self.demuxer not in INDEXED:
            start_s -= _UNINDEXED_LEAD_S
        seek = (
            ["-noaccurate_seek", "-seek_timestamp", "1", "-ss", f"{float(start_s + self.origin_s):.6f}"]
            if start_s > 0
            else []
        )
        return [
            *("-copyts", *ONE_GRAPH, "-protocol_whitelist", "file,pipe", "-f", self.demuxer),
            *(*seek, "-i", f"file:{self.path}"),
        ]


@dataclass(frozen=True, slots=True)
class TextSubtitles:
    """A file with one subtitle track and the fonts for it. `variant` is what tells them apart from others of their
    key."""

    path: str
    variant: str = ""

    def filter(self, stream: VideoStream) -> str:
        """Paints them into pictures of any size, as they were drawn for those of the stream."""
        width, height = (round(length) for length in stream.display_size)
        return f"format=yuv420p,subtitles=filename={filter_value(f'file:{self.path}')}:original_size={width}x{height}"


@dataclass(frozen=True, slots=True)
class BitmapSubtitles:
    """A stream of the file. `times_s` are those of its packets in order, None where the container does not tell;
    `staying_s` those among them of pictures that nothing takes away for longer than SUBTITLE_LEAD_S."""

    stream_index: int
    times_s: tuple[float, ...] | None
    staying_s: frozenset[float] = frozenset()

    def lead_s(self, start_s: float) -> float:
        """How long before a time the reading has to begin so that what is seen then is there."""
        if self.times_s is None:
            return _UNKNOWN_SUBTITLE_LEAD_S
        last = bisect.bisect_right(self.times_s, start_s) - 1
        stays = last >= 0 and self.times_s[last] in self.staying_s
        while last > 0 and self.times_s[last] - self.times_s[last - 1] <= _FADING_S:
            last -= 1
        lead_s = start_s - self.times_s[last] if last >= 0 else 0
        return lead_s if lead_s <= (_STAYING_SUBTITLE_LEAD_S if stays else SUBTITLE_LEAD_S) else 0


def filter_value(text: str) -> str:
    """Any text as the value of a filter's option: it is read twice, as a part of the graph and as an option."""
    for _ in range(2):
        text = "".join(letter if letter.isalnum() or letter in "/._-" else f"\\{letter}" for letter in text)
    return text


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a segment that can be played after the parts before it. `completes`: it is the last one."""

    number: int
    data: bytes
    completes: bool


class Cutter(ABC):
    """Cuts what one run of an encoder writes into pieces of segments."""

    @abstractmethod
    def feed(self, data: bytes) -> Iterator[Piece]:
        """More output; the pieces completed by it. Raises ValueError for what does not fit the grid."""


class Encoding(ABC):
    """One kind of conversion of one stream."""

    grid: SegmentGrid

    @property
    @abstractmethod
    def codec(self) -> str | None:
        """That of the pictures, None for sound."""

    @abstractmethod
    def arguments(self, number: int, end: int, encoder: Encoder) -> list[str]:
        """ffmpeg's arguments to make the segments from `number` to before `end`."""

    @property
    @abstractmethod
    def codecs(self) -> str:
        """The RFC 6381 string of what is made."""

    @property
    @abstractmethod
    def output(self) -> dict[str, Any]:
        """What is made, for people."""

    @abstractmethod
    def init_runs(self) -> list[list[str]]:
        """ffmpeg's arguments to make files of the same kind from nothing, for `init_of`."""

    @abstractmethod
    def cutter(self, number: int, init: bytes) -> Cutter: ...

    @property
    @abstractmethod
    def bandwidth_bps(self) -> tuple[int, int]:
        """Peak of a segment and average."""


def init_of(outputs: Sequence[bytes]) -> bytes:
    """The init segment of fragmented files that differ by their parameter sets, of which it has all. Raises
    ValueError."""
    init, *others = (
        b"".join(output[box.start : box.end] for box in boxes(output) if box.kind in (b"ftyp", b"moov"))
        for output in outputs
    )
    for other in others:
        init = with_parameter_sets(init, other)
    init = tag_hevc_for_apple(init)
    read_track(init)
    return init


# --- video ----------------------------------------------------------------------------------------------------------


def frame_rate(stream: VideoStream) -> Fraction:
    """The constant rate a stream is converted to: its own, at most 60."""
    rate = stream.frame_rate
    if rate is None or not 1 <= rate <= 1000:
        return _FALLBACK_RATE
    while rate > Fraction(121, 2):
        rate /= 2
    near = min(_USUAL_RATES, key=lambda usual: abs(usual - rate))
    return near if abs(near - rate) < near / 500 else rate.limit_denominator(1001)


@dataclass(kw_only=True)
class VideoEncoding(Encoding):
    """Pictures at a constant rate. Segments of half the length twice, so that playing begins soon, then of the
    whole."""

    plan: VideoPlan
    stream: VideoStream
    source: EncoderInput
    subtitles: TextSubtitles | BitmapSubtitles | None = None
    rate: Fraction = field(init=False)
    grid: SegmentGrid = field(init=False)
    frames: int = field(init=False)

    def __post_init__(self) -> None:
        self.rate = frame_rate(self.stream)
        self.frames = max(round(self.source.duration_s * self.rate), 1)
        # A tail of a few frames would be a segment of its own.
        full = -(-(self.frames - self._half // 2) // self._whole)
        cuts = [0, *([self._half] if self.frames > self._half + self._half // 2 else [])]
        cuts += [self._whole * n for n in range(1, full)]
        self.cuts = [*cuts, self.frames]
        self.grid = SegmentGrid(tuple(float(cut / self.rate) for cut in cuts), float(self.frames / self.rate))

    @property
    def codec(self) -> str | None:
        return self.plan.codec

    @property
    def output(self) -> dict[str, Any]:
        return {
            "codec": self.plan.codec,
            "width": self.plan.width,
            "height": self.plan.height,
            "frame_rate": round(float(self.rate), 3),
            "bitrate_bps": self.bits_per_second,
            "tone_mapped": self.plan.tone_map,
            "hdr": self.plan.keeps_hdr,
            "deinterlaced": self.plan.deinterlace,
            "subtitles_burnt_in": self.plan.burn_in is not None,
        }

    @property
    def _half(self) -> int:
        return max(round(self.rate * self.plan.segment_length_s / 2), 1)

    @property
    def _whole(self) -> int:
        return 2 * self._half

    @property
    def bits_per_second(self) -> int:
        return self.plan.bitrate_bps or _DEFAULT_VIDEO_BPS

    @property
    def bandwidth_bps(self) -> tuple[int, int]:
        # The buffer holds one second: the first segment, one second long, may be twice the rate.
        return 2 * self.bits_per_second, self.bits_per_second

    def ticks(self, frame: int) -> int:
        return round(frame * VIDEO_TIMESCALE / self.rate)

    def frames_in(self, ticks: int) -> int:
        return round(ticks * self.rate / VIDEO_TIMESCALE)

    def arguments(self, number: int, end: int, encoder: Encoder) -> list[str]:
        first = self.cuts[number]
        graph = self._graph(first, encoder)
        start_s = first / self.rate
        lead_s = self.subtitles.lead_s(float(start_s)) if isinstance(self.subtitles, BitmapSubtitles) else 0
        # `n` counts the frames of this run.
        frame = f"(n+{first})"
        keys = f"(not(mod({frame},{self._whole}))+eq({frame},{self._half}))*lte({frame},{self.cuts[-2]})"
        return [
            *device_arguments(encoder.kind, encoder.device),
            *self.source.arguments(start_s - Fraction(lead_s)),
            *("-filter_complex", graph, "-map", "[out]", "-frames:v", str(self.cuts[end] - first)),
            *("-force_key_frames", f"expr:{keys}"),
            *self._encoder(encoder),
            "pipe:1",
        ]

    def init_runs(self) -> list[list[str]]:
        colour = f"color=s={self.plan.width}x{self.plan.height}:r={self.rate.numerator}/{self.rate.denominator}"
        graph = f"{colour},{finished(self.stream, self.plan, Encoder())}[out]"
        encoders = [Encoder(), Encoder(hurries=True)] if self.plan.codec == "h264" else [Encoder()]
        return [
            ["-filter_complex", graph, "-map", "[out]", "-frames:v", "1", *self._encoder(encoder), "pipe:1"]
            for encoder in encoders
        ]

    def cutter(self, number: int, init: bytes) -> Cutter:
        return _VideoCutter(self, number, init)

    @property
    def codecs(self) -> str:
        """The codec string, known before anything is encoded."""
        size = (self.plan.width, self.plan.height, self.rate, self.bits_per_second)
        return announced_codec(self.plan.codec, *size, ten_bits=self.plan.keeps_hdr)

    @property
    def _level(self) -> int:
        least = hevc_level if self.plan.codec == "hevc" else h264_level
        return least(self.plan.width, self.plan.height, self.rate, self.bits_per_second)

    def _encoder(self, encoder: Encoder) -> list[str]:
        return [
            *("-an", "-sn", "-dn", "-map_metadata", "-1", "-map_chapters", "-1", "-fps_mode", "passthrough"),
            *encoder_arguments(
                encoder,
                self.plan.codec,
                bits_per_second=self.bits_per_second,
                keyframe_frames=4 * self._whole,
                level=self._level,
            ),
            # Each segment brings its own parameter sets: those of a GPU may differ from the announced ones.
            *(("-bsf:v", "dump_extra=freq=keyframe") if self.plan.codec in ("h264", "hevc") else ()),
            # As `hvc1` libavformat would take them out again; the init segment says it, as Apple's players insist on
            # it.
            *(("-tag:v", "hev1") if self.plan.codec == "hevc" else ()),
            *(*_FRAGMENTS, "-frag_duration", str(_HURRIED_PIECE_US if encoder.hurries else _PIECE_US)),
            *("-video_track_timescale", str(VIDEO_TIMESCALE), "-flush_packets", "1"),
        ]

    def _graph(self, first: int, encoder: Encoder) -> str:
        plan = self.plan
        rebase = f"setpts=PTS-({float(self.source.origin_s):.6f})/TB"
        chain = [rebase, of_one_size(self.stream), *at_constant_rate(plan, self.rate, start_s=first / self.rate)]
        # Where the picture ends before the file does, the last one stays.
        chain += ["tpad=stop_mode=clone:stop=-1", *fitted(self.stream, plan)]
        ready = f"{finished(self.stream, plan, encoder)}[out]"
        picture = f"[0:{plan.stream_index}]{','.join(chain)}"
        if isinstance(self.subtitles, TextSubtitles):
            return f"{picture},{self.subtitles.filter(self.stream)},{ready}"
        if self.subtitles is None:
            return f"{picture},{ready}"
        # Subtitles drawn for a picture with black bars stand where its lower edge was: align the lower edges.
        subtitles = f"[0:{self.subtitles.stream_index}]{rebase},scale={plan.width}:-1[subtitles]"
        painted = "[picture][subtitles]overlay=x=(W-w)/2:y=H-h:eof_action=pass:repeatlast=0"
        return f"{picture}[picture];{subtitles};{painted},{ready}"


def of_one_size(stream: VideoStream) -> str:
    """A filter that brings pictures of another size, which may come at any place, to that of the stream; those of its
    size go through. ffmpeg says of all of them that they have the pixels of the first, so whether one is of another
    shape cannot be told: broadcasts that change their size mostly keep their shape."""
    upright = stream.rotation_degrees not in (90, 270)
    width, height = (stream.width, stream.height) if upright else (stream.height, stream.width)
    return f"scale={width}:{height}:interl=-1"


def at_constant_rate(plan: VideoPlan, rate: Fraction, *, start_s: Fraction) -> list[str]:
    """Filters that give whole pictures, as many a second, from a time on."""
    deinterlaced = ["bwdif=mode=send_frame"] if plan.deinterlace else []
    return [*deinterlaced, f"fps=fps={rate.numerator}/{rate.denominator}:start_time={float(start_s):.6f}:round=near"]


def fitted(stream: VideoStream, plan: VideoPlan) -> list[str]:
    """Filters that bring pictures to the size and the brightness of a plan."""
    if plan.tone_map:
        return _tone_mapped(stream, plan)
    if plan.keeps_hdr:
        return [f"scale={plan.width}:{plan.height}:flags=bicubic"]
    return _scaled(stream, plan)


def finished(stream: VideoStream, plan: VideoPlan, encoder: Encoder) -> str:
    """Filters that say what the pictures are, and bring them into the form the encoder takes."""
    upload = upload_filters(encoder.kind)
    if not plan.keeps_hdr:
        return f"setsar=1,setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709:range=tv,{upload}"
    tags = f"setparams=color_primaries=bt2020:color_trc={_transfer(stream)}:colorspace=bt2020nc:range=tv"
    return f"setsar=1,{tags},{upload.replace('yuv420p', 'yuv420p10le').replace('nv12', 'p010le')}"


def _transfer(stream: VideoStream) -> str:
    """Of HDR, as ffmpeg calls it."""
    return "arib-std-b67" if stream.hdr is HdrFormat.HLG else "smpte2084"


def _scaled(stream: VideoStream, plan: VideoPlan) -> list[str]:
    # An untagged picture is taken for one of its size's time.
    unknown = "bt709" if stream.height >= 700 else "bt601"
    matrix = "auto" if stream.color_space else unknown
    return [
        f"scale={plan.width}:{plan.height}:flags=bicubic:in_color_matrix={matrix}:out_color_matrix=bt709:out_range=tv"
    ]


def _tone_mapped(stream: VideoStream, plan: VideoPlan) -> list[str]:
    return [
        f"zscale=w={plan.width}:h={plan.height}:tin={_transfer(stream)}:pin=bt2020:min=bt2020nc:rin=tv:t=linear:npl=203",
        "format=gbrpf32le",
        "zscale=p=bt709",
        "tonemap=tonemap=hable:desat=0",
        "zscale=t=bt709:m=bt709:r=tv",
    ]


class _VideoCutter(Cutter):
    """A fragment that begins with a keyframe begins a segment. Only the order and spacing of pictures is believed;
    where they stand is known from the grid."""

    def __init__(self, encoding: VideoEncoding, number: int, init: bytes) -> None:
        self._encoding, self._number, self._init = encoding, number, init
        self._track = read_track(init)
        self._buffer = bytearray()
        self._head: bytes | None = None
        # Of the segment under way: how many of its pictures are out, when its first one is shown by the encoder's
        # clock, and the pictures that wait to go out together.
        self._out = 0
        self._opening = 0
        self._waiting: list[tuple[int, bytes, bool]] = []

    def feed(self, data: bytes) -> Iterator[Piece]:
        self._buffer += data
        used = 0
        moof: tuple[int, int] | None = None
        for box in boxes(self._buffer):
            if box.kind == b"moov":
                # Judged when pictures come: a run without any has no say.
                self._head = bytes(self._buffer[: box.end])
            if box.kind == b"moof":
                moof = box.start, box.end
                continue
            if box.kind == b"mdat" and moof is not None:
                with memoryview(self._buffer) as view:
                    piece = self._piece(bytes(view[moof[0] : moof[1]]), view, moof[0])
                if piece is not None:
                    yield piece
            moof, used = None, box.end
        del self._buffer[:used]

    def _check(self) -> None:
        """Segments are played with the init segment that was made beforehand, so the picture must be of its size."""
        if self._head is not None and _size(self._head) != _size(self._init):
            raise ValueError("the encoder makes another size than was announced")
        self._head = None

    def _piece(self, moof: bytes, data: memoryview, base: int) -> Piece | None:
        self._check()
        encoding, number = self._encoding, self._number
        if number + 1 >= len(encoding.cuts):
            raise ValueError("more segments than there are in the grid")
        first, end = encoding.cuts[number], encoding.cuts[number + 1]
        samples, clock = read_fragment(moof), decode_time(moof)
        if not samples:
            return None
        begins = self._out == 0 and not self._waiting
        if begins != samples[0].key or any(sample.key for sample in samples[1:]):
            raise ValueError(f"segment {number} does not begin with its keyframe")
        if begins:
            self._opening = clock + samples[0].shown
        for sample in samples:
            payload = bytes(data[base + sample.offset : base + sample.offset + sample.size])
            self._waiting.append((clock + sample.shown - self._opening, payload, sample.key))
        count = self._out + len(self._waiting)
        if count > end - first:
            raise ValueError(f"segment {number} has more than its {end - first} frames")
        completes = count == end - first
        if not completes and number == 0 and count < _OPENING_SAMPLES:
            return None
        opening = first + self._out - _REORDERED_FRAMES
        shown = [encoding.ticks(first + encoding.frames_in(time)) for time, _, _ in self._waiting]
        decoded = [encoding.ticks(opening + position) for position in range(len(shown))]
        until = encoding.ticks(opening + len(shown))
        times = time_video(shown, decoded, until, opens_timeline=number == 0)
        keys = [key for _, _, key in self._waiting]
        fragment = video_fragment(number, self._track, times, [payload for _, payload, _ in self._waiting], keys)
        self._out, self._waiting = count, []
        if completes:
            self._number, self._out = number + 1, 0
        return Piece(number, fragment, completes)


def _size(init: bytes) -> bytes:
    """Width and height in a visual sample entry."""
    return read_track(init).sample_entry[32:36]


# --- audio ----------------------------------------------------------------------------------------------------------


# By the loudness of the moment alone, so that a run that begins later hears the same. (EBU R 128 in one pass adapts
# over seconds and answers with a delay of three.)
_NORMALIZED = "acompressor=threshold=0.06:ratio=4:attack=5:release=250:makeup=3,alimiter=limit=0.95:level=0"


@dataclass(kw_only=True)
class AudioEncoding(Encoding):
    """AAC of low complexity at 48 kHz."""

    plan: AudioPlan
    source: EncoderInput
    grid: SegmentGrid = field(init=False)

    def __post_init__(self) -> None:
        self.frames = max(-(-round(self.source.duration_s * SAMPLE_RATE_HZ) // AAC_FRAME), 1)
        # A tail of less than a fifth of a second goes with the segment before.
        count = max(-(-(self.frames - 9) // _AAC_FRAMES_PER_SEGMENT), 1)
        cuts = [n * _AAC_FRAMES_PER_SEGMENT for n in range(count)]
        self.cuts = [*cuts, self.frames]
        second = Fraction(AAC_FRAME, SAMPLE_RATE_HZ)
        self.grid = SegmentGrid(tuple(float(cut * second) for cut in cuts), float(self.frames * second))

    @property
    def bits_per_second(self) -> int:
        return self.plan.bitrate_bps or 96_000 * self.plan.channels

    @property
    def bandwidth_bps(self) -> tuple[int, int]:
        return self.bits_per_second * 6 // 5, self.bits_per_second

    def first_encoded(self, number: int) -> int:
        """The frame a run begins with, to give whole frames from a segment's first on."""
        return max(self.cuts[number] - _AAC_LEAD_FRAMES, 0)

    @property
    def codec(self) -> str | None:
        return None

    @property
    def codecs(self) -> str:
        return "mp4a.40.2"

    @property
    def output(self) -> dict[str, Any]:
        return {
            "codec": "aac",
            "channels": self.plan.channels,
            "bitrate_bps": self.bits_per_second,
            "normalized": self.plan.normalize,
        }

    def arguments(self, number: int, end: int, encoder: Encoder) -> list[str]:
        first = self.first_encoded(number) * AAC_FRAME
        start_s = Fraction(first, SAMPLE_RATE_HZ)
        total = (self.cuts[end] + 1) * AAC_FRAME - first
        chain = [
            f"asetpts=PTS-({float(self.source.origin_s):.6f})/TB",
            *([f"atrim=start={float(start_s):.6f}"] if first else []),
            # Holes are filled with silence, overlaps cut, and the first sample stands where it should.
            f"aresample={SAMPLE_RATE_HZ}:async=1:first_pts={first}",
            *([_NORMALIZED] if self.plan.normalize else []),
            f"atrim=end_sample={total}",
        ]
        source = self.source.arguments(max(start_s - Fraction(1, 5), Fraction(0)))
        # Where the sound changes its form, ffmpeg begins the graph it comes into anew, and with it its time: that one
        # only brings it into one form. There silence is put behind the end too, of which the last 50 ms may be lost
        # from one graph to the next. (Not where pictures are made in the same run: see progressive.py.)
        even = [*in_one_form(self.plan.channels), f"apad=pad_dur={self.grid.duration_s + 1:.3f}"]
        graphs = [
            *("-filter_complex", f"[0:{self.plan.stream_index}]{','.join(even)}[even]"),
            *("-filter_complex", f"[even]{','.join(chain)}[out]"),
        ]
        return [*source, *graphs, "-map", "[out]", *self._encoder(), "-f", "adts", "pipe:1"]

    def init_runs(self) -> list[list[str]]:
        graph = f"anullsrc=r={SAMPLE_RATE_HZ}:cl={_layout(self.plan.channels)},aformat=sample_fmts=fltp[out]"
        run = ["-filter_complex", graph, "-map", "[out]", "-frames:a", "2", *self._encoder()]
        return [[*run, *_FRAGMENTS, "pipe:1"]]

    def cutter(self, number: int, init: bytes) -> Cutter:
        return _AudioCutter(self, number, init)

    def _encoder(self) -> list[str]:
        return [
            *("-vn", "-sn", "-dn", "-map_metadata", "-1", "-map_chapters", "-1"),
            *("-c:a", "aac", "-b:a", str(self.bits_per_second), "-ar", str(SAMPLE_RATE_HZ), "-flush_packets", "1"),
        ]


def in_one_form(channels: int) -> list[str]:
    """Filters that bring sound into the rate we encode, and so many channels."""
    return [
        f"aresample={SAMPLE_RATE_HZ}:{_mixed(channels)}",
        f"aformat=sample_fmts=fltp:channel_layouts={_layout(channels)}",
    ]


def _layout(channels: int) -> str:
    return _LAYOUTS.get(channels, "stereo")


def _mixed(channels: int) -> str:
    """Options of `aresample` for so many channels. Dialogue comes from the centre: it stays as loud as the sides are,
    and the rest steps back."""
    levels = "center_mix_level=1:surround_mix_level=0.5:lfe_mix_level=0" if channels <= 2 else ""
    return f"ochl={_layout(channels)}:rematrix_maxval=1.5" + (f":{levels}" if levels else "")


class _AudioCutter(Cutter):
    """Counts the frames of an ADTS stream. The first one only primes the decoder and stands before the first sample."""

    def __init__(self, encoding: AudioEncoding, number: int, init: bytes) -> None:
        self._encoding, self._number = encoding, number
        self._track: Track = read_track(init)
        self._next = encoding.first_encoded(number) - 1
        self._buffer = bytearray()
        self._frames: list[bytes] = []

    def feed(self, data: bytes) -> Iterator[Piece]:
        self._buffer += data
        at = 0
        cuts = self._encoding.cuts
        while at + 7 <= len(self._buffer):
            head = self._buffer[at : at + 7]
            if head[0] != 0xFF or head[1] & 0xF6 != 0xF0:
                raise ValueError("no ADTS frame where one should be")
            size = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
            if at + size > len(self._buffer):
                break
            if self._next >= cuts[self._number]:
                self._frames.append(bytes(self._buffer[at + (7 if head[1] & 1 else 9) : at + size]))
            self._next += 1
            at += size
            if self._next == cuts[self._number + 1]:
                yield Piece(self._number, self._segment(), completes=True)
                self._number += 1
                self._frames = []
                if self._number + 1 == len(cuts):
                    at = len(self._buffer)
                    break
        del self._buffer[:at]

    def _segment(self) -> bytes:
        first = self._encoding.cuts[self._number] * AAC_FRAME
        durations = [AAC_FRAME] * len(self._frames)
        return audio_fragment(self._number, self._track, first, durations, self._frames)
