"""What signing in needs from the world outside."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from odeion.application.shared.settings import SettingRepository
from odeion.application.shared.unit_of_work import Transaction
from odeion.application.shared.viewer import Viewer
from odeion.domain.identity import LoginSession, User
from odeion.domain.shared.ids import LoginSessionId, UserId


class UserRepository(Protocol):
    async def get(self, user_id: UserId) -> User:
        """Raises NotFound."""

    async def find_by_username(self, username: str) -> User | None:
        """Ignoring case."""

    async def any_exists(self) -> bool: ...

    async def lock_first_run(self) -> None:
        """Let only one transaction at a time make the first account."""

    async def save(self, user: User) -> UserId:
        """Insert or update. Raises Conflict for a taken name, StaleVersion."""


class LoginSessionRepository(Protocol):
    async def find_by_refresh_hash(self, refresh_hash: bytes) -> LoginSession | None:
        """By the current or the spent refresh token."""

    async def save(self, session: LoginSession) -> LoginSessionId:
        """Insert or update. Raises StaleVersion."""

    async def revoke_all(self, user_id: UserId, *, at: datetime) -> None:
        """End all of a user's sessions."""


class IdentityTx(Transaction, Protocol):
    @property
    def users(self) -> UserRepository: ...

    @property
    def login_sessions(self) -> LoginSessionRepository: ...

    @property
    def settings(self) -> SettingRepository: ...


class ViewerQueries(Protocol):
    async def find_viewer(self, user_id: UserId, session_id: LoginSessionId, *, at: datetime) -> Viewer | None:
        """The viewer behind a session that is neither revoked nor expired, of a user who is not locked."""


class PasswordHasher(Protocol):
    """Slow on purpose; runs beside the event loop with bounded concurrency."""

    async def hash(self, password: str) -> str: ...

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Does the same work for None (a user who does not exist, or has no password) and answers False."""

    def needs_rehash(self, password_hash: str) -> bool: ...


@dataclass(frozen=True, slots=True)
class SessionClaims:
    user_id: UserId
    session_id: LoginSessionId


class TokenCodec(Protocol):
    """Signs and reads session tokens (JWT)."""

    def issue(self, claims: SessionClaims, *, at: datetime, expires_at: datetime) -> str: ...

    def read(self, token: str, *, at: datetime) -> SessionClaims:
        """Raises Unauthorized for anything but an unexpired token of ours."""


class LoginThrottle(Protocol):
    """Slows guessing down, by account and by address; never locks for good."""

    async def admit(self, username: str, address: str) -> None:
        """Raises TooManyRequests with the seconds to wait."""

    async def failed(self, username: str, address: str) -> None: ...

    async def succeeded(self, username: str, address: str) -> None: ...
