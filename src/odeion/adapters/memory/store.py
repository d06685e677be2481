"""The store of the test harness: every repository in memory, with transactions that can be undone."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol, TypeVar

from odeion.adapters.memory.accounts import MemoryInvites, MemoryUserSettings
from odeion.adapters.memory.ways_in import (
    MemoryOAuthIdentities,
    MemoryPasskeys,
    MemoryRecoveryCodes,
    MemoryTotp,
)
from odeion.application.libraries.repositories import KnownFile, PlacedFile
from odeion.application.playback.ports import MAX_PROBLEMS, PlaybackDebug, PlaybackProblem
from odeion.application.shared.viewer import Viewer
from odeion.domain.catalog import FileRole, MediaRef, Placement, PlayableType
from odeion.domain.identity.api_keys import ApiKey
from odeion.domain.identity.invites import Invite
from odeion.domain.identity.login_sessions import LoginSession
from odeion.domain.identity.oauth import OAuthIdentity
from odeion.domain.identity.second_factors import Passkey, Totp
from odeion.domain.identity.security_events import SecurityEvent
from odeion.domain.identity.tickets import Ticket, TicketKind
from odeion.domain.identity.users import Role, User
from odeion.domain.library import Library
from odeion.domain.media_file import FileState, MediaFile
from odeion.domain.playback.session import PlaybackSession, SessionState
from odeion.domain.progress import WatchProgress
from odeion.domain.shared.errors import Conflict, NotFound, StaleVersion
from odeion.domain.shared.events import Event
from odeion.domain.shared.ids import (
    ApiKeyId,
    LibraryId,
    LoginSessionId,
    MediaFileId,
    PlaybackSessionId,
    RootId,
    TaskId,
    UserId,
)
from odeion.domain.task import Task, TaskStatus, TaskType


class _Aggregate(Protocol):
    id: Any
    version: int

    def take_events(self) -> list[Event]: ...


A = TypeVar("A", bound=_Aggregate)


@dataclass
class _Content:
    """A film, or an episode of a series, with the files that hold it. `key` is what names mean it by."""

    id: int
    library_id: LibraryId
    key: tuple[str, ...]
    title: str
    files: dict[int, FileRole] = field(default_factory=dict)


@dataclass
class _Tables:
    """Everything that is committed."""

    next_id: int = 1
    users: dict[int, User] = field(default_factory=dict)
    login_sessions: dict[int, LoginSession] = field(default_factory=dict)
    tickets: dict[tuple[TicketKind, bytes], Ticket] = field(default_factory=dict)
    invites: dict[int, Invite] = field(default_factory=dict)
    user_settings: dict[int, dict[str, Any]] = field(default_factory=dict)
    api_keys: dict[int, ApiKey] = field(default_factory=dict)
    oauth_identities: dict[int, OAuthIdentity] = field(default_factory=dict)
    totp: dict[int, Totp] = field(default_factory=dict)
    recovery_codes: dict[int, set[bytes]] = field(default_factory=dict)
    passkeys: dict[int, Passkey] = field(default_factory=dict)
    security_events: list[SecurityEvent] = field(default_factory=list)
    settings: dict[str, object] = field(default_factory=dict)
    libraries: dict[int, Library] = field(default_factory=dict)
    digests: dict[int, bytes | None] = field(default_factory=dict)
    unavailable: dict[int, str | None] = field(default_factory=dict)
    media_files: dict[int, MediaFile] = field(default_factory=dict)
    movies: dict[int, _Content] = field(default_factory=dict)
    episodes: dict[int, _Content] = field(default_factory=dict)
    progress: dict[tuple[int, MediaRef], WatchProgress] = field(default_factory=dict)
    playback_sessions: dict[int, PlaybackSession] = field(default_factory=dict)
    playback_debug: dict[int, PlaybackDebug] = field(default_factory=dict)
    tasks: dict[int, Task] = field(default_factory=dict)
    outbox: list[Event] = field(default_factory=list)

    def new_id(self) -> int:
        self.next_id += 1
        return self.next_id - 1


class MemoryStore:
    """A unit-of-work factory over one set of tables."""

    def __init__(self) -> None:
        self.tables = _Tables()

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[MemoryUnitOfWork]:
        yield MemoryUnitOfWork(self)


class MemoryUnitOfWork:
    """Works on a copy of the tables; commit puts the copy in their place."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._tables = copy.deepcopy(store.tables)
        self._events: list[Event] = []
        self.users = MemoryUsers(self)
        self.login_sessions = MemoryLoginSessions(self)
        self.invites = MemoryInvites(self)
        self.user_settings = MemoryUserSettings(self)
        self.tickets = MemoryTickets(self)
        self.api_keys = MemoryApiKeys(self)
        self.oauth_identities = MemoryOAuthIdentities(self)
        self.totp = MemoryTotp(self)
        self.recovery_codes = MemoryRecoveryCodes(self)
        self.passkeys = MemoryPasskeys(self)
        self.trail = MemorySecurityTrail(self)
        self.settings = MemorySettings(self)
        self.libraries = MemoryLibraries(self)
        self.media_files = MemoryMediaFiles(self)
        self.catalog = MemoryCatalog(self)
        self.progress = MemoryProgress(self)
        self.playback_sessions = MemoryPlaybackSessions(self)
        self.playback_debug = MemoryPlaybackDebug(self)
        self.tasks = MemoryTasks(self)

    @property
    def tables(self) -> _Tables:
        return self._tables

    def collect(self, events: list[Event]) -> None:
        self._events.extend(events)

    async def commit(self) -> None:
        self._tables.outbox.extend(self._events)
        self._events = []
        self._store.tables = self._tables
        self._tables = copy.deepcopy(self._tables)

    def save(self, table: dict[int, A], aggregate: A) -> int:
        """As the database does it: a new id for a new one, a version that counts up for a known one."""
        if aggregate.id is None:
            aggregate.id = self._tables.new_id()
        else:
            stored = table.get(aggregate.id)
            if stored is None or stored.version != aggregate.version:
                raise StaleVersion("somebody else changed this at the same time; read it again")
            aggregate.version += 1
        self.collect(aggregate.take_events())
        table[aggregate.id] = copy.deepcopy(aggregate)
        return int(aggregate.id)


class MemoryUsers:
    def __init__(self, tx: MemoryUnitOfWork) -> None:
        self._tx = tx

    async def get(self, user_id: UserId, *, for_update: bool = False) -> User:
        if user_id not in self._tx.tables.users:
            raise NotFound("user not found")
        return copy.deepcopy(self._tx.tables.users[user_id])

    async def find_by_username(self, username: str) -> User | None:
        for user in self._tx.tables.users.values():
            if user.username.lower() == username.lower():
                return copy.deepcopy(user)
        return None

    async def any_exists(self) -> bool:
        return bool(self._tx.tables.users)

    async def lock_first_run(self) -> None:
        """Nothing else runs beside a transaction in memory."""

    async def hold_administrators(self) -> set[UserId]:
        everybody = self._tx.tables.users.values()
        return {UserId(user.id or 0) for user in everybody if user.role is Role.ADMIN and not user.is_locked}

    async def delete(self, user: User) -> None:
        """With what the schema lets go with an account."""
        tables = self._tx.tables
        assert user.id is not None
        tables.users.pop(user.id, None)
        tables.login_sessions = {k: s for k, s in tables.login_sessions.items() if s.user_id != user.id}
        tables.tickets = {k: t for k, t in tables.tickets.items() if t.user_id != user.id}
        tables.api_keys = {k: a for k, a in tables.api_keys.items() if a.user_id != user.id}
        tables.invites = {k: i for k, i in tables.invites.items() if i.created_by != user.id}
        tables.progress = {k: p for k, p in tables.progress.items() if p.user_id != user.id}
        tables.user_settings.pop(user.id, None)

    async def save(self, user: User) -> UserId:
        same = await self.find_by_username(user.username)
        if same is not None and same.id != user.id:
            raise Conflict("this user name is taken")
        return UserId(self._tx.save(self._tx.tables.users, user))


class MemoryLoginSessions:
    def __init__(self, tx: MemoryUnitOfWork) -> None:
        self._tx = tx

    async def get(self, user_id: UserId, session_id: LoginSessionId, *, at: datetime) -> LoginSession:
        session = self._tx.tables.login_sessions.get(session_id)
        if session is None or session.user_id != user_id or session.is_over(at=at):
            raise NotFound("session not found")
        return copy.deepcopy(session)

    async def find_by_refresh_hash(self, refresh_hash: bytes) -> LoginSession | None:
        for session in self._tx.tables.login_sessions.values():
            if refresh_hash in (session.refresh_hash, session.spent_refresh_hash):
                return copy.deepcopy(session)
        return None

    async def save(self, session: LoginSession) -> LoginSessionId:
        return LoginSessionId(self._tx.save(self._tx.tables.login_sessions, session))

    async def revoke_all(self, user_id: UserId, *, at: datetime, keep: LoginSessionId | None = None) -> None:
        for session in self._tx.tables.login_sessions.values():
            if session.user_id == user_id and session.revoked_at is None and session.id != keep:
                session.revoke(at=at)
                session.version += 1

    async def drop_over(self, *, before: datetime) -> None:
        tables = self._tx.tables
        tables.login_sessions = {
            key: session
            for key, session in tables.login_sessions.items()
            if session.expires_at >= before and (session.revoked_at is None or session.revoked_at >= before)
        }


class MemoryTickets:
    def __init__(self, tx: MemoryUnitOfWork) -> None:
        self._tx = tx

    async def put(self, ticket: Ticket) -> None:
        if (ticket.kind, ticket.secret_hash) in self._tx.tables.tickets:
            raise Conflict("this secret is in use already")
        self._tx.tables.tickets[ticket.kind, ticket.secret_hash] = copy.deepcopy(ticket)

    async def find(self, kind: TicketKind, secret_hash: bytes, *, at: datetime) -> Ticket | None:
        ticket = self._tx.tables.tickets.get((kind, secret_hash))
        return copy.deepcopy(ticket) if ticket is not None and ticket.expires_at > at else None

    async def take(self, kind: TicketKind, secret_hash: bytes, *, at: datetime) -> Ticket | None:
        ticket = await self.find(kind, secret_hash, at=at)
        if ticket is not None:
            del self._tx.tables.tickets[kind, secret_hash]
        return ticket

    async def note(self, ticket: Ticket) -> None:
        self._tx.tables.tickets[ticket.kind, ticket.secret_hash] = copy.deepcopy(ticket)

    async def drop(self, kind: TicketKind, user_id: UserId) -> None:
        self._keep(lambda ticket: (ticket.kind, ticket.user_id) != (kind, user_id))

    async def drop_all(self, user_id: UserId) -> None:
        self._keep(lambda ticket: ticket.user_id != user_id)

    async def drop_expired(self, *, at: datetime) -> None:
        self._keep(lambda ticket: ticket.expires_at > at)

    def _keep(self, wanted: Callable[[Ticket], bool]) -> None:
        tables = self._tx.tables
        tables.tickets = {key: ticket for key, ticket in tables.tickets.items() if wanted(ticket)}


class MemoryApiKeys:
    def __init__(self, tx: MemoryUnitOfWork) -> None:
        self._tx = tx

    async def get(self, user_id: UserId, key_id: ApiKeyId) -> ApiKey:
        key = self._tx.tables.api_keys.get(key_id)
        if key is None or key.user_id != user_id:
            raise NotFound("API key not found")
        return copy.deepcopy(key)

    async def list_of(self, user_id: UserId) -> list[ApiKey]:
        own = [key for key in self._tx.tables.api_keys.values() if key.user_id == user_id]
        return copy.deepcopy(sorted(own, key=lambda key: key.id or 0, reverse=True))

    async def save(self, key: ApiKey) -> ApiKeyId:
        return ApiKeyId(self._tx.save(self._tx.tables.api_keys, key))

    async def delete(self, key: ApiKey) -> None:
        self._tx.tables.api_keys.pop(key.id or 0, None)


class MemorySecurityTrail:
    def __init__(self, tx: MemoryUnitOfWork) -> None:
        self._tx = tx

    async def record(self, event: SecurityEvent) -> None:
        self._tx.tables.security_events.append(copy.deepcopy(event))


class MemorySettings:
    def __init__(self, tx: MemoryUnitOfWork) -> None:
        self._tx = tx

    async def find(self, key: str) -> object | None:
        return copy.deepcopy(self._tx.tables.settings.get(key))

    async def put(self, key: str, value: object, *, at: datetime) -> None:
        self._tx.tables.settings[key] = copy.deepcopy(value)


class MemoryLibraries:
    def __init__(self, tx: MemoryUnitOfWork) -> None:
        self._tx = tx

    async def get(self, library_id: LibraryId) -> Library:
        if library_id not in self._tx.tables.libraries:
            raise NotFound("library not found")
        return copy.deepcopy(self._tx.tables.libraries[library_id])

    async def list_all(self) -> list[Library]:
        return copy.deepcopy([library for _, library in sorted(self._tx.tables.libraries.items())])

    async def save(self, library: Library) -> LibraryId:
        tables = self._tx.tables
        for other in tables.libraries.values():
            if other.id == library.id:
                continue
            if other.name.lower() == library.name.lower():
                raise Conflict("a library of this name exists")
            if {root.path for root in other.roots} & {root.path for root in library.roots}:
                raise Conflict("another library already has this folder")
        for root in library.roots:
            if root.id is None:
                root.id = RootId(tables.new_id())
        kept = {root.id for root in library.roots}
        tables.media_files = {
            file_id: file
            for file_id, file in tables.media_files.items()
            if file.library_id != library.id or file.root_id in kept
        }
        return LibraryId(self._tx.save(tables.libraries, library))

    async def delete(self, library: Library) -> None:
        tables = self._tx.tables
        assert library.id is not None
        tables.libraries.pop(library.id, None)
        tables.media_files = {k: f for k, f in tables.media_files.items() if f.library_id != library.id}
        tables.movies = {k: c for k, c in tables.movies.items() if c.library_id != library.id}
        tables.episodes = {k: c for k, c in tables.episodes.items() if c.library_id != library.id}
        self._tx.collect(library.take_events())

    async def note_root(
        self, root_id: RootId, *, device: int | None, tree_digest: bytes | None, unavailable_reason: str | None
    ) -> None:
        tables = self._tx.tables
        for library in tables.libraries.values():
            for root in library.roots:
                if root.id == root_id:
                    root.device = device
                    tables.digests[root_id] = tree_digest
                    tables.unavailable[root_id] = unavailable_reason

    async def tree_digest(self, root_id: RootId) -> bytes | None:
        return self._tx.tables.digests.get(root_id)


class MemoryMediaFiles:
    def __init__(self, tx: MemoryUnitOfWork) -> None:
        self._tx = tx

    async def known(self, root_id: RootId) -> list[KnownFile]:
        return [
            KnownFile(file.id, file.relative_path, file.stamp, FileState(file.state), file.sidecars)
            for file in self._tx.tables.media_files.values()
            if file.root_id == root_id and file.id is not None
        ]

    async def get_many(self, ids: Sequence[MediaFileId]) -> list[MediaFile]:
        return copy.deepcopy([file for file_id, file in self._tx.tables.media_files.items() if file_id in ids])

    async def save_many(self, files: Sequence[MediaFile]) -> None:
        for file in files:
            self._tx.save(self._tx.tables.media_files, file)


class MemoryCatalog:
    def __init__(self, tx: MemoryUnitOfWork) -> None:
        self._tx = tx

    async def place_files(self, library_id: LibraryId, placed: Sequence[PlacedFile]) -> None:
        for entry in placed:
            assert entry.file.id is not None
            self._place(library_id, entry.file.id, entry.placement, renamed=entry.renamed)

    def _place(self, library_id: LibraryId, file_id: int, placement: Placement | None, *, renamed: bool) -> None:
        tables = self._tx.tables
        former = [
            (media_type, content)
            for media_type, table in ((PlayableType.MOVIE, tables.movies), (PlayableType.EPISODE, tables.episodes))
            for content in table.values()
            if file_id in content.files
        ]
        if renamed and placement is not None:
            for media_type, content in former:
                if media_type is PlayableType.MOVIE and placement.movie and len(content.files) == 1:
                    self._rename_movie(library_id, content, placement)
        for _, content in former:
            del content.files[file_id]
        target = self._target(library_id, placement) if placement else None
        if target is not None and placement is not None:
            media_type, content = target
            content.files[file_id] = placement.role
            for former_type, former_content in former:
                if renamed and former_type is media_type and former_content is not content:
                    self._move_progress(MediaRef(former_type, former_content.id), MediaRef(media_type, content.id))
        for media_type, content in former:
            if not content.files and not any(media == MediaRef(media_type, content.id) for _, media in tables.progress):
                table = tables.movies if media_type is PlayableType.MOVIE else tables.episodes
                del table[content.id]

    def _rename_movie(self, library_id: LibraryId, content: _Content, placement: Placement) -> None:
        assert placement.movie is not None
        key = (placement.movie.match_key,)
        if any(other.key == key and other.library_id == library_id for other in self._tx.tables.movies.values()):
            return
        content.key, content.title = key, placement.movie.title

    def _target(self, library_id: LibraryId, placement: Placement) -> tuple[PlayableType, _Content] | None:
        if placement.movie is not None:
            return PlayableType.MOVIE, self._get_or_make(
                self._tx.tables.movies, library_id, (placement.movie.match_key,), placement.movie.title
            )
        if placement.series is not None and placement.episode is not None:
            key = (placement.series.match_key, placement.episode.match_key)
            return PlayableType.EPISODE, self._get_or_make(
                self._tx.tables.episodes, library_id, key, placement.episode.title
            )
        return None

    def _get_or_make(
        self, table: dict[int, _Content], library_id: LibraryId, key: tuple[str, ...], title: str
    ) -> _Content:
        for content in table.values():
            if content.library_id == library_id and content.key == key:
                return content
        made = _Content(self._tx.tables.new_id(), library_id, key, title)
        table[made.id] = made
        return made

    def _move_progress(self, source: MediaRef, target: MediaRef) -> None:
        progress = self._tx.tables.progress
        for (user_id, media), entry in list(progress.items()):
            if media == source and (user_id, target) not in progress:
                entry.media = target
                progress[user_id, target] = progress.pop((user_id, source))


class MemoryProgress:
    def __init__(self, tx: MemoryUnitOfWork) -> None:
        self._tx = tx

    async def find(self, user_id: UserId, media: MediaRef) -> WatchProgress | None:
        return copy.deepcopy(self._tx.tables.progress.get((user_id, media)))

    async def duration_ms(self, viewer: Viewer, media: MediaRef) -> int:
        tables = self._tx.tables
        table = tables.movies if media.type is PlayableType.MOVIE else tables.episodes
        limits = viewer.limits
        # Nothing here is rated.
        if media.id not in table or not (limits is None or limits.allow(table[media.id].library_id, None)):
            raise NotFound(f"{media.type} not found")
        files = [tables.media_files[f] for f, role in table[media.id].files.items() if role is FileRole.MAIN]
        return max((file.technical.duration_ms for file in files if file.technical), default=0)

    async def save(self, progress: WatchProgress) -> None:
        key = (progress.user_id, progress.media)
        stored = self._tx.tables.progress.get(key)
        self._tx.collect(progress.take_events())
        if stored is None or stored.updated_at <= progress.updated_at:
            self._tx.tables.progress[key] = copy.deepcopy(progress)

    async def delete(self, user_id: UserId, media: MediaRef) -> bool:
        return self._tx.tables.progress.pop((user_id, media), None) is not None

    async def delete_all(self, user_id: UserId) -> None:
        for key in [key for key in self._tx.tables.progress if key[0] == user_id]:
            del self._tx.tables.progress[key]


class MemoryPlaybackSessions:
    def __init__(self, tx: MemoryUnitOfWork) -> None:
        self._tx = tx

    async def count_active(self, user_id: UserId) -> int:
        return sum(
            session.user_id == user_id and session.state is SessionState.ACTIVE
            for session in self._tx.tables.playback_sessions.values()
        )

    async def get(self, session_id: PlaybackSessionId) -> PlaybackSession:
        if session_id not in self._tx.tables.playback_sessions:
            raise NotFound("playback session not found")
        return copy.deepcopy(self._tx.tables.playback_sessions[session_id])

    async def find_active(self, user_id: UserId, media: MediaRef) -> PlaybackSession | None:
        return self._latest(user_id, media, active=True)

    async def find_latest(self, user_id: UserId, media: MediaRef) -> PlaybackSession | None:
        return self._latest(user_id, media, active=False)

    def _latest(self, user_id: UserId, media: MediaRef, *, active: bool) -> PlaybackSession | None:
        found = [
            session
            for session in self._tx.tables.playback_sessions.values()
            if session.user_id == user_id
            and session.media == media
            and (not active or session.state is SessionState.ACTIVE)
        ]
        return copy.deepcopy(max(found, key=lambda session: session.id or 0)) if found else None

    async def list_silent(self, *, since: datetime, limit: int) -> list[PlaybackSession]:
        silent = [
            session
            for session in self._tx.tables.playback_sessions.values()
            if session.state is SessionState.ACTIVE and session.heartbeat_at < since
        ]
        return copy.deepcopy(sorted(silent, key=lambda session: session.heartbeat_at)[:limit])

    async def save(self, session: PlaybackSession) -> PlaybackSessionId:
        return PlaybackSessionId(self._tx.save(self._tx.tables.playback_sessions, session))


class MemoryPlaybackDebug:
    def __init__(self, tx: MemoryUnitOfWork) -> None:
        self._tx = tx

    async def open(self, session_id: PlaybackSessionId, debug: PlaybackDebug) -> None:
        self._tx.tables.playback_debug[session_id] = copy.deepcopy(debug)

    async def find(self, session_id: PlaybackSessionId) -> PlaybackDebug | None:
        return copy.deepcopy(self._tx.tables.playback_debug.get(session_id))

    async def note_playlist(self, session_id: PlaybackSessionId, master_playlist: str) -> None:
        records = self._tx.tables.playback_debug
        if session_id in records:
            records[session_id] = replace(records[session_id], master_playlist=master_playlist)

    async def note_problem(self, session_id: PlaybackSessionId, problem: PlaybackProblem) -> None:
        records = self._tx.tables.playback_debug
        if session_id in records:
            problems = (*records[session_id].problems, problem)[-MAX_PROBLEMS:]
            records[session_id] = replace(records[session_id], problems=problems)

    async def drop_opened(self, *, before: datetime) -> None:
        tables = self._tx.tables
        tables.playback_debug = {k: d for k, d in tables.playback_debug.items() if d.opened_at >= before}


class MemoryTasks:
    def __init__(self, tx: MemoryUnitOfWork) -> None:
        self._tx = tx

    async def get_for_update(self, task_id: TaskId) -> Task:
        if task_id not in self._tx.tables.tasks:
            raise NotFound("task not found")
        return copy.deepcopy(self._tx.tables.tasks[task_id])

    async def find_active(self, type: TaskType, subject: str) -> Task | None:
        for task in self._tx.tables.tasks.values():
            if (task.type, task.subject) == (type, subject) and not task.is_over:
                return copy.deepcopy(task)
        return None

    async def save(self, task: Task) -> TaskId:
        active = await self.find_active(task.type, task.subject)
        is_active = task.status in (TaskStatus.PENDING, TaskStatus.RUNNING)
        if is_active and active is not None and active.id != task.id:
            raise Conflict("this is already under way")
        return TaskId(self._tx.save(self._tx.tables.tasks, task))
