"""A probe that knows beforehand what it will find."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from fractions import Fraction

from odeion.application.libraries.ports import ProbeRefusal, ProbeSession
from odeion.domain.media_file import AudioStream, TechnicalInfo, VideoStream

PLAIN_FILM = TechnicalInfo(
    container="mov,mp4,m4a,3gp,3g2,mj2",
    duration_ms=5_400_000,
    bitrate_bps=4_000_000,
    video=(
        VideoStream(
            index=0,
            codec="h264",
            profile="High",
            level=40,
            width=1920,
            height=1080,
            bit_depth=8,
            pixel_format="yuv420p",
            frame_rate=Fraction(24),
            is_default=True,
        ),
    ),
    audio=(
        AudioStream(
            index=1,
            codec="aac",
            profile="LC",
            channels=2,
            channel_layout="stereo",
            sample_rate_hz=48_000,
            language="eng",
            is_default=True,
        ),
    ),
)


class InMemoryMediaProbe:
    """MediaProbe whose answers a test scripts by path; every other file is a plain film. `probed` is what it was
    asked for, in order."""

    def __init__(self) -> None:
        self.probed: list[str] = []
        self._answers: dict[str, TechnicalInfo | ProbeRefusal] = {}

    def script(self, path: str, answer: TechnicalInfo | ProbeRefusal) -> None:
        """Let the file at this absolute path be so."""
        self._answers[path] = answer

    def session(self) -> AbstractAsyncContextManager[ProbeSession]:
        """See MediaProbe."""
        return self._session()

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[ProbeSession]:
        yield self

    async def probe_all(self, paths: Iterable[str]) -> AsyncIterator[tuple[str, TechnicalInfo | ProbeRefusal]]:
        """See ProbeSession; results come in the order of the paths."""
        for path in paths:
            self.probed.append(path)
            yield path, self._answers.get(path, PLAIN_FILM)
