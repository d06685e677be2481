"""What an encoder is told to make, and how its output is cut into segments.

Pictures come at a constant rate and sound without holes, so that a segment is a fixed number of frames: wherever an
encoder begins, its segments fit those of any other run. The fps filter repeats or drops pictures by their time alone,
which makes it the same from wherever the decoding began.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction

from odeion.adapters.ffmpeg.boxes import boxes
from odeion.adapters.ffmpeg.fmp4 import (
    Track,
    audio_fragment,
    read_fragment,
    read_track,
    time_video,
    video_fragment,
)
from odeion.application.playback.ports import SegmentGrid
from odeion.domain.media_file import HdrFormat, VideoStream
from odeion.domain.playback.plan import AudioPlan, VideoPlan

# What is made changes with this number, so that segments of older versions are not mixed in.
VERSION = 1

_USUAL_RATES = tuple(
    Fraction(rate)
    for rate in ("12", "15", "24000/1001", "24", "25", "30000/1001", "30", "48", "50", "60000/1001", "60")
)
_FALLBACK_RATE = Fraction(25)
_DEFAULT_VIDEO_BPS = 8_000_000
_CRF = 20
# libx264 with its pyramid of B-frames shows a picture at most this many frames after it is decoded.
_REORDERED_FRAMES = 2
SAMPLE_RATE_HZ, AAC_FRAME = 48_000, 1024
_AAC_FRAMES_PER_SEGMENT = 94  # 2.005 s
# Each AAC frame overlaps its neighbours: what precedes the first one wanted is encoded too, and thrown away.
_AAC_LEAD_FRAMES = 4
_LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}
# Containers with an index: a seek lands at or before the wanted time. Others may land behind it.
_INDEXED = ("matroska", "mov")
_UNINDEXED_LEAD_S = 6
# A subtitle that is to be seen already came this long before, at most.
_SUBTITLE_LEAD_S = 5
_FRAGMENTS = ("-f", "mp4", "-movflags", "frag_keyframe+empty_moov+default_base_moof+skip_trailer", "-use_editlist", "0")


@dataclass(frozen=True, slots=True)
class EncoderInput:
    """`origin_s` is the timestamp of the file's 0."""

    path: str
    demuxer: str
    origin_s: Fraction
    duration_s: float

    def arguments(self, start_s: Fraction) -> list[str]:
        """Open the file at or before a time. Timestamps stay those of the file."""
        if self.demuxer not in _INDEXED:
            start_s -= _UNINDEXED_LEAD_S
        seek = (
            ["-noaccurate_seek", "-seek_timestamp", "1", "-ss", f"{float(start_s + self.origin_s):.6f}"]
            if start_s > 0
            else []
        )
        return [
            *("-copyts", "-protocol_whitelist", "file,pipe", "-f", self.demuxer),
            *(*seek, "-i", f"file:{self.path}"),
        ]


class Cutter(ABC):
    """Cuts what one run of an encoder writes into segments."""

    @abstractmethod
    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """More output; the segments completed by it. Raises ValueError for what does not fit the grid."""

    def finish(self) -> Iterator[tuple[int, bytes]]:
        """The output has ended."""
        yield from ()


class Encoding(ABC):
    """One kind of conversion of one stream."""

    grid: SegmentGrid

    @abstractmethod
    def arguments(self, number: int) -> list[str]:
        """ffmpeg's arguments to make the segments from `number` on."""

    @abstractmethod
    def init_arguments(self) -> list[str]:
        """ffmpeg's arguments to make a file of the same kind from nothing, for its init segment."""

    @abstractmethod
    def cutter(self, number: int, init: bytes) -> Cutter: ...

    @property
    @abstractmethod
    def bandwidth_bps(self) -> tuple[int, int]:
        """Peak of a segment and average."""


def init_of(output: bytes) -> bytes:
    """The init segment of a fragmented file. Raises ValueError."""
    init = b"".join(output[box.start : box.end] for box in boxes(output) if box.kind in (b"ftyp", b"moov"))
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
    """H.264. Segments of about one second twice, then of two seconds."""

    plan: VideoPlan
    stream: VideoStream
    source: EncoderInput
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
    def _half(self) -> int:
        return max(round(self.rate), 1)

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

    @property
    def ticks_per_frame(self) -> int:
        return self.rate.denominator * self._multiplier

    @property
    def timescale(self) -> int:
        return self.rate.numerator * self._multiplier

    @property
    def _multiplier(self) -> int:
        """Makes ticks fine enough for decode times to be squeezed between frames."""
        return -(-10_000 // self.rate.numerator)

    def arguments(self, number: int) -> list[str]:
        first = self.cuts[number]
        graph = self._graph(first)
        lead_s = 0 if self.plan.burn_in_stream is None else _SUBTITLE_LEAD_S
        # `n` counts the frames of this run.
        frame = f"(n+{first})"
        keys = f"(not(mod({frame},{self._whole}))+eq({frame},{self._half}))*lte({frame},{self.cuts[-2]})"
        return [
            *self.source.arguments(first / self.rate - lead_s),
            *("-filter_complex", graph, "-map", "[out]", "-frames:v", str(self.frames - first)),
            *("-force_key_frames", f"expr:{keys}"),
            *self._encoder(),
            "pipe:1",
        ]

    def init_arguments(self) -> list[str]:
        colour = f"color=s={self.plan.width}x{self.plan.height}:r={self.rate.numerator}/{self.rate.denominator}"
        graph = f"{colour},setsar=1,{_SDR},format=yuv420p[out]"
        return ["-filter_complex", graph, "-map", "[out]", "-frames:v", "1", *self._encoder(), "pipe:1"]

    def cutter(self, number: int, init: bytes) -> Cutter:
        return _VideoCutter(self, number, init)

    def _encoder(self) -> list[str]:
        rate = str(self.bits_per_second)
        return [
            *("-an", "-sn", "-dn", "-map_metadata", "-1", "-map_chapters", "-1", "-fps_mode", "passthrough"),
            *("-c:v", "libx264", "-preset", "veryfast", "-profile:v", "high", "-crf", str(_CRF)),
            *("-maxrate", rate, "-bufsize", rate, "-g", str(4 * self._whole), "-sc_threshold", "0", "-forced-idr", "1"),
            *(*_FRAGMENTS, "-video_track_timescale", str(self.timescale), "-flush_packets", "1"),
        ]

    def _graph(self, first: int) -> str:
        plan = self.plan
        rebase = f"setpts=PTS-({float(self.source.origin_s):.6f})/TB"
        chain = [rebase]
        if plan.deinterlace:
            chain.append("bwdif=mode=send_frame")
        rate = f"{self.rate.numerator}/{self.rate.denominator}"
        chain.append(f"fps=fps={rate}:start_time={float(first / self.rate):.6f}:round=near")
        # Where the picture ends before the file does, the last one stays.
        chain.append("tpad=stop_mode=clone:stop=-1")
        chain += _tone_mapped(self.stream, plan) if plan.tone_map else _scaled(self.stream, plan)
        picture = f"[0:{plan.stream_index}]{','.join(chain)}"
        if plan.burn_in_stream is None:
            return f"{picture},setsar=1,{_SDR},format=yuv420p[out]"
        # Subtitles drawn for a picture with black bars stand where its lower edge was: align the lower edges.
        subtitles = f"[0:{plan.burn_in_stream}]{rebase},scale={plan.width}:-1[subtitles]"
        painted = "[picture][subtitles]overlay=x=(W-w)/2:y=H-h:eof_action=pass:repeatlast=0"
        return f"{picture}[picture];{subtitles};{painted},setsar=1,{_SDR},format=yuv420p[out]"


_SDR = "setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709:range=tv"


def _scaled(stream: VideoStream, plan: VideoPlan) -> list[str]:
    # An untagged picture is taken for one of its size's time.
    unknown = "bt709" if stream.height >= 700 else "bt601"
    matrix = "auto" if stream.color_space else unknown
    return [
        f"scale={plan.width}:{plan.height}:flags=bicubic:in_color_matrix={matrix}:out_color_matrix=bt709:out_range=tv"
    ]


def _tone_mapped(stream: VideoStream, plan: VideoPlan) -> list[str]:
    transfer = "arib-std-b67" if stream.hdr is HdrFormat.HLG else "smpte2084"
    return [
        f"zscale=w={plan.width}:h={plan.height}:tin={transfer}:pin=bt2020:min=bt2020nc:rin=tv:t=linear:npl=203",
        "format=gbrpf32le",
        "zscale=p=bt709",
        "tonemap=tonemap=hable:desat=0",
        "zscale=t=bt709:m=bt709:r=tv",
    ]


class _VideoCutter(Cutter):
    """Each fragment begins with a keyframe and is a segment. Only the order and spacing of its pictures is believed;
    where it stands is known from the grid."""

    def __init__(self, encoding: VideoEncoding, number: int, init: bytes) -> None:
        self._encoding, self._number, self._init = encoding, number, init
        self._track = read_track(init)
        self._buffer = bytearray()
        self._head: bytes | None = None

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
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
                    segment = self._segment(bytes(view[moof[0] : moof[1]]), view, moof[0])
                yield self._number, segment
                self._number += 1
            moof, used = None, box.end
        del self._buffer[:used]

    def _check(self) -> None:
        """Segments are played with the init segment that was made beforehand, so it must be the same."""
        if self._head is not None and _configuration(self._head) != _configuration(self._init):
            raise ValueError("the encoder chose other parameters than were announced")
        self._head = None

    def _segment(self, moof: bytes, data: memoryview, base: int) -> bytes:
        self._check()
        encoding, number = self._encoding, self._number
        if number + 1 >= len(encoding.cuts):
            raise ValueError("more segments than there are in the grid")
        first, end = encoding.cuts[number], encoding.cuts[number + 1]
        samples = read_fragment(moof)
        if len(samples) != end - first or not samples[0].key:
            raise ValueError(f"segment {number} has {len(samples)} frames instead of {end - first}")
        tick, opening = encoding.ticks_per_frame, samples[0].shown
        shown = [first * tick + sample.shown - opening for sample in samples]
        decoded = [(first + position - _REORDERED_FRAMES) * tick for position in range(len(samples))]
        until = (end - _REORDERED_FRAMES) * tick
        times = time_video(shown, decoded, until, opens_timeline=number == 0)
        payload = [data[base + sample.offset : base + sample.offset + sample.size] for sample in samples]
        try:
            return video_fragment(number, self._track, times, payload, [sample.key for sample in samples])
        finally:
            for view in payload:
                view.release()


def _configuration(init: bytes) -> bytes | None:
    entry = read_track(init).sample_entry
    inner = next((box for box in boxes(entry, 86) if box.kind == b"avcC"), None)
    return entry[inner.start : inner.end] if inner else None


# --- audio ----------------------------------------------------------------------------------------------------------


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

    def arguments(self, number: int) -> list[str]:
        first = self.first_encoded(number) * AAC_FRAME
        start_s = Fraction(first, SAMPLE_RATE_HZ)
        total = (self.frames + 1) * AAC_FRAME - first
        chain = [
            f"asetpts=PTS-({float(self.source.origin_s):.6f})/TB",
            *([f"atrim=start={float(start_s):.6f}"] if first else []),
            # Holes are filled with silence, overlaps cut, and the first sample stands where it should.
            f"aresample={SAMPLE_RATE_HZ}:async=1:first_pts={first}:{self._mix}",
            f"aformat=sample_fmts=fltp:channel_layouts={self._layout}",
            f"apad=whole_len={total}",
            f"atrim=end_sample={total}",
        ]
        graph = f"[0:{self.plan.stream_index}]{','.join(chain)}[out]"
        source = self.source.arguments(max(start_s - Fraction(1, 5), Fraction(0)))
        return [*source, "-filter_complex", graph, "-map", "[out]", *self._encoder(), "-f", "adts", "pipe:1"]

    def init_arguments(self) -> list[str]:
        graph = f"anullsrc=r={SAMPLE_RATE_HZ}:cl={self._layout},aformat=sample_fmts=fltp[out]"
        run = ["-filter_complex", graph, "-map", "[out]", "-frames:a", "2", *self._encoder()]
        return [*run, *_FRAGMENTS, "pipe:1"]

    def cutter(self, number: int, init: bytes) -> Cutter:
        return _AudioCutter(self, number, init)

    @property
    def _layout(self) -> str:
        return _LAYOUTS.get(self.plan.channels, "stereo")

    @property
    def _mix(self) -> str:
        """Dialogue comes from the centre: it stays as loud as the sides are, and the rest steps back."""
        levels = "center_mix_level=1:surround_mix_level=0.5:lfe_mix_level=0" if self.plan.channels <= 2 else ""
        return f"ochl={self._layout}:rematrix_maxval=1.5" + (f":{levels}" if levels else "")

    def _encoder(self) -> list[str]:
        return [
            *("-vn", "-sn", "-dn", "-map_metadata", "-1", "-map_chapters", "-1"),
            *("-c:a", "aac", "-b:a", str(self.bits_per_second), "-ar", str(SAMPLE_RATE_HZ), "-flush_packets", "1"),
        ]


class _AudioCutter(Cutter):
    """Counts the frames of an ADTS stream. The first one only primes the decoder and stands before the first sample."""

    def __init__(self, encoding: AudioEncoding, number: int, init: bytes) -> None:
        self._encoding, self._number = encoding, number
        self._track: Track = read_track(init)
        self._next = encoding.first_encoded(number) - 1
        self._buffer = bytearray()
        self._frames: list[bytes] = []

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
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
                yield self._number, self._segment()
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
