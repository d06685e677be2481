"""What making an index of a stream begins and ends with, in whatever container it is."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from odeion.adapters.ffmpeg.copy_rendition import SEGMENT_LIMIT_BYTES, copy_init
from odeion.adapters.ffmpeg.fmp4 import read_track
from odeion.adapters.ffmpeg.media_index import Cutting, Heap, IndexedStream
from odeion.adapters.ffmpeg.media_stream import MediaStream
from odeion.adapters.ffmpeg.mp4 import Unsupported
from odeion.application.playback.ports import MediaSource
from odeion.domain.media_file import AudioStream, GroupsOfPictures, VideoStream
from odeion.domain.shared.errors import Conflict

# What is shorter says little of a rate.
_MEASURED_S = 0.2


def init_segment(source: MediaSource, stream_index: int) -> bytes:
    """Raises Conflict, Unavailable."""
    with MediaStream(source, stream_index) as fresh:
        return copy_init(fresh)


def stream_entry(
    stream: VideoStream | AudioStream,
    heap: Heap,
    init: bytes,
    starts: Sequence[int],
    end: int,
    cutting: Cutting,
    *,
    sizes: Sequence[int] = (),
    average_bps: int | None = None,
    groups: GroupsOfPictures | None = None,
    holes: bool = False,
) -> IndexedStream:
    """The entry of a stream whose segments begin at `starts` and end at `end`, in ticks. `sizes`, where they are known,
    are the bytes that are read for each segment: its own, or also what lies between, of which the peak is made then
    too. `average_bps` is 0 where it is not known, None where it is that of `sizes`. Raises Unsupported, and Conflict
    where segments would be too large for anybody."""
    lowest = 1 if isinstance(stream, VideoStream) else 0
    if any(after <= before for before, after in pairwise((*starts, end))) or min(sizes, default=lowest) < lowest:
        raise Unsupported("segments out of order")
    if max(sizes, default=0) > SEGMENT_LIMIT_BYTES:
        raise Conflict("too few keyframes to be cut into segments" if lowest else "sound that lies too far apart")
    track = read_track(init)
    lasting_s = [(after - before) / track.timescale for before, after in pairwise((*starts, end))]
    rates = [size * 8 / s for size, s in zip(sizes, lasting_s, strict=False) if s > _MEASURED_S]
    by_sizes = round(sum(sizes) * 8 / sum(lasting_s))
    return IndexedStream(
        stream_index=stream.index,
        init=heap.put(init),
        track_id=track.id,
        timescale=track.timescale,
        starts=tuple(starts),
        end=end,
        groups=groups,
        holes=holes,
        peak_bps=round(max(rates, default=0)),
        average_bps=by_sizes if average_bps is None else average_bps,
        cutting=cutting,
    )
