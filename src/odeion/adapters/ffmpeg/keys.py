"""What tells renditions apart: the file as it is now, and all of the plan that makes a difference to the bytes."""

from __future__ import annotations

import hashlib
import json

from odeion.adapters.ffmpeg.encoding import VERSION
from odeion.application.playback.ports import MediaSource, Rendition
from odeion.domain.media_file import HdrFormat, VideoStream
from odeion.domain.playback.plan import VideoPlan
from odeion.domain.shared.errors import Conflict


def stamp_key(source: MediaSource, stream_index: int) -> str:
    stamp = source.stamp
    return _digest([VERSION, source.path, stamp.size_bytes, stamp.mtime_ns, stamp.inode, stream_index])


def rendition_key(source: MediaSource, rendition: Rendition, painted: str = "") -> str:
    """`painted` tells the subtitles in the picture apart where the file's stamp does not: those of another file."""
    plan: list[object] = [rendition.treatment.value, rendition.bitrate_bps]
    if isinstance(rendition, VideoPlan):
        plan += [rendition.codec, rendition.width, rendition.height, rendition.tone_map, rendition.keeps_hdr]
        plan += [rendition.deinterlace, rendition.segment_length_s, rendition.burn_in]
    else:
        plan += [rendition.channels, rendition.normalize]
    return _digest([stamp_key(source, rendition.stream_index), *plan, painted])


def video_stream(source: MediaSource, plan: VideoPlan) -> VideoStream:
    for stream in source.technical.video:
        if stream.index == plan.stream_index:
            return stream
    raise Conflict("the file has no such stream any more; start again")


def video_range(stream: VideoStream) -> str:
    """As HLS calls it."""
    if stream.color_transfer == "arib-std-b67" or stream.hdr is HdrFormat.HLG:
        return "HLG"
    return "SDR" if stream.hdr is HdrFormat.SDR else "PQ"


def _digest(parts: list[object]) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
