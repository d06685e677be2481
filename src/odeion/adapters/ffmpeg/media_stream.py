"""One elementary stream of a media file, open for reading packets with libavformat.

libavformat gets an open descriptor, never a path, the one demuxer the probe settled on, and may open nothing else: a
file that refers to others leads nowhere.
"""

from __future__ import annotations

import os
import stat
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction

import av
import av.error
from av.container import InputContainer
from av.packet import Packet
from av.stream import Discard, Stream

from odeion.application.playback.ports import MediaSource
from odeion.domain.shared.errors import Conflict, Unavailable

_SAFE_OPTIONS = {
    "protocol_whitelist": "fd",
    # Stream analysis then decodes no pictures, which is most of its time.
    "skip_frame": "all",
}
_UNREADABLE = "the file is damaged or its disk is failing"


def open_source(source: MediaSource) -> int:
    """A descriptor of the file the probe saw. Raises Unavailable where it is away, Conflict where it is another."""
    try:
        # Without O_NONBLOCK opening a pipe would wait for its writer.
        descriptor = os.open(source.path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as error:
        raise Unavailable("the file cannot be read now; its disk may be away", retry_after_s=30) from error
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or (status.st_size, status.st_mtime_ns) != (
        source.stamp.size_bytes,
        source.stamp.mtime_ns,
    ):
        os.close(descriptor)
        raise Conflict("the file has changed since it was scanned; scan its library again")
    return descriptor


def check_source(source: MediaSource) -> None:
    """Raises as `open_source`."""
    os.close(open_source(source))


def demuxer(source: MediaSource) -> str:
    """The one libavformat demuxer for the file."""
    return source.technical.container.split(",")[0]


class MediaStream:
    """A stream of an open file. For one thread at a time. Methods raise Unavailable where the file cannot be read."""

    def __init__(self, source: MediaSource, stream_index: int) -> None:
        """Raises Unavailable, Conflict."""
        descriptor = open_source(source)
        try:
            self._container: InputContainer = av.open(
                "fd:",
                "r",
                format=demuxer(source),
                options={**_SAFE_OPTIONS, "fd": str(descriptor), "format_whitelist": demuxer(source)},
                metadata_errors="replace",
            )
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise Unavailable(_UNREADABLE) from error
        finally:
            # libavformat reads from a duplicate.
            os.close(descriptor)
        if not 0 <= stream_index < len(self._container.streams):
            self._container.close()
            raise Conflict("the file has no such stream any more; scan its library again")
        self.stream: Stream = self._container.streams[stream_index]
        for other in self._container.streams:
            if other.index != stream_index:
                other.discard = Discard.all
        self.is_matroska = demuxer(source) == "matroska"
        self.is_transport_stream = demuxer(source) == "mpegts"

    @property
    def time_base(self) -> Fraction:
        """Seconds per tick."""
        return self.stream.time_base or Fraction(1, 90_000)

    @property
    def start_s(self) -> Fraction:
        """The container's first timestamp, in seconds."""
        start: int | None = self._container.start_time
        return Fraction(start, 1_000_000) if start is not None else Fraction(0)

    @property
    def video_stream(self) -> Stream | None:
        """The stream whose index a Matroska file is sought by."""
        return next((stream for stream in self._container.streams if stream.type == "video"), None)

    def keyframes(self, stream: Stream) -> list[tuple[int, int, int]]:
        """(timestamp, byte offset, size or 0) of the keyframes in the container's own index: decode times in MP4,
        times of showing in Matroska. May be partial or empty."""
        if self.is_matroska:
            # The index lies at the end of the file and is read by the first seek.
            self.seek(0, stream)
        return [(entry.timestamp, entry.pos, entry.size) for entry in stream.index_entries if entry.is_keyframe]

    def index_sizes(self) -> list[tuple[int, int]]:
        """(decode time, size in bytes) of all samples in the container's index."""
        return [(entry.timestamp, entry.size) for entry in self.stream.index_entries]

    def seek(self, timestamp: int, stream: Stream | None = None) -> None:
        """To the last keyframe of `stream` (this one by default) at or before a timestamp in its time base."""
        try:
            self._container.seek(timestamp, stream=stream or self.stream, backward=True)
        except (av.error.FFmpegError, OSError, OverflowError) as error:
            raise Unavailable(_UNREADABLE) from error

    def seek_start(self) -> None:
        """To the first packet of an MP4 file, which may lie before its 0."""
        entries = self.stream.index_entries
        self.seek(entries[0].timestamp if len(entries) else self.stream.start_time or 0)

    def packets(self) -> Iterator[Packet[Stream]]:
        """The stream's packets with a timestamp, from where the file stands."""
        try:
            for packet in self._container.demux(self.stream):
                if packet.pts is not None and packet.size:
                    yield packet
        except (av.error.FFmpegError, OSError) as error:
            raise Unavailable(_UNREADABLE) from error

    def close(self) -> None:
        self._container.close()

    def __enter__(self) -> MediaStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


_Key = tuple[str, int, int, int, int]


class StreamPool:
    """Keeps the last streams read open: opening an MP4 file costs more than reading a segment of it."""

    def __init__(self, limit: int = 16) -> None:
        self._limit = limit
        self._idle: OrderedDict[int, tuple[_Key, MediaStream]] = OrderedDict()
        self._guard = threading.Lock()

    @contextmanager
    def borrow(self, source: MediaSource, stream_index: int, *, fresh: bool = False) -> Iterator[MediaStream]:
        """A stream nobody else uses meanwhile. It may stand anywhere, so seek first; a fresh one was just opened and
        stands at the very start, where no seek gets. Raises Unavailable, Conflict."""
        check_source(source)
        key = (source.path, source.stamp.size_bytes, source.stamp.mtime_ns, source.stamp.inode, stream_index)
        stream = None if fresh else self._take(key)
        stream = stream or MediaStream(source, stream_index)
        try:
            yield stream
        except BaseException:
            stream.close()
            raise
        self._give_back(key, stream)

    def close(self) -> None:
        with self._guard:
            streams = [stream for _, stream in self._idle.values()]
            self._idle.clear()
        for stream in streams:
            stream.close()

    def _take(self, key: _Key) -> MediaStream | None:
        with self._guard:
            for handle, (known, stream) in self._idle.items():
                if known == key:
                    del self._idle[handle]
                    return stream
        return None

    def _give_back(self, key: _Key, stream: MediaStream) -> None:
        with self._guard:
            self._idle[id(stream)] = (key, stream)
            surplus = [self._idle.popitem(last=False)[1][1] for _ in range(len(self._idle) - self._limit)]
        for stream in surplus:
            stream.close()
