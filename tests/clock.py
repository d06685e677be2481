"""A clock that moves when a test says so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class SteppedClock:
    """Implements Clock. Begins now, as tokens are compared with the time of other programs in some tests."""

    def __init__(self, at: datetime | None = None) -> None:
        self.at = at or datetime.now(UTC).replace(microsecond=0)

    def now(self) -> datetime:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.pass_by(seconds)

    def monotonic_s(self) -> float:
        return self.at.timestamp()

    def pass_by(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)
