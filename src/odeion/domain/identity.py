"""People: who they are, what they may do, and how they stay signed in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hmac import compare_digest

from odeion.domain.shared.errors import FieldError, Forbidden, Invalid, Unauthorized
from odeion.domain.shared.events import Event, RecordsEvents
from odeion.domain.shared.ids import LoginSessionId, UserId

# A session ends this long after its last refresh.
SESSION_LIFETIME = timedelta(days=30)

MIN_PASSWORD_LENGTH = 8
MAX_PASSWORD_LENGTH = 256

_USERNAME = re.compile(r"[\w.@+-]{1,64}")


class Role(StrEnum):
    """Each role includes the ones before it."""

    VIEWER = "viewer"
    CURATOR = "curator"
    MODERATOR = "moderator"
    ADMIN = "admin"

    def includes(self, other: Role) -> bool:
        """Whether this role may do what `other` may."""
        ladder = list(Role)
        return ladder.index(self) >= ladder.index(other)


@dataclass(frozen=True, slots=True, kw_only=True)
class UserCreated(Event):
    name = "user.created"
    username: str
    role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UserSignedIn(Event):
    name = "user.signed_in"
    user_id: int


def check_password_rules(password: str) -> None:
    """Raises Invalid for a password that is too short or too long to hash in bounded time."""
    if not MIN_PASSWORD_LENGTH <= len(password) <= MAX_PASSWORD_LENGTH:
        raise Invalid(
            "this password cannot be used",
            fields=[FieldError("body.password", f"{MIN_PASSWORD_LENGTH} to {MAX_PASSWORD_LENGTH} characters")],
        )


@dataclass(kw_only=True)
class User(RecordsEvents):
    """An account. `password_hash` is None for one that signs in some other way only."""

    id: UserId | None
    username: str
    display_name: str
    password_hash: str | None
    role: Role
    is_locked: bool = False
    created_at: datetime
    version: int = 1

    @classmethod
    def create(cls, *, username: str, password_hash: str | None, role: Role, at: datetime) -> User:
        """A new account. Raises Invalid for a name with other than letters, digits and `.@+-_`."""
        if not _USERNAME.fullmatch(username):
            raise Invalid(
                "this user name cannot be used",
                fields=[FieldError("body.username", "1 to 64 letters, digits, or one of . @ + - _")],
            )
        user = cls(
            id=None, username=username, display_name=username, password_hash=password_hash, role=role, created_at=at
        )
        user._record(UserCreated(at=at, username=username, role=role.value))
        return user

    def change_password(self, password_hash: str) -> None:
        self.password_hash = password_hash

    def require_may_sign_in(self) -> None:
        """Raises Forbidden for a locked account. Ask only after the password was right."""
        if self.is_locked:
            raise Forbidden("this account is locked")

    def signed_in(self, *, at: datetime) -> None:
        self._record(UserSignedIn(at=at, user_id=self.id or 0))


@dataclass(kw_only=True)
class LoginSession(RecordsEvents):
    """A signed-in device. Only hashes of its refresh tokens are kept: the current one and the one before, whose
    second use tells that somebody else has a copy."""

    id: LoginSessionId | None
    user_id: UserId
    refresh_hash: bytes
    spent_refresh_hash: bytes | None = None
    user_agent: str
    address: str
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None
    version: int = 1

    @classmethod
    def start(
        cls, *, user_id: UserId, refresh_hash: bytes, user_agent: str, address: str, at: datetime
    ) -> LoginSession:
        return cls(
            id=None,
            user_id=user_id,
            refresh_hash=refresh_hash,
            user_agent=user_agent[:400],
            address=address,
            created_at=at,
            last_used_at=at,
            expires_at=at + SESSION_LIFETIME,
        )

    def is_over(self, *, at: datetime) -> bool:
        return self.revoked_at is not None or at >= self.expires_at

    def rotate(self, *, presented_hash: bytes, next_hash: bytes, address: str, at: datetime) -> bool:
        """Exchange the refresh token for the next one. Answers False, and ends the session, when a spent one is
        presented. Raises Unauthorized for a session that is over."""
        if self.is_over(at=at):
            raise Unauthorized("this session has ended; sign in again")
        if not compare_digest(presented_hash, self.refresh_hash):
            self.revoke(at=at)
            return False
        self.spent_refresh_hash, self.refresh_hash = self.refresh_hash, next_hash
        self.last_used_at, self.address = at, address
        self.expires_at = at + SESSION_LIFETIME
        return True

    def revoke(self, *, at: datetime) -> None:
        """End it; its JWTs are refused from the next request on."""
        if self.revoked_at is None:
            self.revoked_at = at
