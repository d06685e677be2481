"""The time of day, handed in so that the rules can be tested at any time."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """The current time, with the UTC time zone."""

    async def sleep(self, seconds: float) -> None:
        """Let other things run meanwhile."""

    def monotonic_s(self) -> float:
        """Seconds of a clock that never jumps; only differences mean something."""
