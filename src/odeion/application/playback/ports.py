"""What playing needs from the world outside."""

from __future__ import annotations

import os
import posixpath
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from odeion.application.shared.downloads import Buffers, OpenFile
from odeion.application.shared.unit_of_work import Transaction
from odeion.application.shared.viewer import Viewer
from odeion.domain.catalog import MediaRef
from odeion.domain.identity.users import User
from odeion.domain.media_file import FileStamp, FileStructure, SidecarSubtitle, TechnicalInfo
from odeion.domain.playback.plan import AudioPlan, VideoPlan
from odeion.domain.playback.progressive import ProgressivePlan
from odeion.domain.playback.session import PlaybackSession
from odeion.domain.shared.ids import LibraryId, MediaFileId, PlaybackSessionId, UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaSource:
    """A file that can be played, where it lies, what the probe found in it, and what its index tells (None where it has
    no index yet)."""

    file_id: MediaFileId
    root_path: str
    path: str
    stamp: FileStamp
    technical: TechnicalInfo
    sidecars: tuple[SidecarSubtitle, ...] = ()
    structure: FileStructure | None = None

    @property
    def file_name(self) -> str:
        """For people: bytes that are no UTF-8 are replaced."""
        return os.fsencode(posixpath.basename(self.path)).decode("utf-8", "replace")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayableItem:
    """What is played: its title for the audit row, and the file chosen for it."""

    title: str
    source: MediaSource


class PlayableSources(Protocol):
    async def get_item(self, viewer: Viewer, media: MediaRef, file_id: MediaFileId | None) -> PlayableItem:
        """The file given, or the best one that can be played now. Raises NotFound for content that is unknown or not to
        be seen by the viewer and for a file that is not of it, Conflict where no file is playable, Unavailable where
        its disk is away."""


class PlaybackSessionRepository(Protocol):
    async def get(self, session_id: PlaybackSessionId) -> PlaybackSession:
        """Anybody's, held against others until the transaction ends. Raises NotFound."""

    async def find_active(self, user_id: UserId, media: MediaRef) -> PlaybackSession | None:
        """The viewer's running session of this media, held as above; the latest where there are several."""

    async def count_active(self, user_id: UserId) -> int:
        """How many sessions of the user are running. Of those who ask and then save at once one waits for the other."""

    async def find_latest(self, user_id: UserId, media: MediaRef) -> PlaybackSession | None: ...

    async def list_silent(self, *, since: datetime, limit: int) -> list[PlaybackSession]:
        """Active sessions without a heartbeat since then."""

    async def save(self, session: PlaybackSession) -> PlaybackSessionId:
        """Insert or update. Raises StaleVersion."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybackProblem:
    """Something that went wrong while a session was served. `part` is what was asked for, as in its URL (`video/12`),
    `code` that of the error."""

    at: datetime
    part: str
    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybackDebug:
    """What helps to find out why a session played badly. `request` is what the player posted, `master_playlist` what it
    was given (None before it asked), `problems` the latest ones."""

    opened_at: datetime
    user_agent: str
    request: dict[str, Any]
    master_playlist: str | None = None
    problems: tuple[PlaybackProblem, ...] = ()


# The latest problems of a session are kept, not all.
MAX_PROBLEMS = 50


class PlaybackDebugRepository(Protocol):
    """Beside the sessions, and kept for a while only. Notes on sessions that have no record are passed over."""

    async def open(self, session_id: PlaybackSessionId, debug: PlaybackDebug) -> None: ...

    async def find(self, session_id: PlaybackSessionId) -> PlaybackDebug | None: ...

    async def note_playlist(self, session_id: PlaybackSessionId, master_playlist: str) -> None: ...

    async def note_problem(self, session_id: PlaybackSessionId, problem: PlaybackProblem) -> None:
        """The latest `MAX_PROBLEMS` stay."""

    async def drop_opened(self, *, before: datetime) -> None: ...


class KnownUsers(Protocol):
    async def get(self, user_id: UserId) -> User:
        """Raises NotFound."""


class PlaybackTx(Transaction, Protocol):
    @property
    def playback_sessions(self) -> PlaybackSessionRepository: ...

    @property
    def playback_debug(self) -> PlaybackDebugRepository: ...

    @property
    def users(self) -> KnownUsers: ...


@dataclass(frozen=True, slots=True)
class OpenStream:
    session: PlaybackSession
    source: MediaSource


class StreamSessions(Protocol):
    async def open(self, stream_key_hash: bytes) -> OpenStream:
        """What media is fetched for. Raises NotFound for an unknown key; Gone once the session is over, its device is
        signed out, its API key is revoked, its viewer is locked or may not see the title any more; Conflict where the
        file is not known any more; Unavailable where its disk is away."""

    def recall(self, stream_key_hash: bytes) -> OpenStream | None:
        """The very answer `open` gave last, where it is remembered. It may not hold any more: enough to begin with what
        does no harm, not to answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RenditionFacts:
    """What a master playlist says of a rendition. `codecs` is the RFC 6381 string (`avc1.640028`, `mp4a.40.2`);
    bandwidths are peak and average in bits per second; `frame_rate` and sizes are None for audio.
    `keyframe_bandwidth_bps` is that of the keyframes alone, None where they cannot be had alone."""

    codecs: str
    bandwidth_bps: int
    average_bandwidth_bps: int
    width: int | None = None
    height: int | None = None
    frame_rate: float | None = None
    video_range: str | None = None
    keyframe_bandwidth_bps: int | None = None


@dataclass(frozen=True, slots=True)
class SegmentGrid:
    """Where a rendition is cut: `starts_s[n]` is when segment n begins, in seconds from the start of the file."""

    starts_s: tuple[float, ...]
    duration_s: float

    def durations_s(self) -> list[float]:
        ends = [*self.starts_s[1:], self.duration_s]
        return [max(end - start, 0.001) for start, end in zip(self.starts_s, ends, strict=True)]


Rendition = VideoPlan | AudioPlan


@dataclass(frozen=True, slots=True)
class SegmentBytes:
    """A segment as it becomes available; the first piece is there. `size_bytes` is that of the whole, None while it is
    being made."""

    pieces: AsyncGenerator[bytes | Buffers]
    size_bytes: int | None = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self.pieces:
            yield bytes(piece)


class RenditionProducer(Protocol):
    """Makes fMP4 renditions of a file for HLS: init segment and numbered media segments of one elementary stream.

    A rendition is told by file and plan alone, so any process can produce any segment of it, and everybody who watches
    the same one shares the work. All methods raise Unavailable (the disk is away, no room, no encoder to be had) or
    Conflict (the file is not what the probe saw)."""

    async def facts(self, source: MediaSource, rendition: Rendition) -> RenditionFacts: ...

    async def grid(self, source: MediaSource, rendition: Rendition) -> SegmentGrid:
        """The same for each call while the file is unchanged."""

    async def init_segment(self, source: MediaSource, rendition: Rendition) -> bytes: ...

    async def segment(
        self, source: MediaSource, rendition: Rendition, number: int, *, session_id: PlaybackSessionId
    ) -> SegmentBytes:
        """Raises NotFound beyond the grid, Gone where the session is released meanwhile."""

    async def keyframe(self, source: MediaSource, rendition: VideoPlan, number: int) -> bytes:
        """The keyframe a segment begins with, as a segment of its own that lasts as long. Raises NotFound beyond the
        grid, and for what is converted."""

    async def release(self, session_id: PlaybackSessionId) -> None:
        """The session is over: stop what nobody else watches."""

    async def close(self) -> None:
        """Stop everything."""


class ProgressiveTranscoder(Protocol):
    """Makes whole files that are fetched while they are made."""

    async def begin(
        self, source: MediaSource, plan: ProgressivePlan, *, start_s: float, user_id: UserId
    ) -> AsyncGenerator[bytes]:
        """The file from a time on; when this returns there is something of it. Closing it ends the work. Raises
        Unavailable (the disk is away, no encoder to be had, it fails; also in the middle), Conflict (the file is not
        what the probe saw), TooManyRequests (the user has as many under way as they may)."""

    async def close(self) -> None:
        """Stop everything."""


class MediaIndexStore(Protocol):
    """Keeps an index for each media file: bytes that only their maker understands. PlayableSources tells the structure
    along with a file."""

    async def find(self, file_id: MediaFileId) -> bytes | None: ...

    async def put(
        self, file_id: MediaFileId, stamp: FileStamp, format: int, structure: FileStructure, data: bytes
    ) -> None:
        """In place of an earlier one; nothing happens where the file is gone. `stamp` and `format` say what the index
        was made of and by."""

    async def list_lacking(
        self, library_id: LibraryId, format: int, *, after: MediaFileId, limit: int
    ) -> list[MediaSource]:
        """Playable files of a library without an index of this format for their present stamp, in the order of their
        ids, those behind `after`."""

    async def count_lacking(self, library_id: LibraryId, format: int) -> int: ...


class MediaIndexer(Protocol):
    """Reads a file's structure once, so that any stretch of it can be cut later without reading it again."""

    @property
    def format(self) -> int:
        """Of the indexes it makes; others have to be made anew."""

    async def ensure(self, source: MediaSource) -> None:
        """Make and store the index unless a sound one is there. Raises Unavailable, Conflict."""

    async def structure(self, source: MediaSource) -> FileStructure:
        """What the index tells; it is made if need be. Raises Unavailable, Conflict."""

    async def close(self) -> None:
        """End the processes it holds, once they are done; it may be used again."""


class SubtitleConverter(Protocol):
    """Makes WebVTT of text subtitles."""

    async def embedded(self, source: MediaSource, stream_index: int) -> str:
        """Raises Conflict for a bitmap stream or one that cannot be read, Unavailable as above."""

    async def sidecar(self, source: MediaSource, position: int) -> str: ...


class FileReader(Protocol):
    """Opens media files for direct play."""

    async def stat(self, source: MediaSource) -> FileStamp:
        """Raises Unavailable when the file is away, Conflict when it changed since the probe."""

    def open(self, source: MediaSource) -> AbstractAsyncContextManager[OpenFile]:
        """Raises Unavailable when the file is away."""
