"""The life of a playback session."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from odeion.domain.catalog import MediaRef
from odeion.domain.playback.capabilities import ClientCapabilities, PlaybackOptions
from odeion.domain.playback.plan import PlaybackPlan
from odeion.domain.shared.errors import Conflict, Gone
from odeion.domain.shared.events import Event, RecordsEvents
from odeion.domain.shared.ids import ApiKeyId, LoginSessionId, MediaFileId, PlaybackSessionId, UserId

HEARTBEAT_INTERVAL = timedelta(seconds=30)
# A session nobody heard of for this long is ended by the reaper.
HEARTBEAT_LIMIT = timedelta(seconds=120)


class SessionState(StrEnum):
    ACTIVE = "active"
    ENDED = "ended"


class EndReason(StrEnum):
    """STOPPED by its viewer, SUPERSEDED by their next session of the same media, REAPED for want of a heartbeat,
    TERMINATED by an administrator."""

    STOPPED = "stopped"
    SUPERSEDED = "superseded"
    REAPED = "reaped"
    TERMINATED = "terminated"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybackStarted(Event):
    name = "playback.started"
    user_id: int
    media_type: str
    media_id: int
    title: str
    mode: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybackEnded(Event):
    name = "playback.ended"
    user_id: int | None
    playback_session_id: int
    media_type: str
    media_id: int
    position_ms: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """What the client calls itself; for people to read."""

    name: str = ""
    client: str = ""


@dataclass(kw_only=True)
class PlaybackSession(RecordsEvents):
    """Somebody playing something, from start to end; an audit row ever after, so it names in words what may go away:
    `username`, `title`, `file_name` (None where it was not kept yet). `login_session_id` or `api_key_id` tie it to the
    signed-in device or the key that opened it: it dies with that. Whoever has the stream key may fetch its media while
    it is active."""

    id: PlaybackSessionId | None
    user_id: UserId | None
    login_session_id: LoginSessionId | None
    api_key_id: ApiKeyId | None = None
    username: str
    file_id: MediaFileId | None
    file_name: str | None
    media: MediaRef
    title: str
    stream_key_hash: bytes
    state: SessionState = SessionState.ACTIVE
    plan: PlaybackPlan
    capabilities: ClientCapabilities
    options: PlaybackOptions
    device: Device = field(default_factory=Device)
    address: str
    position_ms: int
    started_at: datetime
    heartbeat_at: datetime
    ended_at: datetime | None = None
    end_reason: EndReason | None = None
    version: int = 1

    def start(self) -> None:
        """Tell that it began; once, before it is first saved."""
        self._record(
            PlaybackStarted(
                at=self.started_at,
                user_id=self.user_id or 0,
                media_type=self.media.type.value,
                media_id=self.media.id,
                title=self.title,
                mode=self.plan.mode.value,
            )
        )

    def heartbeat(self, *, position_ms: int | None, at: datetime) -> None:
        """Raises Gone for one that has ended."""
        if self.state is SessionState.ENDED:
            raise Gone("this playback session has ended; start a new one")
        self.heartbeat_at = at
        if position_ms is not None:
            self.position_ms = position_ms

    def end(self, reason: EndReason, *, at: datetime) -> None:
        """End it for good. Raises Conflict for one that has ended."""
        if self.state is SessionState.ENDED:
            raise Conflict("this playback session has ended already")
        self.state, self.ended_at, self.end_reason = SessionState.ENDED, at, reason
        self._record(
            PlaybackEnded(
                at=at,
                user_id=self.user_id,
                playback_session_id=self.id or 0,
                media_type=self.media.type.value,
                media_id=self.media.id,
                position_ms=self.position_ms,
                reason=reason.value,
            )
        )
