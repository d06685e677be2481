"""Copied renditions: any segment of a stream, made in-process from the file alone.

Video is cut at keyframes. Matroska has no decode times: there they are the times of showing, sorted, less a constant
delay, which is what a decoder that needs that much reordering would have been given. MP4 has them, and they are kept.
Audio is cut on one grid of frames for the whole file; a frame within 3 ms of the grid is put on it, because Matroska
rounds its times to milliseconds, and one that is not keeps its own time.

Times in `ticks` count from the file's start in the rendition's timescale; `raw` ones are the container's.
"""

from __future__ import annotations

import bisect
import io
import itertools
import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import av
import av.error
from av.audio.stream import AudioStream
from av.packet import Packet
from av.stream import Stream

from odeion.adapters.ffmpeg.boxes import boxes
from odeion.adapters.ffmpeg.codec_strings import codec_string
from odeion.adapters.ffmpeg.fmp4 import (
    Track,
    audio_fragment,
    read_track,
    tag_hevc_for_apple,
    time_video,
    video_fragment,
)
from odeion.adapters.ffmpeg.media_stream import MediaStream
from odeion.adapters.ffmpeg.silence import silence_for
from odeion.adapters.ffmpeg.timing import (
    LEADING_PICTURES,
    REORDER_PROBE_PACKETS,
    VIDEO_TIMESCALE,
    AudioGrid,
    Scale,
    choose_cuts,
    covers,
    is_heard,
    reorder_delay,
    reordering,
    usual_frame,
    usual_step,
)
from odeion.adapters.ffmpeg.transport import FRAMES, HEADER_BYTES, adts_configuration
from odeion.application.playback.ports import SegmentGrid
from odeion.domain.shared.errors import Conflict, Unavailable

# Some are put together in memory.
SEGMENT_LIMIT_BYTES = 512 << 20
_STEPS_BACK = 3


def copy_init(media: MediaStream) -> bytes:
    """The init segment, written by libavformat from the stream's parameters and its first packets: some codecs (AC-3)
    are described by what is in them. `media` must be freshly opened. Raises Conflict for what MP4 cannot carry."""
    buffer = io.BytesIO()
    options = {
        "movflags": "frag_custom+empty_moov+default_base_moof+delay_moov+skip_trailer",
        "use_editlist": "0",
        "avoid_negative_ts": "disabled",
        # Dolby Vision's boxes are no part of plain ISO 14496.
        "strict": "unofficial",
        "video_track_timescale": str(VIDEO_TIMESCALE),
    }
    try:
        with av.open(buffer, "w", format="mp4", options=options) as output:
            target = output.add_stream_from_template(media.stream, opaque=True)
            packets = list(itertools.islice(media.packets(), 3))
            if media.is_transport_stream and media.stream.codec_context.name == "aac":
                packets = _without_adts(packets, target)
            for position, packet in enumerate(packets):
                packet.pts = packet.dts = position * max(packet.duration or 0, 1)
                packet.stream = target
                output.mux(packet)
    except (av.error.FFmpegError, ValueError) as error:
        raise Conflict(f"MP4 cannot carry this {media.stream.type} stream ({error})") from error
    data = buffer.getvalue()
    init = b"".join(data[box.start : box.end] for box in boxes(data) if box.kind in (b"ftyp", b"moov"))
    try:
        codec_string(read_track(init).sample_entry)
    except ValueError as error:
        # Nothing was written for want of a packet that could be read, or of a codec that its header does not fit.
        raise Conflict(f"MP4 cannot carry this {media.stream.type} stream ({error})") from error
    return tag_hevc_for_apple(init)


def _without_adts(packets: Sequence[Packet[Stream]], target: Stream) -> list[Packet[Stream]]:
    """Frames of AAC as MP4 has them; `target` is told what their headers said."""
    bare: list[Packet[Stream]] = []
    for packet in packets:
        data = bytes(packet)
        header = FRAMES["aac"](data, 0) if len(data) >= HEADER_BYTES else None
        if header is None:
            raise ValueError("AAC without ADTS")
        if not bare:
            target.codec_context.extradata = adts_configuration(data)
        frame = Packet(data[header.skipped :])
        frame.time_base, frame.duration = packet.time_base, packet.duration
        bare.append(frame)
    return bare


# --- video ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class VideoCopy:
    """How a video stream is cut. `cuts` are the raw times of the keyframes segments begin with: decode times in MP4,
    times of showing in Matroska. `delay` is what Matroska's decode times lie before the times of showing, in ticks."""

    init: bytes
    track: Track
    scale: Scale
    cuts: tuple[int, ...]
    has_decode_times: bool
    delay: int
    grid: SegmentGrid
    peak_bps: int
    average_bps: int


def file_origin_s(fresh: MediaStream) -> Fraction:
    """The timestamp, in seconds, at which all renditions of a file have their 0; `fresh` is its video stream, if any,
    just opened. A file cut in the middle of a group of pictures, by an edit list, begins before its own start."""
    first = [packet.pts or 0 for packet in itertools.islice(fresh.packets(), 20)]
    return min([fresh.start_s, *(time * fresh.time_base for time in first if fresh.stream.type == "video")])


def plan_video(
    media: MediaStream,
    fresh: MediaStream,
    origin_s: Fraction,
    probed_s: Fraction,
    *,
    known_keyframes: Sequence[int] | None,
) -> VideoCopy:
    """Read the container's index, and a few packets of the start, the middle and the end. `fresh` is the same stream
    just opened; `probed_s` how long the file lasts by its probe; `known_keyframes` are those of an earlier walk. Raises
    Conflict, Unavailable, WalkNeeded."""
    base = media.time_base
    init = copy_init(fresh)
    track = read_track(init)
    has_decode_times = not media.is_matroska

    indexed = media.keyframes(media.stream)
    if known_keyframes is not None:
        keyframes = list(known_keyframes)
    else:
        keyframes = sorted(timestamp for timestamp, _, _ in indexed)
        if not covers(keyframes, base, origin_s + probed_s):
            raise WalkNeeded
    media.seek(keyframes[0])
    first = _gather(media, REORDER_PROBE_PACKETS)
    if not first:
        raise Conflict("the file has no picture that can be read")
    scale = Scale(base, track.timescale, origin_s)
    shown_after_decoded = first[0][0] - (first[0][1] if has_decode_times else first[0][0])

    media.seek(keyframes[-1])
    last = _gather(media, None)
    reorder = 0
    if not has_decode_times:
        media.seek(keyframes[len(keyframes) // 2])
        for part in (first, _gather(media, REORDER_PROBE_PACKETS), last):
            reorder = max(reorder, reordering([shown for shown, _, _ in part]))
    delay = reorder_delay(reorder, scale, track.timescale)

    end = _shown_until(last or first)
    duration_s = max(Fraction(scale.ticks(end), track.timescale), Fraction(1, 1000))
    starts = [Fraction(scale.ticks(key + shown_after_decoded), track.timescale) for key in keyframes]
    chosen = choose_cuts(starts, duration_s)
    grid = SegmentGrid((0.0, *(float(starts[i]) for i in chosen[1:])), float(duration_s))
    cuts = tuple(keyframes[i] for i in chosen)
    peak, average = _video_rates(media, indexed, cuts, grid)
    return VideoCopy(init, track, scale, cuts, has_decode_times, delay, grid, peak, average)


class WalkNeeded(Exception):
    """The container has no index, or a part of one: read all packets with `walk_keyframes`, once."""


def walk_keyframes(media: MediaStream) -> list[int]:
    """Times of all keyframes, by reading the whole of a freshly opened file: decode times in MP4, times of showing in
    Matroska."""
    found = []
    for packet in media.packets():
        time = packet.pts if media.is_matroska else packet.dts
        if packet.is_keyframe and time is not None:
            found.append(time)
    if not found:
        raise Conflict("the file has no picture that can be read")
    return sorted(found)


def video_segment(media: MediaStream, copy: VideoCopy, number: int) -> bytes:
    """For segment 0 of a Matroska file `media` must be freshly opened: what lies before the first entry of the index
    is out of reach of a seek."""
    first, last = number == 0, number + 1 == len(copy.cuts)
    if not first or copy.has_decode_times:
        media.seek(copy.cuts[number])
    start = None if first else copy.cuts[number]
    end = None if last else copy.cuts[number + 1]
    shown: list[int] = []
    decoded: list[int] = []
    keys: list[bool] = []
    data: list[bytes] = []
    following: int | None = None  # when the next segment begins, in raw time
    final_duration = size = 0
    packets = media.packets()
    for packet in packets:
        pts, dts = _times(packet, copy.has_decode_times)
        mark = dts if copy.has_decode_times else pts
        if not data:
            if not packet.is_keyframe or (start is not None and mark < start):
                continue
        elif packet.is_keyframe and end is not None and mark >= end:
            # The order of decoding decides: pictures shown before their keyframe but stored after it go with it.
            following = dts if copy.has_decode_times else _first_shown(pts, packets)
            break
        shown.append(copy.scale.ticks(pts))
        decoded.append(copy.scale.ticks(dts))
        keys.append(packet.is_keyframe)
        data.append(bytes(packet))
        final_duration = packet.duration or final_duration
        size += len(data[-1])
        if size > SEGMENT_LIMIT_BYTES:
            raise Unavailable("the file has too few keyframes to be cut into segments")
    if not data:
        raise Unavailable("a part of the file cannot be read")
    if not copy.has_decode_times:
        decoded = [time - copy.delay for time in sorted(shown)]
    if following is not None:
        until = copy.scale.ticks(following) - copy.delay
    else:
        until = decoded[-1] + (copy.scale.ticks(final_duration) - copy.scale.ticks(0) or usual_step(decoded))
    times = time_video(shown, decoded, until, opens_timeline=first)
    return video_fragment(number, copy.track, times, data, keys)


def _times(packet: Packet[Stream], has_decode_times: bool) -> tuple[int, int]:
    pts = packet.pts
    assert pts is not None
    return pts, packet.dts if has_decode_times and packet.dts is not None else pts


def _gather(media: MediaStream, limit: int | None) -> list[tuple[int, int, int]]:
    """(shown, decoded, duration) of the next packets, raw."""
    return [
        (*_times(packet, not media.is_matroska), packet.duration or 0)
        for packet in itertools.islice(media.packets(), limit)
    ]


def _shown_until(packets: Sequence[tuple[int, int, int]]) -> int:
    shown = sorted(time for time, _, _ in packets)
    duration = max(duration for _, _, duration in packets)
    return shown[-1] + (duration or usual_step(shown))


def _first_shown(key_shown: int, packets: Iterator[Packet[Stream]]) -> int:
    """When a segment's first picture is shown: pictures that lead its keyframe follow it in the file."""
    earliest = key_shown
    for packet in itertools.islice(packets, LEADING_PICTURES):
        if packet.pts is None or packet.pts > key_shown:
            break
        earliest = min(earliest, packet.pts)
    return earliest


def _video_rates(
    media: MediaStream, indexed: Sequence[tuple[int, int, int]], cuts: Sequence[int], grid: SegmentGrid
) -> tuple[int, int]:
    """Peak over segments and average in bits per second; of Matroska, whose index has no sizes, the peak counts what
    lies between with it. (0, 0) where the index does not tell."""
    durations = grid.durations_s()
    if not media.is_matroska:
        sizes = [0] * len(cuts)
        for time, size in media.index_sizes():
            sizes[max(bisect.bisect_right(cuts, time) - 1, 0)] += size
        rates = [size * 8 / duration for size, duration in zip(sizes, durations, strict=True) if duration > 0.2]
        return round(max(rates, default=0)), round(sum(sizes) * 8 / grid.duration_s)
    positions = {timestamp: position for timestamp, position, _ in indexed}
    spans = [
        (positions[after] - positions[before]) * 8 / duration
        for before, after, duration in zip(cuts, cuts[1:], durations, strict=False)
        if before in positions and after in positions and duration > 0.2
    ]
    return round(max(spans, default=0)), 0


# --- audio ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AudioCopy:
    """How an audio stream is cut. `by_video` says to seek by the video's index."""

    init: bytes
    track: Track
    scale: Scale
    frames: AudioGrid
    by_video: bool
    grid: SegmentGrid


def plan_audio(
    media: MediaStream, fresh: MediaStream, another: MediaStream, origin_s: Fraction, probed_s: Fraction
) -> AudioCopy:
    """`fresh` and `another` are the same stream just opened; `probed_s` is how long the file lasts by its probe. Raises
    Conflict, Unavailable."""
    init = copy_init(fresh)
    track = read_track(init)
    scale = Scale(media.time_base, track.timescale, origin_s)
    head = [(scale.ticks(p.pts or 0), p.duration or 0) for p in itertools.islice(another.packets(), 250)]
    head = [(time, duration) for time, duration in head if is_heard(time, track.timescale)]
    if not head:
        raise Conflict("the file has no sound that can be read")
    first = max(head[0][0], 0)
    frame = _frame_ticks(media, head, scale)
    by_video = False
    if media.is_matroska and (video := media.video_stream) is not None:
        times = sorted(timestamp for timestamp, _, _ in media.keyframes(video))
        by_video = covers(times, video.time_base or Fraction(1), origin_s + probed_s)
    end = _audio_end(media, scale, probed_s, by_video=by_video) or head[-1][0]
    assert isinstance(media.stream, AudioStream)
    silence = silence_for(media.stream.codec.canonical_name, media.stream.channels, track, frame)
    frames = AudioGrid.until(track.timescale, first, frame, end, silence)
    grid = SegmentGrid(tuple(start / track.timescale for start in frames.starts), frames.end / track.timescale)
    return AudioCopy(init, track, scale, frames, by_video, grid)


def audio_segment(media: MediaStream, copy: AudioCopy, number: int) -> bytes:
    """For segment 0 `media` must be freshly opened: frames laced into the first block are lost by a seek."""
    first_frame = number * copy.frames.frames_per_segment
    end_frame = first_frame + copy.frames.frames_per_segment
    last = number + 1 == len(copy.grid.starts_s)
    times: list[int] = []
    data: list[bytes] = []
    following: int | None = None
    for step in range(_STEPS_BACK + 1):
        if number:
            _seek_audio(media, copy, first_frame, step)
        times, data, following = [], [], None
        seen_earlier = number == 0
        for packet in media.packets():
            time = copy.scale.ticks(packet.pts or 0)
            if not is_heard(time, copy.track.timescale):
                continue
            frame = copy.frames.frame_of(time)
            if frame < first_frame:
                seen_earlier = True
                continue
            if frame >= end_frame and not last:
                following = time
                break
            times.append(time)
            data.append(bytes(packet))
        if seen_earlier:
            # Else sound of this segment may lie before the keyframe that was sought.
            break
    laid_out = copy.frames.times(number, times, following)
    samples = laid_out.with_silence(data, copy.frames.silence)
    return audio_fragment(number, copy.track, laid_out.opening, laid_out.durations, samples)


def _frame_ticks(media: MediaStream, head: Sequence[tuple[int, int]], scale: Scale) -> int:
    """How long a frame lasts: as MP4 says, else as the spacing of the first frames tells."""
    assert isinstance(media.stream, AudioStream)
    if not media.is_matroska and head[0][1]:
        usual = statistics.mode(duration for _, duration in head)
        return max(scale.ticks(usual) - scale.ticks(0), 1)
    if len(head) > 1:
        return usual_frame([after - before for (before, _), (after, _) in itertools.pairwise(head)])
    return media.stream.codec_context.frame_size or 1024


def _seek_audio(media: MediaStream, copy: AudioCopy, frame: int, step: int) -> None:
    wanted_s = (
        Fraction(copy.frames.first + max(frame - 1, 0) * copy.frames.frame, copy.track.timescale) + copy.scale.origin_s
    )
    video = media.video_stream
    if copy.by_video and video is not None and video.time_base:
        # Sound may be stored before the keyframe it is heard with: then an earlier one leads to it.
        target = int(wanted_s / video.time_base)
        entries = video.index_entries
        position = entries.search_timestamp(target) - step
        media.seek(entries[position].timestamp if position > 0 else target if step == 0 else 0, video)
    else:
        back_s = step * Fraction(5)
        media.seek(int((wanted_s - back_s) / media.time_base))


def _audio_end(media: MediaStream, scale: Scale, probed_s: Fraction, *, by_video: bool) -> int | None:
    """When the last frame begins, in ticks: read from near the end, and from further back where nothing is there."""
    for back_s in (0, 10, 60, 600, None):
        target_s = scale.origin_s + (max(probed_s - back_s, Fraction(0)) if back_s is not None else 0)
        video = media.video_stream
        if by_video and video is not None and video.time_base:
            media.seek(int(target_s / video.time_base), video)
        else:
            media.seek(int(target_s / media.time_base))
        found = _latest(media.packets())
        if found is not None:
            return scale.ticks(found)
    return None


def _latest(packets: Iterable[Packet[Stream]]) -> int | None:
    return max((packet.pts for packet in packets if packet.pts is not None), default=None)
