"""Indexes of MPEG transport streams, made in one walk through the file.

Which streams there are, and the number (`pid`) of each, is libavformat's word; all else is read here.
"""

from __future__ import annotations

import bisect
from array import array
from collections import Counter
from fractions import Fraction
from itertools import islice, pairwise

from odeion.adapters.ffmpeg.fmp4 import read_track
from odeion.adapters.ffmpeg.h264_groups import Opening, choose_entries
from odeion.adapters.ffmpeg.media_index import AudioPackets, Clusters, Heap, IndexedStream, VideoPackets
from odeion.adapters.ffmpeg.media_stream import MediaStream
from odeion.adapters.ffmpeg.mp4 import Unsupported
from odeion.adapters.ffmpeg.silence import silence_for
from odeion.adapters.ffmpeg.stream_entry import init_segment, stream_entry
from odeion.adapters.ffmpeg.timing import REORDER_PROBE_PACKETS, AudioGrid, Scale, choose_cuts, is_heard, usual_step
from odeion.adapters.ffmpeg.transport import (
    CLOCK_HZ,
    DELIMITERS,
    FRAMES,
    HEADER_BYTES,
    PAYLOAD_BYTES,
    Clock,
    Entry,
    Frame,
    Inner,
    Layout,
    Packets,
    Sound,
    Start,
    find_layout,
    nal_units,
    near,
    read_picture,
    read_unit,
    sound,
    starts,
    ticks_of,
    timed_payloads,
    unbroken_units,
    units,
)
from odeion.adapters.ffmpeg.window import Window
from odeion.application.playback.ports import MediaSource
from odeion.domain.media_file import AudioStream, GroupsOfPictures, VideoStream

_HEAD_BYTES = 64 << 10
_HEAD_UNITS = 40
_TAIL_UNITS = 40
# So far may the first of a stream lie from where the file begins, and the last picture from where it ends.
_APART_S = 60
_JUMPS_BORNE = 5
# With both times.
_PES_HEADER_BYTES = 19
_PARAMETER_SETS_LIMIT = 64


class TransportStream:
    """Makes the streams' part of the index. Methods raise Unsupported, Damaged, Conflict."""

    def __init__(self, source: MediaSource, window: Window, heap: Heap, origin_s: Fraction) -> None:
        self.clusters: Clusters | None = None
        self._source, self._window, self._heap, self._origin_s = source, window, heap, origin_s
        self._layout = find_layout(window)
        self._walked: dict[int, _Pictures | _Frames] = {}
        every: list[VideoStream | AudioStream] = [*source.technical.video, *source.technical.audio]
        with MediaStream(source, every[0].index) as media:
            self._pids = {stream.index: stream.id for stream in media.stream.container.streams}
        for stream in every:
            pid = self._pids.get(stream.index, -1)
            if stream.codec in DELIMITERS:
                self._walked[pid] = _Pictures(pid, stream.codec, self._begin)
            elif stream.codec in FRAMES:
                self._walked[pid] = _Frames(pid, stream.codec, self._begin)
        for pid, count in Counter(self._pids.values()).items():
            if count > 1 and pid in self._walked:
                self._walked[pid].trouble = "two streams in one"
        self._walk()

    @property
    def _begin(self) -> int:
        return round(self._origin_s * CLOCK_HZ)

    def _walk(self) -> None:
        marks = {pid: DELIMITERS.get(walked.codec) for pid, walked in self._walked.items()}
        for found in starts(self._window, self._layout, marks):
            walked = self._walked[found.pid]
            if walked.trouble is not None:
                continue
            if isinstance(found, Packets):
                walked.packets += found.number
            elif isinstance(found, Inner):
                walked.inner += 1
            else:
                walked.add(found, self._window, self._layout)

    def _stream(self, stream: VideoStream | AudioStream) -> _Pictures | _Frames:
        walked = self._walked.get(self._pids.get(stream.index, -1))
        if walked is None:
            raise Unsupported("no codec that is copied of transport streams")
        walked.require_sound()
        return walked

    def video(self, stream: VideoStream) -> IndexedStream:
        walked = self._stream(stream)
        assert isinstance(walked, _Pictures)
        init = init_segment(self._source, stream.index)
        for nal in walked.parameter_sets:
            if nal not in init:
                raise Unsupported("parameter sets that change")
        track = read_track(init)
        scale = Scale(Fraction(1, CLOCK_HZ), track.timescale, self._origin_s)
        keys = [number for number, entry in enumerate(walked.entries) if entry]
        if not keys:
            raise Unsupported("no keyframes")
        shown = [scale.ticks(time) for time in walked.shown[keys[0] :]]
        end = max(max(shown) + usual_step(sorted(shown[-REORDER_PROBE_PACKETS:])), 1)
        end_s = Fraction(end, track.timescale)
        if Fraction(self._source.technical.duration_ms, 1000) - end_s > _APART_S:
            raise Unsupported("a picture that ends long before the file")
        key_times = [Fraction(scale.ticks(walked.shown[key]), track.timescale) for key in keys]
        groups = None
        if stream.codec == "h264":
            entries = choose_entries(key_times, end_s, lambda position: _opening(walked.entries[keys[position]]))
            chosen, groups = entries.chosen, entries.groups
        else:
            chosen = choose_cuts(key_times, end_s)
        cuts = [keys[position] for position in chosen]
        begins = (0, *(scale.ticks(walked.shown[cut]) for cut in cuts[1:]))
        places = (*(walked.places[cut] for cut in cuts), self._window.size)
        cutting = VideoPackets(
            stride=self._layout.stride,
            pid=walked.pid,
            codec=walked.codec,
            keeps_idr_only=groups is GroupsOfPictures.MIXED,
            places=places,
            times=tuple(walked.decoded[cut] for cut in cuts),
        )
        spans = [after - before for before, after in pairwise(places)]
        average = round(walked.size_bytes * 8 / end_s)
        return stream_entry(
            stream, self._heap, init, begins, end, cutting, sizes=spans, average_bps=average, groups=groups
        )

    def audio(self, stream: AudioStream) -> IndexedStream:
        walked = self._stream(stream)
        assert isinstance(walked, _Frames)
        init = init_segment(self._source, stream.index)
        track = read_track(init)
        scale = Scale(Fraction(1, CLOCK_HZ), track.timescale, self._origin_s)
        opening = self._sound(walked, 0, _HEAD_UNITS)
        closing = self._sound(walked, -_TAIL_UNITS, None)
        if not opening or not closing:
            raise Unsupported("no sound that can be read")
        header = opening[len(opening) // 2].header
        if header.samples * track.timescale % header.rate_hz or (stream.codec == "eac3" and header.samples != 1536):
            raise Unsupported("frames of sound that MP4 cannot carry as they are")
        frame = header.samples * track.timescale // header.rate_hz
        times = [ticks_of(each, scale, track.timescale) for each in opening]
        heard = [time for time in times if is_heard(time, track.timescale)]
        last = ticks_of(closing[-1], scale, track.timescale)
        if not heard:
            raise Unsupported("no sound that can be read")
        silence = silence_for(stream.codec, stream.channels, track, frame)
        grid = AudioGrid.until(track.timescale, max(heard[0], 0), frame, max(last, heard[0]), silence)
        ticks = [scale.ticks(time) for time in walked.times]
        begins, ends = [0], []
        for start in grid.starts[1:]:
            begins.append(max(bisect.bisect_right(ticks, start - frame) - 1, 0))
            # What begins in one PES packet may end in the next.
            behind = bisect.bisect_left(ticks, start + frame) + 2
            ends.append(walked.places[behind] if behind < len(ticks) else self._window.size)
        ends.append(self._window.size)
        places = [walked.places[begin] for begin in begins]
        cutting = AudioPackets(
            stride=self._layout.stride,
            pid=walked.pid,
            codec=walked.codec,
            first=grid.first,
            frame=grid.frame,
            frames=grid.frames,
            frames_per_segment=grid.frames_per_segment,
            silence=grid.silence,
            places=tuple(places),
            times=tuple(walked.times[begin] for begin in begins),
            ends=tuple(ends),
        )
        spans = [end - place for place, end in zip(places, ends, strict=True)]
        return stream_entry(stream, self._heap, init, grid.starts, grid.end, cutting, sizes=spans, average_bps=0)

    def _sound(self, walked: _Frames, first: int, count: int | None) -> list[Sound]:
        """The frames of some PES packets."""
        first = max(first + len(walked.places), 0) if first < 0 else first
        if first >= len(walked.places):
            return []
        found = unbroken_units(self._window, self._layout.stride, walked.pid, walked.places[first], self._window.size)
        return list(sound(timed_payloads(islice(found, count), Clock(walked.times[first])), walked.codec))


def _opening(entry: int) -> Opening:
    """As what cuts by choose_entries has it. Recovery points are looked for when they are left out."""
    recovers = entry in (Entry.RECOVERY, Entry.BOUND_RECOVERY)
    return Opening(entry == Entry.IDR, (0, 0) if recovers else None, bound=entry == Entry.BOUND_RECOVERY)


class _Walked:
    """What the walk finds of a stream. `trouble` says why it cannot be cut; nothing is added after it is known."""

    def __init__(self, pid: int, codec: str, begin: int) -> None:
        """`begin`: when the file does."""
        self.pid, self.codec = pid, codec
        self.trouble: str | None = None
        self.inner = self.packets = 0
        self.places = array("q")
        self._begin = begin
        self._clock: Clock | None = None
        self._jumps = self._scrambled = 0

    def require_sound(self) -> None:
        """Raises Unsupported."""
        if self._scrambled > self._borne:
            self.trouble = "it is encrypted"
        if self.trouble is None and not self.places:
            self.trouble = "a stream without packets"
        if self.trouble is not None:
            raise Unsupported(self.trouble)

    @property
    def size_bytes(self) -> int:
        """About that of the stream without what wraps it: headers, and what fills up the last packet of a PES packet,
        which is half of one."""
        return max(self.packets * PAYLOAD_BYTES - len(self.places) * (PAYLOAD_BYTES // 2 + _PES_HEADER_BYTES), 0)

    @property
    def _borne(self) -> int:
        """So many packets may be damaged."""
        return 2 + len(self.places) // 1000

    def _time(self, raw: int) -> int | None:
        """A time that is told apart from others; None for damage."""
        if self._clock is None:
            time: int | None = near(raw, self._begin)
            assert time is not None
            if abs(time - self._begin) <= _APART_S * CLOCK_HZ:
                self._clock = Clock(time)
            else:
                time = None
        else:
            time = self._clock.read(raw)
        self._jumps = 0 if time is not None else self._jumps + 1
        if self._jumps > _JUMPS_BORNE:
            self.trouble = "timestamps that jump"
        return time

    def _whole_head(self, start: Start, window: Window, layout: Layout) -> bytes:
        """More of a PES packet than there is in the first packet of it."""
        stretch = start.place, start.place + _HEAD_BYTES
        return next(units(window, layout.stride, self.pid, *stretch, chunk_bytes=_HEAD_BYTES + layout.stride), b"")


class _Pictures(_Walked):
    """Of each PES packet with a time, which is a picture: its place and times, and its Entry."""

    def __init__(self, pid: int, codec: str, begin: int) -> None:
        super().__init__(pid, codec, begin)
        self.shown, self.decoded = array("q"), array("q")
        self.entries = array("b")
        self.parameter_sets: set[bytes] = set()
        self._undelimited = self._untimed = 0

    def add(self, start: Start, window: Window, layout: Layout) -> None:
        head = start.head
        unit = read_unit(head)
        nals = nal_units(head[unit.body :]) if unit is not None else []
        picture = read_picture(self.codec, nals)
        if picture.entry is None:
            head = self._whole_head(start, window, layout)
            unit = read_unit(head)
            picture = read_picture(self.codec, nal_units(head[unit.body : unit.end]) if unit is not None else [])
        self._scrambled += start.scrambled
        if unit is None:
            return
        if unit.pts is None or unit.dts is None:
            self._untimed += picture.delimited
            return
        decoded = self._time(unit.dts)
        if decoded is None:
            return
        self._undelimited += not picture.delimited
        self.parameter_sets.update(picture.parameter_sets)
        self.places.append(start.place)
        self.decoded.append(decoded)
        self.shown.append(near(unit.pts, decoded))
        self.entries.append(picture.entry or Entry.NONE)
        if len(self.parameter_sets) > _PARAMETER_SETS_LIMIT:
            self.trouble = "parameter sets that change"

    def require_sound(self) -> None:
        super().require_sound()
        if self._untimed > self._borne:
            raise Unsupported("pictures without times")
        if self.inner > self._borne or self._undelimited > self._borne:
            raise Unsupported("pictures that do not begin PES packets")


class _Frames(_Walked):
    """Of each PES packet with a time: its place and time."""

    def __init__(self, pid: int, codec: str, begin: int) -> None:
        super().__init__(pid, codec, begin)
        self.times = array("q")
        self._form: tuple[object, ...] | None = None
        self._changes = 0

    def add(self, start: Start, window: Window, layout: Layout) -> None:
        head = start.head
        unit = read_unit(head)
        if unit is None or len(head) < unit.body + HEADER_BYTES:
            head = self._whole_head(start, window, layout)
            unit = read_unit(head)
        self._scrambled += start.scrambled
        if unit is None or unit.pts is None:
            return
        time = self._time(unit.pts)
        if time is None:
            return
        self.places.append(start.place)
        self.times.append(time)
        if len(head) >= unit.body + HEADER_BYTES and (frame := FRAMES[self.codec](head, unit.body)) is not None:
            self._note(frame)

    def _note(self, frame: Frame) -> None:
        if frame.belongs:
            return
        if self._form is None:
            self._form = frame.form
        # Bytes of a frame that goes on here may look like another's header, a few times.
        self._changes += frame.form != self._form
        if self._changes > self._borne:
            self.trouble = "sound that changes its form"
