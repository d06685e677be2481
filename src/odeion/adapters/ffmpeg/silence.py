"""A frame of silence that fits an audio stream, to be put where the stream has none."""

from __future__ import annotations

import functools
from fractions import Fraction

import av
from av.audio.codeccontext import AudioCodecContext
from av.codec.context import Flags

from odeion.adapters.ffmpeg.codec_strings import aac_configuration
from odeion.adapters.ffmpeg.fmp4 import Track
from odeion.adapters.ffmpeg.timing import Silence

_ENCODERS = {"aac": "aac", "ac3": "ac3", "eac3": "eac3", "mp3": "libmp3lame", "opus": "libopus"}
_LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1"}
# By the number that AAC has for them, which is not always that of the channels.
_AAC_LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "4.0", 5: "5.0", 6: "5.1"}
_DOLBY_LAYOUTS = _LAYOUTS | {6: "5.1(side)"}
_BITS_PER_SECOND = 64_000
# A packet of Opus may last this long, whatever the usual one does: what is shorter is no hole.
_OPUS_LONGEST_S = Fraction(12, 100)
# The first frames of an encoder still prime it.
_FRAMES = 5


def silence_for(codec: str, channels: int | None, track: Track, frame: int) -> Silence | None:
    """What goes with a stream's init segment, as frames of `frame` ticks; None where nothing is known that does."""
    rate, layout = track.timescale, _LAYOUTS.get(channels or 0)
    samples = Fraction(frame)
    if codec == "aac":
        try:
            configuration = aac_configuration(track.sample_entry)
        except ValueError:
            return None
        layout, rate = _AAC_LAYOUTS.get(configuration.channels), configuration.rate_hz
        # Where the decoder doubles the rate, there are half as many in the frame.
        samples = Fraction(frame * rate, track.timescale)
    elif codec in ("ac3", "eac3"):
        layout = _DOLBY_LAYOUTS.get(channels or 0)
    if codec not in _ENCODERS or layout is None or samples.denominator != 1:
        return None
    data = _encoded(_ENCODERS[codec], rate, layout, int(samples))
    if data is None:
        return None
    least = int(_OPUS_LONGEST_S * rate / frame) + 1 if codec == "opus" else 1
    return Silence(data, least)


@functools.lru_cache(maxsize=64)
def _encoded(encoder: str, rate_hz: int, layout: str, samples: int) -> bytes | None:
    """None where the encoder makes no such frames."""
    context = av.CodecContext.create(encoder, "w")
    assert isinstance(context, AudioCodecContext)
    sample_format = "flt" if encoder == "libopus" else "fltp"
    context.sample_rate, context.layout, context.format = rate_hz, layout, sample_format
    context.time_base = Fraction(1, rate_hz)
    context.bit_rate = _BITS_PER_SECOND
    context.flags |= Flags.bitexact
    if encoder == "libopus":
        context.options = {"frame_duration": f"{samples / 48:g}"}
    elif encoder == "libmp3lame":
        # Each frame for itself.
        context.options = {"reservoir": "0"}
    try:
        context.open()
        if context.frame_size != samples:
            return None
        packets: list[bytes] = []
        for number in range(_FRAMES):
            frame = av.AudioFrame(format=sample_format, layout=layout, samples=samples)
            frame.sample_rate, frame.pts = rate_hz, number * samples
            for plane in frame.planes:
                plane.update(bytes(plane.buffer_size))
            packets += map(bytes, context.encode(frame))
        return packets[-1] if packets else None
    except (av.FFmpegError, ValueError):
        return None
