"""Segments of copied renditions of MPEG transport streams: a stretch of the file is read, and what is in it is put the
way MP4 has it.

Times are those of the file. H.264 and HEVC lose their start codes and AAC its ADTS headers; nothing else is changed.
Where packets were lost, pictures are left out up to the next keyframe, and frames of sound that are not whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from odeion.adapters.ffmpeg.fmp4 import Track, audio_header, time_video, video_header
from odeion.adapters.ffmpeg.media_index import AudioPackets, IndexedStream, VideoPackets
from odeion.adapters.ffmpeg.timing import Scale, is_heard, usual_step
from odeion.adapters.ffmpeg.transport import (
    CLOCK_HZ,
    Clock,
    counted_units,
    nal_units,
    near,
    read_picture,
    read_unit,
    sound,
    ticks_of,
    timed_payloads,
    with_lengths,
    without_recovery_point,
)
from odeion.adapters.ffmpeg.window import Damaged, Window

_PIECE_BYTES = 1 << 20


def video_segment(
    origin_s: Fraction, stream: IndexedStream, cutting: VideoPackets, number: int, window: Window
) -> Iterator[bytes]:
    """Raises Damaged, ValueError, OSError, as all of this module."""
    first, last = number == 0, number + 1 == len(cutting.times)
    scale = Scale(Fraction(1, CLOCK_HZ), stream.timescale, origin_s)
    clock = Clock(cutting.times[number])
    shown: list[int] = []
    decoded: list[int] = []
    pictures: list[bytes] = []
    keys: list[bool] = []
    # Whether what comes next can belong to the last picture, and whether it can refer to those before.
    goes_on = whole = True
    for packet in counted_units(
        window, cutting.stride, cutting.pid, cutting.places[number], cutting.places[number + 1]
    ):
        if packet is None:
            # Browsers break off where a reference is missing: nothing is shown until the next keyframe.
            goes_on = False
            if whole and len(pictures) > 1:
                for column in (shown, decoded, pictures, keys):
                    column.pop()
            whole = False
            continue
        unit = read_unit(packet)
        nals = nal_units(packet[unit.body : unit.end]) if unit is not None else []
        if unit is None or unit.pts is None or unit.dts is None:
            # The rest of a picture, unless that was lost.
            if goes_on and pictures:
                pictures[-1] += with_lengths(nals)
            continue
        time = clock.read(unit.dts)
        key = bool(read_picture(cutting.codec, nals).entry)
        whole = whole or key
        goes_on = time is not None and bool(nals) and whole
        if time is None or not goes_on:
            continue
        shown.append(scale.ticks(near(unit.pts, time)))
        decoded.append(scale.ticks(time))
        if key and pictures and cutting.keeps_idr_only:
            kept = without_recovery_point(nals)
            key, nals = len(kept) == len(nals), kept
        pictures.append(with_lengths(nals))
        keys.append(key)
    if not pictures:
        raise Damaged("a part of the file has no picture")
    until = decoded[-1] + usual_step(decoded) if last else scale.ticks(cutting.times[number + 1])
    times = time_video(shown, decoded, until, opens_timeline=first)
    track = Track(stream.track_id, stream.timescale, b"")
    yield video_header(number, track, times, [len(picture) for picture in pictures], keys)
    yield from pictures


def audio_segment(
    origin_s: Fraction, stream: IndexedStream, cutting: AudioPackets, number: int, window: Window
) -> Iterator[bytes]:
    audio = stream.audio_grid
    first_frame = number * audio.frames_per_segment
    end_frame = first_frame + audio.frames_per_segment if number + 1 < audio.segments else 1 << 62
    scale = Scale(Fraction(1, CLOCK_HZ), stream.timescale, origin_s)
    packets = counted_units(window, cutting.stride, cutting.pid, cutting.places[number], cutting.ends[number])
    times: list[int] = []
    frames_found: list[bytes] = []
    following: int | None = None
    for frame in sound(timed_payloads(packets, Clock(cutting.times[number])), cutting.codec):
        time = ticks_of(frame, scale, stream.timescale)
        position = audio.frame_of(time)
        if not is_heard(time, stream.timescale) or position < first_frame:
            continue
        if position >= end_frame:
            following = time
            break
        times.append(time)
        frames_found.append(frame.data)
    laid_out = audio.times(number, times, following)
    track = Track(stream.track_id, stream.timescale, b"")
    parts = laid_out.with_silence(frames_found, cutting.silence)
    yield audio_header(number, track, laid_out.opening, laid_out.durations, [len(part) for part in parts])
    yield from parts
