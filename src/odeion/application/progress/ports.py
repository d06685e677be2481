"""What watch progress needs of the store."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from odeion.application.shared.page import Page, PageRequest
from odeion.application.shared.unit_of_work import Transaction
from odeion.application.shared.viewer import Viewer
from odeion.domain.catalog import MediaRef
from odeion.domain.progress import WatchProgress
from odeion.domain.shared.ids import UserId


class ProgressRepository(Protocol):
    async def find(self, user_id: UserId, media: MediaRef) -> WatchProgress | None: ...

    async def duration_ms(self, viewer: Viewer, media: MediaRef) -> int:
        """How long the content is by its best file; 0 where that is unknown. Raises NotFound for content that is
        unknown or not to be seen by the viewer."""

    async def save(self, progress: WatchProgress) -> None:
        """Insert or update; of two at once the later `updated_at` stays."""

    async def delete(self, user_id: UserId, media: MediaRef) -> bool:
        """Answers whether there was any."""

    async def delete_all(self, user_id: UserId) -> None: ...


class ProgressTx(Transaction, Protocol):
    @property
    def progress(self) -> ProgressRepository: ...


class ProgressView(StrEnum):
    """ALL is the watch history; RESUME the continue-watching feed."""

    ALL = "all"
    RESUME = "resume"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressState:
    """How far the viewer is. `percent` is 0 to 100 of the duration."""

    media_type: str
    media_id: int
    position_ms: int
    duration_ms: int
    percent: float
    completed: bool
    play_count: int
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressEntry:
    """Progress with what a tile shows. `kind` is resume (begun), next_up (the episode after a finished one) or
    watched. `subtitle` is "S1 · E2 · Title" for an episode."""

    media_type: str
    media_id: int
    kind: str
    position_ms: int
    duration_ms: int
    percent: float
    completed: bool
    play_count: int
    updated_at: datetime
    title: str
    subtitle: str | None
    year: int | None
    series_id: int | None
    season_number: int | None
    episode_number: int | None
    poster_path: str | None


class ProgressQueries(Protocol):
    async def get_state(self, viewer: Viewer, media: MediaRef) -> ProgressState:
        """Zero for content not begun. Raises NotFound for unknown content."""

    async def list_history(self, viewer: Viewer, page: PageRequest) -> Page[ProgressEntry]: ...

    async def list_resume(self, viewer: Viewer) -> Page[ProgressEntry]:
        """Films and episodes begun and not finished, and of each series the episode that comes next; latest first."""
