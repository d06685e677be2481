"""How far somebody is with a film or an episode."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from odeion.domain.catalog import MediaRef
from odeion.domain.shared.errors import FieldError, Invalid
from odeion.domain.shared.events import Event, RecordsEvents
from odeion.domain.shared.ids import UserId

# From here on only credits are left: it counts as watched. A long film's last tenth is never only credits, so the
# remaining time is bounded too.
_COMPLETED_SHARE = 0.92
_COMPLETED_REMAINING_MS = 12 * 60 * 1000
# A glance at the first seconds is no start worth resuming.
RESUME_FROM_MS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressUpdated(Event):
    name = "progress.updated"
    user_id: int
    media_type: str
    media_id: int
    position_ms: int
    duration_ms: int
    completed: bool


@dataclass(kw_only=True)
class WatchProgress(RecordsEvents):
    """`position_ms` is where to resume; 0 after the end was reached. `play_count` counts completions."""

    user_id: UserId
    media: MediaRef
    position_ms: int = 0
    duration_ms: int = 0
    completed: bool = False
    play_count: int = 0
    updated_at: datetime

    def watched_to(self, position_ms: int, *, duration_ms: int, at: datetime, completed: bool | None = None) -> None:
        """Note a position. `completed` says so outright (mark as watched or unwatched); otherwise it follows from the
        position. Raises Invalid for a position beyond the end."""
        if position_ms > duration_ms + 60_000:
            raise Invalid(
                "the position is beyond the end", fields=[FieldError("body.position_ms", f"at most {duration_ms}")]
            )
        reached_end = duration_ms > 0 and (
            position_ms >= _COMPLETED_SHARE * duration_ms and duration_ms - position_ms <= _COMPLETED_REMAINING_MS
        )
        now_completed = reached_end if completed is None else completed
        if now_completed and not self.completed:
            self.play_count += 1
        self.duration_ms = duration_ms
        self.position_ms = 0 if now_completed else min(position_ms, duration_ms)
        # Watching it again does not make it unwatched: only saying so does.
        self.completed = now_completed or (self.completed and completed is None)
        self.updated_at = at
        self._record(
            ProgressUpdated(
                at=at,
                user_id=self.user_id,
                media_type=self.media.type.value,
                media_id=self.media.id,
                position_ms=self.position_ms,
                duration_ms=self.duration_ms,
                completed=self.completed,
            )
        )
