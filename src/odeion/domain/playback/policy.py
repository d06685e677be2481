"""What the server offers to convert to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerPolicy:
    """`max_height`, `max_video_bitrate_bps`: no picture is made larger; None for no ceiling. `hevc`, `av1`: made for
    clients that decode them; H.264 else. HDR is kept in these only."""

    max_height: int | None = None
    max_video_bitrate_bps: int | None = None
    segment_length_s: int = 2
    hevc: bool = False
    av1: bool = False
